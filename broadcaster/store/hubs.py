"""Rows of the editions of which WebSub hubs were told; what is owed follows from the editions
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
"""How long after its publication an edition is news to a hub."""


def owed(connection: Connection, now: float, *, settle: float) -> Mapping[int, Sequence[str]]:
    """Editions that no hub was told of, and the areas whose documents they changed: also those
    where an earlier one stood.
    """
    told = select(hub_told.c.edition)
    span = (
        is_recent(),
        edition.c.published_at > now - OWED_SECONDS,
        edition.c.published_at <= now - settle,
    )
    fresh = (
        select(edition.c.id, edition.c.announcement)
        .where(*span, edition.c.id.not_in(told))
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
    """Every hub took these."""
    connection.execute(
        insert_new(connection, hub_told), [{"edition": number, "at": now} for number in editions]
    )


def purge(connection: Connection, now: float) -> None:
    """Forget what is news no more."""
    connection.execute(delete(hub_told).where(hub_told.c.at < now - 2 * OWED_SECONDS))
