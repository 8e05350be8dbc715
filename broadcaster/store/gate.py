"""The gate of the ledger: due rows of a claimed slice are marked `sending`, closed or kept waiting.

Every function is SQL within a transaction.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, select, text, update

from broadcaster.domain.deliveries import (
    PENDING,
    SENDING,
    SKIPPED,
    UNCONFIRMED,
    MarkedRow,
)
from broadcaster.domain.retry_policy import CLOSINGS, over
from broadcaster.store import statements, tier
from broadcaster.store.leases import Holder
from broadcaster.store.slices import Claim, due_until, move_counters
from broadcaster.store.statements import Candidate
from broadcaster.store.tables import delivery, edition
from subscribers.store import State


@dataclass(frozen=True, kw_only=True, slots=True)
class Marked:
    """Result of a marking: rows to send, the last slot examined, and whether the slice has no more
    due rows.

    `at` is the database's time, which all workers share.
    """

    rows: list[MarkedRow]
    cursor: int
    exhausted: bool
    at: float


Closing = tuple[Candidate, int, str]
"""A row that closes, its state from then on, and why."""

_close = text(
    "UPDATE delivery SET state = :state, reason = :reason, closed_at = :now"
    f" WHERE edition = :edition AND channel = :channel AND slot = :slot AND state = {PENDING}"
)

_wait = text(
    "UPDATE delivery SET due_at = :due_at, provider_code = 'tier'"
    f" WHERE edition = :edition AND channel = :channel AND slot = :slot AND state = {PENDING}"
)


def mark(
    connection: Connection,
    claim: Claim,
    holder: Holder,
    *,
    cursor: int,
    limit: int,
    people: int = 0,
) -> Marked:
    """Mark up to `limit` due rows `sending`, close those that may not be sent, renew the lease.
    Raises LeaseLost.

    `people`: how many different people the provider lets us write to in 24 hours (0: no limit);
    rows beyond them wait.
    """
    state, wall, closed = statements.gate(connection, claim.edition, claim.channel, claim.lane)
    if state == "paused":
        return Marked(rows=[], cursor=cursor, exhausted=True, at=wall)
    span: dict[str, Any] = {
        "edition": claim.edition,
        "channel": claim.channel,
        "cursor": cursor,
        "until": due_until(state, wall),
    }
    due = statements.candidates(connection, **span, last=claim.last_slot, limit=limit)
    if not due:
        return Marked(rows=[], cursor=claim.last_slot, exhausted=True, at=wall)
    passing, closing = _sorted(due, over(state, claim.expires_at, wall))
    shut = bool(passing) and closed
    if shut:
        passing = []
    _close_rows(connection, claim, closing, wall)
    if people and passing:
        passing = _within_tier(connection, claim, people, passing)
    slots = {row.slot for row in passing}
    last = due[-1].slot
    marked = statements.mark_range(connection, slots, **span, last=last) if passing else set()
    marked -= _unmark(connection, claim, marked - slots)
    change = Counter({PENDING: -len(marked) - len(closing), SENDING: len(marked)})
    change.update(to for _row, to, _why in closing)
    move_counters(connection, claim, change, holder=holder)
    rows = _with_corrections(connection, claim, [row for row in passing if row.slot in marked])
    return Marked(rows=rows, cursor=last, exhausted=shut or len(due) < limit, at=wall)


def _sorted(rows: list[Candidate], ended: str) -> tuple[list[Candidate], list[Closing]]:
    """Part the rows into those that may be sent and those that close.

    `ended`: why the run is over, a key of CLOSINGS; empty while it runs.
    """
    passing: list[Candidate] = []
    closing: list[Closing] = []
    for row in rows:
        verdict = _verdict(row, ended)
        if verdict is None:
            passing.append(row)
        else:
            closing.append((row, *verdict))
    return passing, closing


def _close_rows(connection: Connection, claim: Claim, closing: list[Closing], wall: float) -> None:
    place = {"edition": claim.edition, "channel": claim.channel, "now": wall}
    if closing:
        connection.execute(
            _close,
            [{**place, "slot": row.slot, "state": to, "reason": why} for row, to, why in closing],
        )


def _with_corrections(
    connection: Connection, claim: Claim, rows: list[MarkedRow]
) -> list[MarkedRow]:
    """Add the numbers of the messages that each row corrects, where the edition follows another."""
    if claim.follows is None or not rows:
        return rows
    standing = _message_numbers(connection, claim, sorted(row.slot for row in rows))
    return [
        msgspec.structs.replace(row, corrects=tuple(standing.get(row.slot, ()))) for row in rows
    ]


def has_due(connection: Connection, claim: Claim) -> bool:
    """True if the claimed slice has a due row."""
    state, wall, _closed = statements.gate(connection, claim.edition, claim.channel, claim.lane)
    span: dict[str, Any] = {
        "edition": claim.edition,
        "channel": claim.channel,
        "cursor": claim.after_slot,
    }
    due = statements.candidates(
        connection, **span, until=due_until(state, wall), last=claim.last_slot, limit=1
    )
    return state != "paused" and bool(due)


def _within_tier(
    connection: Connection, claim: Claim, people: int, rows: list[Candidate]
) -> list[Candidate]:
    """Return the rows that the daily limit on people admits; the others wait for room or for their
    end.
    """
    emergency = claim.lane == "emergency"
    admitted = tier.admit(
        connection, claim.channel, people, [row.address for row in rows], emergency=emergency
    )
    waiting = [row for row in rows if row.address not in admitted]
    if waiting:
        times = tier.next_room(connection, claim.channel, people, len(waiting), emergency=emergency)
        connection.execute(
            _wait,
            [
                {
                    "edition": claim.edition,
                    "channel": claim.channel,
                    "slot": row.slot,
                    "due_at": min(at, claim.expires_at or at),
                }
                for row, at in zip(waiting, times, strict=True)
            ],
        )
    return [row for row in rows if row.address in admitted]


def _unmark(connection: Connection, claim: Claim, slots: set[int]) -> set[int]:
    """Return rows to pending that another transaction opened between reading and marking: they have
    not passed the gate.
    """
    if slots:
        mine = (
            delivery.c.edition == claim.edition,
            delivery.c.channel == claim.channel,
            delivery.c.slot.in_(slots),
        )
        connection.execute(
            update(delivery).where(*mine).values(state=PENDING, attempt=delivery.c.attempt - 1)
        )
    return slots


def _verdict(row: Candidate, ended: str) -> tuple[int, str] | None:
    """Return the closing state and reason of a row that may not be sent; None where it may.

    `ended`: why the run is over, a key of CLOSINGS; empty while it runs.
    """
    if ended:
        why = (CLOSINGS[ended], ended)
    elif row.address_state != State.CONFIRMED:
        why = (
            SKIPPED,
            row.address_reason
            or (
                "address_unconfirmed" if row.address_state == State.UNCONFIRMED else "address_gone"
            ),
        )
    else:
        return None
    return (UNCONFIRMED, why[1]) if row.uncertain else why


def _message_numbers(
    connection: Connection, claim: Claim, slots: list[int]
) -> dict[int, dict[int, None]]:
    """Return the provider's message numbers of earlier editions by slot, newest first; an edit
    keeps its number.
    """
    mine = select(edition.c.announcement).where(edition.c.id == claim.edition).scalar_subquery()
    earlier = select(edition.c.id).where(
        edition.c.announcement == mine, edition.c.id < claim.edition
    )
    numbered = select(delivery.c.slot, delivery.c.message_number).where(
        delivery.c.edition.in_(connection.execute(earlier).scalars().all()),
        delivery.c.channel == claim.channel,
        delivery.c.slot.in_(slots),
        delivery.c.message_number.is_not(None),
    )
    numbers: dict[int, dict[int, None]] = {}
    for row in connection.execute(numbered.order_by(delivery.c.edition.desc())):
        numbers.setdefault(row.slot, {})[row.message_number] = None
    return numbers
