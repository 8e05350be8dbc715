"""`--json`: every command that has a result prints it as one document, and nothing else with it."""

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from broadcaster.cli import program

NO_RESULT = {
    "demo": "serves until it is stopped",
    "run": "serves until it is stopped",
    "web": "serves until it is stopped",
    "worker": "serves until it is stopped",
    "providers": "serves until it is stopped",
    "subscribers export": "writes a file: the CSV that the import reads",
    "audit export": "writes a file: a JSON object a line, or CSV",
}
"""Commands without `--json`, and why."""


def commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command with the words that name it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*before, name))
        else:
            yield " ".join((*before, name)), command


ALL = dict(commands(typer.main.get_command(program)))


@pytest.mark.parametrize("name", ALL)
def test_a_command_either_prints_json_or_has_no_result(name: str) -> None:
    options = {option for parameter in ALL[name].params for option in parameter.opts}
    assert ("--json" in options) != (name in NO_RESULT)


def test_the_list_of_commands_without_a_result_names_real_ones() -> None:
    assert NO_RESULT.keys() <= ALL.keys()
