"""Working on the ledger: claim a slice, mark rows `sending` through the gate, give the slice back,
finish the run.

Every function is one transaction's worth of SQL. What becomes of an outcome is decided in
delivery.py.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, select, text, update

from broadcaster.domain.deliveries import (
    PENDING,
    SENDING,
    SKIPPED,
    STATES,
    UNCONFIRMED,
    MarkedRow,
)
from broadcaster.domain.retry_policy import CLOSINGS, over
from broadcaster.store import statements, tier
from broadcaster.store.database import now
from broadcaster.store.leases import Holder, LeaseLost, lease_clock
from broadcaster.store.statements import Candidate, Statement
from broadcaster.store.tables import delivery, edition, run, slice_
from subscribers.store import State

OVER = ("stopped", "superseded")
"""States of a run of which nothing more leaves: whatever waits in it closes at once, also what was
to be retried later.
"""
CLAIMABLE = ("preparing", "running", *OVER)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claimed slice; `epoch` fences off every earlier claim of it."""

    edition: int
    channel: str
    number: int
    lane: str
    after_slot: int
    last_slot: int
    epoch: int
    follows: int | None
    published_at: float
    expires_at: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Marked:
    """What one marking found: rows to write, the last slot looked at, and whether the slice has no
    more that is due.

    `at` is the time of the database, by which all workers count.
    """

    rows: list[MarkedRow]
    cursor: int
    exhausted: bool
    at: float


_FOR_UPDATE = " FOR UPDATE SKIP LOCKED"
_NAMES = ", ".join(f"'{state}'" for state in CLAIMABLE)
_runs = Statement(
    "SELECT edition, state, follows, published_at, expires_at FROM run WHERE channel = :channel AND lane = :lane"
    f" AND finished_at IS NULL AND state IN ({_NAMES}) ORDER BY served, edition"
)
_DUE = (
    "SELECT number, after_slot, last_slot, epoch, owner, lease_until, n_sending FROM slice"
    " WHERE edition = :edition AND channel = :channel AND open > 0 AND due_at <= :until"
)
_FREE = _DUE + " AND (owner IS NULL OR lease_until <= :clock) ORDER BY number LIMIT 1"
_first_free = Statement(_FREE, _FREE + _FOR_UPDATE)
_held_by_others = Statement(
    _DUE + " AND owner IS NOT NULL AND lease_until > :clock ORDER BY number"
)
_SAME = _DUE + " AND number = :number AND epoch = :epoch"
_one_held = Statement(_SAME, _SAME + _FOR_UPDATE)
_take = Statement(
    "UPDATE slice SET owner = :owner, lease_until = :until, epoch = :epoch"
    " WHERE edition = :edition AND channel = :channel AND number = :number"
)
_take_turn = Statement(
    "UPDATE run SET served = (SELECT coalesce(max(r.served), 0) + 1 FROM run r WHERE r.channel = :channel AND r.lane = :lane"
    f" AND r.state IN ({_NAMES})) WHERE edition = :edition AND channel = :channel"
)


def claim_slice(
    connection: Connection,
    *,
    channel: str,
    lane: str,
    holder: Holder,
    reopen_wait: float,
    uncertain_limit: int,
    closing: bool = False,
) -> Claim | None:
    """Lease the next slice with due work, runs of the lane taking turns; None when nothing is due.

    Rows that a dead or fenced holder left `sending` reopen after `reopen_wait` seconds as possible
    duplicates, and close as unconfirmed at `uncertain_limit` uncertain attempts. `closing`: the
    channel may not send, so only what is over or expired, to be closed by the gate.
    """
    clock, wall = lease_clock(connection), now(connection)
    for found in _runs(connection, channel=channel, lane=lane).all():
        if (
            closing
            and found.state not in OVER
            and (found.expires_at is None or found.expires_at > wall)
        ):
            continue
        row = _free_slice(
            connection, found.edition, channel, clock, _due_until(found.state, wall), holder
        )
        if row is None:
            continue
        claim = Claim(
            edition=found.edition,
            channel=channel,
            number=row.number,
            lane=lane,
            after_slot=row.after_slot,
            last_slot=row.last_slot,
            epoch=row.epoch + 1,
            follows=found.follows,
            published_at=found.published_at,
            expires_at=found.expires_at,
        )
        if row.n_sending:
            _reopen(connection, claim, wall + reopen_wait, uncertain_limit)
        place = {"edition": claim.edition, "channel": channel}
        lease = {"owner": holder.owner, "until": clock + holder.lease, "epoch": claim.epoch}
        _take(connection, **place, number=claim.number, **lease)
        _take_turn(connection, **place, lane=lane)
        return claim
    return None


def _due_until(state: str, wall: float) -> float:
    """Up to which time rows count as due: those of a run that is over always do."""
    return math.inf if state in OVER else wall


def _free_slice(
    connection: Connection, edition: int, channel: str, clock: float, until: float, holder: Holder
) -> Any:
    """The first slice with due work that nobody holds, else one whose holder is dead; None when
    there is none.
    """
    due: dict[str, Any] = {"edition": edition, "channel": channel, "until": until}
    row = _first_free(connection, **due, clock=clock).first()
    if row is not None:
        return row
    for held in _held_by_others(connection, **due, clock=clock).all():
        if holder.may_take(held.owner, held.lease_until, clock):
            return _one_held(connection, **due, number=held.number, epoch=held.epoch).first()
    return None


def _reopen(connection: Connection, claim: Claim, due_at: float, limit: int) -> None:
    """Reopen rows that an earlier holder marked and never settled; close those uncertain `limit`
    times.
    """
    open_rows = _in_slice(claim) & (delivery.c.state == SENDING)
    closed = connection.execute(
        update(delivery)
        .where(open_rows, delivery.c.uncertain + 1 >= limit)
        .values(
            state=UNCONFIRMED,
            uncertain=delivery.c.uncertain + 1,
            reason="no_answer",
            closed_at=now(connection),
        )
    ).rowcount
    again = connection.execute(
        update(delivery)
        .where(open_rows)
        .values(state=PENDING, uncertain=delivery.c.uncertain + 1, due_at=due_at)
    ).rowcount
    move_counters(
        connection,
        claim,
        {SENDING: -closed - again, UNCONFIRMED: closed, PENDING: again},
        possible_duplicates=again,
    )


def _in_slice(claim: Claim) -> ColumnElement[bool]:
    return (
        (delivery.c.edition == claim.edition)
        & (delivery.c.channel == claim.channel)
        & (delivery.c.slot > claim.after_slot)
        & (delivery.c.slot <= claim.last_slot)
    )


def move_counters(
    connection: Connection,
    claim: Claim,
    change: Mapping[int, int],
    *,
    possible_duplicates: int = 0,
    holder: Holder | None = None,
) -> None:
    """Move the slice's counters by `change` (state -> difference); with `holder` also renew the
    lease, or raise LeaseLost.
    """
    moved = any(change.values()) or possible_duplicates
    if not moved and holder is None:
        return
    place = {"edition": claim.edition, "channel": claim.channel, "number": claim.number}
    by = {f"n_{name}": change.get(state, 0) for state, name in enumerate(STATES)}
    by |= {"open": change.get(PENDING, 0) + change.get(SENDING, 0), "doubles": possible_duplicates}
    if holder is None:
        statements.move_counters(connection, **place, **by)
        return
    clock = lease_clock(connection)
    lease = {
        "owner": holder.owner,
        "epoch": claim.epoch,
        "clock": clock,
        "until": clock + holder.lease,
    }
    held = statements.move_counters_held(connection, **place, **by, **lease)
    if held.rowcount != 1:
        raise LeaseLost


def renew(connection: Connection, claim: Claim, holder: Holder) -> None:
    """Prolong the lease; raises LeaseLost when it is no longer ours."""
    move_counters(connection, claim, {}, holder=holder)


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
    """The gate: mark up to `limit` due rows `sending`, close those that may not be sent, renew the
    lease. Raises LeaseLost.

    `people`: how many different ones the provider lets us write to in 24 hours (0: any number);
    rows beyond them wait.
    """
    state, wall, closed = statements.gate(connection, claim.edition, claim.channel, claim.lane)
    if state == "paused":
        return Marked(rows=[], cursor=cursor, exhausted=True, at=wall)
    span: dict[str, Any] = {
        "edition": claim.edition,
        "channel": claim.channel,
        "cursor": cursor,
        "until": _due_until(state, wall),
    }
    found = statements.candidates(connection, **span, last=claim.last_slot, limit=limit)
    if not found:
        return Marked(rows=[], cursor=claim.last_slot, exhausted=True, at=wall)
    passing, closing = [], []
    ended = over(state, claim.expires_at, wall)
    for row in found:
        verdict = _verdict(row, ended)
        (closing.append((row, *verdict)) if verdict else passing.append(row))
    shut = bool(passing) and closed
    if shut:
        passing = []
    if closing:
        connection.execute(
            _close,
            [
                {
                    "edition": claim.edition,
                    "channel": claim.channel,
                    "slot": row.slot,
                    "state": to,
                    "reason": why,
                    "now": wall,
                }
                for row, to, why in closing
            ],
        )
    if people and passing:
        passing = _within_tier(connection, claim, people, passing)
    slots = {row.slot for row in passing}
    marked = (
        statements.mark_range(connection, slots, **span, last=found[-1].slot) if passing else set()
    )
    marked -= _unmark(connection, claim, marked - slots)
    change = Counter({PENDING: -len(marked) - len(closing), SENDING: len(marked)})
    change.update(to for _row, to, _why in closing)
    move_counters(connection, claim, change, holder=holder)
    rows: list[MarkedRow] = [row for row in passing if row.slot in marked]
    if claim.follows is not None and marked:
        standing = _message_numbers(connection, claim, sorted(marked))
        rows = [
            msgspec.structs.replace(row, corrects=tuple(standing.get(row.slot, ()))) for row in rows
        ]
    return Marked(rows=rows, cursor=found[-1].slot, exhausted=shut or len(found) < limit, at=wall)


def has_due(connection: Connection, claim: Claim) -> bool:
    """Whether the gate would find something in the claimed slice."""
    state, wall, _closed = statements.gate(connection, claim.edition, claim.channel, claim.lane)
    span: dict[str, Any] = {
        "edition": claim.edition,
        "channel": claim.channel,
        "cursor": claim.after_slot,
    }
    due = statements.candidates(
        connection, **span, until=_due_until(state, wall), last=claim.last_slot, limit=1
    )
    return state != "paused" and bool(due)


def _within_tier(
    connection: Connection, claim: Claim, people: int, rows: list[Candidate]
) -> list[Candidate]:
    """Those whom the day's number of people allows; the others wait until there is room, or for
    their end.
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
    """Rows that another transaction opened between the look and the marking: they have not been
    through the gate.
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
    """The provider's numbers of every message of earlier editions, by slot, newest first: an edit
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


_HELD = " WHERE edition = :edition AND channel = :channel AND number = :number AND owner = :owner AND epoch = :epoch"
_SPAN = f"SELECT after_slot, last_slot FROM slice{_HELD}"
_still_held = Statement(_SPAN, _SPAN + " FOR UPDATE")
_recount = Statement(
    "SELECT state, count(*) AS n, min(due_at) AS due_at FROM delivery"
    " WHERE edition = :edition AND channel = :channel AND slot > :after AND slot <= :last GROUP BY state"
)
_let_go = Statement(
    "UPDATE slice SET owner = NULL, lease_until = NULL, open = :open, due_at = :due_at, "
    + ", ".join(f"n_{state} = :n_{state}" for state in STATES)
    + _HELD
)


def release(connection: Connection, claim: Claim, holder: Holder) -> None:
    """End the claim: recount the slice from its rows, note when its earliest open row is due, close
    the run when all is done.
    """
    held: dict[str, Any] = {
        "edition": claim.edition,
        "channel": claim.channel,
        "number": claim.number,
        "owner": holder.owner,
        "epoch": claim.epoch,
    }
    span = _still_held(connection, **held).first()
    if span is None:
        return
    rows = _recount(
        connection,
        edition=claim.edition,
        channel=claim.channel,
        after=span.after_slot,
        last=span.last_slot,
    ).all()
    counts = {row.state: row.n for row in rows}
    numbers = {f"n_{name}": counts.get(state, 0) for state, name in enumerate(STATES)}
    opened = counts.get(PENDING, 0) + counts.get(SENDING, 0)
    due_at = next((row.due_at for row in rows if row.state == PENDING), 0.0)
    _let_go(connection, **held, **numbers, open=opened, due_at=due_at)
    finish_run(connection, claim.edition, claim.channel)


def finish_run(connection: Connection, edition: int, channel: str) -> None:
    """Close a run once nothing of it is open and nothing more will be added."""
    mine = (run.c.edition == edition) & (run.c.channel == channel) & run.c.finished_at.is_(None)
    # the run's row orders those who close its last slices and who seals it: the last of them sees all the others' work
    if connection.execute(select(run.c.edition).where(mine).with_for_update()).first() is None:
        return
    still_open = (
        select(slice_.c.number)
        .where(slice_.c.edition == edition, slice_.c.channel == channel, slice_.c.open > 0)
        .limit(1)
    )
    if connection.execute(still_open).first() is not None:
        return
    wall = now(connection)
    connection.execute(
        update(run)
        .where(mine, run.c.state == "running", run.c.sealed)
        .values(state="done", finished_at=wall)
    )
    connection.execute(
        update(run).where(mine, run.c.state.in_(("stopped", "superseded"))).values(finished_at=wall)
    )


def finish_idle(connection: Connection) -> None:
    """Close every run that has nothing open any more (a safety net: each is closed by its last
    slice).

    A paused one that expires goes on, so that the gate closes what waits in it.
    """
    expired = (run.c.state == "paused", run.c.expires_at <= now(connection))
    connection.execute(update(run).where(*expired, run.c.sealed).values(state="running"))
    connection.execute(update(run).where(*expired, ~run.c.sealed).values(state="preparing"))
    for row in connection.execute(
        select(run.c.edition, run.c.channel).where(run.c.finished_at.is_(None))
    ).all():
        finish_run(connection, row.edition, row.channel)


def busy_lanes(connection: Connection) -> list[tuple[str, str]]:
    """(channel, lane) pairs that have something to do now: runs to fill, slices that are due."""
    wall = now(connection)
    open_runs = select(run.c.edition, run.c.channel, run.c.lane, run.c.state, run.c.sealed).where(
        run.c.finished_at.is_(None), run.c.state.in_(CLAIMABLE)
    )
    found: dict[tuple[str, str], None] = {}
    for row in connection.execute(open_runs).all():
        if (row.channel, row.lane) in found:
            continue
        work = select(slice_.c.number).where(
            slice_.c.edition == row.edition,
            slice_.c.channel == row.channel,
            slice_.c.open > 0,
            slice_.c.due_at <= _due_until(row.state, wall),
        )
        if (row.state == "preparing" and not row.sealed) or connection.execute(
            work.limit(1)
        ).first() is not None:
            found[row.channel, row.lane] = None
    return list(found)
