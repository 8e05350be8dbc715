"""Rows of announcements and editions: publishing writes them; web, commands, feeds and delivery
read them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)

from broadcaster.domain import signatures
from broadcaster.domain.fields import Fields, restored
from broadcaster.domain.lifecycle import State
from broadcaster.store import search
from broadcaster.store.ledger import end_runs
from broadcaster.store.tables import announcement, edition, edition_area, run
from channels.base.contract import Edition
from subscribers.store import dialect_insert

CODE_TRIES = 50
"""Draws before giving up: with half of all codes taken, 50 collisions in a row have a chance of 1
in 10^15.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Announcement:
    """An announcement as staff edit it; times in epoch seconds. `note` says why a person must act,
    e.g. a missed schedule.

    `form` is the composer's input (JSON; "" if it came otherwise), `version` counts its changes,
    `bound` is the content_hash under review or approved, `release_at` is when an approved one is
    published automatically, `blanks` are the placeholders its template left open.
    """

    id: str
    code: str
    state: State
    fields: Fields
    created_at: float
    updated_at: float
    publish_at: float | None
    published_at: float | None
    created_by: str
    note: str
    training: bool = False
    form: str = ""
    version: int = 0
    bound: str = ""
    submitted_by: str = ""
    submitted_at: float | None = None
    approved_by: str = ""
    approved_at: float | None = None
    release_at: float | None = None
    blanks: str = ""

    @property
    def title(self) -> str:
        """Title in lists."""
        return self.fields.title

    @property
    def began(self) -> datetime | None:
        """Moment from which a published announcement is in force."""
        if self.published_at is None:
            return None
        published = datetime.fromtimestamp(self.published_at, UTC)
        return min(published, self.fields.effective or published)


@dataclass(frozen=True, kw_only=True, slots=True)
class EditionRow:
    """A stored edition; `document` is what `signature` signs, `channels` the chosen ones between
    spaces (empty: all).
    """

    id: int
    announcement: str
    number: int
    document: str
    signature: str
    key_id: str
    published_at: float
    first_published_at: float
    expires_at: float | None
    channels: str
    newest: bool
    withdrawn: bool

    @property
    def edition(self) -> Edition:
        """The decoded document."""
        return signatures.decode(self.document)


# --- writing ---


def insert_announcement(
    connection: Connection, row: Announcement, draw: Callable[[], str]
) -> Announcement:
    """Store a new announcement under an unused code; `draw` is called again while its code is
    taken.
    """
    for _ in range(CODE_TRIES):
        coded = replace(row, code=draw())
        values = {name: getattr(coded, name) for name in Announcement.__slots__}
        statement = dialect_insert(connection, announcement).values(
            **{**values, **_columns(coded.fields)}
        )
        if (
            connection.execute(statement.on_conflict_do_nothing(index_elements=["code"])).rowcount
            == 1
        ):
            return coded
    raise RuntimeError(f"no free code in {CODE_TRIES} draws")


def locked(connection: Connection, announcement_id: str) -> Announcement | None:
    """Find the announcement and lock its row until this transaction ends."""
    row = connection.execute(
        select(announcement).where(announcement.c.id == announcement_id).with_for_update()
    ).one_or_none()
    return _announcement(row) if row is not None else None


def due(connection: Connection, at: float, limit: int) -> list[Announcement]:
    """List due schedules, earliest first, and lock them; rows locked by another process are
    skipped.
    """
    statement = (
        select(announcement)
        .where(announcement.c.state == "scheduled", announcement.c.publish_at <= at)
        .order_by(announcement.c.publish_at, announcement.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [_announcement(row) for row in connection.execute(statement)]


def released(connection: Connection, at: float, limit: int) -> list[Announcement]:
    """List approved announcements whose hold is over and lock them; rows locked by another process
    are skipped.
    """
    statement = (
        select(announcement)
        .where(announcement.c.state == "approved", announcement.c.release_at <= at)
        .order_by(announcement.c.release_at, announcement.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return [_announcement(row) for row in connection.execute(statement)]


def move(connection: Connection, row: Announcement, state: State, at: float, **values: Any) -> bool:
    """Change the announcement's state if it still is that of `row`; True if it was."""
    values |= _columns(values["fields"]) if "fields" in values else {}
    unchanged = (announcement.c.id == row.id, announcement.c.state == row.state)
    return (
        connection.execute(
            update(announcement).where(*unchanged).values(state=state, updated_at=at, **values)
        ).rowcount
        == 1
    )


def carry_blanks(connection: Connection, announcement_id: str, blanks: str) -> None:
    """Store the placeholders that the announcement's template left open, since the template may be
    deleted.
    """
    connection.execute(
        update(announcement).where(announcement.c.id == announcement_id).values(blanks=blanks)
    )


def _columns(fields: Fields) -> dict[str, Any]:
    texts = (fields.title, fields.summary or "", fields.body, fields.agency or "")
    return {
        "fields": fields.as_json(),
        "expires_at": fields.expires.timestamp() if fields.expires else None,
        "title": fields.title,
        "words": " ".join(texts).lower(),
        "level": fields.level,
        "topic": fields.category,
        "agency": fields.agency or "",
    }


def insert_edition(
    connection: Connection,
    frozen: Edition,
    *,
    signer: signatures.Signer,
    channels: Iterable[str],
    concerned: Iterable[str],
    at: datetime,
) -> int:
    """Sign and store an edition as its announcement's newest; return its id. Addresses confirmed
    before `at` are its audience.
    """
    document = signatures.canonical(frozen)
    older = (edition.c.announcement == frozen.announcement, edition.c.newest)
    connection.execute(update(edition).where(*older).values(newest=False))
    values = {
        "announcement": frozen.announcement,
        "number": frozen.number,
        "document": document.decode(),
        "signature": signer.sign(document),
        "key_id": signer.key_id,
        "level": frozen.level,
        "topic": frozen.topic.slug,
        "channels": "".join(f" {name} " for name in channels),
        "published_at": at.timestamp(),
        "first_published_at": frozen.first_published_at.timestamp(),
        "expires_at": frozen.expires.timestamp() if frozen.expires else None,
        "newest": True,
        "withdrawn": frozen.change == "withdrawal",
    }
    edition_id = int(
        connection.execute(insert(edition).values(**values).returning(edition.c.id)).scalar_one()
    )
    connection.execute(
        insert(edition_area), [{"edition": edition_id, "area": code} for code in sorted(concerned)]
    )
    _carry_areas(connection, frozen.announcement, edition_id)
    search.index(connection, edition_id, frozen)
    return edition_id


def _carry_areas(connection: Connection, announcement_id: str, edition_id: int) -> None:
    """Add the areas of earlier editions as former ones, so that the new edition replaces the old
    one there.
    """
    mine = select(edition_area.c.area).where(edition_area.c.edition == edition_id)
    stood = (
        select(literal(edition_id), edition_area.c.area, literal(True))
        .join(edition, edition.c.id == edition_area.c.edition)
        .where(
            edition.c.announcement == announcement_id,
            edition.c.id < edition_id,
            edition_area.c.area.not_in(mine),
        )
        .distinct()
    )
    connection.execute(insert(edition_area).from_select(["edition", "area", "former"], stood))


def open_runs(
    connection: Connection, edition_id: int, channels: Iterable[str], follows: int | None = None
) -> str:
    """Create the outbox, a run for each push channel; return its lane. Recipients of the edition
    `follows` are included.

    A correction of an emergency is as urgent as the emergency.
    """
    row = connection.execute(select(edition).where(edition.c.id == edition_id)).one()
    urgent = exists().where(
        edition.c.announcement == row.announcement, edition.c.level == "emergency"
    )
    lane = "emergency" if connection.execute(select(urgent)).scalar() else "routine"
    times = {"published_at": row.published_at, "expires_at": row.expires_at}
    for name in channels:
        values = {
            "edition": edition_id,
            "channel": name,
            "lane": lane,
            "state": "preparing",
            "follows": follows,
            **times,
        }
        connection.execute(insert(run).values(**values))
    return lane


def supersede_runs(connection: Connection, announcement_id: str, reason: str) -> tuple[str, ...]:
    """End every unfinished run of the announcement's editions; return all their channels."""
    earlier = run.c.edition.in_(
        select(edition.c.id).where(edition.c.announcement == announcement_id)
    )
    end_runs(connection, earlier, "superseded", reason)
    return tuple(
        connection.execute(
            select(run.c.channel).where(earlier).distinct().order_by(run.c.channel)
        ).scalars()
    )


def ended(connection: Connection, at: float) -> list[Announcement]:
    """List published announcements that have expired and lock them; rows locked by another process
    are skipped.
    """
    over = (announcement.c.state == "published", announcement.c.expires_at <= at)
    statement = (
        select(announcement)
        .where(*over)
        .order_by(announcement.c.id)
        .with_for_update(skip_locked=True)
    )
    return [_announcement(row) for row in connection.execute(statement)]


# --- reading ---


def find(connection: Connection, key: str) -> Announcement | None:
    """Find the announcement with this id, or this code in its official spelling."""
    row = connection.execute(select(announcement).where(_named(key))).one_or_none()
    return _announcement(row) if row is not None else None


def edition_document(connection: Connection, edition_id: int) -> Edition:
    """Return the edition with this id. Raises LookupError."""
    document = connection.execute(
        select(edition.c.document).where(edition.c.id == edition_id)
    ).scalar()
    if document is None:
        raise LookupError(f"no edition {edition_id}")
    return signatures.decode(document)


def newest_edition(connection: Connection, key: str) -> EditionRow | None:
    """Find the newest edition of the announcement with this id or code; None before the first."""
    row = connection.execute(_editions(key).where(edition.c.newest)).one_or_none()
    return _edition_row(row) if row is not None else None


def versions(connection: Connection, key: str) -> list[EditionRow]:
    """List every edition of the announcement with this id or code, oldest first."""
    return [
        _edition_row(row) for row in connection.execute(_editions(key).order_by(edition.c.number))
    ]


def stamp(connection: Connection) -> tuple[int, int]:
    """Return (highest edition id, number of editions): a cache key that changes with every
    publication.
    """
    newest, count = connection.execute(select(func.max(edition.c.id), func.count())).one()
    return newest or 0, count


# --- statements ---


def _named(key: str) -> ColumnElement[bool]:
    return or_(announcement.c.id == key, announcement.c.code == key)


def _editions(key: str) -> Select[Any]:
    return (
        select(edition)
        .join(announcement, announcement.c.id == edition.c.announcement)
        .where(_named(key))
    )


def _announcement(row: Row[Any]) -> Announcement:
    values = {name: getattr(row, name) for name in Announcement.__slots__}
    return Announcement(**{**values, "fields": restored(row.fields)})


def _edition_row(row: Row[Any]) -> EditionRow:
    return EditionRow(**{name: getattr(row, name) for name in EditionRow.__slots__})
