"""Pages of published editions: of the public archive, and of an area for feeds and screens."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    func,
    literal,
    or_,
    select,
)

from broadcaster.domain import signatures
from broadcaster.store import search
from broadcaster.store.tables import announcement, edition, edition_area
from channels.base.contract import Edition

PAGE_SIZE = 20


_CURSOR = re.compile(r"(\d{1,18})\.([A-Z0-9-]{1,20})", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchivePage:
    """A page of editions, the latest first published first; `following` is the cursor of the next
    page, "" at the end.
    """

    editions: tuple[Edition, ...]
    following: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveFilter:
    """Filter of the public archive; empty = no restriction. `since` <= first publication < `until`,
    epoch seconds.

    `in_force_at`: only what is neither withdrawn nor over at that moment.
    """

    area: str = ""
    category: str = ""
    text: str = ""
    in_force_at: float | None = None
    since: float | None = None
    until: float | None = None


def concerning(
    connection: Connection,
    area_code: str,
    *,
    since: float,
    limit: int = 50,
    before: str = "",
    channel: str = "",
) -> ArchivePage:
    """List newest editions that concern an area, or did until a correction: in force, or changed or
    expired after `since`.

    `since` in epoch seconds; with `channel` only editions for that channel. `before` is the
    previous page's `following`.
    """
    recent = or_(
        edition.c.published_at >= since,
        ~edition.c.withdrawn & or_(edition.c.expires_at.is_(None), edition.c.expires_at >= since),
    )
    chosen = (
        or_(edition.c.channels == "", edition.c.channels.contains(f" {channel} "))
        if channel
        else literal(True)
    )
    return _page(connection, [recent, chosen, _concerns(area_code)], before, limit)


def list_public(
    connection: Connection, criteria: ArchiveFilter, *, before: str = "", limit: int = PAGE_SIZE
) -> ArchivePage:
    """Read a page of the public archive: everything ever published, by its newest edition."""
    return _page(connection, _conditions(connection, criteria), before, limit)


def count_public(connection: Connection, criteria: ArchiveFilter) -> int:
    """Count the announcements that `list_public` would list on all pages."""
    statement = (
        select(func.count())
        .select_from(edition)
        .where(edition.c.newest, *_conditions(connection, criteria))
    )
    return int(connection.execute(statement).scalar_one())


def is_cursor(text: str) -> bool:
    """True if a text could be a page's cursor."""
    return _CURSOR.fullmatch(text) is not None


def cursor_of(last: Edition) -> str:
    """Return the cursor after this edition: microseconds of first publication, then the code."""
    return f"{round(last.first_published_at.timestamp() * 1_000_000)}.{last.code}"


def _concerns(area_code: str) -> ColumnElement[bool]:
    return edition.c.id.in_(select(edition_area.c.edition).where(edition_area.c.area == area_code))


def _conditions(connection: Connection, criteria: ArchiveFilter) -> list[ColumnElement[bool]]:
    conditions = [_concerns(criteria.area)] if criteria.area else []
    if criteria.category:
        conditions.append(edition.c.topic == criteria.category)
    if criteria.since is not None:
        conditions.append(edition.c.first_published_at >= criteria.since)
    if criteria.until is not None:
        conditions.append(edition.c.first_published_at < criteria.until)
    if criteria.in_force_at is not None:
        over = edition.c.expires_at <= criteria.in_force_at
        conditions += [~edition.c.withdrawn, or_(edition.c.expires_at.is_(None), ~over)]
    return conditions + search.matching(connection, criteria.text)


def _page(
    connection: Connection, conditions: Sequence[ColumnElement[bool]], before: str, limit: int
) -> ArchivePage:
    place = (edition.c.first_published_at, announcement.c.code)
    statement = (
        select(edition.c.document)
        .join(announcement, announcement.c.id == edition.c.announcement)
        .where(edition.c.newest, *conditions)
        .order_by(*(column.desc() for column in place))
        .limit(limit + 1)
    )
    edge = _CURSOR.fullmatch(before)
    if edge is not None:
        at, code = int(edge[1]) / 1_000_000, edge[2]
        statement = statement.where(or_(place[0] < at, (place[0] == at) & (place[1] < code)))
    editions = [signatures.decode(document) for document in connection.execute(statement).scalars()]
    page_editions = tuple(editions[:limit])
    return ArchivePage(
        editions=page_editions,
        following=cursor_of(page_editions[-1]) if len(editions) > limit else "",
    )
