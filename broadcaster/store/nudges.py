"""Nudges: who must act and is to be told. Written in the transaction of what happened, so that none is lost."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.dialects import postgresql, sqlite

from broadcaster.accounts import Account
from broadcaster.store.database import is_sqlite
from broadcaster.store.staff_tables import nudge

Reason = Literal["review", "returned", "rejected", "missed", "break_glass"]
TRIES = 8
"""After so many tries it is given up; the first page shows the work anyway."""
FIRST_WAIT, LONGEST_WAIT = 10.0, 900.0
"""Seconds until a failed nudge is tried again; doubled each time."""
AT_ONCE = 20
"""Nudges taken in one go."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Nudge:
    """One person to be told of one announcement."""

    id: int
    account: int
    announcement: str
    reason: Reason
    at: float
    tries: int


def add(connection: Connection, people: Iterable[Account], announcement: str, reason: Reason, at: float) -> int:
    """Have these people told; the same twice is once. How many."""
    dialect = sqlite if is_sqlite(connection) else postgresql
    rows = [{"account": one.id, "announcement": announcement, "reason": reason, "at": at, "due_at": at} for one in people]
    for row in rows:
        connection.execute(dialect.insert(nudge).values(row).on_conflict_do_nothing())
    return len(rows)


def due(connection: Connection, at: float) -> list[Nudge]:
    """What is to be sent now, the oldest first; kept from other writers."""
    statement = (
        select(nudge)
        .where(nudge.c.sent_at.is_(None), nudge.c.due_at <= at, nudge.c.tries < TRIES)
        .order_by(nudge.c.due_at, nudge.c.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    return [_nudge(row) for row in connection.execute(statement)]


def sent(connection: Connection, nudge_id: int, at: float) -> None:
    """The person was told."""
    connection.execute(update(nudge).where(nudge.c.id == nudge_id).values(sent_at=at))


def failed(connection: Connection, told: Nudge, at: float, problem: str) -> None:
    """It did not go out; `problem` is a word without an address."""
    later = at + min(FIRST_WAIT * 2**told.tries, LONGEST_WAIT)
    connection.execute(update(nudge).where(nudge.c.id == told.id).values(tries=told.tries + 1, due_at=later, problem=problem))


def _nudge(row: Row[Any]) -> Nudge:
    return Nudge(id=row.id, account=row.account, announcement=row.announcement, reason=row.reason, at=row.at, tries=row.tries)
