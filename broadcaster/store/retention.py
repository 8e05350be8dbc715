"""Folding: the rows of old editions become counts, in chunks; what people see of them stays the
same.
"""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from broadcaster.domain.deliveries import STATES
from broadcaster.store.tables import announcement, delivery, edition, provider_message, run, slice_

DAY = 24 * 3600.0
FOLD_AFTER = 30 * DAY
"""Seconds after its last run has finished at which an edition folds."""
FOLD_ANYWAY = 365 * DAY
"""The same for an announcement that is still published: a correction must reach all its recipients.
"""
FOLDED_AT_ONCE = 5_000
"""Rows that become counts in a transaction."""
WHOLE = 2**63 - 1
"""`run.folded_to` once no row is left."""

_COUNT = text(
    """
INSERT INTO folded (edition, channel, area, state, reason, provider_code, n)
SELECT edition, channel, area, state, coalesce(reason, ''), coalesce(provider_code, ''), count(*)
FROM delivery
WHERE edition = :edition AND channel = :channel AND slot <= :last
GROUP BY edition, channel, area, state, coalesce(reason, ''), coalesce(provider_code, '')
ON CONFLICT (edition, channel, area, state, reason, provider_code)
DO UPDATE SET n = folded.n + excluded.n
"""
)


def fold_old(connection: Connection, now: float, at_once: int = FOLDED_AT_ONCE) -> int:
    """Turn the next rows of the longest finished edition into counts; return how many rows (0: none
    is old enough).

    For periodic maintenance: call it about once a minute, and again at once while it returns more
    than 0. `now` in epoch seconds.
    """
    while (run_row := _next(connection, now)) is not None:
        if gone := _fold(connection, run_row, at_once):
            return gone
    return 0


def _next(connection: Connection, now: float) -> Any:
    """Find and lock the longest finished run that may fold: every run of its announcement must be
    long finished.

    No later edition then needs to know its recipients, and no other channel falls back into it.
    """
    other, later = run.alias(), edition.alias()
    late = or_(other.c.finished_at.is_(None), other.c.finished_at > now - FOLD_AFTER)
    still = exists().where(
        later.c.announcement == announcement.c.id, other.c.edition == later.c.id, late
    )
    in_force = and_(
        announcement.c.state == "published",
        ~edition.c.withdrawn,
        run.c.finished_at > now - FOLD_ANYWAY,
    )
    old = (
        select(run.c.edition, run.c.channel, run.c.lane)
        .join(edition, edition.c.id == run.c.edition)
        .join(announcement, announcement.c.id == edition.c.announcement)
        .where(run.c.folded_to < WHOLE, run.c.finished_at <= now - FOLD_AFTER, ~in_force, ~still)
        .order_by(run.c.finished_at, run.c.edition, run.c.channel)
        .limit(1)
    )
    return connection.execute(old.with_for_update(of=run)).first()


def _fold(connection: Connection, run_row: Any, at_once: int) -> int:
    """Count the run's first rows and delete them; the last rows take its slices along."""
    mine = and_(delivery.c.edition == run_row.edition, delivery.c.channel == run_row.channel)
    slots = select(delivery.c.slot).where(mine).order_by(delivery.c.slot).limit(at_once)
    last = connection.execute(select(func.max(slots.subquery().c.slot))).scalar()
    if last is None:
        _one_slice(connection, run_row)
        return 0
    connection.execute(
        _COUNT, {"edition": run_row.edition, "channel": run_row.channel, "last": last}
    )
    known = and_(
        provider_message.c.edition == run_row.edition, provider_message.c.channel == run_row.channel
    )
    connection.execute(delete(provider_message).where(known, provider_message.c.slot <= last))
    gone = connection.execute(delete(delivery).where(mine, delivery.c.slot <= last)).rowcount
    connection.execute(update(run).where(_run(run_row)).values(folded_to=last))
    if gone < at_once:
        _one_slice(connection, run_row)
    return gone


def _run(run_row: Any) -> ColumnElement[bool]:
    return and_(run.c.edition == run_row.edition, run.c.channel == run_row.channel)


def _one_slice(connection: Connection, run_row: Any) -> None:
    """Replace the slices of a run without rows by one that holds the sum of all counters."""
    mine = and_(slice_.c.edition == run_row.edition, slice_.c.channel == run_row.channel)
    names = [*(f"n_{state}" for state in STATES), "possible_duplicates"]
    sums = connection.execute(
        select(*(func.coalesce(func.sum(slice_.c[name]), 0).label(name) for name in names)).where(
            mine
        )
    )
    values = dict(sums.one()._mapping)
    connection.execute(delete(slice_).where(mine))
    connection.execute(
        insert(slice_).values(
            edition=run_row.edition,
            channel=run_row.channel,
            number=0,
            lane=run_row.lane,
            after_slot=-1,
            last_slot=WHOLE,
            open=0,
            **values,
        )
    )
    connection.execute(update(run).where(_run(run_row)).values(folded_to=WHOLE))
