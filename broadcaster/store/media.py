"""Rows of pictures uploaded by staff: sizes, uploader, and whether anything refers to them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Column, Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from broadcaster.store.staff_tables import draft_version, media, proposal, recurring
from broadcaster.store.tables import announcement, edition
from channels.base import pictures
from channels.base.contract import Edition, Site

_NAMING: tuple[Column[str], ...] = (
    announcement.c.fields,
    announcement.c.form,
    edition.c.document,
    draft_version.c.form,
    proposal.c.form,
    recurring.c.form,
)
"""Columns whose text may contain the address of a picture."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureRow:
    """A stored picture: `sizes` are bytes by variant, width and height those of `web`, `at` epoch
    seconds of the last upload.
    """

    id: str
    width: int
    height: int
    sizes: Mapping[str, int]
    at: float
    actor: str


def add(connection: Connection, picture: PictureRow) -> bool:
    """Store a picture; True if it is new. A known one only gets a new upload time."""
    values = {
        "width": picture.width,
        "height": picture.height,
        "sizes": json.dumps(dict(picture.sizes)),
        "at": picture.at,
    }
    try:
        with connection.begin_nested():
            connection.execute(insert(media).values(id=picture.id, actor=picture.actor, **values))
    except IntegrityError:
        connection.execute(update(media).where(media.c.id == picture.id).values(at=picture.at))
        return False
    return True


def find(connection: Connection, picture_id: str) -> PictureRow | None:
    """Find a picture by its id."""
    row = connection.execute(select(media).where(media.c.id == picture_id)).first()
    return _kept(row) if row is not None else None


def newest(connection: Connection, limit: int) -> list[PictureRow]:
    """List the pictures uploaded most recently."""
    return [
        _kept(row)
        for row in connection.execute(
            select(media).order_by(media.c.at.desc(), media.c.id).limit(limit)
        )
    ]


def measured(connection: Connection, frozen: Edition, site: Site) -> Edition:
    """Add the size of the edition's picture, if it is an uploaded one: feeds must state it."""
    image = pictures.own_picture(frozen, site)
    picture = find(connection, pictures.own_id(image.url, site)) if image is not None else None
    match = pictures.FILE.search(image.url) if image is not None else None
    if image is None or picture is None or match is None or match["variant"] != "web":
        return frozen
    known = msgspec.structs.replace(
        image, length=picture.sizes["web"], width=picture.width, height=picture.height
    )
    return msgspec.structs.replace(frozen, image=known)


# --- unused pictures ---


def unused(connection: Connection, before: float) -> list[PictureRow]:
    """List pictures last uploaded before `before` (epoch seconds) that no announcement, version,
    proposal or template names.

    Reads every text that names one: use a reading connection, and rarely.
    """
    old = [
        _kept(row)
        for row in connection.execute(select(media).where(media.c.at < before).order_by(media.c.at))
    ]
    if not old:
        return []
    named = {name for column in _NAMING for name in _named(connection, column)}
    return [picture for picture in old if picture.id not in named]


def forget(connection: Connection, picture: PictureRow) -> bool:
    """Delete a picture unless it was uploaded again since; True if it was deleted."""
    gone = connection.execute(
        delete(media).where(media.c.id == picture.id, media.c.at == picture.at)
    )
    return gone.rowcount > 0


def _named(connection: Connection, column: Column[str]) -> set[str]:
    statement = select(column).where(column.contains("/media/")).execution_options(yield_per=500)
    with connection.execute(statement) as texts:
        return {match["id"] for (text,) in texts for match in pictures.FILE.finditer(text)}


def _kept(row: Row[Any]) -> PictureRow:
    sizes: Mapping[str, int] = json.loads(row.sizes)
    return PictureRow(
        id=row.id, width=row.width, height=row.height, sizes=sizes, at=row.at, actor=row.actor
    )
