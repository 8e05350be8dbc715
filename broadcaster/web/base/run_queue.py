"""Run queue: a limit on the ordinary requests that run at the same time; urgent ones bypass it.

An event loop interleaves all requests: with hundreds under way, each step of one waits for a step
of all the others, and a cheap request of ten steps is late. So few run at a time, and the others
wait in order.
"""

import asyncio
from collections.abc import Iterable

URGENT = ("/readyz", "/healthz", "/webhook/", "/layar/", "/berhenti/", "/atur/", "/api/")
"""Path prefixes that bypass the queue: health checks, providers, screens, residents who
unsubscribe, and API clients.
"""
NEWSROOM, SESSION = "/redaksi/", b"redaksi="
"""Prefix and cookie of staff requests, which bypass the queue too: emergencies are written there.

The session is not verified here: a forged one bypasses the queue but no other limit.
"""


def is_urgent(path: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """True if the request bypasses the queue."""
    if path.startswith(URGENT):
        return True
    return path.startswith(NEWSROOM) and any(
        name == b"cookie" and SESSION in value for name, value in headers
    )


class RunSlot:
    """Slot of one request, released early: when it answers, waits for a body or a bulkhead, or has
    held it for `seconds`.
    """

    def __init__(self, places: asyncio.Semaphore, seconds: float) -> None:
        self._places, self._seconds = places, seconds
        self._timer: asyncio.TimerHandle | None = None

    async def take(self) -> None:
        """Wait for a slot."""
        await self._places.acquire()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self.release)

    def release(self) -> None:
        """Release the slot; idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._places.release()
