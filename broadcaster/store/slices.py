"""Working on the ledger: claim a slice, mark rows `sending` through the gate, give the slice back, finish the run.

Every function is one transaction's worth of SQL. What becomes of an outcome is decided in delivery.py.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, func, or_, select, text, update

from broadcaster.store import statements
from broadcaster.store.database import now
from broadcaster.store.leases import Holder, LeaseLost, lease_clock
from broadcaster.store.statements import Candidate, MarkedRow
from broadcaster.store.tables import (
    CANCELLED,
    EXPIRED,
    PENDING,
    SENDING,
    SKIPPED,
    STATES,
    UNCONFIRMED,
    delivery,
    run,
    slice_,
)

UNCERTAIN_LIMIT = 3
"""Uncertain attempts after which a row closes as unconfirmed."""
UNCERTAIN_LIMIT_EMERGENCY = 5
"""The same for emergencies."""
CONFIRMED = 1
"""subscribers.store: the state of an address that may be written to."""

OVER = ("stopped", "superseded")
"""States of a run of which nothing more leaves: whatever waits in it closes at once, also what was to be retried later."""
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
    """What one marking found: rows to write, the last slot looked at, and whether the slice has no more that is due.

    `at` is the time of the database, by which all workers count.
    """

    rows: list[MarkedRow]
    cursor: int
    exhausted: bool
    at: float


def claim_slice(
    connection: Connection, *, channel: str, lane: str, holder: Holder, receipt_wait: float, closing: bool = False
) -> Claim | None:
    """Lease the next slice with due work, runs of the lane taking turns; None when nothing is due.

    Rows that a dead or fenced holder left `sending` reopen after `receipt_wait` seconds as possible duplicates.
    `closing`: the channel may not send, so only what is over or expired, to be closed by the gate.
    """
    clock, wall = lease_clock(connection), now(connection)
    wanted = or_(run.c.state.in_(OVER), run.c.expires_at <= wall) if closing else run.c.state.in_(CLAIMABLE)
    runs = (
        select(run)
        .where(run.c.channel == channel, run.c.lane == lane, run.c.finished_at.is_(None), run.c.state.in_(CLAIMABLE), wanted)
        .order_by(run.c.served, run.c.edition)
    )
    for found in connection.execute(runs).all():
        row = _free_slice(connection, found.edition, channel, clock, _due_until(found.state, wall), holder)
        if row is None:
            continue
        claim = Claim(
            edition=row.edition, channel=channel, number=row.number, lane=lane,
            after_slot=row.after_slot, last_slot=row.last_slot, epoch=row.epoch + 1, follows=found.follows,
            published_at=found.published_at, expires_at=found.expires_at,
        )  # fmt: skip
        if row.n_sending:
            _reopen(connection, claim, wall + receipt_wait)
        connection.execute(
            update(slice_).where(slice_row(claim)).values(owner=holder.owner, lease_until=clock + holder.lease, epoch=claim.epoch)
        )
        turn = select(func.coalesce(func.max(run.c.served), 0) + 1).where(
            run.c.channel == channel, run.c.lane == lane, run.c.state.in_(CLAIMABLE)
        )
        connection.execute(
            update(run).where(run.c.edition == row.edition, run.c.channel == channel).values(served=turn.scalar_subquery())
        )
        return claim
    return None


def _due_until(state: str, wall: float) -> float:
    """Up to which time rows count as due: those of a run that is over always do."""
    return math.inf if state in OVER else wall


def _free_slice(connection: Connection, edition: int, channel: str, clock: float, until: float, holder: Holder) -> Row | None:  # type: ignore[type-arg]
    due = select(slice_).where(
        slice_.c.edition == edition, slice_.c.channel == channel, slice_.c.open > 0, slice_.c.due_at <= until
    ).order_by(slice_.c.number)  # fmt: skip
    free = or_(slice_.c.owner.is_(None), slice_.c.lease_until <= clock)
    row = connection.execute(due.where(free).limit(1).with_for_update(skip_locked=True)).first()
    if row is not None:
        return row
    for held in connection.execute(due.where(~free)).all():
        if holder.may_take(held.owner, held.lease_until, clock):
            same = (slice_.c.number == held.number) & (slice_.c.epoch == held.epoch)
            return connection.execute(due.where(same).with_for_update(skip_locked=True)).first()
    return None


def _reopen(connection: Connection, claim: Claim, due_at: float) -> None:
    """Rows an earlier holder marked and never settled: uncertain. They are tried again, a limited number of times."""
    limit = UNCERTAIN_LIMIT_EMERGENCY if claim.lane == "emergency" else UNCERTAIN_LIMIT
    open_rows = _in_slice(claim) & (delivery.c.state == SENDING)
    closed = connection.execute(
        update(delivery)
        .where(open_rows, delivery.c.uncertain + 1 >= limit)
        .values(state=UNCONFIRMED, uncertain=delivery.c.uncertain + 1, reason="no_answer", closed_at=now(connection))
    ).rowcount
    again = connection.execute(
        update(delivery).where(open_rows).values(state=PENDING, uncertain=delivery.c.uncertain + 1, due_at=due_at)
    ).rowcount
    move_counters(connection, claim, {SENDING: -closed - again, UNCONFIRMED: closed, PENDING: again}, possible_duplicates=again)


def _in_slice(claim: Claim) -> ColumnElement[bool]:
    return (
        (delivery.c.edition == claim.edition)
        & (delivery.c.channel == claim.channel)
        & (delivery.c.slot > claim.after_slot)
        & (delivery.c.slot <= claim.last_slot)
    )


def move_counters(
    connection: Connection, claim: Claim, change: Mapping[int, int], *, possible_duplicates: int = 0, holder: Holder | None = None
) -> None:
    """Move the slice's counters by `change` (state -> difference); with `holder` also renew the lease, or raise LeaseLost."""
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
    lease = {"owner": holder.owner, "epoch": claim.epoch, "clock": clock, "until": clock + holder.lease}
    held = statements.move_counters_held(connection, **place, **by, **lease)
    if held.rowcount != 1:
        raise LeaseLost


def slice_row(claim: Claim) -> ColumnElement[bool]:
    """The row of the claimed slice."""
    return (slice_.c.edition == claim.edition) & (slice_.c.channel == claim.channel) & (slice_.c.number == claim.number)


def renew(connection: Connection, claim: Claim, holder: Holder) -> None:
    """Prolong the lease; raises LeaseLost when it is no longer ours."""
    move_counters(connection, claim, {}, holder=holder)


_close = text(
    "UPDATE delivery SET state = :state, reason = :reason, closed_at = :now"
    " WHERE edition = :edition AND channel = :channel AND slot = :slot AND state = 0"
)


def mark(connection: Connection, claim: Claim, holder: Holder, *, cursor: int, limit: int) -> Marked:
    """The gate: mark up to `limit` due rows `sending`, close those that may not be sent, renew the lease. Raises LeaseLost."""
    state, wall, closed = statements.gate(connection, claim.edition, claim.channel, claim.lane)
    if state == "paused":
        return Marked(rows=[], cursor=cursor, exhausted=True, at=wall)
    span: dict[str, Any] = {
        "edition": claim.edition, "channel": claim.channel, "cursor": cursor, "until": _due_until(state, wall),
    }  # fmt: skip
    found = statements.candidates(connection, **span, last=claim.last_slot, limit=limit)
    if not found:
        return Marked(rows=[], cursor=claim.last_slot, exhausted=True, at=wall)
    passing, closing = [], []
    for row in found:
        verdict = _verdict(row, state, claim, wall)
        (closing.append((row, *verdict)) if verdict else passing.append(row))
    shut = bool(passing) and closed
    if shut:
        passing = []
    if closing:
        connection.execute(
            _close,
            [{"edition": claim.edition, "channel": claim.channel, "slot": row.slot, "state": to, "reason": why, "now": wall}
             for row, to, why in closing],
        )  # fmt: skip
    slots = {row.slot for row in passing}
    marked = statements.mark_range(connection, slots, **span, last=found[-1].slot) if passing else set()
    marked -= _unmark(connection, claim, marked - slots)
    change = Counter({PENDING: -len(marked) - len(closing), SENDING: len(marked)})
    change.update(to for _row, to, _why in closing)
    move_counters(connection, claim, change, holder=holder)
    rows: list[MarkedRow] = [row for row in passing if row.slot in marked]
    if claim.follows is not None and marked:
        previous = _previous_ids(connection, claim, sorted(marked))
        rows = [msgspec.structs.replace(row, previous_id=previous.get(row.slot, "")) for row in rows]
    return Marked(rows=rows, cursor=found[-1].slot, exhausted=shut or len(found) < limit, at=wall)


def _unmark(connection: Connection, claim: Claim, slots: set[int]) -> set[int]:
    """Rows that another transaction opened between the look and the marking: they have not been through the gate."""
    if slots:
        mine = (delivery.c.edition == claim.edition, delivery.c.channel == claim.channel, delivery.c.slot.in_(slots))
        connection.execute(update(delivery).where(*mine).values(state=PENDING, attempt=delivery.c.attempt - 1))
    return slots


def _verdict(row: Candidate, state: str, claim: Claim, wall: float) -> tuple[int, str] | None:
    """Why a row may not be sent: its closing state and reason; None = it may."""
    if state == "superseded":
        why = (CANCELLED, "superseded")
    elif state == "stopped":
        why = (CANCELLED, "stopped")
    elif claim.expires_at is not None and claim.expires_at <= wall:
        why = (EXPIRED, "expired")
    elif row.address_state != CONFIRMED:
        why = (SKIPPED, row.address_reason or "address_gone")
    else:
        return None
    return (UNCONFIRMED, why[1]) if row.uncertain else why


def _previous_ids(connection: Connection, claim: Claim, slots: list[int]) -> dict[int, str]:
    """The provider's ids of the messages that a correction corrects."""
    found = select(delivery.c.slot, delivery.c.provider_id).where(
        delivery.c.edition == claim.follows, delivery.c.channel == claim.channel, delivery.c.slot.in_(slots)
    )
    return {row.slot: row.provider_id or "" for row in connection.execute(found)}


def release(connection: Connection, claim: Claim, holder: Holder) -> None:
    """End the claim: recount the slice from its rows, note when its earliest open row is due, close the run when all is done."""
    held = slice_row(claim) & (slice_.c.owner == holder.owner) & (slice_.c.epoch == claim.epoch)
    if connection.execute(select(slice_.c.number).where(held).with_for_update()).first() is None:
        return
    span = connection.execute(select(slice_.c.after_slot, slice_.c.last_slot).where(slice_row(claim))).one()
    rows = connection.execute(
        select(delivery.c.state, func.count().label("n"), func.min(delivery.c.due_at).label("due_at"))
        .where(
            delivery.c.edition == claim.edition, delivery.c.channel == claim.channel,
            delivery.c.slot > span.after_slot, delivery.c.slot <= span.last_slot,
        )
        .group_by(delivery.c.state)
    ).all()  # fmt: skip
    counts = {row.state: row.n for row in rows}
    values: dict[str, object] = {f"n_{name}": counts.get(state, 0) for state, name in enumerate(STATES)}
    values["open"] = counts.get(PENDING, 0) + counts.get(SENDING, 0)
    values["due_at"] = next((row.due_at for row in rows if row.state == PENDING), 0.0)
    connection.execute(update(slice_).where(held).values(**values, owner=None, lease_until=None))
    finish_run(connection, claim.edition, claim.channel)


def finish_run(connection: Connection, edition: int, channel: str) -> None:
    """Close a run once nothing of it is open and nothing more will be added."""
    mine = (run.c.edition == edition) & (run.c.channel == channel) & run.c.finished_at.is_(None)
    # the run's row orders those who close its last slices and who seals it: the last of them sees all the others' work
    if connection.execute(select(run.c.edition).where(mine).with_for_update()).first() is None:
        return
    still_open = (
        select(slice_.c.number).where(slice_.c.edition == edition, slice_.c.channel == channel, slice_.c.open > 0).limit(1)
    )
    if connection.execute(still_open).first() is not None:
        return
    wall = now(connection)
    connection.execute(update(run).where(mine, run.c.state == "running", run.c.sealed).values(state="done", finished_at=wall))
    connection.execute(update(run).where(mine, run.c.state.in_(("stopped", "superseded"))).values(finished_at=wall))


def finish_idle(connection: Connection) -> None:
    """Close every run that has nothing open any more (a safety net: each is closed by its last slice).

    A paused one that expires goes on, so that the gate closes what waits in it.
    """
    expired = (run.c.state == "paused", run.c.expires_at <= now(connection))
    connection.execute(update(run).where(*expired, run.c.sealed).values(state="running"))
    connection.execute(update(run).where(*expired, ~run.c.sealed).values(state="preparing"))
    for row in connection.execute(select(run.c.edition, run.c.channel).where(run.c.finished_at.is_(None))).all():
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
            slice_.c.edition == row.edition, slice_.c.channel == row.channel, slice_.c.open > 0,
            slice_.c.due_at <= _due_until(row.state, wall),
        )  # fmt: skip
        if (row.state == "preparing" and not row.sealed) or connection.execute(work.limit(1)).first() is not None:
            found[row.channel, row.lane] = None
    return list(found)
