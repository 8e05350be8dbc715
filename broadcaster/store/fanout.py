"""Filling the ledger: the audience of a run becomes delivery rows and slices, in slot order, chunk by chunk under a lease."""

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
    union_all,
    update,
)
from sqlalchemy.exc import IntegrityError

from broadcaster.store.leases import Holder, LeaseLost, lease_clock
from broadcaster.store.slices import finish_run
from broadcaster.store.tables import (
    DELIVERED,
    PENDING,
    READ,
    SENDING,
    SENT,
    UNCONFIRMED,
    delivery,
    edition,
    edition_area,
    run,
    slice_,
)
from subscribers.audience import Audience, chunk
from subscribers.store import insert_new


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """Rows of a run's first chunk (few, so that the first message leaves at once), of every further one, and of a slice.

    A chunk is the longest that a writing transaction may hold the database: about 50 ms. A slice is what a worker claims.
    """

    first: int = 1_000
    chunk: int = 20_000
    slice_: int = 1_000


SIZES = Sizes()
MAX_SLOT = 2**63 - 1

_MAY_HAVE_REACHED = (SENDING, SENT, DELIVERED, READ, UNCONFIRMED)


@dataclass(frozen=True, kw_only=True)
class FanOut:
    """A run that is being filled, leased by `owner`."""

    edition: int
    channel: str
    owner: str


def claim_fanout(connection: Connection, *, channel: str, lane: str, holder: Holder) -> FanOut | None:
    """Lease the run of this lane that lacks rows and has the fewest so far (editions take turns); None when there is none."""
    clock = lease_clock(connection)
    candidates = (
        select(run.c.edition, run.c.follows, run.c.owner, run.c.lease_until)
        .where(run.c.channel == channel, run.c.lane == lane, run.c.state == "preparing", ~run.c.sealed)
        .order_by(run.c.total, run.c.edition)
        .with_for_update()  # waits: a run skipped because somebody closes a slice of it would end the filling
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
    """Whether an earlier edition of the announcement still has rows on the wire or waiting: they close first."""
    mine = select(edition.c.announcement).where(edition.c.id == edition_id).scalar_subquery()
    earlier = select(edition.c.id).where(edition.c.announcement == mine, edition.c.id < edition_id)
    still_open = (slice_.c.edition.in_(earlier), slice_.c.channel == channel, slice_.c.open > 0)
    return connection.execute(select(slice_.c.number).where(*still_open).limit(1)).first() is not None


def fill_chunk(connection: Connection, claim: FanOut, holder: Holder, sizes: Sizes = SIZES) -> bool:
    """Add the next chunk of rows and its slices, renew the lease; True once the run is sealed (or no longer ours)."""
    found = connection.execute(select(run).where(run.c.edition == claim.edition, run.c.channel == claim.channel)).one()
    if found.owner != claim.owner or found.sealed or found.state != "preparing":
        return True
    size = sizes.first if found.cursor < 0 else sizes.chunk
    source = _source(connection, claim, found.follows, found.cursor, size)
    added = _insert(connection, claim, source)
    slots = added or _there_already(connection, source)
    mine = (run.c.edition == claim.edition, run.c.channel == claim.channel)
    still_ours = (*mine, run.c.owner == claim.owner, run.c.cursor == found.cursor, run.c.state == "preparing")
    if not slots:
        if connection.execute(select(run.c.edition).where(*still_ours).with_for_update()).first() is None:
            raise LeaseLost
        seal(connection, claim.edition, claim.channel)
        return True
    _add_slices(connection, claim, found, slots, sizes.slice_)
    moved = connection.execute(
        update(run)
        .where(*still_ours)
        .values(cursor=slots[-1], total=run.c.total + len(added), lease_until=lease_clock(connection) + holder.lease)
    )
    if moved.rowcount != 1:
        raise LeaseLost
    return False


def _there_already(connection: Connection, source: Select[int, int, str]) -> list[int]:
    """The last slot of a chunk of which a fallback has added every row before; [] where the chunk is empty."""
    last = connection.execute(select(func.max(source.subquery().c.slot))).scalar()
    return [] if last is None else [last]


def audience_of(connection: Connection, edition_id: int) -> Audience:
    """Whom an edition concerns; addresses confirmed after its publication do not count."""
    row = connection.execute(
        select(edition.c.level, edition.c.topic, edition.c.published_at).where(edition.c.id == edition_id)
    ).one()
    areas = connection.execute(select(edition_area.c.area).where(edition_area.c.edition == edition_id)).scalars()
    return Audience(
        areas=frozenset(areas), topic=row.topic, emergency=row.level == "emergency", confirmed_before=row.published_at
    )


def _source(connection: Connection, claim: FanOut, follows: int | None, cursor: int, size: int) -> Select[int, int, str]:
    """The next rows: the audience; for a correction also, for a withdrawal only, whom earlier editions may have reached."""
    fresh = chunk(audience_of(connection, claim.edition), claim.channel, cursor, size)
    if follows is None:
        return fresh
    row = connection.execute(select(edition.c.announcement, edition.c.withdrawn).where(edition.c.id == claim.edition)).one()
    reached = (
        select(delivery.c.slot, func.min(delivery.c.address).label("address"), func.min(delivery.c.area).label("area"))
        .join(edition, edition.c.id == delivery.c.edition)
        .where(
            edition.c.announcement == row.announcement,
            delivery.c.edition < claim.edition,
            delivery.c.channel == claim.channel,
            delivery.c.slot > cursor,
            delivery.c.state.in_(_MAY_HAVE_REACHED),
        )
        .group_by(delivery.c.slot)  # once, however many editions: a limit that counted twice would pass over others
        .order_by(delivery.c.slot)
        .limit(size)
    )
    parts = [reached.subquery()] if row.withdrawn else [reached.subquery(), fresh.subquery()]
    both = union_all(*(select(part) for part in parts)).subquery()
    return (
        select(both.c.slot, func.min(both.c.address).label("address"), func.min(both.c.area).label("area"))
        .group_by(both.c.slot)
        .order_by(both.c.slot)
        .limit(size)
    )


def _insert(connection: Connection, claim: FanOut, source: Select[int, int, str]) -> list[int]:
    """Add the rows of `source`; a row that a fallback added before stays as it is. Returns the new slots in order."""
    rows = source.subquery()
    values = select(
        literal(claim.edition), literal(claim.channel), rows.c.slot, rows.c.address, rows.c.area,
        literal(PENDING), literal(0), literal(0), literal(0), literal(0.0),
    )  # fmt: skip
    # `WHERE true` keeps SQLite from reading ON CONFLICT as a join's ON
    values = values.where(text("true"))
    columns = ["edition", "channel", "slot", "address", "area", "state", "attempt", "spent", "uncertain", "due_at"]
    statement = insert_new(connection, delivery).from_select(columns, values).returning(delivery.c.slot)
    return sorted(connection.execute(statement).scalars())


def _add_slices(connection: Connection, claim: FanOut, found: Row[Any], slots: list[int], size: int) -> None:
    """Slices from the run's cursor to the last of `slots`; each counts every row within, also those a fallback added before."""
    cursor, number, lane = found.cursor, _next_number(connection, claim), found.lane
    rows = []
    for start in range(0, len(slots), size):
        last = slots[min(start + size, len(slots)) - 1]
        count = _count(connection, claim.edition, claim.channel, cursor, last)
        rows.append(
            {"edition": claim.edition, "channel": claim.channel, "number": number, "lane": lane, "after_slot": cursor,
             "last_slot": last, "open": count, "n_pending": count}
        )  # fmt: skip
        cursor, number = last, number + 1
    try:
        connection.execute(insert(slice_), rows)
    except IntegrityError as taken:
        raise LeaseLost from taken  # who ended the run sealed it meanwhile


def _next_number(connection: Connection, claim: FanOut) -> int:
    newest = select(func.max(slice_.c.number)).where(slice_.c.edition == claim.edition, slice_.c.channel == claim.channel)
    found = connection.execute(newest).scalar()
    return 0 if found is None else int(found) + 1


def _count(connection: Connection, edition_id: int, channel: str, after: int, last: int) -> int:
    counted = select(func.count()).where(
        delivery.c.edition == edition_id, delivery.c.channel == channel, delivery.c.slot > after, delivery.c.slot <= last
    )
    return int(connection.execute(counted).scalar_one())


def seal(connection: Connection, edition_id: int, channel: str) -> None:
    """The total is final: the last slice takes every later slot, so that a fallback row always has one."""
    mine = (slice_.c.edition == edition_id) & (slice_.c.channel == channel)
    newest = select(func.max(slice_.c.number)).where(mine).scalar_subquery()
    own_run = (run.c.edition == edition_id, run.c.channel == channel)
    found = connection.execute(select(run.c.cursor, run.c.lane).where(*own_run)).one()
    extra = _count(connection, edition_id, channel, found.cursor, MAX_SLOT)
    values: dict[str, object] = {"last_slot": MAX_SLOT, "open": slice_.c.open + extra, "n_pending": slice_.c.n_pending + extra}
    if extra:
        values["due_at"] = 0
    if connection.execute(update(slice_).where(mine, slice_.c.number == newest).values(values)).rowcount == 0:
        connection.execute(
            insert(slice_).values(edition=edition_id, channel=channel, number=0, lane=found.lane, after_slot=-1,
                                  last_slot=MAX_SLOT, open=extra, n_pending=extra)
        )  # fmt: skip
    sealed = {"sealed": True, "owner": None, "lease_until": None, "cursor": MAX_SLOT}
    connection.execute(update(run).where(*own_run).values(sealed))
    connection.execute(update(run).where(*own_run, run.c.state == "preparing").values(state="running"))
    finish_run(connection, edition_id, channel)
