"""Password hashing: one low-priority thread behind a short queue, so that it takes nothing from
feeds, screens or webhooks.

Argon2 takes a core and 64 MiB for about 50 ms on purpose. Known people (signed in, or in a
browser that they have used before) have places of their own in the queue and go first; strangers
share the rest, and those with the fewest attempts go first: a full queue rejects the one with
the most.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")

KNOWN_PLACES, STRANGER_PLACES = 8, 8
"""Places in the queue, besides the running one: about half a second of work for each kind."""
RETRY_SECONDS = 2
"""Seconds after which the queue has advanced."""
NICENESS = 5
"""Niceness of the thread above that of the process (on Linux each thread has its own priority)."""
KNOWN = -1
"""`rank` of known people; that of strangers is the number of their attempts, 0 or more."""


class Busy(Exception):
    """Too many passwords wait to be hashed; try again in RETRY_SECONDS."""


@dataclass(order=True, slots=True)
class _QueuePlace:
    """A place in the queue: lower ranks first, then by arrival."""

    rank: int
    number: int
    turn: asyncio.Future[None] = field(compare=False)


class PasswordHasher:
    """The only way to Argon2 in a serving process: one thread behind a bounded queue."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="password", initializer=_step_back)
        self._busy = False
        self._places: list[_QueuePlace] = []
        self._count = 0

    async def run(self, act: Callable[[], T], *, rank: int = KNOWN) -> T:
        """Run `act` in turn; raises Busy if no place is left, or if a lower rank takes it."""
        await self._turn(rank)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, act)
        finally:
            self._pass_on()

    @property
    def waiting(self) -> int:
        """Number of callers waiting for their turn."""
        return len(self._places)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    async def _turn(self, rank: int) -> None:
        """Wait for the thread. Raises Busy."""
        if not self._busy:
            self._busy = True
            return
        self._count += 1
        place = _QueuePlace(rank, self._count, asyncio.get_running_loop().create_future())
        self._places.append(place)
        self._make_room(known=rank == KNOWN)
        try:
            await place.turn
        except asyncio.CancelledError:
            if place in self._places:
                self._places.remove(place)
            elif place.turn.exception() is None:
                self._pass_on()  # the turn came together with the cancellation
            raise

    def _make_room(self, *, known: bool) -> None:
        """Reject the last caller of this kind if too many wait."""
        kind = [place for place in self._places if (place.rank == KNOWN) == known]
        if len(kind) > (KNOWN_PLACES if known else STRANGER_PLACES):
            last = max(kind)
            self._places.remove(last)
            last.turn.set_exception(Busy())

    def _pass_on(self) -> None:
        """Hand the thread to the next caller in the queue."""
        self._places = [place for place in self._places if not place.turn.done()]
        self._busy = bool(self._places)
        if self._places:
            following = min(self._places)
            self._places.remove(following)
            following.turn.set_result(None)


def _step_back() -> None:
    """Lower the priority of this thread; threads that Argon2 starts inherit it."""
    # Windows has no such call, a container may forbid it: it is only slower then
    with contextlib.suppress(OSError, AttributeError):
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)
