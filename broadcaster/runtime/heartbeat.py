"""Heartbeat of a worker on this machine: a file that it touches as long as it can look for work."""

import os
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

BEAT_SECONDS = 5.0
"""Least seconds between two touches of the file."""
SILENT_SECONDS = 30.0
"""Seconds without a heartbeat after which a worker hangs, or cannot read the database."""


def folder(database: str) -> Path:
    """Folder of the heartbeat files of the workers of one database, on this machine and under
    this user.
    """
    return (
        Path(tempfile.gettempdir())
        / f"siaran-{os.getuid()}-{sha256(database.encode()).hexdigest()[:12]}"
    )


class Pulse:
    """Heartbeat of one worker."""

    def __init__(self, database: str, lane: str) -> None:
        self._path = folder(database) / f"{lane}-{os.getpid()}"
        self._beaten_at = 0.0

    def beat(self) -> None:
        """Touch the file, at most every BEAT_SECONDS; cheap enough for every look. Raises
        OSError if no file can be written.
        """
        if time.monotonic() - self._beaten_at < BEAT_SECONDS:
            return
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        self._path.touch()
        first, self._beaten_at = not self._beaten_at, time.monotonic()
        if first:  # only now: an error while old files are removed must not hide this worker
            _forget_dead(self._path.parent)

    def end(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)


def silent(database: str, lanes: tuple[str, ...], now: float) -> list[str]:
    """List the lanes without a recent heartbeat of a living process; `now` in epoch seconds."""
    signs = list(folder(database).glob("*-*"))
    return [lane for lane in lanes if not any(_lives(sign, lane, now) for sign in signs)]


def _forget_dead(signs: Path) -> None:
    for sign in signs.glob("*-*"):
        if not _is_there(sign):
            sign.unlink(missing_ok=True)


def _is_there(sign: Path) -> bool:
    """True if the process that wrote this heartbeat exists; a file without a number belongs to
    none.
    """
    number = sign.name.rpartition("-")[2]
    return number.isdecimal() and runs(int(number))


def runs(pid: int, kill: Callable[[int, int], None] = os.kill) -> bool:
    """True if the process exists, even under another user; `kill` behaves as os.kill with signal
    0.
    """
    try:
        kill(pid, 0)
    except PermissionError:  # it is there, and another user's
        return True
    except (ProcessLookupError, OverflowError):  # no process has that number, or can have it
        return False
    return True


def _lives(sign: Path, lane: str, now: float) -> bool:
    try:
        return (
            sign.name.startswith(f"{lane}-")
            and _is_there(sign)
            and now - sign.stat().st_mtime < SILENT_SECONDS
        )
    except FileNotFoundError:  # it ended just now
        return False
