"""Refusals of strangers: counted by kind for /metrics, logged as one line a minute however many
there were.
"""

import time
from collections import Counter
from collections.abc import Callable
from typing import Literal

import structlog

Kind = Literal[
    "malformed",  # no HTTP
    "head_size", "head_time", "pipelined", "body_time", "body_framing", "unread",  # a connection beyond its limits
    "dropped_for_client", "dropped_for_all", "full",  # connections beyond the number we hold
    "bodies", "bodies_full",  # bodies beyond the bytes we hold
    "too_often", "busy",  # answers 429 and 503 of the application
    "unsigned",  # webhooks that no provider signed
    "unreadable",  # signed webhooks, and parts of them, that say nothing we can read
]  # fmt: skip
QUIET_SECONDS = 60.0
"""Between two log lines."""

log = structlog.get_logger("broadcaster.web")


class Refusals:
    """Counters of one web process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts: Counter[Kind] = Counter()
        self._clock = clock
        self._unlogged: Counter[Kind] = Counter()
        self._logged_at = -QUIET_SECONDS + clock()

    def note(self, kind: Kind, count: int = 1) -> None:
        """Count refusals."""
        if count:
            self.counts[kind] += count
            self._unlogged[kind] += count
            self.report()

    def report(self) -> None:
        """Log what was refused since the last line, unless that was less than a minute ago."""
        if self._unlogged and self._clock() - self._logged_at >= QUIET_SECONDS:
            log.warning("refused", kinds=dict(self._unlogged))
            self._logged_at = self._clock()
            self._unlogged.clear()
