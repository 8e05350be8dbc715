"""State numbers are named constants, in SQL and in Python alike."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
MIGRATIONS = "broadcaster/store/migrations/versions"
"""Tables as they were at that version: today's constants must not change them."""
SOURCES = sorted(
    path
    for package in ("broadcaster", "channels", "subscribers")
    for path in (ROOT / package).rglob("*.py")
    if MIGRATIONS not in path.as_posix()
)
NUMBERS = r"-?\d"
IN_SQL = re.compile(
    rf"\b(\w+\.)?\w*state\s*(=|<>|!=|<|>|<=|>=|(NOT\s+)?IN\s*\()\s*{NUMBERS}"
    rf"|coalesce\(\s*(\w+\.)?\w*state,\s*{NUMBERS}",
    re.IGNORECASE,
)


def is_state(node: ast.expr) -> bool:
    """Return whether this names the state of a row."""
    name = (
        node.attr
        if isinstance(node, ast.Attribute)
        else node.id
        if isinstance(node, ast.Name)
        else ""
    )
    return name == "state" or name.endswith("_state")


def is_number(node: ast.expr) -> bool:
    """Return whether this is a bare number, or several."""
    if isinstance(node, ast.UnaryOp):
        return is_number(node.operand)
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return any(map(is_number, node.elts))
    return isinstance(node, ast.Constant) and type(node.value) is int


def is_bare(node: ast.AST) -> bool:
    """Return whether this compares a state with a bare number, or sets it to one."""
    match node:
        case ast.Constant(value=str(text)):
            return IN_SQL.search(text) is not None
        case ast.Compare(left=left, comparators=others):
            sides = [left, *others]
            return any(map(is_state, sides)) and any(map(is_number, sides))
        case ast.Call(func=ast.Attribute(value=value, attr="in_" | "not_in"), args=values):
            return is_state(value) and any(map(is_number, values))
        case ast.keyword(arg=str(name), value=value):
            return name in ("state", "b_state") and is_number(value)
    return False


def bare_states(source: str) -> Iterator[int]:
    """Yield the lines of a source on which a number stands for a state."""
    for node in ast.walk(ast.parse(source)):
        if is_bare(node):
            yield getattr(node, "lineno", 0)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_bare_number_stands_for_a_state(path: Path) -> None:
    assert list(bare_states(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        'text("UPDATE delivery SET state = 2 WHERE slot = :slot")',
        'text(f"{head} WHERE d.state IN (0, 1)")',
        'text("SELECT 1 FROM address a WHERE a.state <> 1")',
        'text("SELECT coalesce(a.state, -1) FROM address a")',
        "select(delivery).where(delivery.c.state == 3)",
        "select(delivery).where(delivery.c.state.in_((0, 1)))",
        "update(delivery).values(state=9)",
        "row.address_state != 1",
        "2 == row.state",
    ],
)
def test_a_bare_number_is_found(source: str) -> None:
    assert list(bare_states(source)) == [1]


@pytest.mark.parametrize(
    "source",
    [
        'text(f"UPDATE delivery SET state = {SENT}, due_at = 0")',
        'text("SELECT 1 FROM run WHERE state = :state AND n_sending > 0")',
        "select(delivery).where(delivery.c.state == SENT)",
        'select(run).where(run.c.state.in_(("running", "done")))',
        "answer(status=200)",
        "change[row.state] -= 1",
    ],
)
def test_names_and_other_numbers_pass(source: str) -> None:
    assert list(bare_states(source)) == []
