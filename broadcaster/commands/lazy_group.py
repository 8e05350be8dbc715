"""Command group that imports a command's module only when the command runs."""

import gc
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, ClassVar

import typer
from typer._click import Command, Context, HelpFormatter
from typer.core import TyperCommand, TyperGroup

MARGIN = 6
"""Columns of a help line used by neither the command's name nor its summary."""


@dataclass(frozen=True, kw_only=True)
class CommandEntry:
    """Command whose function or group is `target`, "module:name" within `commands`.

    `summary` repeats the first sentence of its help, so that the list needs no import.
    """

    target: str
    summary: str
    hidden: bool = False

    def load(self, name: str) -> Command:
        """Import the module and build the command."""
        module, _, attribute = self.target.partition(":")
        content: Any = getattr(_import(f"broadcaster.commands.{module}"), attribute)
        parent = typer.Typer(rich_markup_mode=None, add_completion=False)
        parent.callback()(_nothing)  # makes it a group, even with a single command
        if isinstance(content, typer.Typer):
            parent.add_typer(content, name=name)
        else:
            parent.command(name, hidden=self.hidden)(content)
        group: Any = typer.main.get_command(parent)
        command: Command = group.commands[name]
        return command


def _import(name: str) -> ModuleType:
    """Import a module without the garbage collector, which would find nothing and take a tenth of
    the time; what was imported is left out of later collections.
    """
    if name in sys.modules:
        return sys.modules[name]
    enabled = gc.isenabled()
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def _nothing() -> None:
    """Callback of a group that has no options."""


class Commands(Mapping[str, Command]):
    """Commands by name, each built on first use."""

    def __init__(self, entries: Mapping[str, CommandEntry]) -> None:
        self._entries = entries
        self._built: dict[str, Command] = {}

    def __getitem__(self, name: str) -> Command:
        if name not in self._built:
            self._built[name] = self._entries[name].load(name)
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class LazyGroup(TyperGroup):
    """Group of `entries`; its help uses only their summaries."""

    entries: ClassVar[Mapping[str, CommandEntry]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = Commands(self.entries)  # type: ignore[assignment]

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        visible = {name: entry for name, entry in self.entries.items() if not entry.hidden}
        limit = formatter.width - MARGIN - max(map(len, visible))
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, TyperCommand(name, help=entry.summary).get_short_help_str(limit))
                    for name, entry in visible.items()
                ]
            )
