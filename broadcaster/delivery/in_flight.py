"""In-flight window: the rows of one process that may be marked and unsettled at a time."""

import asyncio
from collections import Counter


class Window:
    """Bounds the marked and unsettled rows of this process: what a kill leaves uncertain.

    Each channel leaves some places to every other one, so that an unresponsive provider blocks no
    other channel.
    """

    def __init__(self, size: int, *, reserved: int = 0) -> None:
        """Create a window of `size` places; no single channel takes the last `reserved`."""
        self._size = size
        self._free = size
        self._most = size - reserved
        self._held: Counter[str] = Counter()
        self._freed = asyncio.Condition()
        self._members = 0

    @property
    def share(self) -> int:
        """Return the number of places per member."""
        return max(1, self._size // max(1, self._members))

    def join(self, members: int = 1) -> None:
        """Divide the window among `members` more."""
        self._members += members

    def leave(self, members: int = 1) -> None:
        """Divide the window among `members` fewer."""
        self._members -= members

    def _room(self, channel: str) -> int:
        return min(self._free, self._most - self._held[channel])

    async def acquire(self, wanted: int, channel: str = "") -> int:
        """Wait until a place is free for the channel, then take up to `wanted`; return how many."""
        async with self._freed:
            await self._freed.wait_for(lambda: self._room(channel) > 0)
            return self.take(wanted, channel)

    def take(self, wanted: int, channel: str = "") -> int:
        """Take up to `wanted` places without waiting; return how many, perhaps 0."""
        taken = max(0, min(wanted, self._room(channel)))
        self._free -= taken
        self._held[channel] += taken
        return taken

    async def release(self, count: int, channel: str = "") -> None:
        """Give back `count` places."""
        if count:
            async with self._freed:
                self._free += count
                self._held[channel] -= count
                self._freed.notify_all()
