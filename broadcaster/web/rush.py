"""The same page for many at once: after an alert thousands open one link, and it is rendered once a second for all of them."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from broadcaster.store import announcements
from broadcaster.web import pages
from broadcaster.web.access import Endpoint, app_of

PAGES = 128
"""Pages remembered at most."""
QUERY_LIMIT = 100
"""Characters of a query beyond which a page is rendered for its visitor alone."""


@dataclass(kw_only=True)
class Rush:
    """The pages of this second, by address, language and what was published."""

    building: asyncio.Lock = field(default_factory=asyncio.Lock)
    searching: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Pages with a query wait for each other alone: strangers choose these, as many as they like."""
    _pages: OrderedDict[tuple[object, ...], pages.Rendered] = field(default_factory=OrderedDict)

    def get(self, key: tuple[object, ...]) -> pages.Rendered | None:
        """The page, if it was rendered already."""
        return self._pages.get(key)

    def put(self, key: tuple[object, ...], rendered: pages.Rendered) -> None:
        """Remember a page; the oldest makes room."""
        self._pages[key] = rendered
        while len(self._pages) > PAGES:
            self._pages.popitem(last=False)


def shared(endpoint: Endpoint) -> Endpoint:
    """The endpoint, asked once a second for each page; for pages that depend on address, language and publications alone."""

    async def show(request: Request) -> Response:
        if len(request.url.query) > QUERY_LIMIT or pages.LANGUAGE_COOKIE in request.query_params:
            return await endpoint(request)
        app = app_of(request)
        rush: Rush = request.app.state.rush
        stamp = await app.database.read(announcements.stamp)
        key = (request.url.path, request.url.query, pages.lang_of(request), stamp, int(app.clock().timestamp()))
        rendered = rush.get(key)
        if rendered is None:
            async with rush.searching if request.url.query else rush.building:
                rendered = rush.get(key)
                if rendered is None:
                    response = await endpoint(request)
                    made: pages.Rendered | None = getattr(request.state, "rendered", None)
                    if made is not None:
                        rush.put(key, made)
                    return response
        return pages.answer(request, rendered)

    return show
