"""Files that hold addresses in clear."""

import os
from pathlib import Path
from typing import Annotated, TextIO

import typer

from broadcaster.commands.errors import Failed

FORCE = Annotated[bool, typer.Option("--force", help="Timpa berkas yang sudah ada.")]


def refuse_existing(file: Path | None, *, force: bool) -> None:
    """Raise Failed where writing would overwrite what somebody kept; ask before anything is noted
    or done.
    """
    if file is not None and not force and file.is_file() and file.stat().st_size:
        raise Failed(f"{file} sudah ada. Pilih nama lain, atau timpa dengan --force.")


def private(file: Path, *, force: bool = False) -> TextIO:
    """The file for writing, readable by its owner alone; raises Failed where it is there already
    and not `force`.
    """
    refuse_existing(file, force=force)
    try:
        opened_file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise Failed(f"{file} tidak dapat ditulis. Periksa nama, folder, dan izinnya.") from error
    if file.is_file():
        os.fchmod(opened_file, 0o600)
    return os.fdopen(opened_file, "w", encoding="utf-8", newline="")
