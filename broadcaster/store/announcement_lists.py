"""Lists of announcements for staff: tabs with counts, search and filters, pages by cursor; fast
with tens of thousands of rows.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, func, or_, select

from broadcaster.domain.codes import normalise_code
from broadcaster.domain.lifecycle import State
from broadcaster.store.drafts import EDITING
from broadcaster.store.staff_tables import draft_version
from broadcaster.store.tables import announcement, edition

Tab = Literal["draft", "waiting", "scheduled", "published", "ended", "archived"]
STATES_OF: Mapping[Tab, tuple[State, ...]] = {
    "draft": ("draft", "returned"),
    "waiting": ("review",),
    "scheduled": ("approved", "scheduled"),
    "published": ("published",),
    "ended": ("ended", "rejected"),
    "archived": ("archived",),
}
PAGE_SIZE = 25
MAX_TERMS = 5
"""Terms of a search that are used; further ones are ignored."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AnnouncementFilter:
    """Filter of the list; empty = no restriction. `since` <= last change < `until`, epoch s."""

    tab: Tab = "published"
    text: str = ""
    level: str = ""
    topic: str = ""
    agency: str = ""
    author: str = ""
    since: float | None = None
    until: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A line of the list; times in epoch seconds."""

    id: str
    code: str
    state: State
    title: str
    level: str
    topic: str
    agency: str
    training: bool
    created_by: str
    submitted_by: str
    submitted_at: float | None
    updated_at: float
    publish_at: float | None
    published_at: float | None
    expires_at: float | None
    release_at: float | None
    note: str
    withdrawn: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class AnnouncementPage:
    """A page of lines, most recently changed first; `following` is the cursor of the next page, ""
    at the end.
    """

    items: tuple[Item, ...]
    following: str


_OF_ITSELF = tuple(announcement.c[name] for name in Item.__slots__ if name in announcement.c)
_TAKEN_BACK = exists().where(
    edition.c.announcement == announcement.c.id, edition.c.newest, edition.c.withdrawn
)
_COLUMNS = (*_OF_ITSELF, _TAKEN_BACK.label("withdrawn"))


def page(
    connection: Connection,
    criteria: AnnouncementFilter,
    *,
    before: str = "",
    limit: int = PAGE_SIZE,
) -> AnnouncementPage:
    """Read a page of the list."""
    place = (announcement.c.updated_at, announcement.c.id)
    statement = (
        select(*_COLUMNS)
        .where(*_conditions(criteria))
        .order_by(*(column.desc() for column in place))
        .limit(limit + 1)
    )
    edge = re.fullmatch(r"(\d{1,12}\.\d{1,9})\.([0-9a-f]{32})", before, re.ASCII)
    if edge is not None:
        at, last = float(edge[1]), edge[2]
        statement = statement.where(or_(place[0] < at, and_(place[0] == at, place[1] < last)))
    rows = _items(connection, statement)
    page_items = tuple(rows[:limit])
    following = f"{page_items[-1].updated_at!r}.{page_items[-1].id}" if len(rows) > limit else ""
    return AnnouncementPage(items=page_items, following=following)


def counts(connection: Connection, criteria: AnnouncementFilter) -> dict[Tab, int]:
    """Count the announcements of each tab under the same search and filters."""
    grouped = (
        select(announcement.c.state, func.count().label("n"))
        .where(*_filters(criteria))
        .group_by(announcement.c.state)
    )
    by_state = {row.state: int(row.n) for row in connection.execute(grouped)}
    return {
        tab: sum(by_state.get(state, 0) for state in states) for tab, states in STATES_OF.items()
    }


def agencies(connection: Connection) -> list[str]:
    """List every agency that has written an announcement, by name."""
    named = (
        select(announcement.c.agency)
        .where(announcement.c.agency != "")
        .distinct()
        .order_by(announcement.c.agency)
    )
    return list(connection.execute(named).scalars())


def in_states(
    connection: Connection, *states: State, author: str = "", limit: int = 10
) -> list[Item]:
    """List announcements in these states, the longest waiting first."""
    conditions: list[ColumnElement[bool]] = [announcement.c.state.in_(states)]
    if author:
        conditions.append(announcement.c.created_by == author)
    order = (announcement.c.updated_at, announcement.c.id)
    return _items(connection, select(*_COLUMNS).where(*conditions).order_by(*order).limit(limit))


def warnings_for(connection: Connection, approver: str, limit: int = 3) -> list[Item]:
    """List emergencies in review that this approver did not write, the longest waiting first."""
    waiting = (
        announcement.c.state == "review",
        announcement.c.level == "emergency",
        announcement.c.training.is_(False),
    )
    others = (announcement.c.submitted_by != approver, ~drafted_by(approver))
    oldest = (
        select(*_COLUMNS)
        .where(*waiting, *others)
        .order_by(announcement.c.updated_at, announcement.c.id)
        .limit(limit)
    )
    return _items(connection, oldest)


def drafted_by(actor: str) -> ColumnElement[bool]:
    """True if this person has changed the form."""
    edits = (draft_version.c.announcement == announcement.c.id, draft_version.c.actor == actor)
    return exists().where(*edits, draft_version.c.act.in_(EDITING))


def since(connection: Connection, at: float, limit: int = 10) -> list[Item]:
    """List announcements published at `at` or later, newest first."""
    newest_first = (
        select(*_COLUMNS)
        .where(announcement.c.published_at >= at)
        .order_by(announcement.c.published_at.desc())
    )
    return _items(connection, newest_first.limit(limit))


def same_title(connection: Connection, title: str, since: float, but: str = "") -> bool:
    """True if another announcement with this title, ignoring case, was published after `since`
    (epoch seconds).
    """
    lately = select(announcement.c.title).where(
        announcement.c.published_at >= since, announcement.c.id != but
    )
    return title.casefold() in {
        other_title.casefold() for other_title in connection.execute(lately).scalars()
    }


def items(connection: Connection, ids: list[str]) -> dict[str, Item]:
    """Return the lines of these announcements, by id."""
    return {
        item.id: item
        for item in _items(connection, select(*_COLUMNS).where(announcement.c.id.in_(ids)))
    }


def _items(connection: Connection, statement: Select[Any]) -> list[Item]:
    return [_item(row) for row in connection.execute(statement)]


def _item(row: Row[Any]) -> Item:
    return Item(**{name: getattr(row, name) for name in Item.__slots__})


def _conditions(criteria: AnnouncementFilter) -> list[ColumnElement[bool]]:
    return [announcement.c.state.in_(STATES_OF[criteria.tab]), *_filters(criteria)]


def _filters(criteria: AnnouncementFilter) -> list[ColumnElement[bool]]:
    exact = {
        "level": criteria.level,
        "topic": criteria.topic,
        "agency": criteria.agency,
        "created_by": criteria.author,
    }
    conditions: list[ColumnElement[bool]] = [
        announcement.c[name] == value for name, value in exact.items() if value
    ]
    if criteria.since is not None:
        conditions.append(announcement.c.updated_at >= criteria.since)
    if criteria.until is not None:
        conditions.append(announcement.c.updated_at < criteria.until)
    code = normalise_code(criteria.text)
    if code:
        return [*conditions, announcement.c.code == code]
    terms = criteria.text.lower().split()[:MAX_TERMS]
    return conditions + [announcement.c.words.contains(term, autoescape=True) for term in terms]
