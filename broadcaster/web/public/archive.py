"""Archive of announcements, newest first, filtered by area, category and words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.app import App
from broadcaster.runtime.i18n import words
from broadcaster.store import archive
from broadcaster.web.base import pages
from broadcaster.web.base.area_groups import groups
from broadcaster.web.base.authorization import app_of
from broadcaster.web.base.bulkhead import read
from broadcaster.web.base.edition_view import View, view
from broadcaster.web.public import feed_links
from channels.base import validity
from channels.base.contract import Edition, Topic
from channels.base.moments import WIB
from channels.base.rendering import clean
from subscribers.areas import Area

TEXT_LIMIT = 60
"""Most characters of a search."""


@dataclass(frozen=True, kw_only=True)
class Day:
    """Announcements first published on one day (WIB)."""

    moment: datetime
    views: Sequence[View]


@dataclass(frozen=True, kw_only=True)
class ArchiveQuery:
    """Filters and cursor of a visitor's query."""

    area: Area
    topic: Topic | None
    text: str
    before: str
    in_force: bool
    """True to leave out expired and withdrawn announcements."""

    def filter(self, now: datetime) -> archive.ArchiveFilter:
        """Return the filter for the store."""
        return archive.ArchiveFilter(
            area=self.area.code,
            category=self.topic.slug if self.topic else "",
            text=self.text,
            in_force_at=now.timestamp() if self.in_force else None,
        )

    @property
    def searched(self) -> bool:
        """True if a category or words are filtered."""
        return bool(self.topic or self.text)


def known_query(app: App, query: Mapping[str, str]) -> Mapping[str, str]:
    """Return the valid parameters of a query; raises HTTPException (404) for an unknown area."""
    parsed = read_query(app, query)
    named = {
        "wilayah": parsed.area.slug if parsed.area != app.tree.city else "",
        "kategori": parsed.topic.slug if parsed.topic else "",
        "kata": parsed.text,
        "berlaku": "ya" if parsed.in_force else "",
        "sebelum": parsed.before,
    }
    return {name: value for name, value in named.items() if value}


def read_query(app: App, query: Mapping[str, str]) -> ArchiveQuery:
    """Parse a query, ignoring an unknown category or an unreadable cursor.

    Raises HTTPException (404) for an unknown area.
    """
    before = query.get("sebelum", "")
    area = app.tree.get(query.get("wilayah", "").strip() or app.tree.city.code)
    if area is None:
        raise HTTPException(404)
    return ArchiveQuery(
        area=area,
        topic=next(
            (topic for topic in app.settings.topics if topic.slug == query.get("kategori")), None
        ),
        text=clean(query.get("kata", ""))[:TEXT_LIMIT].strip(),
        before=before if archive.is_cursor(before) else "",
        in_force=query.get("berlaku") == "ya",
    )


async def show(request: Request) -> Response:
    """Render the page."""
    app, lang = app_of(request), pages.lang_of(request)
    query = read_query(app, request.query_params)
    page, total = await read(request, _archive, query.filter(app.clock()), query.before)
    views = [_view(app, edition, lang) for edition in page.editions]
    return pages.page(
        request,
        "archive.html",
        area=query.area,
        topic=query.topic,
        topics=app.settings.topics,
        text=query.text,
        filtered=query.searched or query.in_force or query.area != app.tree.city,
        heading=words(lang)(_heading(query), n=total, area=query.area.label),
        in_force=query.in_force,
        everything=pages.address_with(request, bahasa="", sebelum="", berlaku=""),
        only_in_force=pages.address_with(request, bahasa="", sebelum="", berlaku="ya"),
        emergencies=await _emergencies(request, query.area, lang),
        days=list(_days(views)),
        groups=groups(app),
        feeds=feed_links.of_area(
            app.pull.values(), query.area, {"bahasa": "en"} if lang == "en" else None
        ),
        own_address=pages.address_with(request, bahasa=""),
        newest=pages.address_with(request, bahasa="", sebelum="") if query.before else "",
        older=pages.address_with(request, bahasa="", sebelum=page.following)
        if page.following
        else "",
    )


def _heading(query: ArchiveQuery) -> str:
    """Return the catalogue key of the heading above the list."""
    if query.in_force:
        return "home.count.filtered.in_force" if query.searched else "home.count.in_force"
    return "home.count.filtered" if query.searched else "home.count"


def _archive(
    connection: Connection, filter_: archive.ArchiveFilter, before: str
) -> tuple[archive.ArchivePage, int]:
    """Return one page of announcements and their total number."""
    page = archive.list_public(connection, filter_, before=before)
    return page, archive.count_public(connection, filter_)


async def _emergencies(request: Request, area: Area, lang: str) -> list[View]:
    """List the emergencies in force in the area, wherever they stand in the archive."""
    app = app_of(request)
    now = app.clock()
    page = await read(request, archive.concerning, area.code, since=now.timestamp())
    emergencies = [
        edition
        for edition in page.editions
        if edition.emergency and validity.concerns(edition, area.code)
    ]
    views = [_view(app, edition, lang) for edition in emergencies if edition.effective <= now]
    return [view for view in views if view.current]


def _view(app: App, edition: Edition, lang: str) -> View:
    return view(edition, now=app.clock(), lang=lang, base_url=app.site.base_url)


def _days(views: Sequence[View]) -> Iterator[Day]:
    for _, same in groupby(
        views, key=lambda view: view.edition.first_published_at.astimezone(WIB).date()
    ):
        of_day = list(same)
        yield Day(moment=of_day[0].edition.first_published_at, views=of_day)
