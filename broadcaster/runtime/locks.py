"""Locks of one machine: a single `demo` or `run` per data folder, and file locks that prove
which workers are alive.
"""

import fcntl
import os
import re
from pathlib import Path
from types import TracebackType
from typing import Self


class CannotStart(Exception):
    """A part of the program cannot start; the message gives the reason and the remedy."""


class DataFolder:
    """Lock on the data folder, for one `demo` or `run` at a time: `with DataFolder(path) as
    folder`. Raises CannotStart.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    def __enter__(self) -> Path:
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 20).decode(errors="replace").strip() or "lain"
            os.close(lock)
            remedy = (
                "Hentikan itu, atau pilih folder lain "
                "(BROADCASTER_DATA_DIR, atau --data untuk demo)."
            )
            raise CannotStart(
                f"Folder data {self.path} sedang dipakai oleh proses {holder}. {remedy}"
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        self._lock = lock
        return self.path

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class WorkerLock:
    """A file lock that proves that the holder of leases named `owner` is alive: taken on
    creation, held until `release` or death.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = _lock_path(folder, owner)
        fresh = self.path.with_suffix(".new")
        # locked before it gets its name: nobody ever finds it free while its owner lives
        self._lock: int | None = os.open(fresh, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        fresh.rename(self.path)

    def release(self) -> None:
        """Release the lock: from now on the owner counts as dead."""
        if self._lock is not None:
            self.path.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def is_dead(folder: Path, owner: str) -> bool:
    """True if the process that took leases as `owner` has ended: its lock is free or missing."""
    try:
        lock = os.open(_lock_path(folder, owner), os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def forget_dead(folder: Path) -> int:
    """Remove the locks of dead processes; returns how many."""
    dead = (
        [path for path in folder.glob("*.lock") if is_dead(folder, path.stem)]
        if folder.exists()
        else []
    )
    for path in dead:
        path.unlink(missing_ok=True)
    return len(dead)


def _lock_path(folder: Path, owner: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", owner):
        raise ValueError(f"no name of an owner: {owner!r}")
    return folder / f"{owner}.lock"
