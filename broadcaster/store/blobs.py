"""Files uploaded by staff, in a local folder or an S3-compatible store, with the same four
operations.

obstore 0.12 does not replace the folder: strace shows its put as open and rename without fsync (0.9
ms; with the three fsyncs here 6.5 ms), so a loss of power can lose a file that was reported as
stored. It also leaves files readable by all (0644) and emptied folders behind.
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
"""Threads that wait for the disk: reads triggered by the public delay nothing but each other."""
_NAME = re.compile(r"[a-z0-9]{1,64}/[a-z0-9]{1,32}\.[a-z]{1,8}")


class Depot(Protocol):
    """Files by name ("<folder>/<file>.<ext>", lower case); each is written once and never changes.
    All methods raise StoreDown.
    """

    async def put(self, name: str, body: bytes) -> None:
        """Store a file durably: it survives a loss of power once this returns. A name always has
        the same bytes.
        """

    async def get(self, name: str) -> bytes | None:
        """Return a file's bytes; None if it does not exist."""

    async def delete(self, name: str) -> None:
        """Delete a file, if it exists."""

    async def aclose(self) -> None:
        """Close connections."""


class FolderDepot:
    """Files in a folder, each written beside its final name and then renamed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def put(self, name: str, body: bytes) -> None:
        """Write, sync and rename. Raises StoreDown."""
        await _run(_write, self._path(name), body)

    async def get(self, name: str) -> bytes | None:
        """Read. Raises StoreDown."""
        return await _run(_read, self._path(name))

    async def delete(self, name: str) -> None:
        """Delete the file, and its folder if empty. Raises StoreDown."""
        await _run(_remove, self._path(name))

    async def aclose(self) -> None:
        """Do nothing: no file stays open."""

    def _path(self, name: str) -> Path:
        """Return the path of a name. Raises ValueError for a name that could lead elsewhere."""
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
    """Make a new name in the folder durable."""
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
    with contextlib.suppress(OSError):  # not empty, or already gone
        path.parent.rmdir()
