"""Announcements that are being sent or were sent recently."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from broadcaster.store import announcement_lists, ledger
from broadcaster.store.announcement_lists import Item
from broadcaster.store.ledger import Progress
from broadcaster.store.tables import edition, run

MOST = 20
"""Sendings listed of each kind."""
GOING = ("preparing", "running", "paused")


@dataclass(frozen=True, kw_only=True)
class Sending:
    """An announcement, the progress of its newest edition, and when that was published (epoch
    seconds).
    """

    item: Item
    progress: Progress
    published_at: float


def going(connection: Connection) -> list[Sending]:
    """List current sendings, paused ones included, newest first."""
    statement = (
        select(edition.c.announcement)
        .where(
            edition.c.newest, edition.c.id.in_(select(run.c.edition).where(run.c.state.in_(GOING)))
        )
        .order_by(edition.c.published_at.desc())
        .limit(MOST)
    )
    return _sendings(connection, connection.execute(statement).scalars().all())


def recent(connection: Connection, but: Sequence[str] = ()) -> list[Sending]:
    """List the announcements first published most recently, except those in `but`."""
    last = (
        select(edition.c.announcement)
        .where(edition.c.newest)
        .order_by(edition.c.first_published_at.desc())
        .limit(MOST + len(but))
    )
    ids = [
        announcement_id
        for announcement_id in connection.execute(last).scalars()
        if announcement_id not in but
    ]
    return _sendings(connection, ids[:MOST])


def _sendings(connection: Connection, ids: Sequence[str]) -> list[Sending]:
    items = announcement_lists.items(connection, list(ids))
    newest = select(edition.c.announcement, edition.c.published_at).where(
        edition.c.newest, edition.c.announcement.in_(ids)
    )
    published = {row.announcement: row.published_at for row in connection.execute(newest)}
    return [
        Sending(
            item=items[announcement_id],
            progress=ledger.progress(connection, announcement_id),
            published_at=published[announcement_id],
        )
        for announcement_id in ids
        if announcement_id in items and announcement_id in published
    ]
