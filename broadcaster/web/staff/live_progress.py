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
from broadcaster.web.staff.progress import Sight, view

FRESH = 0.8
"""Seconds for which a reading is reused."""
STRETCH = 30.0
"""Seconds over which a rate is measured."""
AREAS_SHARE = 20.0
"""Pause between two counts by area, as a multiple of the time that a count takes: it reads every
row.
"""
SENDINGS = 64
"""Sendings whose progress a process keeps."""
STREAMS = 6
"""Streams that one account may hold open in one process: a few tabs."""


@dataclass
class _Kept:
    """Latest progress of one sending; times are of the monotonic clock."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    good_until: float = 0.0
    sight: Sight | None = None
    seen: deque[Observation] = field(default_factory=deque)
    areas: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    areas_again: float = 0.0
    sending: str = ""


@dataclass
class Watching:
    """Progress that one web process has read, and its open streams by account id."""

    _kept: OrderedDict[str, _Kept] = field(default_factory=OrderedDict)
    streams: dict[int, int] = field(default_factory=dict)

    async def look(self, app: App, announcement: str) -> Sight:
        """Return the progress of a sending, at most FRESH seconds old. Raises 404."""
        kept = self._kept.setdefault(announcement, _Kept())
        self._kept.move_to_end(announcement)
        while len(self._kept) > SENDINGS:
            self._kept.popitem(last=False)
        async with kept.lock:
            if kept.sight is None or time.monotonic() >= kept.good_until:
                kept.sight = await self._look(app, announcement, kept)
                kept.good_until = time.monotonic() + FRESH
            return kept.sight

    def forget(self, announcement: str) -> None:
        """Drop the cached progress."""
        self._kept.pop(announcement, None)

    @asynccontextmanager
    async def stream(self, account: int) -> AsyncIterator[None]:
        """Count a stream while it is open. Raises 429 when the account has too many."""
        if self.streams.get(account, 0) >= STREAMS:
            raise HTTPException(429, headers={"Retry-After": "10"})
        self.streams[account] = self.streams.get(account, 0) + 1
        try:
            yield
        finally:
            self.streams[account] -= 1
            if not self.streams[account]:
                del self.streams[account]

    async def _look(self, app: App, announcement: str, kept: _Kept) -> Sight:
        shown = await app.database.read(overview, announcement, app.site, app.causes)
        if shown is None:
            raise HTTPException(404)
        await self._count_areas(app, announcement, kept, shown)
        _observe(kept.seen, app.clock().timestamp(), shown.progress.total - shown.progress.open)
        return view(shown, kept.areas, kept.seen, tree=app.tree, push=app.push)

    async def _count_areas(self, app: App, announcement: str, kept: _Kept, shown: Overview) -> None:
        changed = shown.progress.sending != kept.sending
        if not changed and time.monotonic() < kept.areas_again:
            return
        started = time.monotonic()
        kept.areas = await app.database.read(ledger.areas, announcement)
        kept.areas_again = time.monotonic() + AREAS_SHARE * (time.monotonic() - started)
        kept.sending = shown.progress.sending


def _observe(seen: deque[Observation], at: float, closed: int) -> None:
    """Add an observation; start afresh when rows were reopened or the clock went back."""
    if seen and (closed < seen[-1].closed or at < seen[-1].at):
        seen.clear()
    seen.append(Observation(at=at, closed=closed))
    while len(seen) > 2 and seen[1].at <= at - STRETCH:
        seen.popleft()
