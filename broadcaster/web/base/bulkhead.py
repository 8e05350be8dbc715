"""A bulkhead: what strangers choose (searches, old pages, cursors) runs in a few places of its own,
never in everybody's.
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
from broadcaster.web.base.authorization import Endpoint, Limits, app_of, household_of
from broadcaster.web.base.exchange import EXTENSION
from broadcaster.web.base.run_queue import Turn

PLACES = 2
"""Requests that run in a bulkhead at the same time."""
QUEUE = 16
"""Requests that wait for a place; beyond, they are refused at once."""
RETRY_SECONDS = 5
"""What a refused visitor is told to wait."""
BUSY = "busy"
"""The detail of a refusal, which has words of its own."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(kw_only=True)
class Bulkhead:
    """Places and a bounded queue, in order of arrival."""

    places: int = PLACES
    queue: int = QUEUE
    _running: asyncio.Semaphore = field(init=False)
    _waiting: int = 0

    def __post_init__(self) -> None:
        self._running = asyncio.Semaphore(self.places)

    @asynccontextmanager
    async def entered(self, request: Request) -> AsyncIterator[None]:
        """Hold a place for the request, whose reads are bounded within. Raises 503 when all are
        taken.
        """
        if self._running.locked() and self._waiting >= self.queue:
            raise _busy()
        turn: Turn | None = request.scope.get("extensions", {}).get(EXTENSION, {}).get("turn")
        if turn is not None:
            turn.release()
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
    """Count what the client chose to have made for it; raises 429 beyond its share."""
    limits: Limits = request.app.state.limits
    client = household_of(request)
    if not limits.chosen.take(client):
        raise HTTPException(429, headers={"Retry-After": str(limits.chosen.wait(client))})


def bounded(endpoint: Endpoint) -> Endpoint:
    """The endpoint, always within the bulkhead of the pages that strangers choose."""

    async def show(request: Request) -> Response:
        bulkhead: Bulkhead = request.app.state.rush.bulkhead
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
    """Read from the database for the request: with the bounded readers where it runs in a bulkhead."""
    database = app_of(request).database
    if getattr(request.state, "bounded", False):
        return await database.read_bounded(act, *args, **kwargs)
    return await database.read(act, *args, **kwargs)


class SingleFlight:
    """One making for all who want the same thing at the same time."""

    def __init__(self) -> None:
        self._running: dict[
            object, asyncio.Task[Any]
        ] = {}  # a key always stands for things of one type

    def runs(self, key: object) -> bool:
        """Whether the thing is being made."""
        return key in self._running

    async def once(self, key: object, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `make` returns or raises, or what an earlier call with this key that still runs
        does.
        """
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(make())
            self._running[key] = task
            task.add_done_callback(lambda done: self._end(key, done))
        made: T = await asyncio.shield(task)
        return made

    def _end(self, key: object, done: asyncio.Task[Any]) -> None:
        del self._running[key]
        if not done.cancelled():
            done.exception()  # whoever asked may have left: nobody else would look at it


def _busy() -> HTTPException:
    return HTTPException(503, detail=BUSY, headers={"Retry-After": str(RETRY_SECONDS)})
