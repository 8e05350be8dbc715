"""Shape of the code: two arrows, one file a channel, small pieces, names where they belong."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("broadcaster", "channels", "subscribers")
FUNCTION_LINES = 50
FILE_LINES = 400
GENERATED = "broadcaster/store/migrations/versions"
"""Folder of generated tables as they were at a version: read once, never edited."""
SOURCES = sorted(
    path
    for name in PACKAGES
    for path in (ROOT / name).rglob("*.py")
    if GENERATED not in path.as_posix()
)
CHANNELS = sorted(path.stem for path in (ROOT / "channels").glob("*.py") if path.stem != "__init__")
PUSH = ("whatsapp", "telegram", "email")


def named(path: Path) -> str:
    """Return a source's path within the project."""
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function of a source."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_imports_keep_their_contracts() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_nothing_but_channels_lies_directly_in_channels() -> None:
    for name in CHANNELS:
        source = (ROOT / "channels" / f"{name}.py").read_text(encoding="utf-8")
        assert "class Settings(ChannelSettings)" in source, (
            f"channels/{name}.py is no channel: helpers go to channels/base/"
        )
        assert "\ndef open_channel(" in source
    assert (ROOT / "channels" / "__init__.py").read_text() == ""


def test_every_push_channel_has_its_templates_test_and_golden_messages() -> None:
    for name in PUSH:
        assert (ROOT / "templates" / name).is_dir()
        assert (ROOT / "tests" / "channels" / f"test_{name}.py").is_file()
        assert any((ROOT / "tests" / "channels" / "golden" / name).iterdir())


def test_no_package_lies_below_tests() -> None:
    assert [named(path) for path in (ROOT / "tests").rglob("__init__.py")] == []


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_files_and_functions_stay_small(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= FILE_LINES, f"{lines} lines"
    for function in functions(path):
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        assert length <= FUNCTION_LINES, f"{function.name}: {length} lines"


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_modules_and_public_functions_say_what_their_names_cannot(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if path.name == "__init__.py":
        return
    assert ast.get_docstring(tree), "the module has no docstring"
    for node in tree.body:
        if isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        ) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def _texts(tree: ast.AST) -> Iterator[str]:
    """Yield what may name a channel: texts, and imports from channels (the library's own `email` is
    another).
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("channels"):
            yield from (node.module or "").split(".")
            yield from (alias.name for alias in node.names)


LIBRARIES = {
    "broadcaster/runtime/logs.py": {"telegram"},
    "broadcaster/staff/oidc_claims.py": {"email"},
    "broadcaster/store/accounts.py": {"email", "telegram"},
    "broadcaster/store/staff_tables.py": {"email", "telegram"},
}
"""Names of libraries whose logs are quieted; a claim of OpenID Connect; columns of the addresses at
which staff are notified.
"""


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if "channels/" not in named(path)], ids=named
)
def test_no_other_package_knows_a_push_channel_by_name(path: Path) -> None:
    if (
        "broadcaster/simulation/" in named(path)
        or path == ROOT / "broadcaster" / "runtime" / "config.py"
    ):
        return  # the stand-ins speak each protocol; configuration has defaults
    channels = {
        text for text in _texts(ast.parse(path.read_text(encoding="utf-8"))) if text in PUSH
    }
    assert channels - LIBRARIES.get(named(path), set()) == set()


def _reads_environment(path: Path) -> bool:
    return any(
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in {("os", "environ"), ("os", "getenv"), ("os", "environb")}
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )


def test_only_config_reads_the_environment() -> None:
    assert [named(path) for path in SOURCES if _reads_environment(path)] == [
        "broadcaster/runtime/config.py"
    ]
    assert [
        named(path) for path in SOURCES if "from os import" in path.read_text(encoding="utf-8")
    ] == []


def test_only_the_queue_knows_arq() -> None:
    knowing = [
        named(path)
        for path in SOURCES
        if "import arq" in (text := path.read_text(encoding="utf-8")) or "from arq" in text
    ]
    assert knowing == ["broadcaster/runtime/queue.py"]


def test_no_source_has_a_todo_or_a_mock() -> None:
    for path in (*SOURCES, *(ROOT / "tests").rglob("*.py")):
        if path == Path(__file__):
            continue
        text = path.read_text(encoding="utf-8")
        for word in (
            "TODO",
            "FIXME",
            "XXX",
            "NotImplementedError",
            "unittest.mock",
            "monkeypatch.setattr",
        ):
            assert word not in text, f"{named(path)}: {word}"


def test_there_is_at_least_a_line_of_test_for_a_line_of_source() -> None:
    tests = sum(
        len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / "tests").rglob("*.py")
    )
    sources = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES)
    assert tests >= sources
