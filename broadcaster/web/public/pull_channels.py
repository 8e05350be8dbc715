"""Pull channels over HTTP: documents of declared paths, built once per change and served from
memory.
"""

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.app import App
from broadcaster.store import archive
from broadcaster.web.base.authorization import Endpoint, Row, app_of
from broadcaster.web.base.bulkhead import Bulkhead, SingleFlight, read, take_share
from broadcaster.web.base.http_cache import BoundedCache, CachedResponse, prepare, serve
from broadcaster.web.base.middleware import FRAMED_CSP
from broadcaster.web.base.page_cache import Publications
from channels.base import contract
from channels.base.contract import Document, PageRequest, PullChannel
from subscribers.areas import Area

SHOWN_FOR = timedelta(days=30)
"""Time for which channels still receive expired and withdrawn announcements."""
EDITIONS = 1_000
"""Most editions of a document; no area has this many within `SHOWN_FOR`."""
STAMP_SECONDS = 1.0
"""Time for which the store's stamp is cached; a publication shows this much after max-age."""
DOCUMENTS = 1_000
"""Most documents cached of each kind: all areas of a city in all formats."""
PLAIN_BYTES, QUERIED_BYTES = 32 * 1024 * 1024, 8 * 1024 * 1024
"""Most bytes cached of documents without and with a query; visitors choose the latter freely, so
they never evict the former.
"""
QUERY_LIMIT = 200
"""Most characters of a query; a longer one is refused."""
DEMO_SCREEN = "demo-"
"""Prefix of the tokens of demo screens; the rest is the area's slug."""

Key = tuple[object, ...]


@dataclass(frozen=True, kw_only=True)
class _DocumentAddress:
    """Path of a channel, area, and the query parameters that the channel knows."""

    path: str
    area: Area
    query: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class _Built:
    stamp: object
    response: CachedResponse
    max_age: int
    fresh_until: datetime | None


class PullCache:
    """Documents of one web process; each is built once per stamp, one at a time per channel."""

    def __init__(self) -> None:
        self.building: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """Locks by channel: screens never wait for the feeds of rarely read areas."""
        self.bulkhead = Bulkhead(places=1)
        """Bulkhead for documents with a query, so that they never delay those without."""
        self.flights = SingleFlight()
        self._publications = Publications()
        self._stamp: tuple[float, object] = (-math.inf, None)
        self._plain: BoundedCache[Key, _Built] = BoundedCache(entries=DOCUMENTS, bytes_=PLAIN_BYTES)
        self._queried: BoundedCache[Key, _Built] = BoundedCache(
            entries=DOCUMENTS, bytes_=QUERIED_BYTES
        )

    async def stamp(self, app: App) -> object:
        """Return a value that changes with every publication."""
        read_at, stamp = self._stamp
        if time.monotonic() - read_at >= STAMP_SECONDS:
            moment = time.monotonic()
            stamp = (await self._publications.read(app)).stamp
            self._stamp = (moment, stamp)
        return stamp

    def get(self, key: Key, stamp: object, now: datetime, *, queried: bool) -> _Built | None:
        """Return the document, or None if something has changed since it was built."""
        built = self.shelf(queried=queried).get(key)
        if (
            built is None
            or built.stamp != stamp
            or (built.fresh_until is not None and built.fresh_until <= now)
        ):
            return None
        return built

    def put(self, key: Key, built: _Built, *, queried: bool) -> None:
        """Store a document, evicting the least recently used ones."""
        self.shelf(queried=queried).put(key, built, built.response.size)

    def shelf(self, *, queried: bool) -> BoundedCache[Key, _Built]:
        """Return the cache of documents with a query, or of those without."""
        return self._queried if queried else self._plain


def rows(app: App) -> list[Row]:
    """Return a public row for each path of each pull channel."""
    return [
        Row(path, _endpoint(channel, path), access="public")
        for channel in app.pull.values()
        for path in channel.paths
    ]


def _endpoint(channel: PullChannel, path: str) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        if len(request.url.query) > QUERY_LIMIT:
            raise HTTPException(400)
        app = app_of(request)
        area = _area(app, request.path_params["area"])
        query = channel.known_query(path, request.query_params)
        built = await _document(
            request, channel, _DocumentAddress(path=path, area=area, query=query)
        )
        now = app.clock()
        return serve(request, built.response, cache_control=_cache_control(built, now), now=now)

    return endpoint


def _area(app: App, name: str) -> Area:
    """Look up an area by slug, Kemendagri code or demo screen token; 404 if unknown."""
    if app.site.simulated:
        name = name.removeprefix(DEMO_SCREEN)
    area = app.tree.get(name)
    if area is None:
        raise HTTPException(404)
    return area


async def _document(request: Request, channel: PullChannel, address: _DocumentAddress) -> _Built:
    """Return the current document, built once for concurrent requests."""
    app, cache = app_of(request), _cache(request)
    key = (channel.name, address.path, address.area.code, tuple(sorted(address.query.items())))
    stamp = await cache.stamp(app)
    cached = cache.get(key, stamp, app.clock(), queried=bool(address.query))
    if cached is not None:
        return cached
    flight = (key, stamp)
    if address.query and not cache.flights.runs(flight):
        take_share(request)
    return await cache.flights.do(flight, partial(_build, request, channel, address, key, stamp))


async def _build(
    request: Request, channel: PullChannel, address: _DocumentAddress, key: Key, stamp: object
) -> _Built:
    """Build and cache a document, in the bulkhead if it has a query, else under a lock."""
    cache, queried = _cache(request), bool(address.query)
    async with cache.bulkhead.entered(request) if queried else cache.building[channel.name]:
        page_request = await _page_request(request, channel, address)
        built = _built(stamp, await asyncio.to_thread(channel.render_page, page_request))
        cache.put(key, built, queried=queried)
        return built


async def _page_request(
    request: Request, channel: PullChannel, address: _DocumentAddress
) -> PageRequest:
    now = app_of(request).clock()
    since = (now - SHOWN_FOR).timestamp()
    page = await read(
        request,
        archive.concerning,
        address.area.code,
        since=since,
        limit=EDITIONS,
        channel=channel.name,
    )
    editions = [edition.on(channel.name) for edition in page.editions]
    return PageRequest(
        path=address.path,
        area=contract_area(address.area),
        query=address.query,
        editions=editions,
        now=now,
    )


def _cache(request: Request) -> PullCache:
    cache: PullCache = request.app.state.documents
    return cache


def contract_area(area: Area) -> contract.Area:
    """Convert an area to the channels' contract."""
    return contract.Area(code=area.code, name=area.name, slug=area.slug)


def _built(stamp: object, document: Document) -> _Built:
    headers = dict(document.headers)
    if document.media_type.startswith("text/html"):
        headers.setdefault("Content-Security-Policy", FRAMED_CSP)
    else:
        headers.setdefault("Access-Control-Allow-Origin", "*")
    response = prepare(
        document.body, media_type=document.media_type, updated=document.updated, headers=headers
    )
    return _Built(
        stamp=stamp, response=response, max_age=document.max_age, fresh_until=document.fresh_until
    )


def _cache_control(built: _Built, now: datetime) -> str:
    """Return Cache-Control; it ends when the document changes by itself."""
    age = built.max_age
    if built.fresh_until is not None:
        age = max(0, min(age, math.ceil((built.fresh_until - now).total_seconds())))
    return f"public, max-age={age}" if age else "no-cache"
