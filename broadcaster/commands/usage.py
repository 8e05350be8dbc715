"""Usage errors as one line of Indonesian; the library's own messages are English and take several
lines.
"""

import re
from typing import Any

import typer
from typer._click.exceptions import (
    NoArgsIsHelpError as NoArguments,
)  # a group called without a command
from typer._click.exceptions import UsageError

__all__ = ["NoArguments", "UsageError", "sentence"]

_NUMBER = re.compile("valid (integer|float|number)|unable to parse")


def sentence(error: UsageError) -> str:
    """Return the error and a pointer to the help."""
    where = error.ctx.command_path if error.ctx is not None else "broadcaster"
    return f"{_problem(error)} Lihat: {where} --help"


def _problem(error: Any) -> str:
    kind, text = type(error).__name__, error.format_message()
    if kind == "NoSuchOption":
        near = (
            f" Maksud Anda {', '.join(sorted(error.possibilities))}?" if error.possibilities else ""
        )
        return f"Pilihan {error.option_name} tidak dikenal.{near}"
    if kind == "MissingParameter":
        return f"{_name(error)} belum diisi."
    if kind == "BadOptionUsage":
        return f"Pilihan {error.option_name} perlu isi, atau tidak boleh berisi."
    if isinstance(error, typer.BadParameter):
        return (
            f"{_name(error)}: harus bilangan."
            if _NUMBER.search(text)
            else f"{_name(error)}: {error.message}"
        )
    if match := re.search(r"No such command '(.*?)'", text):
        return f"Perintah {match[1]} tidak ada."
    if match := re.search(r"unexpected extra argument\S* \((.*)\)", text):
        return f"Ada kata yang berlebih: {match[1]}."
    return str(text)


def _name(error: Any) -> str:
    """Return the argument or option that the error is about."""
    if error.param is None:
        return str(error.param_hint or "Perintah")
    return (
        str(max(error.param.opts, key=len))
        if error.param.param_type_name == "option"
        else f"Argumen {error.param.name.upper()}"
    )
