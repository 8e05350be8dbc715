"""The inbox of what providers and residents said later: kept once, taken by priority, forgotten
when nobody repeats it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection, delete, func, select, text, update

from broadcaster.store.tables import receipt

STOPS, WORDS, STATUSES, POSTPONED, UNMATCHED, UNREADABLE = range(-1, 5)
"""Priorities. Who stops comes first, then all that is said; what was put off stands beside what is
fresh, never before it.
"""
KINDS: Mapping[int, str] = {
    STOPS: "stops", WORDS: "words", STATUSES: "statuses", POSTPONED: "postponed", UNMATCHED: "unmatched",
    UNREADABLE: "unreadable",
}  # fmt: skip
AT_ONCE: Mapping[int, int] = {
    STOPS: 500,
    WORDS: 500,
    STATUSES: 50,
    POSTPONED: 50,
    UNMATCHED: 200,
    UNREADABLE: 200,
}
"""Rows of each priority in one round: a new stop waits for no more than that."""
HELP_SECONDS = 1.0
"""How long what a resident said may wait for the sweeper; then any other worker applies it too."""
FIRST_WAIT = 5.0
"""Seconds until what was put off is looked at again; twice as long each further time."""
LONGEST_WAIT: Mapping[int, float] = {POSTPONED: 60.0, UNMATCHED: 3600.0, UNREADABLE: 900.0}
PURGED_AT_ONCE = 5_000
"""Dedupe keys forgotten in one transaction."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One event as it is stored."""

    dedupe: bytes
    body: bytes
    priority: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """One event that waits to be applied."""

    id: int
    channel: str
    body: bytes
    tries: int
    received_at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Backlog:
    """All that waits with one priority: how many, since when the oldest, since when the most
    overdue one is due.
    """

    count: int
    received_at: float
    due_at: float


def keep(connection: Connection, channel: str, events: Sequence[Kept], now: float) -> None:
    """Store events; one that was stored before stays as it is."""
    if events:
        connection.execute(
            text(
                "INSERT INTO receipt (channel, dedupe, body, received_at, due_at, tries, priority)"
                " VALUES (:channel, :dedupe, :body, :now, :now, 0, :priority) ON CONFLICT DO NOTHING"
            ),
            [{"channel": channel, "now": now, **vars(event)} for event in events],
        )


def due(connection: Connection, priority: int, now: float) -> list[Waiting]:
    """Read a round's share of one priority: what is fresh in order, by any process's clock; the
    others when due.
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
        # the newest first: its delivery may have been committed just now, while a backlog has eight days
        rows = rows.order_by(receipt.c.due_at.desc(), receipt.c.id.desc())
    else:
        rows = rows.order_by(receipt.c.due_at, receipt.c.id)
    return [Waiting(**row) for row in connection.execute(rows).mappings()]


def take(connection: Connection, ids: Collection[int]) -> set[int]:
    """Keep others from applying these until the transaction ends; those that have been applied
    already are left out.
    """
    waiting = (
        select(receipt.c.id)
        .where(receipt.c.id.in_(ids), receipt.c.applied_at.is_(None))
        .order_by(receipt.c.id)
    )
    return set(connection.execute(waiting.with_for_update()).scalars())


def done(connection: Connection, ids: Collection[int], now: float) -> None:
    """Mark as applied: the bodies go, the dedupe keys stay."""
    if ids:
        gone = {"applied_at": now, "body": None, "priority": None}
        connection.execute(update(receipt).where(receipt.c.id.in_(ids)).values(gone))


def put_off(
    connection: Connection,
    rows: Sequence[Waiting],
    priority: int,
    now: float,
    *,
    give_up_before: float,
) -> None:
    """Look at these again after a while; those received before `give_up_before` never."""
    done(connection, [row.id for row in rows if row.received_at < give_up_before], now)
    left = sorted((row for row in rows if row.received_at >= give_up_before), key=_tries)
    for tries, alike in groupby(left, _tries):
        later = {"due_at": now + wait(priority, tries), "tries": tries + 1, "priority": priority}
        mine = (receipt.c.id.in_([row.id for row in alike]), receipt.c.applied_at.is_(None))
        connection.execute(update(receipt).where(*mine).values(later))


def wait(priority: int, tries: int) -> float:
    """Seconds until the next look, after `tries` earlier ones: 5, 10, 20, 40 ... up to the longest."""
    return float(min(FIRST_WAIT * 2 ** min(tries, 32), LONGEST_WAIT[priority]))


def _tries(row: Waiting) -> int:
    return row.tries


def oldest(connection: Connection, priority: int) -> float | None:
    """Return since when the next one of a priority is due; None where nothing waits. Costs one look
    at an index.
    """
    return connection.execute(
        select(func.min(receipt.c.due_at)).where(receipt.c.priority == priority)
    ).scalar()


def words_are_late(connection: Connection, now: float) -> bool:
    """Check whether what residents said has waited too long (epoch seconds now) for the sweeper.

    That process may be busy, hung or dead.
    """
    since = [oldest(connection, priority) for priority in (STOPS, WORDS)]
    return any(due_at is not None and now - due_at > HELP_SECONDS for due_at in since)


def backlogs(connection: Connection) -> dict[int, Backlog]:
    """Everything that waits, by priority; priorities without any are left out."""
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
    """How many wait for their key, or for the version that wrote them, by channel."""
    rows = select(receipt.c.channel, func.count().label("n")).where(
        receipt.c.priority == UNREADABLE
    )
    return {row.channel: row.n for row in connection.execute(rows.group_by(receipt.c.channel))}


def purge(connection: Connection, before: float) -> int:
    """Forget dedupe keys of what was applied before, as no provider repeats it any more; returns
    how many (a chunk).
    """
    old = (
        select(receipt.c.id)
        .where(receipt.c.applied_at < before)
        .order_by(receipt.c.applied_at)
        .limit(PURGED_AT_ONCE)
    )
    return connection.execute(delete(receipt).where(receipt.c.id.in_(old))).rowcount
