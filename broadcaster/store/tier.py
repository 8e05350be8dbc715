"""A provider's limit on different people per 24 hours, counted exactly for all workers together."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, delete, func, select, tuple_

from broadcaster.domain.retry_policy import TIER_WAIT
from broadcaster.store.channel_tables import channel_state, reached
from broadcaster.store.channels import ensure
from broadcaster.store.database import now
from broadcaster.store.tables import run, slice_
from subscribers.audience import Audience, chunk
from subscribers.store import insert_new

DAY = 24 * 3600.0
RESERVE = 0.2
"""Fraction of the tier reserved for emergencies."""
EVERYBODY = 2**63 - 1
"""The highest possible slot."""
PURGE = 500
"""Rows deleted at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """People an edition would newly reach, and the `room` left for them now."""

    people: int
    room: int

    @property
    def waiting(self) -> int:
        """People who must wait for room."""
        return max(0, self.people - self.room)


def ceiling(tier: int, *, emergency: bool) -> int:
    """Return the people per day that this lane may reach."""
    return tier if emergency else tier - round(tier * RESERVE)


def used(connection: Connection, channel: str) -> int:
    """Count the different people written to in the last 24 hours."""
    recent = (reached.c.channel == channel, reached.c.at > now(connection) - DAY)
    return int(
        connection.execute(select(func.count()).select_from(reached).where(*recent)).scalar_one()
    )


def full_until(connection: Connection, channel: str, tier: int, *, emergency: bool) -> float | None:
    """Return when the next place frees (epoch seconds), or None while there is room."""
    over = used(connection, channel) - ceiling(tier, emergency=emergency)
    if over < 0:
        return None
    recent = (reached.c.channel == channel, reached.c.at > now(connection) - DAY)
    oldest = select(reached.c.at).where(*recent).order_by(reached.c.at).limit(1).offset(over)
    return (connection.execute(oldest).scalar() or now(connection)) + DAY


def need(connection: Connection, channel: str, tier: int, audience: Audience) -> Need:
    """Compute what an announcement to this audience needs of the tier (reads every address).

    People reached in the last 24 hours need no room.
    """
    all_of_them = chunk(audience, channel, -1, EVERYBODY).subquery()
    recent = and_(
        reached.c.channel == channel,
        reached.c.address == all_of_them.c.address,
        reached.c.at > now(connection) - DAY,
    )
    new = (
        select(func.count())
        .select_from(all_of_them.outerjoin(reached, recent))
        .where(reached.c.address.is_(None))
    )
    room = max(0, ceiling(tier, emergency=audience.emergency) - used(connection, channel))
    return Need(people=int(connection.execute(new).scalar_one()), room=room)


def admit(
    connection: Connection, channel: str, tier: int, addresses: Sequence[int], *, emergency: bool
) -> set[int]:
    """Return the addresses that may be written to now and count them as reached in this
    transaction.

    Those reached within 24 hours always may.
    """
    ensure(connection, channel)
    # locked, so that people admitted by other transactions are counted
    connection.execute(
        select(channel_state.c.channel).where(channel_state.c.channel == channel).with_for_update()
    )
    wall = now(connection)
    _purge(connection, channel, wall - DAY)
    recent = (reached.c.channel == channel, reached.c.at > wall - DAY)
    known = set(
        connection.execute(
            select(reached.c.address).where(*recent, reached.c.address.in_(addresses))
        ).scalars()
    )
    new = [address for address in dict.fromkeys(addresses) if address not in known]
    room = ceiling(tier, emergency=emergency) - used(connection, channel) if new else 0
    admitted = known.union(new[: max(room, 0)])
    _reach(connection, channel, admitted, wall)
    return admitted


def _reach(connection: Connection, channel: str, addresses: Collection[int], wall: float) -> None:
    if not addresses:
        return
    insert = insert_new(connection, reached)
    written = [
        {"channel": channel, "address": address, "at": wall} for address in sorted(addresses)
    ]
    connection.execute(
        delete(reached).where(reached.c.channel == channel, reached.c.address.in_(addresses))
    )
    connection.execute(insert, written)


def _purge(connection: Connection, channel: str, before: float) -> None:
    """Delete some of the expired rows: at least as many at a time as are added."""
    oldest = (
        select(reached.c.channel, reached.c.address)
        .where(reached.c.channel == channel, reached.c.at <= before)
        .order_by(reached.c.at)
        .limit(PURGE)
    )
    connection.execute(
        delete(reached).where(tuple_(reached.c.channel, reached.c.address).in_(oldest))
    )


def next_room(
    connection: Connection, channel: str, tier: int, count: int, *, emergency: bool
) -> list[float]:
    """Return when `count` people without room may try again (epoch seconds, ascending).

    Each place that frees is promised to one row. Where more wait than a batch, the batch draws its
    turn among all that wait: each row then looks again once or twice a day, not whenever a single
    place frees.
    """
    wall, limit = now(connection), ceiling(tier, emergency=emergency)
    taken = used(connection, channel)
    if limit <= 0 or not taken:
        return [wall + (DAY if limit <= 0 else TIER_WAIT)] * count
    first = random.randint(0, max(0, _waiting(connection, channel) - count))  # noqa: S311  no secret
    over = max(0, taken - limit) + first
    recent = (reached.c.channel == channel, reached.c.at > wall - DAY)
    chosen = (
        select(reached.c.at).where(*recent).order_by(reached.c.at).limit(count).offset(over % taken)
    )
    frees = [at + DAY for at in connection.execute(chosen).scalars()]
    frees += [frees[-1]] * (count - len(frees))
    return [max(each, wall + TIER_WAIT) for each in frees]


def _waiting(connection: Connection, channel: str) -> int:
    """Count the channel's open rows."""
    running = select(func.coalesce(func.sum(slice_.c.open), 0)).select_from(
        slice_.join(run, and_(run.c.edition == slice_.c.edition, run.c.channel == slice_.c.channel))
    )
    return int(
        connection.execute(
            running.where(slice_.c.channel == channel, run.c.finished_at.is_(None))
        ).scalar_one()
    )
