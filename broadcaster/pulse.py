"""The sign of life of a worker on this machine: a file that it touches as long as it can look for work."""

import os
import tempfile
import time
from hashlib import sha256
from pathlib import Path

BEAT_SECONDS = 5.0
"""A worker touches its file at most so often."""
SILENT_SECONDS = 30.0
"""After so long without a sign a worker hangs, or cannot read the database."""


def folder(database: str) -> Path:
    """Where the workers of one database on this machine, under one user, leave their signs."""
    return Path(tempfile.gettempdir()) / f"siaran-{os.getuid()}-{sha256(database.encode()).hexdigest()[:12]}"


class Pulse:
    """One worker's sign of life."""

    def __init__(self, database: str, lane: str) -> None:
        self._path = folder(database) / f"{lane}-{os.getpid()}"
        self._beaten_at = 0.0

    def beat(self) -> None:
        """Say that the worker lives; cheap enough for every look. Raises OSError where no file can be written."""
        if time.monotonic() - self._beaten_at < BEAT_SECONDS:
            return
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        if not self._beaten_at:
            _forget_dead(self._path.parent)
        self._path.touch()
        self._beaten_at = time.monotonic()

    def end(self) -> None:
        """Take the sign away."""
        self._path.unlink(missing_ok=True)


def silent(database: str, lanes: tuple[str, ...], now: float) -> list[str]:
    """Those of the lanes for which no living process has given a sign of life lately; `now` in seconds since 1970."""
    signs = list(folder(database).glob("*-*"))
    return [lane for lane in lanes if not any(_lives(sign, lane, now) for sign in signs)]


def _forget_dead(signs: Path) -> None:
    for sign in signs.glob("*-*"):
        if not _runs(sign):
            sign.unlink(missing_ok=True)


def _runs(sign: Path) -> bool:
    """Whether the process that left this sign is there."""
    try:
        os.kill(int(sign.name.rpartition("-")[2]), 0)
    except (ProcessLookupError, ValueError):
        return False
    return True


def _lives(sign: Path, lane: str, now: float) -> bool:
    try:
        return sign.name.startswith(f"{lane}-") and _runs(sign) and now - sign.stat().st_mtime < SILENT_SECONDS
    except FileNotFoundError:  # it ended just now
        return False
