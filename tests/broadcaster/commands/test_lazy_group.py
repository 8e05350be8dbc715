"""The table of commands: every command with the summary of its own help."""

import pytest
import typer

from broadcaster.cli import ENTRIES, program


@pytest.mark.parametrize("name", ENTRIES)
def test_the_summary_is_the_first_sentence_of_the_commands_own_help(name: str) -> None:
    group = typer.main.get_command(program)
    command = group.commands[name]  # type: ignore[attr-defined]
    assert command.get_short_help_str(limit=1000) == ENTRIES[name].summary
    assert command.hidden == ENTRIES[name].hidden
