"""The alarm of the inbox: an event that waits too long is an error in the log, once a minute."""

import pytest
from sqlalchemy import insert
from structlog.testing import capture_logs

from broadcaster.runtime.inbox_alarm import InboxAlarm, OverdueEvents, find_overdue
from broadcaster.store import inbox
from broadcaster.store.database import Database
from broadcaster.store.tables import receipt

NOW = 1_000_000.0


def store_overdue(database: Database, priority: int, seconds: float) -> None:
    """Store an event of this priority that has been due for so many seconds."""
    values = {
        "channel": "email",
        "dedupe": f"{priority}.{seconds}".encode(),
        "body": b"",
        "received_at": NOW - seconds,
        "due_at": NOW - seconds,
        "tries": 0,
        "priority": priority,
    }
    database.write_now(lambda c: c.execute(insert(receipt).values(values)))


@pytest.mark.parametrize(
    ("priority", "in_time", "too_long"),
    [
        (inbox.STOPS, 9, 11),
        (inbox.WORDS, 9, 11),
        (inbox.STATUSES, 59, 61),
        (inbox.POSTPONED, 59, 61),
    ],
)
def test_each_kind_has_its_limit(
    database: Database, priority: int, in_time: float, too_long: float
) -> None:
    store_overdue(database, priority, in_time)
    assert database.read_now(find_overdue, NOW) == []
    store_overdue(database, priority, too_long)
    assert database.read_now(find_overdue, NOW) == [
        OverdueEvents(kind=inbox.KINDS[priority], seconds=too_long)
    ]


def test_what_matches_nothing_may_wait_for_days(database: Database) -> None:
    store_overdue(database, inbox.UNMATCHED, 700_000)
    assert database.read_now(find_overdue, NOW) == []


async def test_the_alarm_is_raised_once_a_minute_while_it_lasts(database: Database) -> None:
    store_overdue(database, inbox.STATUSES, 100)
    store_overdue(database, inbox.WORDS, 12)
    alarm = InboxAlarm()
    with capture_logs() as logs:
        for seconds in range(70):
            await alarm.check(database, NOW + seconds)
    raised = [
        (entry["log_level"], entry["event"], entry["kind"], entry["seconds"]) for entry in logs
    ]
    assert raised == [
        ("error", "inbox_late", "words", 12.0),
        ("error", "inbox_late", "statuses", 100.0),
        ("error", "inbox_late", "words", 72.0),
        ("error", "inbox_late", "statuses", 160.0),
    ]


async def test_nothing_late_is_no_alarm(database: Database) -> None:
    store_overdue(database, inbox.WORDS, 1)
    with capture_logs() as logs:
        await InboxAlarm().check(database, NOW)
    assert logs == []
