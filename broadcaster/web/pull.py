"""Pull channels over HTTP: every path that a channel declares, built once per change and served from memory."""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.app import App
from broadcaster.store import announcements
from broadcaster.web.access import Endpoint, Row, app_of
from broadcaster.web.caching import Kept, keep, serve
from broadcaster.web.middleware import FRAMED_CSP
from channels.base.contract import Area as ContractArea
from channels.base.contract import Document, PageRequest, PullChannel
from subscribers.areas import Area

SHOWN_FOR = timedelta(days=30)
"""How long channels are still told of what expired or was withdrawn."""
EDITIONS = 1_000
"""Editions a document may be made of; no area has this many within the time."""
STAMP_SECONDS = 1.0
"""How long the store's stamp is believed: what is published shows within this beyond max-age."""
PLAIN_DOCUMENTS = 1_000
"""Documents without a query kept at most: all areas of a city in all formats."""
QUERIED_DOCUMENTS = 200
"""Documents with a query kept at most; strangers choose these, so they never push out the plain ones."""
QUERY_LIMIT = 200
"""Characters of a query; a longer one is refused."""
DEMO_SCREEN = "demo-"
"""Tokens of the demo's screens begin so; the rest is the area's slug."""


@dataclass(frozen=True, kw_only=True)
class _Built:
    stamp: object
    kept: Kept
    max_age: int
    fresh_until: datetime | None


@dataclass(kw_only=True)
class PullCache:
    """The documents of one web process; each is built once per stamp, one at a time, and those with a query by themselves."""

    building: Mapping[bool, asyncio.Lock] = field(default_factory=lambda: {False: asyncio.Lock(), True: asyncio.Lock()})
    """By whether the document has a query: strangers choose these, and never keep the plain ones waiting."""
    _stamp: tuple[float, object] = (-math.inf, None)
    _plain: OrderedDict[tuple[object, ...], _Built] = field(default_factory=OrderedDict)
    _queried: OrderedDict[tuple[object, ...], _Built] = field(default_factory=OrderedDict)

    async def stamp(self, app: App) -> object:
        """What changes with every publication."""
        read_at, stamp = self._stamp
        if time.monotonic() - read_at >= STAMP_SECONDS:
            moment = time.monotonic()
            stamp = await app.database.read(announcements.stamp)
            self._stamp = (moment, stamp)
        return stamp

    def get(self, key: tuple[object, ...], stamp: object, now: datetime, *, queried: bool) -> _Built | None:
        """The document, if nothing has changed since it was built."""
        found = self._shelf(queried).get(key)
        if found is None or found.stamp != stamp or (found.fresh_until is not None and found.fresh_until <= now):
            return None
        return found

    def put(self, key: tuple[object, ...], built: _Built, *, queried: bool) -> None:
        """Keep a document; the one built longest ago makes room."""
        shelf = self._shelf(queried)
        shelf[key] = built
        shelf.move_to_end(key)
        while len(shelf) > (QUERIED_DOCUMENTS if queried else PLAIN_DOCUMENTS):
            shelf.popitem(last=False)

    def _shelf(self, queried: bool) -> OrderedDict[tuple[object, ...], _Built]:
        return self._queried if queried else self._plain


def rows(app: App) -> list[Row]:
    """One public route for each path of each pull channel."""
    return [Row(path, _endpoint(channel, path), access="public") for channel in app.pull.values() for path in channel.paths]


def _endpoint(channel: PullChannel, path: str) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        if len(request.url.query) > QUERY_LIMIT:
            raise HTTPException(400)
        app = app_of(request)
        area = _area(app, request.path_params["area"])
        built = await _document(app, request.app.state.documents, channel, path, area, dict(request.query_params))
        return serve(request, built.kept, cache_control=_cache_control(built, app.clock()))

    return endpoint


def _area(app: App, name: str) -> Area:
    """By slug, by Kemendagri code, or by the token of a demo screen."""
    if app.site.simulated:
        name = name.removeprefix(DEMO_SCREEN)
    found = app.tree.get(name)
    if found is None:
        raise HTTPException(404)
    return found


async def _document(app: App, cache: PullCache, channel: PullChannel, path: str, area: Area, query: Mapping[str, str]) -> _Built:
    key = (channel.name, path, area.code, tuple(sorted(query.items())))
    queried = bool(query)
    stamp = await cache.stamp(app)
    found = cache.get(key, stamp, app.clock(), queried=queried)
    if found is not None:
        return found
    async with cache.building[queried]:
        now = app.clock()
        found = cache.get(key, stamp, now, queried=queried)
        if found is None:
            asked = await _request(app, channel, path, area, query, now)
            found = _built(stamp, await asyncio.to_thread(channel.render_page, asked))
            cache.put(key, found, queried=queried)
    return found


async def _request(app: App, channel: PullChannel, path: str, area: Area, query: Mapping[str, str], now: datetime) -> PageRequest:
    page = await app.database.read(
        announcements.concerning, area.code, since=(now - SHOWN_FOR).timestamp(), limit=EDITIONS, channel=channel.name
    )
    return PageRequest(
        path=path, area=contract_area(area), query=query, editions=[one.on(channel.name) for one in page.editions], now=now
    )


def contract_area(area: Area) -> ContractArea:
    """The area as channels know it."""
    return ContractArea(code=area.code, name=area.name, slug=area.slug)


def _built(stamp: object, document: Document) -> _Built:
    headers = dict(document.headers)
    if document.media_type.startswith("text/html"):
        headers.setdefault("Content-Security-Policy", FRAMED_CSP)
    else:
        headers.setdefault("Access-Control-Allow-Origin", "*")
    kept = keep(document.body, media_type=document.media_type, updated=document.updated, headers=headers)
    return _Built(stamp=stamp, kept=kept, max_age=document.max_age, fresh_until=document.fresh_until)


def _cache_control(built: _Built, now: datetime) -> str:
    """Never kept beyond the moment at which it changes by itself."""
    age = built.max_age
    if built.fresh_until is not None:
        age = max(0, min(age, math.ceil((built.fresh_until - now).total_seconds())))
    return f"public, max-age={age}" if age else "no-cache"
