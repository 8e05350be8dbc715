"""Who is to be told that something waits for them: written in the transaction of what happened, so
that none is lost.

A worker claims what is due by putting `due_at` ahead: who dies in between leaves it to be claimed
again, and may so have told one person twice; nothing else does.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from broadcaster.domain.accounts import Account
from broadcaster.store.database import is_sqlite
from broadcaster.store.staff_tables import nudge
from broadcaster.store.tables import announcement

AccountReason = Literal[
    "account_add", "account_change", "account_roles", "account_enable", "account_disable", "password_reset",
    "second_factor_removed",
]  # fmt: skip
"""Acts on accounts, as the audit names them, of which other administrators are told at once."""
ACCOUNT_REASONS: tuple[AccountReason, ...] = get_args(AccountReason)
OwnReason = Literal["codes_stopped"]
"""What happened to somebody's own account, of which they are told."""
ABOUT_ACCOUNTS = (*ACCOUNT_REASONS, *get_args(OwnReason))
"""Reasons of nudges that name an account in the place of an announcement."""
Reason = (
    Literal[
        "review",
        "returned",
        "rejected",
        "missed",
        "lapsed",
        "late",
        "held_up",
        "resumed",
        "expired",
        "break_glass",
    ]
    | AccountReason
    | OwnReason
)
Ending = Literal["told", "moot", "unreachable", "given_up"]
"""told: by each way that takes it; moot: its reason was gone; unreachable: no way takes it;
given_up: too late.
"""
FIRST_WAIT, LONGEST_WAIT = 10.0, 900.0
"""Seconds until a failed nudge is tried again; doubled each time."""
GIVE_UP_SECONDS = 24 * 3600.0
"""So long after it was written a nudge is tried; after that the first page alone shows the work."""
CLAIM_SECONDS = 60.0
"""For so long nobody else takes a claimed nudge: longer than a try may last."""
AT_ONCE = 20
"""Nudges taken in one go."""
KEEP_SECONDS = 30 * 24 * 3600.0
"""How long an ended nudge is kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Nudge:
    """One person to be told of one announcement, or of one account ("staff:budi") for reasons that
    are acts on accounts.

    `settled` are the ways (channels, or one with the number of an address from before) that took it
    or never will.
    """

    id: int
    account: int
    announcement: str
    reason: Reason
    at: float
    tries: int
    told: bool
    settled: tuple[str, ...]


def add(
    connection: Connection, people: Iterable[Account], announcement: str, reason: Reason, at: float
) -> int:
    """Have these people told; the same twice is once. How many."""
    dialect = sqlite if is_sqlite(connection) else postgresql
    rows = [
        {"account": one.id, "announcement": announcement, "reason": reason, "at": at, "due_at": at}
        for one in people
    ]
    for row in rows:
        connection.execute(dialect.insert(nudge).values(row).on_conflict_do_nothing())
    return len(rows)


def due(connection: Connection, at: float, *, urgent: bool | None = None) -> list[Nudge]:
    """What is to be sent now, the oldest first; `urgent`: of emergencies alone, or of all else
    alone.
    """
    return [_nudge(row) for row in connection.execute(_due(at, urgent))]


def claim(connection: Connection, at: float, *, urgent: bool) -> list[Nudge]:
    """Take what is due, for CLAIM_SECONDS: a try of each is counted."""
    rows = connection.execute(_due(at, urgent).with_for_update(skip_locked=True, of=nudge)).all()
    taken = {"due_at": at + CLAIM_SECONDS, "tries": nudge.c.tries + 1}
    connection.execute(update(nudge).where(nudge.c.id.in_([row.id for row in rows])).values(taken))
    return [_nudge(row, tries=row.tries + 1) for row in rows]


def newer(connection: Connection, told: Nudge) -> bool:
    """Whether the same person is to be told the same of a later time: then this one need not be."""
    same = (
        nudge.c.account == told.account,
        nudge.c.announcement == told.announcement,
        nudge.c.reason == told.reason,
    )
    return (
        connection.execute(select(nudge.c.id).where(*same, nudge.c.at > told.at).limit(1)).first()
        is not None
    )


def end(connection: Connection, nudge_id: int, ending: Ending, problem: str = "") -> None:
    """It needs no more tries; `problem` is words without an address."""
    connection.execute(
        update(nudge).where(nudge.c.id == nudge_id).values(outcome=ending, problem=problem)
    )


def settle(
    connection: Connection, nudge_id: int, channels: Collection[str], *, told_at: float | None
) -> None:
    """These channels need no more tries; `told_at`: when the first of them took it, None while none
    did.
    """
    values: dict[str, Any] = {"settled": " ".join(sorted(channels))}
    connection.execute(update(nudge).where(nudge.c.id == nudge_id).values(values))
    if told_at is not None:
        connection.execute(
            update(nudge)
            .where(nudge.c.id == nudge_id, nudge.c.sent_at.is_(None))
            .values(sent_at=told_at)
        )


def failed(
    connection: Connection, told: Nudge, at: float, problem: str, *, wait: float = 0.0
) -> None:
    """Try again later, after `wait` seconds at least; `problem` is words without an address."""
    pause = max(min(FIRST_WAIT * 2 ** (told.tries - 1), LONGEST_WAIT), min(wait, LONGEST_WAIT))
    connection.execute(
        update(nudge).where(nudge.c.id == told.id).values(due_at=at + pause, problem=problem)
    )


def purge(connection: Connection, before: float) -> int:
    """Forget ended nudges that were written before then; how many."""
    return connection.execute(
        delete(nudge).where(nudge.c.outcome != "", nudge.c.at < before)
    ).rowcount


def _due(at: float, urgent: bool | None) -> Select[Any]:
    conditions: list[ColumnElement[bool]] = [nudge.c.outcome == "", nudge.c.due_at <= at]
    statement = select(nudge)
    if urgent is not None:
        statement = statement.outerjoin(announcement, announcement.c.id == nudge.c.announcement)
        level = func.coalesce(
            announcement.c.level, "info"
        )  # of what is told of an account there is none
        conditions.append((level == "emergency") if urgent else (level != "emergency"))
    return statement.where(*conditions).order_by(nudge.c.due_at, nudge.c.id).limit(AT_ONCE)


def _nudge(row: Row[Any], *, tries: int | None = None) -> Nudge:
    return Nudge(
        id=row.id,
        account=row.account,
        announcement=row.announcement,
        reason=row.reason,
        at=row.at,
        tries=row.tries if tries is None else tries,
        told=row.sent_at is not None,
        settled=tuple(row.settled.split()),
    )
