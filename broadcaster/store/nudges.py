"""Nudges: notices to staff that something waits for them, stored in the transaction that causes
them.

A worker claims due nudges by moving `due_at` ahead. If it dies, they are claimed again, so a person
may be notified twice; nothing else is repeated.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, select, update

from broadcaster.domain.accounts import Account
from broadcaster.store.staff_tables import nudge
from broadcaster.store.tables import announcement
from subscribers.store import insert_new

AccountReason = Literal[
    "account_add",
    "account_change",
    "account_roles",
    "account_enable",
    "account_disable",
    "password_reset",
    "second_factor_removed",
]
"""Acts on accounts, named as in the audit log, of which other administrators are notified at once.
"""
ACCOUNT_REASONS: tuple[AccountReason, ...] = get_args(AccountReason)
OwnReason = Literal["codes_stopped"]
"""Events of the recipient's own account."""
ABOUT_ACCOUNTS = (*ACCOUNT_REASONS, *get_args(OwnReason))
"""Reasons of nudges that name an account instead of an announcement."""
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
"""told: every channel that takes it was notified; moot: its reason is gone; unreachable: no channel
takes it; given_up: too late.
"""
FIRST_WAIT, LONGEST_WAIT = 10.0, 900.0
"""Seconds until a failed nudge is tried again; doubled each time."""
GIVE_UP_SECONDS = 24 * 3600.0
"""Seconds after its creation until which a nudge is tried; later only the start page shows the
work.
"""
CLAIM_SECONDS = 60.0
"""Seconds for which a claimed nudge is reserved: longer than a try may last."""
AT_ONCE = 20
"""Nudges claimed at once."""
KEEP_SECONDS = 30 * 24 * 3600.0
"""Seconds for which an ended nudge is kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Nudge:
    """A notice to a person about an announcement, or about an account ("staff:budi") for acts on
    accounts.

    `settled` are the channels (or a channel with the number of a former address) that took it or
    never will.
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
    """Store a nudge for each of these people, ignoring duplicates; return how many people."""
    rows = [
        {
            "account": person.id,
            "announcement": announcement,
            "reason": reason,
            "at": at,
            "due_at": at,
        }
        for person in people
    ]
    for row in rows:
        connection.execute(insert_new(connection, nudge).values(row))
    return len(rows)


def due(connection: Connection, at: float, *, urgent: bool | None = None) -> list[Nudge]:
    """List due nudges, oldest first; `urgent` selects those of emergencies (True), all others
    (False) or both (None).
    """
    return [_nudge(row) for row in connection.execute(_due(at, urgent))]


def claim(connection: Connection, at: float, *, urgent: bool) -> list[Nudge]:
    """Claim due nudges for CLAIM_SECONDS and count a try of each."""
    rows = connection.execute(_due(at, urgent).with_for_update(skip_locked=True, of=nudge)).all()
    taken = {"due_at": at + CLAIM_SECONDS, "tries": nudge.c.tries + 1}
    connection.execute(update(nudge).where(nudge.c.id.in_([row.id for row in rows])).values(taken))
    return [_nudge(row, tries=row.tries + 1) for row in rows]


def newer(connection: Connection, claimed: Nudge) -> bool:
    """True if a later nudge to the same person for the same reason makes this one redundant."""
    same = (
        nudge.c.account == claimed.account,
        nudge.c.announcement == claimed.announcement,
        nudge.c.reason == claimed.reason,
    )
    return (
        connection.execute(
            select(nudge.c.id).where(*same, nudge.c.at > claimed.at).limit(1)
        ).first()
        is not None
    )


def end(connection: Connection, nudge_id: int, ending: Ending, problem: str = "") -> None:
    """End a nudge; `problem` is text without an address."""
    connection.execute(
        update(nudge).where(nudge.c.id == nudge_id).values(outcome=ending, problem=problem)
    )


def settle(
    connection: Connection, nudge_id: int, channels: Collection[str], *, told_at: float | None
) -> None:
    """Mark these channels as needing no more tries; `told_at` is when the first of them took it,
    None while none has.
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
    connection: Connection, claimed: Nudge, at: float, problem: str, *, wait: float = 0.0
) -> None:
    """Schedule another try after at least `wait` seconds; `problem` is text without an address."""
    pause = max(min(FIRST_WAIT * 2 ** (claimed.tries - 1), LONGEST_WAIT), min(wait, LONGEST_WAIT))
    connection.execute(
        update(nudge).where(nudge.c.id == claimed.id).values(due_at=at + pause, problem=problem)
    )


def purge(connection: Connection, before: float) -> int:
    """Delete ended nudges written before `before`; return how many."""
    return connection.execute(
        delete(nudge).where(nudge.c.outcome != "", nudge.c.at < before)
    ).rowcount


def _due(at: float, urgent: bool | None) -> Select[Any]:
    conditions: list[ColumnElement[bool]] = [nudge.c.outcome == "", nudge.c.due_at <= at]
    statement = select(nudge)
    if urgent is not None:
        statement = statement.outerjoin(announcement, announcement.c.id == nudge.c.announcement)
        # a nudge about an account has no announcement, hence no level
        level = func.coalesce(announcement.c.level, "info")
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
