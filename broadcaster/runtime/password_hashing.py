"""Looking at passwords: one thread of low priority behind a short queue, so that it takes nothing
from feeds, screens or hooks.

Argon2 takes a core and 64 MiB for some 50 ms on purpose. Whoever is known (signed in, or in a
browser of theirs) has places of their own in the queue and goes first; strangers share the rest,
and among them who has tried least goes first: a full queue turns away whoever has tried most.
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
"""How many may wait, beside the one being looked at: about half a second of work for each kind."""
RETRY_SECONDS = 2
"""After so long the queue has moved on."""
NICENESS = 5
"""How far the thread steps back behind the rest of the process (Linux: priorities are a thread's
own).
"""
KNOWN = -1
"""`rank` of who is known; strangers have the number of their tries, 0 or more."""


class Busy(Exception):
    """Too many passwords wait to be looked at; try again in RETRY_SECONDS."""


@dataclass(order=True, slots=True)
class _Place:
    """A place in the queue: lower ranks first, then who came first."""

    rank: int
    number: int
    turn: asyncio.Future[None] = field(compare=False)


class PasswordHasher:
    """The only road to Argon2 in a process that serves: one thread, and a bounded queue before it."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="password", initializer=_step_back)
        self._busy = False
        self._places: list[_Place] = []
        self._count = 0

    async def run(self, act: Callable[[], T], *, rank: int = KNOWN) -> T:
        """Run `act` when it is this caller's turn; raises Busy where there is no place left, or a
        lower rank needs it.
        """
        await self._turn(rank)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, act)
        finally:
            self._pass_on()

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
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
        place = _Place(rank, self._count, asyncio.get_running_loop().create_future())
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
        """Turn the last of this kind away where more wait than may."""
        kind = [place for place in self._places if (place.rank == KNOWN) == known]
        if len(kind) > (KNOWN_PLACES if known else STRANGER_PLACES):
            last = max(kind)
            self._places.remove(last)
            last.turn.set_exception(Busy())

    def _pass_on(self) -> None:
        """Give the thread to the next in the queue."""
        self._places = [place for place in self._places if not place.turn.done()]
        self._busy = bool(self._places)
        if self._places:
            following = min(self._places)
            self._places.remove(following)
            following.turn.set_result(None)


def _step_back() -> None:
    """Lower this thread's priority; the threads that Argon2 starts inherit it."""
    with contextlib.suppress(
        OSError, AttributeError
    ):  # Windows has no such call, a container may forbid it: only slower then
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + NICENESS)
