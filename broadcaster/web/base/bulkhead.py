"""Bulkhead: requests with freely chosen input (searches, old pages, cursors) run in a few places of
their own, so that they cannot starve the common pages.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.store.database import ReadTimeout
from broadcaster.web.base.authorization import Endpoint, RateLimits, app_of, household_of
from broadcaster.web.base.exchange import EXTENSION
from broadcaster.web.base.run_queue import RunSlot

PLACES = 2
"""Requests that run in a bulkhead at the same time."""
QUEUE = 16
"""Requests that may wait for a place; any further one is refused at once."""
RETRY_SECONDS = 5
"""Retry-After of a refused request."""
BUSY = "busy"
"""Detail of a refusal by a bulkhead; its error page has its own text."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(kw_only=True)
class Bulkhead:
    """Limited number of places with a bounded FIFO queue."""

    places: int = PLACES
    queue: int = QUEUE
    _running: asyncio.Semaphore = field(init=False)
    _waiting: int = 0

    def __post_init__(self) -> None:
        self._running = asyncio.Semaphore(self.places)

    @asynccontextmanager
    async def entered(self, request: Request) -> AsyncIterator[None]:
        """Hold a place for the request; its reads have a time limit meanwhile.

        Raises HTTPException (503) when the queue is full or a read times out.
        """
        if self._running.locked() and self._waiting >= self.queue:
            raise _busy()
        slot: RunSlot | None = request.scope.get("extensions", {}).get(EXTENSION, {}).get("slot")
        if slot is not None:
            slot.release()
        self._waiting += 1
        try:
            await self._running.acquire()
        finally:
            self._waiting -= 1
        request.state.bounded = True
        try:
            yield
        except ReadTimeout:
            raise _busy() from None
        finally:
            request.state.bounded = False
            self._running.release()


def take_share(request: Request) -> None:
    """Take a token for a page rendered for this client alone; raises 429 if none is left."""
    limits: RateLimits = request.app.state.limits
    client = household_of(request)
    if not limits.chosen.take(client):
        raise HTTPException(429, headers={"Retry-After": str(limits.chosen.wait(client))})


def bounded(endpoint: Endpoint) -> Endpoint:
    """Wrap the endpoint so that it always runs in the bulkhead."""

    async def show(request: Request) -> Response:
        bulkhead: Bulkhead = request.app.state.page_cache.bulkhead
        take_share(request)
        async with bulkhead.entered(request):
            return await endpoint(request)

    return show


async def read(
    request: Request,
    act: Callable[Concatenate[Connection, P], T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Read from the database, with the time-limited readers inside a bulkhead."""
    database = app_of(request).database
    if getattr(request.state, "bounded", False):
        return await database.read_bounded(act, *args, **kwargs)
    return await database.read(act, *args, **kwargs)


class SingleFlight:
    """Coalescing of concurrent calls: one computation per key at a time."""

    def __init__(self) -> None:
        # the results of a key always have the same type
        self._running: dict[object, asyncio.Task[Any]] = {}

    def runs(self, key: object) -> bool:
        """True if a computation for the key is running."""
        return key in self._running

    async def do(self, key: object, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return or raise the result of `make`, joining a call with this key that already runs."""
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(make())
            self._running[key] = task
            task.add_done_callback(lambda done: self._end(key, done))
        result: T = await asyncio.shield(task)
        return result

    def _end(self, key: object, done: asyncio.Task[Any]) -> None:
        del self._running[key]
        if not done.cancelled():
            done.exception()  # mark it retrieved: every caller may have been cancelled


def _busy() -> HTTPException:
    return HTTPException(503, detail=BUSY, headers={"Retry-After": str(RETRY_SECONDS)})
