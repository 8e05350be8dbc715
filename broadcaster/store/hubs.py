"""Editions of which WebSub hubs have been notified; what is owed follows from the editions
themselves.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, delete, select

from broadcaster.store.channel_tables import hub_told
from broadcaster.store.recent import is_recent
from broadcaster.store.tables import edition, edition_area
from subscribers.store import insert_new

OWED_SECONDS = 24 * 3600.0
"""Seconds after its publication during which an edition is announced to hubs."""


def unannounced(
    connection: Connection, now: float, *, settle: float
) -> Mapping[int, Sequence[str]]:
    """Return the editions not yet announced to hubs, with the areas whose documents they changed,
    earlier editions' areas included.
    """
    announced = select(hub_told.c.edition)
    span = (
        is_recent(),
        edition.c.published_at > now - OWED_SECONDS,
        edition.c.published_at <= now - settle,
    )
    fresh = (
        select(edition.c.id, edition.c.announcement)
        .where(*span, edition.c.id.not_in(announced))
        .order_by(edition.c.id)
    )
    rows = connection.execute(fresh).all()
    whole = select(edition.c.announcement, edition_area.c.area).join(
        edition_area, edition_area.c.edition == edition.c.id
    )
    areas: defaultdict[str, set[str]] = defaultdict(set)
    for announcement, area in connection.execute(
        whole.where(edition.c.announcement.in_({row.announcement for row in rows}))
    ):
        areas[announcement].add(area)
    return {row.id: sorted(areas[row.announcement]) for row in rows}


def note(connection: Connection, editions: Iterable[int], now: float) -> None:
    """Record that every hub accepted these editions."""
    connection.execute(
        insert_new(connection, hub_told), [{"edition": number, "at": now} for number in editions]
    )


def purge(connection: Connection, now: float) -> None:
    """Delete expired records."""
    connection.execute(delete(hub_told).where(hub_told.c.at < now - 2 * OWED_SECONDS))
