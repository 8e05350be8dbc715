"""Token buckets in memory, to rate limit requests that are costly or could be guesses."""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

CLIENTS = 10_000
"""Most clients remembered; the least recently active is forgotten first."""


@dataclass(kw_only=True)
class Buckets:
    """Buckets by client: each starts with `burst` tokens, its maximum, and gains `per_second`."""

    burst: float
    per_second: float
    clock: Callable[[], float] = time.monotonic
    _levels: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def has(self, client: str) -> bool:
        """True if the client has a token left; takes none."""
        return self._level(client) >= 1

    def take(self, client: str) -> bool:
        """Take one token; False if none was left."""
        level = self._level(client)
        self._levels[client] = (max(level - 1, 0.0), self.clock())
        self._levels.move_to_end(client)
        while len(self._levels) > CLIENTS:
            self._levels.popitem(last=False)
        return level >= 1

    def wait(self, client: str) -> int:
        """Return the whole seconds until the client has a token again, at least 1."""
        return max(1, round((1 - self._level(client)) / self.per_second))

    def _level(self, client: str) -> float:
        level, at = self._levels.get(client, (self.burst, 0.0))
        return min(self.burst, level + (self.clock() - at) * self.per_second)
