"""The archive of announcements: newest first, filtered by area, category and word, with the feed of
the same area.
"""

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
"""Characters of a search."""


@dataclass(frozen=True, kw_only=True)
class Day:
    """The announcements first published on one day (WIB)."""

    moment: datetime
    views: Sequence[View]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a visitor asked for; an unknown category or an unreadable cursor is ignored rather than
    refused.
    """

    area: Area
    topic: Topic | None
    text: str
    before: str
    in_force: bool
    """Leave out what is over or withdrawn."""

    def filter(self, now: datetime) -> archive.ArchiveFilter:
        """For the store."""
        return archive.ArchiveFilter(
            area=self.area.code,
            category=self.topic.slug if self.topic else "",
            text=self.text,
            in_force_at=now.timestamp() if self.in_force else None,
        )

    @property
    def searched(self) -> bool:
        """Whether anything was filtered beyond the area and the time."""
        return bool(self.topic or self.text)


def known_query(app: App, query: Mapping[str, str]) -> Mapping[str, str]:
    """What of a query changes the page; 404 for an area that does not exist."""
    asked = read_query(app, query)
    named = {
        "wilayah": asked.area.slug if asked.area != app.tree.city else "",
        "kategori": asked.topic.slug if asked.topic else "",
        "kata": asked.text,
        "berlaku": "ya" if asked.in_force else "",
        "sebelum": asked.before,
    }
    return {name: value for name, value in named.items() if value}


def read_query(app: App, query: Mapping[str, str]) -> Asked:
    """The filter in the query; 404 for an area that does not exist."""
    before = query.get("sebelum", "")
    area = app.tree.get(query.get("wilayah", "").strip() or app.tree.city.code)
    if area is None:
        raise HTTPException(404)
    return Asked(
        area=area,
        topic=next(
            (topic for topic in app.settings.topics if topic.slug == query.get("kategori")), None
        ),
        text=clean(query.get("kata", ""))[:TEXT_LIMIT].strip(),
        before=before if archive.is_cursor(before) else "",
        in_force=query.get("berlaku") == "ya",
    )


async def show(request: Request) -> Response:
    """The page."""
    app, lang = app_of(request), pages.lang_of(request)
    asked = read_query(app, request.query_params)
    found, total = await read(request, _archive, asked.filter(app.clock()), asked.before)
    views = [_view(app, edition, lang) for edition in found.editions]
    return pages.page(
        request,
        "home.html",
        area=asked.area,
        topic=asked.topic,
        topics=app.settings.topics,
        text=asked.text,
        filtered=asked.searched or asked.in_force or asked.area != app.tree.city,
        heading=words(lang)(_heading(asked), n=total, area=asked.area.label),
        in_force=asked.in_force,
        everything=pages.address_with(request, bahasa="", sebelum="", berlaku=""),
        only_in_force=pages.address_with(request, bahasa="", sebelum="", berlaku="ya"),
        emergencies=await _emergencies(request, asked.area, lang),
        days=list(_days(views)),
        groups=groups(app),
        feeds=feed_links.of_area(
            app.pull.values(), asked.area, {"bahasa": "en"} if lang == "en" else None
        ),
        own_address=pages.address_with(request, bahasa=""),
        newest=pages.address_with(request, bahasa="", sebelum="") if asked.before else "",
        older=pages.address_with(request, bahasa="", sebelum=found.following)
        if found.following
        else "",
    )


def _heading(asked: Asked) -> str:
    """The key of the words above the list."""
    if asked.in_force:
        return "home.count.filtered.in_force" if asked.searched else "home.count.in_force"
    return "home.count.filtered" if asked.searched else "home.count"


def _archive(
    connection: Connection, wanted: archive.ArchiveFilter, before: str
) -> tuple[archive.ArchivePage, int]:
    """The page asked for, and how many announcements there are in all."""
    page = archive.list_public(connection, wanted, before=before)
    return page, archive.count_public(connection, wanted)


async def _emergencies(request: Request, area: Area, lang: str) -> list[View]:
    """What everyone in the area must know first, wherever it stands in the archive."""
    app = app_of(request)
    now = app.clock()
    found = await read(request, archive.concerning, area.code, since=now.timestamp())
    here = [
        edition
        for edition in found.editions
        if edition.emergency and validity.concerns(edition, area.code)
    ]
    views = [_view(app, edition, lang) for edition in here if edition.effective <= now]
    return [view for view in views if view.current]


def _view(app: App, edition: Edition, lang: str) -> View:
    return view(edition, now=app.clock(), lang=lang, base_url=app.site.base_url)


def _days(views: Sequence[View]) -> Iterator[Day]:
    for _, same in groupby(
        views, key=lambda view: view.edition.first_published_at.astimezone(WIB).date()
    ):
        of_day = list(same)
        yield Day(moment=of_day[0].edition.first_published_at, views=of_day)
