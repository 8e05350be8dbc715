"""Token buckets in memory: how often one client may ask for what costs us or could be guessed."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

CLIENTS = 10_000
"""Clients remembered at most; the one unseen for longest is forgotten first."""


@dataclass(kw_only=True)
class Buckets:
    """One bucket per client: `burst` tokens at first, `per_second` new ones, never more than
    `burst`.
    """

    burst: float
    per_second: float
    clock: Callable[[], float] = time.monotonic
    _levels: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def has(self, client: str) -> bool:
        """Whether the client has a token left; takes none."""
        return self._level(client) >= 1

    def take(self, client: str) -> bool:
        """Take one token; False when none was left."""
        level = self._level(client)
        self._levels[client] = (max(level - 1, 0.0), self.clock())
        self._levels.move_to_end(client)
        while len(self._levels) > CLIENTS:
            self._levels.popitem(last=False)
        return level >= 1

    def wait(self, client: str) -> int:
        """Whole seconds until the client has a token again, at least 1."""
        return max(1, round((1 - self._level(client)) / self.per_second))

    def _level(self, client: str) -> float:
        level, at = self._levels.get(client, (self.burst, 0.0))
        return min(self.burst, level + (self.clock() - at) * self.per_second)
