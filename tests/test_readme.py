"""The README is true: every path, command, setting and module it names exists, and no setting goes
unsaid.
"""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from broadcaster import cli
from broadcaster.runtime import config

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
QUOTED = sorted(set(re.findall(r"(?<!`)`([^`\n]+)`(?!`)", TEXT)))
PLACEHOLDER = re.compile(r"<\w+>|\bFILE\b|\bID\b|\bN\b|\bX\b")


def line_after(mark: str) -> str:
    """The one line of the code block that follows a mark."""
    (block,) = re.findall(rf"<!-- {mark} -->\n```sh\n(.*?)\n```", TEXT, re.DOTALL)
    assert "\n" not in block, "one pasteable line"
    return str(block)


def variables() -> set[str]:
    """The name of every setting there is."""
    own = {config.variable(name) for name in config.Settings.model_fields}
    for module in config.channel_modules().values():
        fields = {
            name: field for name, field in module.Settings.model_fields.items() if name != "site"
        }
        own |= {
            module.Settings.prefix + (field.alias or name).upper() for name, field in fields.items()
        }
    return own


def is_path(text: str) -> bool:
    """Whether a quotation is meant as a path of the project."""
    return (
        bool(re.fullmatch(r"[\w./-]+", text))
        and ("/" in text.strip("/") or text.endswith((".md", ".yaml")))
        and text[0] not in "/"
    )


@pytest.mark.parametrize("path", [text for text in QUOTED if is_path(text)])
def test_every_path_it_names_exists(path: str) -> None:
    assert (ROOT / path).exists()


def test_the_paths_are_found_in_its_text() -> None:
    assert {
        "broadcaster/domain/retry_policy.py",
        "subscribers/cimahi.json",
        "templates/whatsapp/",
        ".ci/run",
    } <= set(QUOTED)


@pytest.mark.parametrize("text", [text for text in QUOTED if text.startswith("broadcaster ")])
def test_every_command_it_names_exists_with_its_options(text: str) -> None:
    command = get_command(cli.program)
    for word in shlex.split(text)[1:]:
        if word.startswith("--"):
            assert word in {option for parameter in command.params for option in parameter.opts}, (
                text
            )
        elif hasattr(command, "commands"):
            assert word in command.commands, text
            command = command.commands[word]


def test_every_command_there_is_is_named() -> None:
    known = get_command(cli.program).commands  # type: ignore[attr-defined]
    unnamed = [
        name
        for name, command in known.items()
        if not command.hidden and f"broadcaster {name}" not in TEXT
    ]
    assert unnamed == []


def test_every_setting_is_documented_and_every_documented_one_exists() -> None:
    table = TEXT[TEXT.index("## Settings") : TEXT.index("## Words")]
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", table))
    assert named == variables()


def test_what_a_channel_requires_bears_a_star() -> None:
    for module in config.channel_modules().values():
        for name in module.Settings.required:
            field = module.Settings.model_fields[name]
            variable = module.Settings.prefix + (field.alias or name).upper()
            assert f"`{variable}` *" in TEXT


def test_a_named_function_exists_in_the_named_module() -> None:
    source = (ROOT / "channels/whatsapp.py").read_text(encoding="utf-8")
    assert "def render(" in source
    assert "def send(" in source


def test_both_commands_need_nothing_but_python_with_venv() -> None:
    for mark, last in (
        ("demo", ".venv/bin/broadcaster demo"),
        ("tests", ".venv-test/bin/python -m pytest -q"),
    ):
        steps = line_after(mark).split(" && ")
        assert steps[0].startswith("python3 -m venv ")
        assert steps[-1] == last
        assert all(step.startswith(".venv") for step in steps[1:])


def test_ci_calls_the_test_command_of_the_readme() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    assert "<!-- tests -->" in script
    assert 'bash -ceu "$command"' in script


def test_the_sample_announcement_may_be_published() -> None:
    from datetime import UTC, datetime

    from broadcaster.domain.front_matter import parse
    from broadcaster.domain.rules import examine
    from subscribers.areas import AreaTree

    (sample,) = re.findall(r"```markdown\n(.*?)```", TEXT, re.DOTALL)
    examine(
        parse(sample),
        tree=AreaTree.built_in(),
        topics=config.TOPICS,
        channels=(),
        now=datetime.now(UTC),
    )


def test_it_names_all_that_is_missing_honestly() -> None:
    missing = TEXT[TEXT.index("## Not there yet") :]
    routes = (ROOT / "broadcaster/web/routes.py").read_text(encoding="utf-8")
    for word, route in (("board", "/papan"), ("CAP feeds", "/cap/")):
        assert (word in missing) != (route in routes)
