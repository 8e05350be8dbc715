"""Inbox alarm: messages of residents and events of providers must not stay unapplied. Every
process checks, also those of the web.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from broadcaster.store import inbox
from broadcaster.store.database import Database

log = structlog.get_logger(__name__)

LIMITS: Mapping[int, float] = {
    inbox.STOPS: 10.0,
    inbox.WORDS: 10.0,
    inbox.STATUSES: 60.0,
    inbox.POSTPONED: 60.0,
}
"""Seconds that each kind may be overdue; events that match nothing of ours may wait for eight
days.
"""
CHECK_SECONDS = 2.0
"""Seconds between checks of one process."""
REPEAT_SECONDS = 60.0
"""Seconds between two alarms of one process."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OverdueEvents:
    """Overdue events of one kind, and for how many seconds."""

    kind: str
    seconds: float


def find_overdue(connection: Connection, now: float) -> list[OverdueEvents]:
    """Find overdue events, the most urgent kind first."""
    since = {priority: inbox.oldest(connection, priority) for priority in LIMITS}
    waits = {priority: now - due_at for priority, due_at in since.items() if due_at is not None}
    return [
        OverdueEvents(kind=inbox.KINDS[p], seconds=seconds)
        for p, seconds in waits.items()
        if seconds > LIMITS[p]
    ]


class InboxAlarm:
    """Alarm of one process in the log, repeated each minute while it lasts."""

    def __init__(self) -> None:
        self._check_at = 0.0
        self._raise_at = 0.0

    async def check(self, database: Database, now: float) -> None:
        """Log overdue events; most calls come too soon after the last check and cost nothing."""
        if self._check_at - CHECK_SECONDS <= now < self._check_at:
            return
        self._check_at = now + CHECK_SECONDS
        overdue = await database.read(find_overdue, now)
        if overdue and not self._raise_at - REPEAT_SECONDS <= now < self._raise_at:
            self._raise_at = now + REPEAT_SECONDS
            for events in overdue:
                log.error("inbox_late", kind=events.kind, seconds=round(events.seconds, 1))
