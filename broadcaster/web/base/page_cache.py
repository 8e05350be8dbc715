"""The same page for many at once: after an alert thousands open one link, and it is rendered once a
second for all of them.

What a stranger can vary without end (words, cursors, old codes) is rendered in a bulkhead; the
pages that everybody opens never wait for it.
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
"""Pages of each kind remembered at most."""
BYTES = 8 * 1024 * 1024
"""Bytes of each kind remembered at most."""
QUERY_BYTES = 24 * 1024
"""Characters of a query; a longer one is refused: the longest text that /cek looks at is shorter."""

Key = tuple[object, ...]
Query = Callable[[App, Mapping[str, str]], Mapping[str, str]]
"""What of a query a page knows: names with values that are valid; anything else changes nothing.
May raise 404.
"""


class Publications:
    """What was published last, read once for all who ask while the read before runs."""

    def __init__(self) -> None:
        self._reading = SingleFlight()
        self._turns = asyncio.Lock()
        self._turn = 0

    async def read(self, app: App) -> Latest:
        """As it is now: a read that began before the call may have missed something."""
        return await self._reading.once(self._turn, partial(self._read, app))

    async def _read(self, app: App) -> Latest:
        async with self._turns:
            self._turn += 1
            return await app.database.read(latest)


@dataclass(kw_only=True)
class Rush:
    """The pages of this second, by address, language and what was published."""

    bulkhead: Bulkhead = field(default_factory=Bulkhead)
    common: BoundedCache[Key, pages.Rendered] = field(
        default_factory=lambda: BoundedCache(entries=PAGES, bytes_=BYTES)
    )
    chosen: BoundedCache[Key, pages.Rendered] = field(
        default_factory=lambda: BoundedCache(entries=PAGES, bytes_=BYTES)
    )
    """Pages that strangers choose, as many as they like: they never push out the common ones."""
    rendering: SingleFlight = field(default_factory=SingleFlight)
    publications: Publications = field(default_factory=Publications)


def nothing(_app: App, _query: Mapping[str, str]) -> Mapping[str, str]:
    """The query of a page without one."""
    return {}


def shared(endpoint: Endpoint, *, query: Query = nothing) -> Endpoint:
    """The endpoint, asked once a second for each page; for pages that depend on address, language
    and publications alone.
    """

    async def show(request: Request) -> Response:
        request = canonical(request, query)
        rush: Rush = request.app.state.rush
        app = app_of(request)
        latest = await rush.publications.read(app)
        common = not _asked(request) and _opened_by_many(request, latest)
        cache = rush.common if common else rush.chosen
        key = (
            request.url.path,
            _asked(request),
            pages.lang_of(request),
            latest.stamp,
            int(app.clock().timestamp()),
        )
        rendered = cache.get(key)
        if rendered is None:
            if not common and not rush.rendering.runs(key):
                take_share(request)
            made = await rush.rendering.once(
                key, partial(_render, rush, request, endpoint, common=common)
            )
            if isinstance(made, Response):
                return made
            rendered = made
            cache.put(key, rendered, rendered.kept.size)
        return pages.answer(request, rendered)

    return show


def canonical(request: Request, query: Query) -> Request:
    """The request with nothing in its query but what the page knows, in the page's order, and the
    language.
    """
    if len(request.url.query) > QUERY_BYTES:
        raise HTTPException(400)
    asked = request.query_params
    known = dict(query(app_of(request), asked))
    if asked.get(pages.LANGUAGE_COOKIE) in LANGUAGES:
        known[pages.LANGUAGE_COOKIE] = asked[pages.LANGUAGE_COOKIE]
    return Request({**request.scope, "query_string": urlencode(known).encode()}, request.receive)


def _asked(request: Request) -> tuple[tuple[str, str], ...]:
    """The query without the language, which the cookie may name as well."""
    return tuple(
        (name, value)
        for name, value in request.query_params.items()
        if name != pages.LANGUAGE_COOKIE
    )


def _opened_by_many(request: Request, latest: Latest) -> bool:
    """Whether a page is one of those few that everybody opens; of announcements those published
    last.
    """
    code = request.path_params.get("code")
    return (
        code is None or normalise_code(code, app_of(request).settings.code_prefix) in latest.codes
    )


async def _render(
    rush: Rush, request: Request, endpoint: Endpoint, *, common: bool
) -> pages.Rendered | Response:
    """The page; a response as it is where there is no page to share: the redirect of a code typed
    loosely.
    """
    if common:
        response = await endpoint(request)
    else:
        async with rush.bulkhead.entered(request):
            response = await endpoint(request)
    rendered: pages.Rendered | None = getattr(request.state, "rendered", None)
    if rendered is None and response.status_code == 200:
        raise RuntimeError("a page of one visitor cannot be shared")
    return response if rendered is None else rendered
