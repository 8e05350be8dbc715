"""Rates shared by all workers: time slots reserved by one atomic script on Redis time; without Redis, a careful share each.

Rates are messages a second. A reserved slot is never more than 100 ms away, and a slot that passed unused is dropped, not bunched.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from redis.exceptions import RedisError

from broadcaster.queue import Queue
from broadcaster.store.leases import suspend_proof

log = structlog.get_logger(__name__)

SHARE = 0.97
"""Part of the granted rate that is used: never above R in any second, whatever the clocks do."""
HORIZON = 0.1
"""Seconds ahead that slots may be reserved, so that an emergency waits for no more."""
DEMAND_SECONDS = 2
"""How long an emergency's demand holds routine work back after it was last renewed."""
AWAY_SECONDS = 1.0
"""How long Redis is left alone after it failed to answer."""

# KEYS: next free slot (µs), demand of the emergency lane.  ARGV: interval µs, horizon µs, wanted, lane, demand seconds.
# Returns {granted, µs until the first granted slot (or until another try)}.
RESERVE = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local interval, horizon, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if ARGV[4] == 'emergency' then
  redis.call('SET', KEYS[2], '1', 'EX', ARGV[5])
elseif redis.call('EXISTS', KEYS[2]) == 1 then
  return {0, 100000}
end
if interval == 0 then return {wanted, 0} end
local free = tonumber(redis.call('GET', KEYS[1]) or now + interval)
if free < now then free = now end
local granted = math.floor((now + horizon - free) / interval) + 1
if granted < 1 then return {0, free - now - horizon} end
if granted > wanted then granted = wanted end
redis.call('SET', KEYS[1], string.format('%d', free + granted * interval), 'EX', 3600)
return {granted, free - now}
"""


@dataclass
class Limiter:
    """Grants sends of each channel. `workers` tells how many processes were last counted on the lane."""

    queue: Queue
    workers: Callable[[], int]
    _local: dict[str, float] = field(default_factory=dict)
    _away_until: float = 0.0
    _script: str = ""

    async def take(self, channel: str, lane: str, *, rate: float, wanted: int) -> int:
        """How many messages may be written now (0 to `wanted`); waits at most about 100 ms for the first."""
        if rate <= 0 and not self.queue.url:
            return wanted
        try:
            granted, wait = await self._reserve(channel, lane, rate, wanted)
        except (RedisError, OSError) as error:
            if not self._away_until:
                log.warning("limiter_without_redis", channel=channel, error=type(error).__name__)
            self._away_until = suspend_proof() + AWAY_SECONDS
            granted, wait = self._take_alone(channel, rate, wanted)
        if wait > 0:
            await asyncio.sleep(min(wait, HORIZON))
        return granted

    async def _reserve(self, channel: str, lane: str, rate: float, wanted: int) -> tuple[int, float]:
        if not self.queue.url or suspend_proof() < self._away_until:
            return self._take_alone(channel, rate, wanted)
        self._away_until = 0.0
        redis = await self.queue.redis()
        interval = round(1_000_000 / (rate * SHARE)) if rate > 0 else 0
        granted, wait = await redis.eval(  # type: ignore[misc]  # redis-py types the sync and async client as one
            RESERVE, 2, f"siaran:slot:{channel}", f"siaran:demand:{channel}",
            str(interval), str(int(HORIZON * 1_000_000)), str(wanted), lane, str(DEMAND_SECONDS),
        )  # fmt: skip
        return int(granted), int(wait) / 1_000_000

    def _take_alone(self, channel: str, rate: float, wanted: int) -> tuple[int, float]:
        """Without Redis: a share of R / (2 x workers), reserved in this process."""
        if rate <= 0:
            return wanted, 0.0
        interval = 2 * max(self.workers(), 1) / (rate * SHARE)
        clock = suspend_proof()
        free = max(self._local.get(channel, clock + interval), clock)
        granted = min(int((clock + HORIZON - free) / interval) + 1, wanted)
        if granted < 1:
            return 0, free - clock
        self._local[channel] = free + granted * interval
        return granted, free - clock


class Window:
    """How many rows of this process may be marked and unsettled at once: what a kill can leave uncertain."""

    def __init__(self, size: int) -> None:
        self._free = size
        self._freed = asyncio.Condition()

    async def acquire(self, wanted: int) -> int:
        """Wait until at least one place is free; take up to `wanted`."""
        async with self._freed:
            await self._freed.wait_for(lambda: self._free > 0)
            taken = min(wanted, self._free)
            self._free -= taken
            return taken

    async def release(self, count: int) -> None:
        """Give places back."""
        if count:
            async with self._freed:
                self._free += count
                self._freed.notify_all()
