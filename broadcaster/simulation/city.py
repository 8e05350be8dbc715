"""Sample city of the demo: residents, twelve weeks of news and drafts to publish, stored through
the same functions as production data.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from babel.numbers import format_decimal
from sqlalchemy import Connection, func, select

from broadcaster.app import App
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.fields import Fields
from broadcaster.domain.signatures import decode
from broadcaster.publishing import publications, schedule
from broadcaster.publishing.press import Press, StoredAnnouncement
from broadcaster.simulation import news, residents
from broadcaster.simulation.news import NewsItem
from broadcaster.simulation.staff import add_staff, add_templates
from broadcaster.store import announcements
from broadcaster.store.tables import announcement, edition
from subscribers import importing
from subscribers.store import subscriber

ACTOR = "simulasi"
"""Author of the sample history; drafts append their key: `simulasi:air`."""
CHUNK = 5_000
"""Number of residents stored per transaction."""


@dataclass(frozen=True, kw_only=True)
class Seeded:
    """Counts of the sample city's contents."""

    kelurahan: int
    residents: int
    announcements: int
    clarifications: int

    @property
    def sentence(self) -> str:
        """Summary for the start-up message: "15 kelurahan, 12.480 warga contoh, ..."."""
        counts = (
            (self.kelurahan, "kelurahan"),
            (self.residents, "warga contoh"),
            (self.kelurahan, "layar"),
            (self.announcements, "pengumuman"),
            (self.clarifications, "klarifikasi"),
        )
        return ", ".join(f"{format_decimal(count, locale='id')} {name}" for count, name in counts)


async def seed(app: App, *, fast: bool = False) -> Seeded:
    """Store whatever the sample city still lacks; with `fast`, leave out its history.

    Data of an earlier start is kept.
    """
    now = app.clock()
    if not await app.database.read(_count_residents):
        await _add_residents(app, now)
    if not fast and not await app.database.read(_has_history):
        await app.database.write(_add_history, Press.of(app), now)
    await app.database.write(add_drafts, Press.of(app), now)
    await app.database.write(add_staff, now.timestamp())
    await app.database.write(add_templates, now.timestamp())
    await app.database.write(schedule.end_expired, now)
    return await app.database.read(_seeded, len(app.tree.kelurahan))


def add_drafts(connection: Connection, press: Press, now: datetime) -> None:
    """Store each draft that is missing or already published, and update drafts of earlier days."""
    waiting = _drafts(connection)
    for item in news.drafts(now):
        checked = press.check(Fields.read(item.raw), now)
        stored = waiting.get(item.key)
        known = announcements.find(connection, stored) if stored else None
        if known is None or known.fields != checked.fields:
            publications.save_draft(
                connection,
                press,
                checked,
                actor=NamedActor(name=f"{ACTOR}:{item.key}", now=now),
                announcement_id=stored,
            )


def publish_draft(
    connection: Connection, press: Press, key: str, now: datetime
) -> StoredAnnouncement | None:
    """Publish the draft with this key, dated from `now`; None if it is already published."""
    waiting = _drafts(connection)
    item = next((item for item in news.drafts(now) if item.key == key), None)
    if item is None or key not in waiting:
        return None
    checked = press.check(Fields.read(item.raw), now)
    return publications.publish(
        connection,
        press,
        checked,
        actor=NamedActor(name=ACTOR, now=now),
        announcement_id=waiting[key],
    )


def announcements_of(connection: Connection) -> Mapping[str, str]:
    """Return the id of the newest announcement made from each draft, by the draft's key."""
    keyed = select(announcement.c.created_by, announcement.c.id).where(
        announcement.c.created_by.startswith(f"{ACTOR}:")
    )
    newest_last = keyed.order_by(
        announcement.c.created_at, announcement.c.state == "draft", announcement.c.id
    )
    return {row.created_by.partition(":")[2]: row.id for row in connection.execute(newest_last)}


def _drafts(connection: Connection) -> dict[str, str]:
    newest = announcements_of(connection)
    states = select(announcement.c.id).where(
        announcement.c.id.in_(newest.values()), announcement.c.state == "draft"
    )
    waiting = set(connection.execute(states).scalars())
    return {key: identity for key, identity in newest.items() if identity in waiting}


async def _add_residents(app: App, now: datetime) -> None:
    parsers = {
        name: module.parse_address
        for name, module in app.loaded.modules.items()
        if name in app.push
    }
    topics = [topic.slug for topic in app.settings.topics]
    lines = residents.csv_text(app.tree, now).splitlines(keepends=True)
    read = importing.read_rows(lines, app.tree, topics, parsers, now=now.timestamp())
    while chunk := list(itertools.islice(read, CHUNK)):
        good = [row for row in chunk if isinstance(row, importing.Row)]
        await app.database.write(importing.import_rows, app.vault, app.tree, good, now.timestamp())


def _add_history(connection: Connection, press: Press, now: datetime) -> None:
    """Publish past editions without delivery runs, so that nothing is sent again."""
    past = replace(press, push_channels=())
    for item in news.history(now):
        _publish_past(connection, past, item)


def _publish_past(connection: Connection, press: Press, item: NewsItem) -> None:
    if item.published_at is not None:
        checked = press.check(Fields.read(item.raw), item.published_at)
        publications.publish(
            connection, press, checked, actor=NamedActor(name=ACTOR, now=item.published_at)
        )


def _count_residents(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(subscriber)).scalar_one())


def _has_history(connection: Connection) -> bool:
    return (
        connection.execute(
            select(announcement.c.id).where(announcement.c.created_by == ACTOR).limit(1)
        ).first()
        is not None
    )


def _seeded(connection: Connection, kelurahan: int) -> Seeded:
    published = [
        decode(document).kind
        for document in connection.execute(
            select(edition.c.document).where(edition.c.newest)
        ).scalars()
    ]
    clarifications = published.count("clarification")
    return Seeded(
        kelurahan=kelurahan,
        residents=_count_residents(connection),
        announcements=len(published) - clarifications,
        clarifications=clarifications,
    )
