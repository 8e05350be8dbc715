"""Files that staff upload, in a folder of this machine or in an S3-compatible store; the same four
acts.

obstore 0.12 does not replace the folder: strace shows its put as open and rename without fsync (0.9
ms; with the three fsyncs here 6.5 ms), so a loss of power can lose a file that was reported kept.
It also leaves files readable by all (0644) and emptied folders behind.
"""

import asyncio
import contextlib
import os
import re
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from broadcaster.store.s3 import StoreDown

P = ParamSpec("P")
T = TypeVar("T")

_files = ThreadPoolExecutor(max_workers=2, thread_name_prefix="files")
"""Threads that wait for the disk: strangers choose which pictures are read, and hold up nothing but
each other.
"""
_NAME = re.compile(r"[a-z0-9]{1,64}/[a-z0-9]{1,32}\.[a-z]{1,8}")


class Depot(Protocol):
    """Files by name ("<folder>/<file>.<ext>", lower case); each is written once and never changes.
    All raise StoreDown.
    """

    async def put(self, name: str, body: bytes) -> None:
        """Keep a file: once this returns it outlives a loss of power. The same name again holds the
        same bytes.
        """

    async def get(self, name: str) -> bytes | None:
        """A file's bytes; None where there is none."""

    async def delete(self, name: str) -> None:
        """Take a file away, if it is there."""

    async def aclose(self) -> None:
        """Close what is open."""


class FolderDepot:
    """Files in a folder, each written beside its place and moved there whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def put(self, name: str, body: bytes) -> None:
        """Write, sync, move. Raises StoreDown."""
        await _run(_write, self._path(name), body)

    async def get(self, name: str) -> bytes | None:
        """Read. Raises StoreDown."""
        return await _run(_read, self._path(name))

    async def delete(self, name: str) -> None:
        """Remove; the last file takes its folder along. Raises StoreDown."""
        await _run(_remove, self._path(name))

    async def aclose(self) -> None:
        """Nothing is open."""

    def _path(self, name: str) -> Path:
        """The one place of a name; raises ValueError for a name that could lead elsewhere."""
        if not _NAME.fullmatch(name):
            raise ValueError("not a name of a depot")
        return self.folder / name


async def _run(act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return await asyncio.get_running_loop().run_in_executor(
            _files, lambda: act(*args, **kwargs)
        )
    except OSError as error:
        raise StoreDown(error.strerror or type(error).__name__) from error


def _write(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    for folder in (path.parent, path.parent.parent):
        _sync(folder)


def _sync(folder: Path) -> None:
    """A new name outlives a loss of power once its folder is on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty, or gone already
        path.parent.rmdir()
