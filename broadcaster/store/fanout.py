"""Fan-out: the audience of a run becomes delivery rows and slices, in slot order, in chunks under a
lease.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Connection,
    Row,
    Select,
    func,
    insert,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.exc import IntegrityError

from broadcaster.domain.deliveries import PENDING
from broadcaster.store import recipients
from broadcaster.store.database import is_sqlite
from broadcaster.store.leases import Holder, LeaseLost, lease_clock
from broadcaster.store.recipients import audience_of
from broadcaster.store.slices import finish_run
from broadcaster.store.tables import delivery, edition, run, slice_
from subscribers.audience import share, window
from subscribers.store import insert_new


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """Concerned addresses in a run's first chunk (few, so that the first message leaves at once)
    and in every further one.

    The number of addresses examined bounds the writing transaction, however few of them the edition
    concerns: about 50 ms on SQLite, which has one writer. `slice_` is the rows that a worker
    claims; fewer than `least` wait for the next chunk.
    """

    first: int = 1_000
    chunk: int = 5_000
    slice_: int = 1_000
    least: int = 250


SIZES = Sizes()
SIZES_POSTGRESQL = Sizes(chunk=50_000)
"""Others write meanwhile, and each commit waits for the disk."""
SIZES_EMERGENCY = Sizes(chunk=20_000, least=1)
"""All other work waits for it, and its recipients need no full slice: any number goes out with the
next message.
"""
SIZES_EMERGENCY_POSTGRESQL = Sizes(chunk=50_000, least=1)
SPARSE, MOST_EXAMINED = 10, 200_000
"""Factor by which a chunk grows where few addresses are concerned, and the most addresses that it
examines.
"""
MAX_SLOT = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class FanOut:
    """A run that is being filled, leased by `owner`."""

    edition: int
    channel: str
    owner: str


def claim_fanout(
    connection: Connection, *, channel: str, lane: str, holder: Holder
) -> FanOut | None:
    """Lease the unsealed run of this lane that has the fewest rows, so that editions take turns;
    None when there is none.
    """
    clock = lease_clock(connection)
    candidates = (
        select(run.c.edition, run.c.follows, run.c.owner, run.c.lease_until)
        .where(
            run.c.channel == channel, run.c.lane == lane, run.c.state == "preparing", ~run.c.sealed
        )
        .order_by(run.c.total, run.c.edition)
        .with_for_update()  # waits: skipping a locked run would end its filling
    )
    for row in connection.execute(candidates):
        if row.owner != holder.owner and not holder.may_take(row.owner, row.lease_until, clock):
            continue
        if row.follows is not None and _unsettled(connection, row.edition, channel):
            continue
        connection.execute(
            update(run)
            .where(run.c.edition == row.edition, run.c.channel == channel)
            .values(owner=holder.owner, lease_until=clock + holder.lease, epoch=run.c.epoch + 1)
        )
        return FanOut(edition=row.edition, channel=channel, owner=holder.owner)
    return None


def _unsettled(connection: Connection, edition_id: int, channel: str) -> bool:
    """True if an earlier edition of the announcement has open rows: they must close first."""
    mine = select(edition.c.announcement).where(edition.c.id == edition_id).scalar_subquery()
    earlier = select(edition.c.id).where(edition.c.announcement == mine, edition.c.id < edition_id)
    still_open = (slice_.c.edition.in_(earlier), slice_.c.channel == channel, slice_.c.open > 0)
    return (
        connection.execute(select(slice_.c.number).where(*still_open).limit(1)).first() is not None
    )


def fill_chunk(
    connection: Connection, claim: FanOut, holder: Holder, sizes: Sizes | None = None
) -> bool:
    """Add the next chunk of rows and its slices, renew the lease; True once the run is sealed or no
    longer ours.
    """
    row = connection.execute(
        select(run).where(run.c.edition == claim.edition, run.c.channel == claim.channel)
    ).one()
    if row.owner != claim.owner or row.sealed or row.state != "preparing":
        return True
    mine = (run.c.edition == claim.edition, run.c.channel == claim.channel)
    still_ours = (
        *mine,
        run.c.owner == claim.owner,
        run.c.cursor == row.cursor,
        run.c.state == "preparing",
    )
    if row.cursor == MAX_SLOT:
        still = select(run.c.edition).where(*still_ours).with_for_update()
        if connection.execute(still).first() is None:
            raise LeaseLost
        seal(connection, claim.edition, claim.channel)
        return True
    prefer_indexes(connection)
    sizes = sizes or sizes_of(row.lane, sqlite=is_sqlite(connection))
    size = _chunk_size(connection, claim, sizes.first if row.cursor < 0 else sizes.chunk)
    until = window(connection, claim.channel, row.cursor, size) or MAX_SLOT
    source = recipients.of_slots(
        connection,
        claim.edition,
        claim.channel,
        follows=row.follows,
        cursor=row.cursor,
        until=until,
    )
    added = _insert(connection, claim, source, row.cursor, until)
    _add_slices(connection, claim, row, until, sizes)
    lease_until = lease_clock(connection) + holder.lease
    progress = {"cursor": until, "total": run.c.total + added, "lease_until": lease_until}
    moved = connection.execute(update(run).where(*still_ours).values(progress))
    if moved.rowcount != 1:
        raise LeaseLost
    return False


def _chunk_size(connection: Connection, claim: FanOut, size: int) -> int:
    """Return how many addresses a chunk examines: more where few are concerned, since the index
    skips most.
    """
    part = share(connection, audience_of(connection, claim.edition), claim.channel)
    return max(size, min(round(size / max(part, 1 / SPARSE)), MOST_EXAMINED))


def sizes_of(lane: str, *, sqlite: bool) -> Sizes:
    """Return the sizes for a lane."""
    if lane == "emergency":
        return SIZES_EMERGENCY if sqlite else SIZES_EMERGENCY_POSTGRESQL
    return SIZES if sqlite else SIZES_POSTGRESQL


def prefer_indexes(connection: Connection) -> None:
    """Make PostgreSQL plan this transaction with the actual values and by index, also for tables
    without statistics.
    """
    if not is_sqlite(connection):
        settings = {
            "enable_seqscan": "off",
            "enable_bitmapscan": "off",
            "jit": "off",
            "plan_cache_mode": "force_custom_plan",
        }
        connection.execute(
            select(*(func.set_config(name, value, True) for name, value in settings.items()))
        )


def _insert(
    connection: Connection, claim: FanOut, source: Select[int, int, str], after: int, until: int
) -> int:
    """Add the rows of `source`, keeping any that a fallback added before; return how many are new.

    ON CONFLICT costs PostgreSQL half as much again for each row, so it is used only where rows
    exist already.
    """
    rows = source.subquery()
    values = select(
        literal(claim.edition),
        literal(claim.channel),
        rows.c.slot,
        rows.c.address,
        rows.c.area,
        literal(PENDING),
        literal(0),
        literal(0),
        literal(0),
        literal(0.0),
    )
    # `WHERE true` keeps SQLite from reading ON CONFLICT as a join's ON
    values = values.where(text("true"))
    columns = [
        "edition",
        "channel",
        "slot",
        "address",
        "area",
        "state",
        "attempt",
        "spent",
        "uncertain",
        "due_at",
    ]
    if not _count(connection, claim.edition, claim.channel, after, until):
        with (
            suppress(IntegrityError),
            connection.begin_nested(),
        ):  # a fallback may add a row meanwhile
            return connection.execute(insert(delivery).from_select(columns, values)).rowcount
    return connection.execute(
        insert_new(connection, delivery).from_select(columns, values)
    ).rowcount


_cuts = text(
    """
WITH RECURSIVE cut (after_slot, last_slot) AS (
  SELECT CAST(:after AS bigint), (
    SELECT slot FROM delivery
    WHERE edition = :edition AND channel = :channel AND slot > :after AND slot <= :until
    ORDER BY slot LIMIT 1 OFFSET :skip)
  UNION ALL
  SELECT cut.last_slot, (
    SELECT slot FROM delivery
    WHERE edition = :edition AND channel = :channel AND slot > cut.last_slot AND slot <= :until
    ORDER BY slot LIMIT 1 OFFSET :skip)
  FROM cut WHERE cut.last_slot IS NOT NULL
)
SELECT after_slot, last_slot FROM cut ORDER BY after_slot
"""
)
"""Where full slices end; the last line, without an end, is the remainder."""


def _add_slices(
    connection: Connection, claim: FanOut, run_row: Row[Any], until: int, sizes: Sizes
) -> None:
    """Add slices from the end of the last one to `until`; each counts all rows within, a fallback's
    included.
    """
    number, after = _next_slice(connection, claim.edition, claim.channel)
    span = {
        "edition": claim.edition,
        "channel": claim.channel,
        "after": after,
        "until": until,
        "skip": sizes.slice_ - 1,
    }
    cuts = [(start, last, sizes.slice_) for start, last in connection.execute(_cuts, span).all()]
    rest = cuts.pop()[0]
    remaining = _count(connection, claim.edition, claim.channel, rest, until)
    if remaining and (remaining >= sizes.least or number == 0):
        cuts.append((rest, until, remaining))
    rows = [
        {
            "edition": claim.edition,
            "channel": claim.channel,
            "number": number + index,
            "lane": run_row.lane,
            "after_slot": start,
            "last_slot": last,
            "open": count,
            "n_pending": count,
        }
        for index, (start, last, count) in enumerate(cuts)
    ]
    if not rows:
        return
    try:
        connection.execute(insert(slice_), rows)
    except IntegrityError as taken:
        raise LeaseLost from taken  # the run was ended and sealed meanwhile


def _next_slice(connection: Connection, edition_id: int, channel: str) -> tuple[int, int]:
    """Return the number of a run's next slice, and the slot after which it begins."""
    newest = (
        select(slice_.c.number, slice_.c.last_slot)
        .where(slice_.c.edition == edition_id, slice_.c.channel == channel)
        .order_by(slice_.c.number.desc())
        .limit(1)
    )
    last_slice = connection.execute(newest).first()
    return (0, -1) if last_slice is None else (last_slice.number + 1, last_slice.last_slot)


def rows_without_slice(connection: Connection, edition_id: int, channel: str) -> int:
    """Count the rows of a run that cannot be claimed yet: fewer than a slice's least, until the
    next chunk or the seal.
    """
    _number, after = _next_slice(connection, edition_id, channel)
    return _count(connection, edition_id, channel, after, MAX_SLOT)


def _count(connection: Connection, edition_id: int, channel: str, after: int, last: int) -> int:
    counted = select(func.count()).where(
        delivery.c.edition == edition_id,
        delivery.c.channel == channel,
        delivery.c.slot > after,
        delivery.c.slot <= last,
    )
    return int(connection.execute(counted).scalar_one())


def seal(connection: Connection, edition_id: int, channel: str) -> None:
    """Make the run's total final: the last slice is extended to every later slot, so that a
    fallback row always has a slice.
    """
    number, after = _next_slice(connection, edition_id, channel)
    own_run = (run.c.edition == edition_id, run.c.channel == channel)
    lane = connection.execute(select(run.c.lane).where(*own_run)).scalar_one()
    extra = _count(connection, edition_id, channel, after, MAX_SLOT)
    if number:
        values: dict[str, object] = {
            "last_slot": MAX_SLOT,
            "open": slice_.c.open + extra,
            "n_pending": slice_.c.n_pending + extra,
        }
        if extra:
            values["due_at"] = 0
        newest = (
            slice_.c.edition == edition_id,
            slice_.c.channel == channel,
            slice_.c.number == number - 1,
        )
        connection.execute(update(slice_).where(*newest).values(values))
    else:
        connection.execute(
            insert(slice_).values(
                edition=edition_id,
                channel=channel,
                number=0,
                lane=lane,
                after_slot=-1,
                last_slot=MAX_SLOT,
                open=extra,
                n_pending=extra,
            )
        )
    sealed = {"sealed": True, "owner": None, "lease_until": None, "cursor": MAX_SLOT}
    connection.execute(update(run).where(*own_run).values(sealed))
    connection.execute(
        update(run).where(*own_run, run.c.state == "preparing").values(state="running")
    )
    finish_run(connection, edition_id, channel)
