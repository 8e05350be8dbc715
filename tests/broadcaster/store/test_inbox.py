"""The inbox on both databases: the order of events, how long postponed ones wait, and what a round
costs.
"""

import pytest
from sqlalchemy import Connection, insert, text

from broadcaster.store import inbox
from broadcaster.store.database import Database
from broadcaster.store.inbox import POSTPONED, STATUSES, STOPS, UNMATCHED, WORDS, InboxEvent
from broadcaster.store.tables import receipt

NOW = 1_000_000.0


def fill(database: Database, *rows: tuple[str, int, float, int]) -> None:
    """Insert rows of (name, priority, due at, tries), received a minute ago."""
    values = [
        {
            "channel": "email",
            "dedupe": name.encode(),
            "body": b"",
            "received_at": NOW - 60,
            "due_at": due,
            "tries": tries,
            "priority": priority,
        }
        for name, priority, due, tries in rows
    ]
    database.write_now(lambda c: c.execute(insert(receipt), values))


def names_due(database: Database, priority: int, now: float = NOW) -> list[str]:
    """Return the names of the next round, in order."""

    def read(connection: Connection) -> list[str]:
        ids = [row.id for row in inbox.due(connection, priority, now)]
        by_id = {row.id: bytes(row.dedupe).decode() for row in connection.execute(receipt.select())}
        return [by_id[number] for number in ids]

    return database.read_now(read)


def test_fresh_events_are_read_in_order_by_any_clock(database: Database) -> None:
    fill(
        database,
        ("second", WORDS, NOW + 5, 0),
        ("first", WORDS, NOW - 5, 0),
        ("status", STATUSES, NOW + 5, 0),
    )
    assert names_due(database, WORDS) == ["first", "second"]
    assert names_due(database, STATUSES) == ["status"]


def test_postponed_events_are_read_when_due_the_newest_unmatched_first(
    database: Database,
) -> None:
    fill(
        database,
        ("old", UNMATCHED, NOW - 500, 9),
        ("new", UNMATCHED, NOW - 1, 1),
        ("later", UNMATCHED, NOW + 1, 1),
    )
    fill(
        database,
        ("b", POSTPONED, NOW - 1, 1),
        ("a", POSTPONED, NOW - 2, 1),
        ("c", POSTPONED, NOW + 1, 1),
    )
    assert names_due(database, UNMATCHED) == ["new", "old"]
    assert names_due(database, POSTPONED) == ["a", "b"]
    assert names_due(database, UNMATCHED, NOW + 2) == ["later", "new", "old"]


def test_a_round_takes_a_bounded_share_of_each_kind(database: Database) -> None:
    for priority, limit in inbox.AT_ONCE.items():
        fill(database, *((f"{priority}.{n}", priority, NOW - 1, 1) for n in range(limit + 1)))
        assert len(names_due(database, priority)) == limit


@pytest.mark.parametrize(("priority", "waits"), [(UNMATCHED, [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]),
                                                 (POSTPONED, [5, 10, 20, 40, 60, 60])])  # fmt: skip
def test_waits_grow_to_a_longest_one(priority: int, waits: list[float]) -> None:
    assert [inbox.wait(priority, tries) for tries in range(len(waits))] == waits
    assert inbox.wait(priority, 10_000) == waits[-1]


def test_events_postponed_together_wait_by_their_own_tries_and_the_oldest_is_given_up(
    database: Database,
) -> None:
    fill(database, ("a", STATUSES, NOW, 0), ("b", STATUSES, NOW, 2), ("c", STATUSES, NOW, 0))
    rows = database.read_now(inbox.due, STATUSES, NOW)
    database.write_now(inbox.postpone, rows, UNMATCHED, NOW, give_up_before=NOW - 61)
    events = database.read_now(lambda c: c.execute(receipt.select().order_by(receipt.c.id)).all())
    assert [(row.due_at - NOW, row.tries, row.priority) for row in events] == [
        (5, 1, 3),
        (20, 3, 3),
        (5, 1, 3),
    ]
    database.write_now(inbox.postpone, rows, UNMATCHED, NOW, give_up_before=NOW - 59)
    events = database.read_now(lambda c: c.execute(receipt.select()).all())
    assert {(row.applied_at, row.body, row.priority) for row in events} == {(NOW, None, None)}


def test_an_event_applied_meanwhile_is_not_postponed(database: Database) -> None:
    fill(database, ("a", STATUSES, NOW, 0))
    rows = database.read_now(inbox.due, STATUSES, NOW)
    database.write_now(inbox.mark_applied, [row.id for row in rows], NOW)
    database.write_now(inbox.postpone, rows, UNMATCHED, NOW, give_up_before=0)
    assert database.read_now(inbox.backlogs) == {}


def test_the_backlog_is_reported_by_kind_with_its_oldest(database: Database) -> None:
    fill(
        database,
        ("a", UNMATCHED, NOW - 7, 1),
        ("b", UNMATCHED, NOW - 9, 4),
        ("c", WORDS, NOW - 60, 0),
    )
    backlogs = database.read_now(inbox.backlogs)
    assert {
        priority: (backlog.count, backlog.received_at, backlog.due_at)
        for priority, backlog in backlogs.items()
    } == {
        WORDS: (1, NOW - 60, NOW - 60),
        UNMATCHED: (2, NOW - 60, NOW - 9),
    }
    assert database.read_now(inbox.oldest, WORDS) == NOW - 60
    assert database.read_now(inbox.oldest, STATUSES) is None


def test_the_same_event_twice_is_kept_once_with_its_first_priority(database: Database) -> None:
    for priority in (WORDS, STATUSES):
        database.write_now(
            inbox.keep, "email", [InboxEvent(dedupe=b"x", body=b"", priority=priority)], NOW
        )
    assert names_due(database, WORDS) == ["x"]
    assert names_due(database, STATUSES) == []


@pytest.mark.parametrize("priority", inbox.KINDS)
def test_a_round_reads_an_index_and_never_the_backlog(database: Database, priority: int) -> None:
    """Read the database's own plan, with many rows there."""
    fill(database, *((str(n), UNMATCHED, NOW - n, 1) for n in range(2_000)))
    bound = "" if priority in (STOPS, WORDS, STATUSES) else " AND due_at <= :now"
    order = "due_at DESC, id DESC" if priority == UNMATCHED else "due_at, id"
    query = f"SELECT id FROM receipt WHERE priority = :priority{bound} ORDER BY {order} LIMIT 10"
    values = {"priority": priority, "now": NOW} if bound else {"priority": priority}

    def plan(connection: Connection) -> str:
        explain = "EXPLAIN QUERY PLAN" if database.sqlite else "EXPLAIN"
        return str(connection.execute(text(f"{explain} {query}"), values).all())

    if not database.sqlite:
        database.write_now(lambda c: c.execute(text("ANALYZE receipt")))
    steps = database.read_now(plan)
    assert "receipt_turn" in steps
    assert "B-TREE" not in steps
    assert "Sort" not in steps
