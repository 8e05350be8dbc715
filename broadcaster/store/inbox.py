"""Inbox of provider receipts and residents' messages: stored once, processed by priority, purged
when no provider repeats them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection, delete, func, select, text, update

from broadcaster.store.tables import receipt

STOPS, WORDS, STATUSES, POSTPONED, UNMATCHED, UNREADABLE = range(-1, 5)
"""Priorities. Opt-outs come first, then other messages; postponed events rank beside fresh
statuses, never before them.
"""
KINDS: Mapping[int, str] = {
    STOPS: "stops",
    WORDS: "words",
    STATUSES: "statuses",
    POSTPONED: "postponed",
    UNMATCHED: "unmatched",
    UNREADABLE: "unreadable",
}
AT_ONCE: Mapping[int, int] = {
    STOPS: 500,
    WORDS: 500,
    STATUSES: 50,
    POSTPONED: 50,
    UNMATCHED: 200,
    UNREADABLE: 200,
}
"""Rows of each priority in a round, so that a new opt-out waits for no more than that."""
HELP_SECONDS = 1.0
"""Seconds a resident's message may wait for the sweeper; after that any other worker applies it
too.
"""
FIRST_WAIT = 5.0
"""Seconds until a postponed event is tried again; doubled each time."""
LONGEST_WAIT: Mapping[int, float] = {POSTPONED: 60.0, UNMATCHED: 3600.0, UNREADABLE: 900.0}
PURGED_AT_ONCE = 5_000
"""Dedupe keys deleted in a transaction."""


@dataclass(frozen=True, kw_only=True)
class InboxEvent:
    """An event to be stored; `body` is sealed."""

    dedupe: bytes
    body: bytes
    priority: int


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitingEvent:
    """A stored event that waits to be applied."""

    id: int
    channel: str
    body: bytes
    tries: int
    received_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Backlog:
    """All waiting events of a priority: count, when the oldest came, when the most overdue was due
    (epoch seconds).
    """

    count: int
    received_at: float
    due_at: float


def keep(connection: Connection, channel: str, events: Sequence[InboxEvent], now: float) -> None:
    """Store events; one that was stored before stays as it is."""
    if events:
        connection.execute(
            text(
                "INSERT INTO receipt (channel, dedupe, body, received_at, due_at, tries, priority)"
                " VALUES (:channel, :dedupe, :body, :now, :now, 0, :priority)"
                " ON CONFLICT DO NOTHING"
            ),
            [{"channel": channel, "now": now, **vars(event)} for event in events],
        )


def due(connection: Connection, priority: int, now: float) -> list[WaitingEvent]:
    """Read a round's share of a priority: fresh events in order of arrival, postponed ones once
    due.
    """
    columns = (
        receipt.c.id,
        receipt.c.channel,
        receipt.c.body,
        receipt.c.tries,
        receipt.c.received_at,
    )
    rows = select(*columns).where(receipt.c.priority == priority).limit(AT_ONCE[priority])
    if priority in LONGEST_WAIT:
        rows = rows.where(receipt.c.due_at <= now)
    if priority == UNMATCHED:
        # newest first: its delivery may just have been committed, and a backlog has eight days
        rows = rows.order_by(receipt.c.due_at.desc(), receipt.c.id.desc())
    else:
        rows = rows.order_by(receipt.c.due_at, receipt.c.id)
    return [WaitingEvent(**row) for row in connection.execute(rows).mappings()]


def take(connection: Connection, ids: Collection[int]) -> set[int]:
    """Lock these events until the transaction ends; return those not applied yet."""
    waiting = (
        select(receipt.c.id)
        .where(receipt.c.id.in_(ids), receipt.c.applied_at.is_(None))
        .order_by(receipt.c.id)
    )
    return set(connection.execute(waiting.with_for_update()).scalars())


def mark_applied(connection: Connection, ids: Collection[int], now: float) -> None:
    """Mark as applied: the bodies are deleted, the dedupe keys stay."""
    if ids:
        gone = {"applied_at": now, "body": None, "priority": None}
        connection.execute(update(receipt).where(receipt.c.id.in_(ids)).values(gone))


def postpone(
    connection: Connection,
    rows: Sequence[WaitingEvent],
    priority: int,
    now: float,
    *,
    give_up_before: float,
) -> None:
    """Postpone these events; those received before `give_up_before` are given up."""
    mark_applied(connection, [row.id for row in rows if row.received_at < give_up_before], now)
    left = sorted((row for row in rows if row.received_at >= give_up_before), key=_tries)
    for tries, alike in groupby(left, _tries):
        later = {"due_at": now + wait(priority, tries), "tries": tries + 1, "priority": priority}
        mine = (receipt.c.id.in_([row.id for row in alike]), receipt.c.applied_at.is_(None))
        connection.execute(update(receipt).where(*mine).values(later))


def wait(priority: int, tries: int) -> float:
    """Return the seconds until the next try after `tries` earlier ones: 5, 10, 20, 40 ... up to the
    longest.
    """
    return float(min(FIRST_WAIT * 2 ** min(tries, 32), LONGEST_WAIT[priority]))


def _tries(row: WaitingEvent) -> int:
    return row.tries


def oldest(connection: Connection, priority: int) -> float | None:
    """Return when the next event of a priority is due; None where nothing waits. Costs an index
    lookup.
    """
    return connection.execute(
        select(func.min(receipt.c.due_at)).where(receipt.c.priority == priority)
    ).scalar()


def words_are_late(connection: Connection, now: float) -> bool:
    """True if a resident's message has waited too long for the sweeper at `now` (epoch seconds).

    The sweeper may be busy, hung or dead.
    """
    since = [oldest(connection, priority) for priority in (STOPS, WORDS)]
    return any(due_at is not None and now - due_at > HELP_SECONDS for due_at in since)


def backlogs(connection: Connection) -> dict[int, Backlog]:
    """Return the backlog of each priority that has any."""
    sums = (
        select(
            receipt.c.priority,
            func.count().label("n"),
            func.min(receipt.c.due_at).label("due_at"),
            func.min(receipt.c.id).label("first"),
        )
        .where(receipt.c.priority.is_not(None))
        .group_by(receipt.c.priority)
        .subquery()
    )
    rows = select(sums.c.priority, sums.c.n, sums.c.due_at, receipt.c.received_at).join(
        receipt, receipt.c.id == sums.c.first
    )
    return {
        row.priority: Backlog(count=row.n, received_at=row.received_at, due_at=row.due_at)
        for row in connection.execute(rows)
    }


def count_unreadable(connection: Connection) -> dict[str, int]:
    """Count, by channel, events that wait for their key or for the version that wrote them."""
    rows = select(receipt.c.channel, func.count().label("n")).where(
        receipt.c.priority == UNREADABLE
    )
    return {row.channel: row.n for row in connection.execute(rows.group_by(receipt.c.channel))}


def purge(connection: Connection, before: float) -> int:
    """Delete a chunk of dedupe keys applied before `before`, which no provider repeats any more;
    return how many.
    """
    old = (
        select(receipt.c.id)
        .where(receipt.c.applied_at < before)
        .order_by(receipt.c.applied_at)
        .limit(PURGED_AT_ONCE)
    )
    return connection.execute(delete(receipt).where(receipt.c.id.in_(old))).rowcount
