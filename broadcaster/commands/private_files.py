"""Files that hold addresses in clear text."""

import os
from pathlib import Path
from typing import Annotated, TextIO

import typer

from broadcaster.commands.errors import Failed

FORCE = Annotated[bool, typer.Option("--force", help="Timpa berkas yang sudah ada.")]


def refuse_existing(file: Path | None, *, force: bool) -> None:
    """Raise Failed if writing would overwrite a file with content; call before any other effect."""
    if file is not None and not force and file.is_file() and file.stat().st_size:
        raise Failed(f"{file} sudah ada. Pilih nama lain, atau timpa dengan --force.")


def private(file: Path, *, force: bool = False) -> TextIO:
    """Open a file for writing, readable by its owner only.

    Raises Failed if it exists and not `force`, or cannot be written.
    """
    refuse_existing(file, force=force)
    try:
        opened_file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise Failed(f"{file} tidak dapat ditulis. Periksa nama, folder, dan izinnya.") from error
    if file.is_file():
        os.fchmod(opened_file, 0o600)
    return os.fdopen(opened_file, "w", encoding="utf-8", newline="")
