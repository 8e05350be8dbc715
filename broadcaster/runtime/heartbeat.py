"""The sign of life of a worker on this machine: a file that it touches as long as it can look for
work.
"""

import os
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

BEAT_SECONDS = 5.0
"""A worker touches its file at most so often."""
SILENT_SECONDS = 30.0
"""After so long without a sign a worker hangs, or cannot read the database."""


def folder(database: str) -> Path:
    """Where the workers of one database on this machine, under one user, leave their signs."""
    return (
        Path(tempfile.gettempdir())
        / f"siaran-{os.getuid()}-{sha256(database.encode()).hexdigest()[:12]}"
    )


class Pulse:
    """One worker's sign of life."""

    def __init__(self, database: str, lane: str) -> None:
        self._path = folder(database) / f"{lane}-{os.getpid()}"
        self._beaten_at = 0.0

    def beat(self) -> None:
        """Say that the worker lives; cheap enough for every look. Raises OSError where no file can
        be written.
        """
        if time.monotonic() - self._beaten_at < BEAT_SECONDS:
            return
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        self._path.touch()
        first, self._beaten_at = not self._beaten_at, time.monotonic()
        if first:  # once the sign is given: whatever keeps old ones from being forgotten, this worker lives
            _forget_dead(self._path.parent)

    def end(self) -> None:
        """Take the sign away."""
        self._path.unlink(missing_ok=True)


def silent(database: str, lanes: tuple[str, ...], now: float) -> list[str]:
    """Those of the lanes for which no living process has given a sign of life lately; `now` in
    seconds since 1970.
    """
    signs = list(folder(database).glob("*-*"))
    return [lane for lane in lanes if not any(_lives(sign, lane, now) for sign in signs)]


def _forget_dead(signs: Path) -> None:
    for sign in signs.glob("*-*"):
        if not _is_there(sign):
            sign.unlink(missing_ok=True)


def _is_there(sign: Path) -> bool:
    """Whether the process that left this sign is there; one without a number is none's."""
    number = sign.name.rpartition("-")[2]
    return number.isdecimal() and runs(int(number))


def runs(pid: int, kill: Callable[[int, int], None] = os.kill) -> bool:
    """Whether there is such a process, be it another user's; `kill` asks as os.kill does with
    signal 0.
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
