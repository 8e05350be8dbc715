"""The audit's vocabulary is closed: each act is a member, is used, and has words in both languages."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from broadcaster.domain.audit_acts import Act
from broadcaster.runtime.i18n import words

ROOT = Path(__file__).resolve().parents[3] / "broadcaster"
SOURCES = sorted(ROOT.rglob("*.py"))
WORDS = ("staff.act.", "staff.audit.act.")
"""Prefixes of the words of acts in the catalogue."""


def is_append(node: ast.expr) -> bool:
    """Tell whether a node names `audit.append`."""
    return (
        isinstance(node, ast.Attribute)
        and node.attr == "append"
        and isinstance(node.value, ast.Name)
        and node.value.id == "audit"
    )


def appended_acts(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield the act of every call of `audit.append`, including those through `Database.write`."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if is_append(node.func):
            yield node.args[2]
        for place, argument in enumerate(node.args):
            if is_append(argument):
                yield node.args[place + 2]


def plain_strings(source: str) -> list[int]:
    """Return the lines that append a plain string in place of a member of Act."""
    return [
        act.lineno
        for act in appended_acts(ast.parse(source))
        if any(isinstance(part, ast.Constant | ast.JoinedStr) for part in branches(act))
    ]


def branches(node: ast.expr) -> list[ast.expr]:
    """Return the expressions that this one may evaluate to."""
    if isinstance(node, ast.IfExp):
        return [*branches(node.body), *branches(node.orelse)]
    return [node]


@pytest.mark.parametrize(
    "source",
    [
        'audit.append(connection, actor, "edit", "a1")',
        'audit.append(connection, actor, f"approve_{change}", "a1")',
        'audit.append(connection, actor, Act.EDIT if new else "create", "a1")',
        'await app.database.write(audit.append, actor, "edit", "a1", code="X")',
    ],
)
def test_a_plain_string_is_found(source: str) -> None:
    assert plain_strings(source) == [1]


def test_no_act_is_appended_as_a_plain_string() -> None:
    lines_by_path = {str(path): plain_strings(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {path: lines for path, lines in lines_by_path.items() if lines} == {}
    acts = [
        act
        for path in SOURCES
        for act in appended_acts(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert len(acts) > 50, "the calls are recognised at all"


def test_nothing_but_append_writes_rows_of_the_log() -> None:
    writers = [
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if re.search(r"\b(insert|update|delete)\(audit\b", path.read_text(encoding="utf-8"))
    ]
    assert writers == ["store/audit.py"]


def test_every_act_is_used() -> None:
    used = {
        node.attr
        for path in SOURCES
        if path != ROOT / "domain" / "audit_acts.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "Act"
    }
    assert set(Act.__members__) - used == set()
    assert used - set(Act.__members__) == set()


def test_no_two_acts_share_a_value() -> None:
    assert len({act.value for act in Act.__members__.values()}) == len(Act.__members__)


def test_every_act_says_in_one_line_what_it_means() -> None:
    members = re.findall(r'^    ([A-Z_]+) = "[a-z_-]+"(  # .+)?$', inspect.getsource(Act), re.M)
    assert {name for name, _meaning in members} == set(Act.__members__)
    assert [name for name, meaning in members if not meaning] == []


@pytest.mark.parametrize("lang", ["id", "en"])
def test_every_act_has_words_and_no_words_are_of_no_act(lang: str) -> None:
    keys = words(lang).keys
    known = {key.removeprefix(prefix) for prefix in WORDS for key in keys if key.startswith(prefix)}
    assert known == {act.value for act in Act}
