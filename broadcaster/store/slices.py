"""Slices of the ledger: claim, count and release them, finish their run.

Every function is SQL within a transaction.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, select, update

from broadcaster.domain.deliveries import (
    PENDING,
    SENDING,
    STATES,
    UNCONFIRMED,
)
from broadcaster.store import statements
from broadcaster.store.database import now
from broadcaster.store.leases import Holder, LeaseLost, lease_clock
from broadcaster.store.statements import Statement
from broadcaster.store.tables import delivery, run, slice_

OVER = ("stopped", "superseded")
"""States of a run that sends nothing more: its waiting rows close at once, also those to be retried
later.
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


_FOR_UPDATE = " FOR UPDATE SKIP LOCKED"
_NAMES = ", ".join(f"'{state}'" for state in CLAIMABLE)
_runs = Statement(
    "SELECT edition, state, follows, published_at, expires_at FROM run"
    " WHERE channel = :channel AND lane = :lane"
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
    "UPDATE run SET served = (SELECT coalesce(max(r.served), 0) + 1 FROM run r"
    " WHERE r.channel = :channel AND r.lane = :lane"
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
    channel may not send, so only runs that are over or expired, to be closed by the gate.
    """
    clock, wall = lease_clock(connection), now(connection)
    for turn in _runs(connection, channel=channel, lane=lane).all():
        if (
            closing
            and turn.state not in OVER
            and (turn.expires_at is None or turn.expires_at > wall)
        ):
            continue
        row = _free_slice(
            connection, turn.edition, channel, clock, due_until(turn.state, wall), holder
        )
        if row is None:
            continue
        claim = Claim(
            edition=turn.edition,
            channel=channel,
            number=row.number,
            lane=lane,
            after_slot=row.after_slot,
            last_slot=row.last_slot,
            epoch=row.epoch + 1,
            follows=turn.follows,
            published_at=turn.published_at,
            expires_at=turn.expires_at,
        )
        if row.n_sending:
            _reopen(connection, claim, wall + reopen_wait, uncertain_limit)
        place = {"edition": claim.edition, "channel": channel}
        lease = {"owner": holder.owner, "until": clock + holder.lease, "epoch": claim.epoch}
        _take(connection, **place, number=claim.number, **lease)
        _take_turn(connection, **place, lane=lane)
        return claim
    return None


def due_until(state: str, wall: float) -> float:
    """Return the time up to which rows count as due: infinity for a run that is over."""
    return math.inf if state in OVER else wall


def _free_slice(
    connection: Connection, edition: int, channel: str, clock: float, until: float, holder: Holder
) -> Any:
    """Find the first slice with due work that nobody holds, else one whose holder is dead; None if
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
    """Change the slice's counters by `change` (state -> difference); with `holder` also renew the
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
    """Renew the lease. Raises LeaseLost."""
    move_counters(connection, claim, {}, holder=holder)


_HELD = (
    " WHERE edition = :edition AND channel = :channel AND number = :number"
    " AND owner = :owner AND epoch = :epoch"
)
_SPAN = f"SELECT after_slot, last_slot FROM slice{_HELD}"
_still_held = Statement(_SPAN, _SPAN + " FOR UPDATE")
_recount = Statement(
    "SELECT state, count(*) AS n, min(due_at) AS due_at FROM delivery"
    " WHERE edition = :edition AND channel = :channel AND slot > :after AND slot <= :last"
    " GROUP BY state"
)
_let_go = Statement(
    "UPDATE slice SET owner = NULL, lease_until = NULL, open = :open, due_at = :due_at, "
    + ", ".join(f"n_{state} = :n_{state}" for state in STATES)
    + _HELD
)


def release(connection: Connection, claim: Claim, holder: Holder) -> None:
    """Release the claim: recount the slice from its rows, store when its earliest open row is due,
    close a finished run.
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
    """Close a run once no row of it is open and none will be added."""
    mine = (run.c.edition == edition) & (run.c.channel == channel) & run.c.finished_at.is_(None)
    # the lock orders the closing of the last slices and the seal: the last one sees the others
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
    """Close every run without open rows (a safety net: normally the last slice closes its run).

    A paused run that expires continues, so that the gate closes its waiting rows.
    """
    expired = (run.c.state == "paused", run.c.expires_at <= now(connection))
    connection.execute(update(run).where(*expired, run.c.sealed).values(state="running"))
    connection.execute(update(run).where(*expired, ~run.c.sealed).values(state="preparing"))
    for row in connection.execute(
        select(run.c.edition, run.c.channel).where(run.c.finished_at.is_(None))
    ).all():
        finish_run(connection, row.edition, row.channel)


def busy_lanes(connection: Connection) -> list[tuple[str, str]]:
    """Return the (channel, lane) pairs with work: runs to fill, slices that are due."""
    wall = now(connection)
    open_runs = select(run.c.edition, run.c.channel, run.c.lane, run.c.state, run.c.sealed).where(
        run.c.finished_at.is_(None), run.c.state.in_(CLAIMABLE)
    )
    lanes: dict[tuple[str, str], None] = {}
    for row in connection.execute(open_runs).all():
        if (row.channel, row.lane) in lanes:
            continue
        work = select(slice_.c.number).where(
            slice_.c.edition == row.edition,
            slice_.c.channel == row.channel,
            slice_.c.open > 0,
            slice_.c.due_at <= due_until(row.state, wall),
        )
        if (row.state == "preparing" and not row.sealed) or connection.execute(
            work.limit(1)
        ).first() is not None:
            lanes[row.channel, row.lane] = None
    return list(lanes)
