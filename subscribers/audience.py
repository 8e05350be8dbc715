"""The audience of an edition: selected by one SQL condition and read in slot order, so that any
beginning is a sample of the city.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    case,
    distinct,
    exists,
    func,
    not_,
    or_,
    select,
    true,
)

from subscribers import store
from subscribers.store import State, address, slot_counter, subscriber, subscription
from subscribers.subscriptions import pack_topics


@dataclass(frozen=True, kw_only=True, slots=True)
class Audience:
    """The areas (from AreaTree.concerned), topics and times that select recipients;
    `confirmed_before` in epoch seconds.
    """

    areas: frozenset[str]
    topic: str
    emergency: bool
    confirmed_before: float


def chunk(
    audience: Audience, channel: str, after_slot: int, until_slot: int
) -> Select[int, int, str]:
    """Select a channel's rows (slot, address, area) by slot, above `after_slot` up to and including
    `until_slot`.

    `area` is the code that the delivery is counted under: a matching kelurahan, else kecamatan,
    else city; the lowest code of several.
    """
    return (
        select(address.c.slot, address.c.id.label("address"), counted_under(audience).label("area"))
        .where(
            address.c.channel == channel,
            address.c.slot > after_slot,
            address.c.slot <= until_slot,
            # first, in the form of the index: most of a city is skipped without reading the address
            or_(address.c.home.in_(_sorted(audience)), address.c.places > 1),
            reached_by(audience),
        )
        .order_by(address.c.slot)
    )


def window(conn: Connection, channel: str, after_slot: int, size: int) -> int | None:
    """Return the slot of the `size`-th address above `after_slot`, whoever it is; None if fewer are
    left.

    Reads the index alone.
    """
    query = select(address.c.slot).where(address.c.channel == channel, address.c.slot > after_slot)
    return conn.execute(query.order_by(address.c.slot).offset(size - 1).limit(1)).scalar()


def share(conn: Connection, audience: Audience, channel: str) -> float:
    """Estimate the share (0 to 1) of a channel's addresses in these areas from the counters of
    homes, without a scan.
    """
    here = func.sum(case((slot_counter.c.home.in_(_sorted(audience)), slot_counter.c.n), else_=0))
    row = conn.execute(
        select(here, func.sum(slot_counter.c.n)).where(slot_counter.c.channel == channel)
    ).one()
    return float(row[0] or 0) / float(row[1]) if row[1] else 1.0


def count(conn: Connection, audience: Audience) -> Mapping[str, int]:
    """Count the addresses that would get it, by channel. Reads every address: for estimates."""
    query = (
        select(address.c.channel, func.count().label("number"))
        .where(reached_by(audience))
        .group_by(address.c.channel)
    )
    return {row.channel: row.number for row in conn.execute(query)}


def people(conn: Connection, audience: Audience, channels: Collection[str]) -> int:
    """Count the people who would get it by any of these channels, each once. Reads every
    address.
    """
    return int(
        conn.execute(
            select(func.count(distinct(address.c.subscriber))).where(*_gets(audience, channels))
        ).scalar_one()
    )


def _gets(audience: Audience, channels: Collection[str]) -> tuple[ColumnElement[bool], ...]:
    return address.c.channel.in_(sorted(channels)), reached_by(audience)


REASONS = ("topic", "unconfirmed", "dead")
"""Reasons why a person gets nothing; with several addresses the first of these counts."""


def left_out(conn: Connection, audience: Audience, channels: Collection[str]) -> Mapping[str, int]:
    """Count people subscribed to these areas whom it reaches by no address, by reason (REASONS).

    `channels`: those on which it is sent. People who unsubscribed are not counted. Reads every
    address.
    """
    here = or_(
        address.c.home.in_(_sorted(audience)),
        and_(address.c.places > 1, exists().where(*_subscribed(audience, address))),
    )
    dead = and_(address.c.state == State.SUPPRESSED, address.c.reason == "address_dead")
    rank = case(
        (address.c.state == State.UNCONFIRMED, REASONS.index("unconfirmed")),
        (dead, REASONS.index("dead")),
        else_=0,
    )
    unwanted = and_(address.c.state == State.CONFIRMED, not_(_wants_topic(audience, address)))
    other = store.address.alias("other")
    reached = exists().where(
        other.c.subscriber == address.c.subscriber,
        other.c.channel.in_(sorted(channels)),
        concerns(audience, other),
    )
    persons = (
        select(func.min(rank).label("why"))
        .where(here, or_(address.c.state == State.UNCONFIRMED, dead, unwanted), ~reached)
        .group_by(address.c.subscriber)
    ).subquery()
    query = select(persons.c.why, func.count().label("number")).group_by(persons.c.why)
    return {REASONS[row.why]: row.number for row in conn.execute(query)}


def concerns(audience: Audience, who: FromClause) -> ColumnElement[bool]:
    """True if an address (a row of `who`) is confirmed and its subscription matches, regardless of
    the person's other addresses.
    """
    return and_(
        who.c.state == State.CONFIRMED,
        who.c.confirmed_at < audience.confirmed_before,
        _wants_topic(audience, who),
        # most have one area, their home: the subscriptions table is read for the others only
        or_(
            who.c.home.in_(_sorted(audience)),
            and_(who.c.places > 1, exists().where(*_subscribed(audience, who))),
        ),
    )


def reached_by(audience: Audience) -> ColumnElement[bool]:
    """True if an address (a row of the table itself) gets this: its subscription matches, and it is
    the person's newest on the channel.
    """
    return and_(concerns(audience, address), _newest(audience))


def _wants_topic(audience: Audience, who: FromClause) -> ColumnElement[bool]:
    if audience.emergency:
        return true()
    return or_(
        who.c.topics == "", who.c.topics.contains(pack_topics([audience.topic]), autoescape=True)
    )


def _subscribed(
    audience: Audience, who: FromClause
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return subscription.c.address == who.c.id, subscription.c.area.in_(_sorted(audience))


def counted_under(audience: Audience) -> ColumnElement[str]:
    """Return the column of the code under which a delivery to an address (of the table itself) is
    counted.

    Home is the lowest of all subscribed codes, so it is used if it matches, else the deepest match.
    """
    deepest = case(
        (func.length(subscription.c.area) > 8, "1"),
        (func.length(subscription.c.area) > 5, "2"),
        else_="3",
    )
    ranked = select(func.substr(func.min(deepest + subscription.c.area), 2)).where(
        *_subscribed(audience, address)
    )
    return case(
        (address.c.home.in_(_sorted(audience)), address.c.home), else_=ranked.scalar_subquery()
    )


def _newest(audience: Audience) -> ColumnElement[bool]:
    """True for one address per person and channel.

    A count, because PostgreSQL would turn NOT EXISTS into a join that loses slot order. Only a
    person with a reference can have two addresses, so the lookup is skipped for the others: that
    halves the work.
    """
    nobody_named = ~exists(select(subscriber.c.id).where(subscriber.c.reference >= ""))
    newer = store.address.alias("newer")
    later = or_(
        newer.c.confirmed_at > address.c.confirmed_at,
        and_(newer.c.confirmed_at == address.c.confirmed_at, newer.c.id > address.c.id),
    )
    same_person = (
        newer.c.subscriber == address.c.subscriber,
        newer.c.channel == address.c.channel,
        newer.c.id != address.c.id,
    )
    newest = (
        select(func.count()).where(*same_person, later, concerns(audience, newer)).scalar_subquery()
        == 0
    )
    return or_(nobody_named, newest)


def _sorted(audience: Audience) -> list[str]:
    return sorted(audience.areas)
