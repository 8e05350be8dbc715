"""List of announcements: tabs with counts, search, filters, pages."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import get_args

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.store import announcement_lists
from broadcaster.store.announcement_lists import AnnouncementFilter, Tab
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import account_of, app_of
from broadcaster.web.staff import frame
from channels.base.contract import Level
from channels.base.moments import WIB

TAB_WORDS: Mapping[str, Tab] = {
    "draf": "draft",
    "menunggu": "waiting",
    "terjadwal": "scheduled",
    "terbit": "published",
    "berakhir": "ended",
    "arsip": "archived",
}
"""Tab names as they appear in addresses."""
TEXT_LIMIT = 80
"""Characters of a search that are used."""


async def show(request: Request) -> Response:
    """Show one page of the chosen tab."""
    app = app_of(request)
    wanted = _wanted(request)
    before = request.query_params.get("setelah", "")

    def read(
        connection: Connection,
    ) -> tuple[announcement_lists.AnnouncementPage, dict[Tab, int], list[str]]:
        return (
            announcement_lists.page(connection, wanted, before=before),
            announcement_lists.counts(connection, wanted),
            announcement_lists.agencies(connection),
        )

    page, counts, agencies = await app.database.read(read)
    older = pages.address_with(request, setelah=page.following) if page.following else ""
    tabs = [
        (word, tab, counts[tab], pages.address_with(request, tab=word, setelah=""))
        for word, tab in TAB_WORDS.items()
    ]
    return frame.page(
        request,
        "announcement_list.html",
        wanted=wanted,
        page=page,
        tabs=tabs,
        agencies=agencies,
        topics=app.settings.topics,
        levels=get_args(Level),
        older=older,
        newest=pages.address_with(request, setelah="") if before else "",
        filtered=_is_filtered(wanted),
        labels={topic.slug: topic for topic in app.settings.topics},
        query=request.query_params,
    )


def _wanted(request: Request) -> AnnouncementFilter:
    query = request.query_params
    return AnnouncementFilter(
        tab=TAB_WORDS.get(query.get("tab", ""), "published"),
        text=query.get("kata", "")[:TEXT_LIMIT].strip(),
        level=query.get("tingkat", ""),
        topic=query.get("kategori", ""),
        agency=query.get("opd", ""),
        author=account_of(request).actor if query.get("saya") else "",
        since=_midnight(query.get("dari", "")),
        until=_midnight(query.get("sampai", ""), days=1),
    )


def _midnight(text: str, *, days: int = 0) -> float | None:
    """Return midnight (WIB, epoch seconds) of a date such as "2026-11-25", `days` later.

    None for anything that is not a date, so that it does not restrict the list.
    """
    try:
        day = date.fromisoformat(text)
        return datetime.combine(day + timedelta(days=days), time(), WIB).timestamp()
    except (ValueError, OverflowError):
        return None


def _is_filtered(wanted: AnnouncementFilter) -> bool:
    return wanted != AnnouncementFilter(tab=wanted.tab)
