"""Rates shared by all workers, counted in ticks by one atomic script on Redis time; without Redis, a careful share each.

Rates are messages a second. A tick is a tenth of a second, stretched by 1 / SHARE, and lets a tenth of a rate pass as it begins:
ten ticks take 1.03 s, so no second ever sees more than the rate. What a tick does not use in time is dropped, not bunched.
"""

import asyncio
import hashlib
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from broadcaster.queue import Queue
from broadcaster.store.leases import suspend_proof

T = TypeVar("T")
log = structlog.get_logger(__name__)

SHARE = 0.97
"""Part of the granted rate that is used in the long run."""
TICKS = 10
"""Ticks that together let one second's rate pass."""
TICK = 1 / TICKS / SHARE
"""Seconds of a tick; no reservation is further ahead, so that an emergency waits for no more."""
GRACE = 0.01
"""Seconds from its beginning during which a tick can still be reserved."""
LATE = 0.028
"""Seconds from the beginning of its tick after which a message would be too close to those of the tenth tick from there."""
DEMAND_SECONDS = 2
"""How long an emergency's demand holds routine work back after it was last renewed."""
RENEW_SECONDS = 0.5
"""How often an emergency on an unlimited channel renews its demand."""
LOOK_SECONDS = 0.05
"""How long routine work on an unlimited channel believes what it last read of the demand."""
SPACED = 10_000
"""Addresses remembered without Redis before those free again are forgotten."""
AWAY_SECONDS = 5.0
"""How long Redis is left alone after it failed to answer."""

# KEYS: state of the channel ("tick used"), demand of the emergency lane.
# ARGV: lane, wanted, rate, ticks a second, tick µs, grace µs, demand seconds.
# Returns {granted, µs until the beginning of their tick (below 0: since) or until another try}.
RESERVE = """
local wanted, rate, ticks = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local length, grace = tonumber(ARGV[5]), tonumber(ARGV[6])
if ARGV[1] == 'emergency' then
  redis.call('SET', KEYS[2], '1', 'EX', ARGV[7])
elseif redis.call('EXISTS', KEYS[2]) == 1 then
  return {0, length}
end
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local current = math.floor(now / length)
local tick, used = string.match(redis.call('GET', KEYS[1]) or '', '(%d+) (%d+)')
tick, used = tonumber(tick), tonumber(used)
if not tick or tick > current + 2 then
  -- emptied, or written by a clock that was ahead: who has reserved this tick and the next is not known
  tick, used = current + 2, 0
end
local first = current
if now - current * length > grace then first = current + 1 end
if tick < first then tick, used = first, 0 end
local answer = {0, (current + 1) * length - now}
while tick <= current + 1 do
  local left = math.floor((tick + 1) * rate / ticks) - math.floor(tick * rate / ticks) - used
  if left > 0 then
    local granted = math.min(left, wanted)
    used = used + granted
    answer = {granted, tick * length - now}
    break
  end
  tick, used = tick + 1, 0
end
redis.call('SET', KEYS[1], string.format('%d %d', tick, used), 'EX', 86400)
return answer
"""


# KEYS: one for each address. ARGV: the milliseconds that must lie between two messages to each.
# Returns how many milliseconds each must wait; 0: it may be written to now, and the next has to wait.
SPACE = """
local waits = {}
for i, key in ipairs(KEYS) do
  if redis.call('SET', key, '1', 'NX', 'PX', ARGV[i]) then waits[i] = 0
  else waits[i] = math.max(redis.call('PTTL', key), 1) end
end
return waits
"""


class Script:
    """A Lua script that Redis is sent by its digest, and in full only where it does not know it."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, redis: Redis, keys: Sequence[str], *values: object) -> Any:
        """Run it on keys and further arguments."""
        try:
            return await redis.execute_command("EVALSHA", self._digest, len(keys), *keys, *values)  # type: ignore[no-untyped-call]
        except NoScriptError:
            return await redis.execute_command("EVAL", self._source, len(keys), *keys, *values)  # type: ignore[no-untyped-call]


_reserve, _space = Script(RESERVE), Script(SPACE)


@dataclass
class Limiter:
    """Grants sends of each channel. `workers` tells how many processes were last counted on the lane."""

    queue: Queue
    workers: Callable[[], int]
    _local: dict[str, float] = field(default_factory=dict)
    _dropped: dict[str, int] = field(default_factory=dict)
    _demand: dict[tuple[str, bool], tuple[bool, float]] = field(default_factory=dict)
    """Of unlimited channels, by (channel, ours): whether an emergency has work, and when that was read or renewed."""
    _spaced: dict[tuple[str, int], float] = field(default_factory=dict)
    """Without Redis: when each (channel, address) may be written to again."""
    _away_until: float = 0.0

    async def take(self, channel: str, lane: str, *, rate: float, wanted: int) -> int:
        """How many messages may be written now (0 to `wanted`); waits at most about 100 ms for the first."""
        if rate <= 0:
            return await self._take_unlimited(channel, lane, wanted)
        asked = suspend_proof()
        granted, wait = await self._reserve(channel, lane, rate, wanted)
        if wait > 0:
            await asyncio.sleep(min(wait, TICK))
        return self._in_time(channel, granted, late=suspend_proof() - asked - wait)

    async def _take_unlimited(self, channel: str, lane: str, wanted: int) -> int:
        """All of it, but routine work waits while an emergency has some: Redis is asked a few times a second, not each time."""
        clock, emergency = suspend_proof(), lane == "emergency"
        demanded, asked = self._demand.get((channel, emergency), (False, -math.inf))
        if self._has_redis() and clock - asked >= (RENEW_SECONDS if emergency else LOOK_SECONDS):
            demanded = bool(await self._ask(channel, lambda redis: _demand(redis, channel, renew=emergency)))
            self._demand[channel, emergency] = demanded, clock
        if demanded and not emergency:
            await asyncio.sleep(TICK)
            return 0
        return wanted

    def _in_time(self, channel: str, granted: int, *, late: float) -> int:
        """The grant, or 0 where its time has passed; but after a second of nothing also a machine that is always late sends."""
        if not granted:
            return 0
        dropped = self._dropped.pop(channel, 0)
        if late > LATE and dropped < TICKS:
            self._dropped[channel] = dropped + 1
            return 0
        return granted

    async def space(self, channel: str, seconds: Mapping[int, float]) -> Mapping[int, float]:
        """Reserve one message to each address (address -> seconds until the next); returns how many seconds each must wait first.

        0 = write it now. One question for all; without Redis each process keeps the distance for itself.
        """
        if self._has_redis():
            keys = [f"siaran:space:{channel}:{address}" for address in seconds]
            lengths = [max(round(each * 1000), 1) for each in seconds.values()]
            waits = await self._ask(channel, lambda redis: _space(redis, keys, *lengths))
            if waits is not None:
                return {address: int(wait) / 1000 for address, wait in zip(seconds, waits, strict=True)}
        return self._space_alone(channel, seconds)

    def _space_alone(self, channel: str, seconds: Mapping[int, float]) -> Mapping[int, float]:
        clock, waits = suspend_proof(), {}
        if len(self._spaced) > SPACED:
            self._spaced = {key: free for key, free in self._spaced.items() if free > clock}
        for address, length in seconds.items():
            waits[address] = max(0.0, self._spaced.get((channel, address), 0.0) - clock)
            if not waits[address]:
                self._spaced[channel, address] = clock + length
        return waits

    async def _reserve(self, channel: str, lane: str, rate: float, wanted: int) -> tuple[int, float]:
        """How many, and seconds until their tick begins or until another try."""
        if self._has_redis():
            keys = (f"siaran:tick:{channel}", f"siaran:demand:{channel}")
            numbers = (wanted, rate, TICKS, round(TICK * 1e6), round(GRACE * 1e6), DEMAND_SECONDS)
            answer = await self._ask(channel, lambda redis: _reserve(redis, keys, lane, *numbers))
            if answer is not None:
                return int(answer[0]), int(answer[1]) / 1e6
        return self._take_alone(channel, rate, wanted)

    def _has_redis(self) -> bool:
        return bool(self.queue.url) and suspend_proof() >= self._away_until

    async def _ask(self, channel: str, act: Callable[[Redis], Awaitable[T]]) -> T | None:
        """What Redis answers; None, and it is left alone for a while, where it does not."""
        try:
            answer = await self.queue.ask(act)
        except (RedisError, OSError) as error:
            if not self._away_until:
                log.warning("limiter_without_redis", channel=channel, error=type(error).__name__)
            self._away_until = suspend_proof() + AWAY_SECONDS
            return None
        self._away_until = 0.0
        return answer

    def _take_alone(self, channel: str, rate: float, wanted: int) -> tuple[int, float]:
        """Without Redis: a share of R / (2 x workers), reserved in this process."""
        interval = 2 * max(self.workers(), 1) / (rate * SHARE)
        clock = suspend_proof()
        free = max(self._local.get(channel, clock + interval), clock)
        granted = min(math.floor((clock + TICK - free) / interval) + 1, wanted)
        if granted < 1:
            return 0, free - clock - TICK
        self._local[channel] = free + granted * interval
        return granted, free - clock


async def _demand(redis: Redis, channel: str, *, renew: bool) -> bool:
    """Whether an emergency has work on the channel; `renew` says that one has."""
    key = f"siaran:demand:{channel}"
    if renew:
        await redis.set(key, "1", ex=DEMAND_SECONDS)
    return renew or bool(await redis.exists(key))


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

    def take(self, wanted: int) -> int:
        """Take up to `wanted` places that are free now, maybe none."""
        taken = min(wanted, self._free)
        self._free -= taken
        return taken

    async def release(self, count: int) -> None:
        """Give places back."""
        if count:
            async with self._freed:
                self._free += count
                self._freed.notify_all()
