"""Run queue: how many ordinary requests compute at the same time. Urgent ones never wait behind
them.

An event loop answers everybody a little at a time: with hundreds of requests under way each step of
each waits for a step of all the others, and a request that needs ten steps is late however little
it costs. So few are under way, the others wait in order.
"""

import asyncio
from collections.abc import Iterable

URGENT = ("/readyz", "/healthz", "/webhook/", "/layar/", "/berhenti/", "/atur/", "/api/")
"""Beginnings of paths that never wait: health checks, providers, screens, residents who stop, other
systems with their tokens.
"""
NEWSROOM, SESSION = "/redaksi/", b"redaksi="
"""Whoever brings a session to the newsroom does not wait either: an emergency is written there. It
is not looked up here: who makes one up passes the queue and no other limit.
"""


def is_urgent(path: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request never waits."""
    if path.startswith(URGENT):
        return True
    return path.startswith(NEWSROOM) and any(
        name == b"cookie" and SESSION in value for name, value in headers
    )


class Turn:
    """The place of one request, given back early: when it answers, waits for a body or a bulkhead,
    or takes too long.
    """

    def __init__(self, places: asyncio.Semaphore, seconds: float) -> None:
        self._places, self._seconds = places, seconds
        self._timer: asyncio.TimerHandle | None = None

    async def take(self) -> None:
        """Wait for a place."""
        await self._places.acquire()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self.release)

    def release(self) -> None:
        """Give the place back; more than once changes nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._places.release()
