"""Page cache: after an alert thousands open one link, which is rendered once a second for all.

Pages that a visitor can vary without end (search words, cursors, old codes) are rendered in a
bulkhead; the pages that everybody opens never wait for it.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.app import App
from broadcaster.domain.codes import normalise_code
from broadcaster.runtime.i18n import LANGUAGES
from broadcaster.store.latest import Latest, latest
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import Endpoint, app_of
from broadcaster.web.base.bulkhead import Bulkhead, SingleFlight, take_share
from broadcaster.web.base.http_cache import BoundedCache

PAGES = 128
"""Most pages cached of each kind."""
BYTES = 8 * 1024 * 1024
"""Most bytes cached of each kind."""
QUERY_BYTES = 24 * 1024
"""Most characters of a query; /cek needs the longest one. A longer query is refused."""

Key = tuple[object, ...]
Query = Callable[[App, Mapping[str, str]], Mapping[str, str]]
"""Function that keeps the parameters of a query that a page understands and drops the rest.

May raise HTTPException (404).
"""


class Publications:
    """Latest publications; requests that arrive during a read share the next one."""

    def __init__(self) -> None:
        self._reading = SingleFlight()
        self._turns = asyncio.Lock()
        self._turn = 0

    async def read(self, app: App) -> Latest:
        """Return the current state, from a read that began after the call."""
        return await self._reading.do(self._turn, partial(self._read, app))

    async def _read(self, app: App) -> Latest:
        async with self._turns:
            self._turn += 1
            return await app.database.read(latest)


@dataclass(kw_only=True)
class PageCache:
    """Rendered pages by path, query, language, publications and second."""

    bulkhead: Bulkhead = field(default_factory=Bulkhead)
    common: BoundedCache[Key, pages.Rendered] = field(
        default_factory=lambda: BoundedCache(entries=PAGES, bytes_=BYTES)
    )
    chosen: BoundedCache[Key, pages.Rendered] = field(
        default_factory=lambda: BoundedCache(entries=PAGES, bytes_=BYTES)
    )
    """Pages with freely chosen queries or codes: they never evict the common ones."""
    rendering: SingleFlight = field(default_factory=SingleFlight)
    publications: Publications = field(default_factory=Publications)


def no_query(_app: App, _query: Mapping[str, str]) -> Mapping[str, str]:
    """Return the query of a page that takes none: empty."""
    return {}


def shared(endpoint: Endpoint, *, query: Query = no_query) -> Endpoint:
    """Wrap an endpoint so that each of its pages is rendered at most once a second.

    For pages that depend only on address, language and publications.
    """

    async def show(request: Request) -> Response:
        request = canonical(request, query)
        page_cache: PageCache = request.app.state.page_cache
        app = app_of(request)
        latest = await page_cache.publications.read(app)
        common = not _asked(request) and _opened_by_many(request, latest)
        cache = page_cache.common if common else page_cache.chosen
        key = (
            request.url.path,
            _asked(request),
            pages.lang_of(request),
            latest.stamp,
            int(app.clock().timestamp()),
        )
        rendered = cache.get(key)
        if rendered is None:
            if not common and not page_cache.rendering.runs(key):
                take_share(request)
            result = await page_cache.rendering.do(
                key, partial(_render, page_cache, request, endpoint, common=common)
            )
            if isinstance(result, Response):
                return result
            rendered = result
            cache.put(key, rendered, rendered.response.size)
        return pages.answer(request, rendered)

    return show


def canonical(request: Request, query: Query) -> Request:
    """Return the request with only the known query parameters and the language, in a fixed order.

    Raises HTTPException (400) when the query is longer than `QUERY_BYTES`.
    """
    if len(request.url.query) > QUERY_BYTES:
        raise HTTPException(400)
    asked = request.query_params
    known = dict(query(app_of(request), asked))
    if asked.get(pages.LANGUAGE_COOKIE) in LANGUAGES:
        known[pages.LANGUAGE_COOKIE] = asked[pages.LANGUAGE_COOKIE]
    return Request({**request.scope, "query_string": urlencode(known).encode()}, request.receive)


def _asked(request: Request) -> tuple[tuple[str, str], ...]:
    """Return the query without the language, which may also come from the cookie."""
    return tuple(
        (name, value)
        for name, value in request.query_params.items()
        if name != pages.LANGUAGE_COOKIE
    )


def _opened_by_many(request: Request, latest: Latest) -> bool:
    """True for pages without a code and for the latest announcements."""
    code = request.path_params.get("code")
    return (
        code is None or normalise_code(code, app_of(request).settings.code_prefix) in latest.codes
    )


async def _render(
    page_cache: PageCache, request: Request, endpoint: Endpoint, *, common: bool
) -> pages.Rendered | Response:
    """Render the page, or return the response where there is none to share, such as a redirect.

    Raises RuntimeError if the endpoint made a page for one visitor.
    """
    if common:
        response = await endpoint(request)
    else:
        async with page_cache.bulkhead.entered(request):
            response = await endpoint(request)
    rendered: pages.Rendered | None = getattr(request.state, "rendered", None)
    if rendered is None and response.status_code == 200:
        raise RuntimeError("a page of one visitor cannot be shared")
    return response if rendered is None else rendered
