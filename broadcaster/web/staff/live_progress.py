"""Progress of sendings, shared by all who watch them.

A sending is read at most about once a second; recent readings are kept to work out its rate.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException

from broadcaster.app import App
from broadcaster.delivery.status import Overview, overview
from broadcaster.store import ledger
from broadcaster.web.staff.pace import Observation
from broadcaster.web.staff.progress import SendingView, build_view

FRESH_SECONDS = 0.8
"""Seconds for which a reading is reused."""
RATE_SECONDS = 30.0
"""Seconds over which a rate is measured."""
AREAS_PAUSE_FACTOR = 20.0
"""Pause between two counts by area, as a multiple of the time that a count takes: it reads every
row.
"""
CACHE_SIZE = 64
"""Sendings whose progress a process keeps."""
STREAM_LIMIT = 6
"""Streams that one account may hold open in one process: a few tabs."""


@dataclass
class _CachedProgress:
    """Latest progress of one sending; times are of the monotonic clock."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    fresh_until: float = 0.0
    view: SendingView | None = None
    observations: deque[Observation] = field(default_factory=deque)
    areas: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    areas_fresh_until: float = 0.0
    sending: str = ""


@dataclass
class LiveProgress:
    """Progress that one web process has read, and its open streams by account id."""

    _cache: OrderedDict[str, _CachedProgress] = field(default_factory=OrderedDict)
    streams: dict[int, int] = field(default_factory=dict)

    async def read(self, app: App, announcement: str) -> SendingView:
        """Return the progress of a sending, at most FRESH seconds old. Raises 404."""
        cached = self._cache.setdefault(announcement, _CachedProgress())
        self._cache.move_to_end(announcement)
        while len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)
        async with cached.lock:
            if cached.view is None or time.monotonic() >= cached.fresh_until:
                cached.view = await self._read(app, announcement, cached)
                cached.fresh_until = time.monotonic() + FRESH_SECONDS
            return cached.view

    def drop(self, announcement: str) -> None:
        """Drop the cached progress."""
        self._cache.pop(announcement, None)

    @asynccontextmanager
    async def stream(self, account: int) -> AsyncIterator[None]:
        """Count a stream while it is open. Raises 429 when the account has too many."""
        if self.streams.get(account, 0) >= STREAM_LIMIT:
            raise HTTPException(429, headers={"Retry-After": "10"})
        self.streams[account] = self.streams.get(account, 0) + 1
        try:
            yield
        finally:
            self.streams[account] -= 1
            if not self.streams[account]:
                del self.streams[account]

    async def _read(self, app: App, announcement: str, cached: _CachedProgress) -> SendingView:
        status = await app.database.read(overview, announcement, app.site, app.causes)
        if status is None:
            raise HTTPException(404)
        await self._count_areas(app, announcement, cached, status)
        _observe(
            cached.observations,
            app.clock().timestamp(),
            status.progress.total - status.progress.open,
        )
        return build_view(status, cached.areas, cached.observations, tree=app.tree, push=app.push)

    async def _count_areas(
        self, app: App, announcement: str, cached: _CachedProgress, status: Overview
    ) -> None:
        changed = status.progress.sending != cached.sending
        if not changed and time.monotonic() < cached.areas_fresh_until:
            return
        started = time.monotonic()
        cached.areas = await app.database.read(ledger.areas, announcement)
        cached.areas_fresh_until = time.monotonic() + AREAS_PAUSE_FACTOR * (
            time.monotonic() - started
        )
        cached.sending = status.progress.sending


def _observe(observations: deque[Observation], at: float, closed: int) -> None:
    """Add an observation; start afresh when rows were reopened or the clock went back."""
    if observations and (closed < observations[-1].closed or at < observations[-1].at):
        observations.clear()
    observations.append(Observation(at=at, closed=closed))
    while len(observations) > 2 and observations[1].at <= at - RATE_SECONDS:
        observations.popleft()
