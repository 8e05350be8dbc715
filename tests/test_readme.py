"""The README is true: every path, command, setting and module it names exists, and no setting is
left out.
"""

import ast
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from broadcaster import cli
from broadcaster.runtime import config, settings

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
QUOTED = sorted(set(re.findall(r"(?<!`)`([^`\n]+)`(?!`)", TEXT)))
PLACEHOLDER = re.compile(r"<\w+>|\bFILE\b|\bID\b|\bN\b|\bX\b")


def line_after(mark: str) -> str:
    """Return the only line of the code block that follows a mark."""
    (block,) = re.findall(rf"<!-- {mark} -->\n```sh\n(.*?)\n```", TEXT, re.DOTALL)
    assert "\n" not in block, "one pasteable line"
    return str(block)


def variables() -> set[str]:
    """Return the name of every setting."""
    own = {settings.variable(name) for name in settings.Settings.model_fields}
    for module in config.channel_modules().values():
        fields = {
            name: field for name, field in module.Settings.model_fields.items() if name != "site"
        }
        own |= {
            module.Settings.prefix + (field.alias or name).upper() for name, field in fields.items()
        }
    return own


def is_path(text: str) -> bool:
    """True if a quotation is meant as a path of the project."""
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
    typed = iter(shlex.split(text)[1:])
    for word in typed:
        if word.startswith("--"):
            options = {option: known for known in command.params for option in known.opts}
            assert word in options, text
            if hasattr(command, "commands") and not options[word].is_flag:  # type: ignore[attr-defined]
                next(typed)
        elif hasattr(command, "commands"):
            assert word in command.commands, text
            command = command.commands[word]


def test_every_existing_command_is_named() -> None:
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
        topics=settings.TOPICS,
        channels=(),
        now=datetime.now(UTC),
    )


def test_it_names_all_that_is_missing_honestly() -> None:
    missing = TEXT[TEXT.index("## Not there yet") :]
    routes = (ROOT / "broadcaster/web/routes.py").read_text(encoding="utf-8")
    for word, route in (("board", "/papan"), ("CAP feeds", "/cap/")):
        assert (word in missing) != (route in routes)


def test_ci_and_make_run_the_same_linters() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = makefile[makefile.index("\ncheck:") : makefile.index("\nfast:")]
    linters = re.findall(r"^\t\$\(BIN\)/(.+)$", recipe, re.MULTILINE)
    of_ci = re.findall(r'^"\$bin/((?!python").+)$', script, re.MULTILINE)
    assert linters == [line.replace('"', "") for line in of_ci]
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    entries = [hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]]
    programs = [entry.removeprefix(".venv-test/bin/").split()[0] for entry in entries]
    assert programs == [linter.split()[0] for linter in linters]


# --- the pages beside the code ------------------------------------------------------------------

PAGES = (
    "CONTRIBUTING.md",
    "broadcaster/README.md",
    "channels/README.md",
    "subscribers/README.md",
)
PLACE = re.compile(r"([\w./-]+\.\w+|[\w./-]+/)(?::(\w+))?")
"""A path with a suffix or a slash at its end, and a name within it where one follows."""


def places(page: str) -> list[tuple[str, str]]:
    """Return the paths that a page quotes, each with the name within it or an empty text."""
    text = (ROOT / page).read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return [
        (match[1], match[2] or "")
        for quotation in re.findall(r"`([^`\n]+)`", text)
        if (match := PLACE.fullmatch(quotation))
    ]


def located(page: str, path: str) -> Path | None:
    """Return the file or folder that a page means: from its own folder, else from the root."""
    folders = ((ROOT / page).parent, ROOT)
    return next((folder / path for folder in folders if (folder / path).exists()), None)


def names_in(path: Path) -> set[str]:
    """Return the names that a module defines at its top."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


@pytest.mark.parametrize("page", PAGES)
def test_every_path_and_name_of_a_page_exists(page: str) -> None:
    assert len(places(page)) > 10
    for path, name in places(page):
        file = located(page, path)
        assert file is not None, f"{page} names {path}"
        assert not name or name in names_in(file), f"{page} names {path}:{name}"


@pytest.mark.parametrize("page", PAGES)
def test_every_command_to_make_exists(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    text = (ROOT / page).read_text(encoding="utf-8") + TEXT
    named = re.findall(r"`[^`\n]*?\bmake ([a-z ]+)[^`\n]*`", text)
    assert {target for targets_of_one in named for target in targets_of_one.split()} <= targets


def test_the_rooms_are_drawn_as_import_linter_holds_them() -> None:
    text = (ROOT / "broadcaster/README.md").read_text(encoding="utf-8")
    (drawing,) = re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    drawn: list[str] = []
    for line in drawing.splitlines():
        room = re.match(r"    (\w+)/ ", line)
        assert room is None or (ROOT / "broadcaster/web" / room[1]).is_dir()
        if room is None:
            names = re.match(r"(?:(?:\w+\.py|\w+/)[ |]+)+", line)
            assert names is not None, line
            drawn += re.findall(r"\w+(?=\.py|/)", names[0])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (floors,) = [
        contract["layers"]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract.get("containers") == ["broadcaster"]
    ]
    assert drawn == [room for floor in floors for room in floor.split(" | ")]
