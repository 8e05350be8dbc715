"""Recipients of an edition: its audience, and the people whom earlier editions may have reached."""

from sqlalchemy import (
    Connection,
    Select,
    exists,
    func,
    select,
    union_all,
)

from broadcaster.domain.deliveries import DELIVERED, READ, SENDING, SENT, UNCONFIRMED
from broadcaster.store.tables import delivery, edition, edition_area
from subscribers.audience import Audience, chunk, reached_by
from subscribers.store import address, merged

MAY_HAVE_REACHED = (SENDING, SENT, DELIVERED, READ, UNCONFIRMED)
"""States of a row whose message may have been read."""


def audience_of(connection: Connection, edition_id: int) -> Audience:
    """Return the audience of an edition; addresses confirmed after its publication do not count."""
    row = connection.execute(
        select(edition.c.level, edition.c.topic, edition.c.published_at).where(
            edition.c.id == edition_id
        )
    ).one()
    own = (edition_area.c.edition == edition_id, ~edition_area.c.former)
    areas = connection.execute(select(edition_area.c.area).where(*own)).scalars()
    return Audience(
        areas=frozenset(areas),
        topic=row.topic,
        emergency=row.level == "emergency",
        confirmed_before=row.published_at,
    )


def of_slots(
    connection: Connection,
    edition_id: int,
    channel: str,
    *,
    follows: int | None,
    cursor: int,
    until: int,
) -> Select[int, int, str]:
    """Select recipients in these slots: the audience; for a correction also those whom earlier
    editions may have reached, for a withdrawal only those.

    Merged addresses are left out: the remaining address has their row in its own slot
    (store/merged_addresses.py), or in the merged one's slot if it was being sent. A correction
    that reaches the address in its own slot anyway omits the latter.
    """
    audience = audience_of(connection, edition_id)
    fresh = chunk(audience, channel, cursor, until)
    if follows is None:
        return fresh
    row = connection.execute(
        select(edition.c.announcement, edition.c.withdrawn).where(edition.c.id == edition_id)
    ).one()
    reached = _reached(row.announcement, edition_id).where(
        delivery.c.channel == channel, delivery.c.slot > cursor, delivery.c.slot <= until
    )
    own = exists().where(
        address.c.id == delivery.c.address, address.c.slot != delivery.c.slot, reached_by(audience)
    )
    both = (
        reached if row.withdrawn else union_all(reached.where(~own), select(fresh.subquery()))
    ).subquery()
    return (
        select(
            both.c.slot,
            func.min(both.c.address).label("address"),
            func.min(both.c.area).label("area"),
        )
        .group_by(both.c.slot)
        .order_by(both.c.slot)
    )


def _reached(announcement: str, edition_id: int) -> Select[int, int, str]:
    """Select the rows that earlier editions may have reached."""
    return (
        select(delivery.c.slot, delivery.c.address, delivery.c.area)
        .join(edition, edition.c.id == delivery.c.edition)
        .where(
            edition.c.announcement == announcement,
            delivery.c.edition < edition_id,
            delivery.c.state.in_(MAY_HAVE_REACHED),
            ~exists().where(merged.c.gone == delivery.c.address),
        )
    )
