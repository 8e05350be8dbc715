"""Refused requests and connections: counted by kind for /metrics, logged as one line a minute."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Literal

import structlog

RefusalKind = Literal[
    "malformed",  # not HTTP
    # a connection beyond its limits
    "head_size", "head_time", "pipelined", "body_time", "body_framing", "unread",
    "dropped_for_client", "dropped_for_all", "full",  # connections beyond the limit
    "bodies", "bodies_full",  # bodies beyond the memory limits
    "too_often", "busy",  # responses 429 and 503 of the application
    "unsigned",  # webhooks without a valid signature
    "unreadable",  # signed webhooks, or parts of them, that cannot be parsed
]  # fmt: skip
QUIET_SECONDS = 60.0
"""Least time between two log lines."""

log = structlog.get_logger("broadcaster.web")


class RefusalCounters:
    """Refusal counters of one web process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts: Counter[RefusalKind] = Counter()
        self._clock = clock
        self._unlogged: Counter[RefusalKind] = Counter()
        self._logged_at = -QUIET_SECONDS + clock()

    def note(self, kind: RefusalKind, count: int = 1) -> None:
        """Count refusals."""
        if count:
            self.counts[kind] += count
            self._unlogged[kind] += count
            self.report()

    def report(self) -> None:
        """Log the refusals since the last line, at most once a minute."""
        if self._unlogged and self._clock() - self._logged_at >= QUIET_SECONDS:
            log.warning("refused", kinds=dict(self._unlogged))
            self._logged_at = self._clock()
            self._unlogged.clear()
