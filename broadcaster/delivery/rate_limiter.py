"""Rates shared by all workers, counted in ticks by one atomic script on Redis time; without Redis,
a careful share each.

Rates are messages a second. A tick is a tenth of a second, stretched by 1 / SHARE, and lets a tenth
of a rate pass as it begins: ten ticks take 1.03 s, so no second ever sees more than the rate. What
a tick does not use in time is dropped, not bunched.

While Redis is away each worker takes R / (2 x workers). When it is back, whoever notices first lets
all go on like that for RETURN_SECONDS, until each has noticed: so the shares of some and the ticks
of others never add up to more than the rate.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from broadcaster.delivery.redis_scripts import ALONE, LOOK, RESERVE, SPACE, Script, Signal
from broadcaster.runtime.queue import Queue
from broadcaster.store.leases import suspend_proof

T = TypeVar("T")
log = structlog.get_logger(__name__)

SHARE = 0.97
"""Part of the granted rate that is used in the long run."""
ALONE_SHARE = 0.9
"""Part of its share that a worker uses without Redis, as it takes a tick's messages in advance."""
TICKS = 10
"""Ticks that together let one second's rate pass."""
TICK = 1 / TICKS / SHARE
"""Seconds of a tick; no reservation is further ahead, so that an emergency waits for no more."""
GRACE = 0.01
"""Seconds from its beginning during which a tick can still be reserved."""
LATE = 0.028
"""Seconds from the beginning of its tick after which a message would be too close to those of the
tenth tick from there.
"""
DEMAND_SECONDS = 2
"""How long an emergency's demand holds routine work back after it was last renewed."""
LOOK_SECONDS = 0.05
"""How long an unlimited channel believes what Redis said of pauses and demands."""
WATCH_SECONDS = 0.1
"""Pause between looks on behalf of messages that are granted and not yet written."""
HEARD_SECONDS = 0.3
"""How long what was heard holds without being heard again."""
PAUSE_SECONDS = 2.0
"""How long a pause is told by Redis: it only hurries; the database holds it for as long as the
provider asks.
"""
RETRY_SECONDS = 0.25
"""How long Redis is left alone after it failed to answer."""
RETURN_SECONDS = 2.0
"""How long all go on alone once Redis is back: longer than any of them takes to notice."""
SPACED = 20_000
"""Addresses remembered in this process before those free again are forgotten."""


_reserve, _look, _space = Script(RESERVE), Script(LOOK), Script(SPACE)


@dataclass
class Limiter:
    """Grants sends of each channel. `workers` tells how many processes were last counted on the
    lane.
    """

    queue: Queue
    workers: Callable[[], int]
    _local: dict[str, float] = field(default_factory=dict)
    _dropped: dict[str, int] = field(default_factory=dict)
    _looked: dict[tuple[str, str], float] = field(default_factory=dict)
    _paused: dict[str, float] = field(default_factory=dict)
    _demanded: dict[str, float] = field(default_factory=dict)
    _spaced: dict[tuple[str, int], float] = field(default_factory=dict)
    _alone_since: float | None = None
    _away: bool = False
    _away_until: float = 0.0
    _returning: "asyncio.Task[None] | None" = None

    async def take(self, channel: str, lane: str, *, rate: float, wanted: int) -> int:
        """Return how many messages may be written now (0 to `wanted`); waits at most about 100 ms for
        the first.
        """
        if rate <= 0:
            return await self._take_unlimited(channel, lane, wanted)
        asked = suspend_proof()
        granted, wait = await self._reserve(channel, lane, rate, wanted)
        if wait > 0:
            await asyncio.sleep(min(wait, TICK))
        return self._in_time(channel, granted, late=suspend_proof() - asked - wait)

    async def _take_unlimited(self, channel: str, lane: str, wanted: int) -> int:
        """Grant all of it, but for pauses and an emergency's demand: Redis is asked a few times a
        second, not each time.
        """
        clock = suspend_proof()
        if clock - self._looked.get((channel, lane), -math.inf) >= LOOK_SECONDS:
            self._looked[channel, lane] = clock
            await self.look(channel, lane)
        if self.open_for(channel, lane):
            return wanted
        await asyncio.sleep(TICK)
        return 0

    def _in_time(self, channel: str, granted: int, *, late: float) -> int:
        """Return the grant, or 0 where its time has passed; but after a second of nothing a machine
        that is always late sends, too.
        """
        if not granted:
            return 0
        dropped = self._dropped.pop(channel, 0)
        if late > LATE and dropped < TICKS:
            self._dropped[channel] = dropped + 1
            return 0
        return granted

    async def _reserve(
        self, channel: str, lane: str, rate: float, wanted: int
    ) -> tuple[int, float]:
        """Reserve up to `wanted`; how many, and seconds until their tick begins or until another try."""
        if self._has_redis():
            keys = (f"siaran:tick:{channel}", *_signals(channel), ALONE)
            numbers = (wanted, rate, TICKS, round(TICK * 1e6), round(GRACE * 1e6), DEMAND_SECONDS)
            answer = await self._ask(lambda redis: _reserve(redis, keys, lane, *numbers))
            if answer is not None:
                granted, wait, signal = map(int, answer)
                self._heard(
                    channel, demanded=signal == Signal.DEMANDED, paused=signal == Signal.PAUSED
                )
                if signal != Signal.ALONE:
                    self._alone_since = None
                    return granted, wait / 1e6
        return self._take_alone(channel, rate, wanted)

    def _take_alone(self, channel: str, rate: float, wanted: int) -> tuple[int, float]:
        """Without Redis: a share of R / (2 x workers), reserved in this process."""
        interval = 2 * max(self.workers(), 1) / (rate * ALONE_SHARE)
        clock = suspend_proof()
        if self._alone_since is None:
            self._alone_since = clock
            self._local.clear()
        # the last tick that Redis let anybody reserve must be over for a whole tick
        free = max(self._local.get(channel, self._alone_since + 2 * TICK + interval), clock)
        granted = min(math.floor((clock + TICK - free) / interval) + 1, wanted)
        if granted < 1:
            return 0, free - clock - TICK
        self._local[channel] = free + granted * interval
        return granted, free - clock

    # --- pauses and demands ---------------------------------------------------------------------

    def open_for(self, channel: str, lane: str) -> bool:
        """Check whether what is granted may still be written, as far as this process has heard; cheap,
        for each write.
        """
        clock = suspend_proof()
        held = lane != "emergency" and clock < self._demanded.get(channel, 0.0)
        return not held and clock >= self._paused.get(channel, 0.0)

    async def pause(self, channel: str, seconds: float) -> None:
        """Stop all writing at once, as the provider asked for so much rest. The database must be told
        too, which holds it longer.
        """
        announced = min(seconds, PAUSE_SECONDS)
        if announced <= 0:
            return
        self._paused[channel] = max(self._paused.get(channel, 0.0), suspend_proof() + announced)
        if self._has_redis():
            await self._ask(
                lambda redis: redis.set(_signals(channel)[1], "1", px=math.ceil(announced * 1000))
            )

    async def watch(self, channel: str, lane: str) -> None:
        """Hear what others say of the channel until this is cancelled, for messages that are
        granted and not yet written.
        """
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            await self.look(channel, lane)

    async def look(self, channel: str, lane: str) -> None:
        """Ask Redis once for pauses and demands; an emergency renews its own."""
        if self._has_redis():
            renewed = DEMAND_SECONDS if lane == "emergency" else 0
            signals = await self._ask(lambda redis: _look(redis, _signals(channel), renewed))
            if signals is not None:
                self._heard(channel, demanded=bool(signals[0]), paused=bool(signals[1]))

    def _heard(self, channel: str, *, demanded: bool, paused: bool) -> None:
        until = suspend_proof() + HEARD_SECONDS
        if demanded:
            self._demanded[channel] = until
        else:
            self._demanded.pop(channel, None)
        if paused:
            self._paused[channel] = max(self._paused.get(channel, 0.0), until)

    # --- the distance between two messages to one address ---------------------------------------

    async def space(self, channel: str, seconds: Mapping[int, float]) -> Mapping[int, float]:
        """Reserve a message to each address (its id -> seconds until the next); those that must
        wait, and how many seconds.

        One question for all. Without Redis each process keeps the distance for itself.
        """
        clock = suspend_proof()
        if len(self._spaced) > SPACED:
            self._spaced = {key: free for key, free in self._spaced.items() if free > clock}
        held = {
            address: wait
            for address in seconds
            if (wait := self._spaced.get((channel, address), 0.0) - clock) > 0
        }
        asked = [
            address for address, length in seconds.items() if length > 0 and address not in held
        ]
        if asked and self._has_redis():
            keys = [f"siaran:space:{channel}:{address}" for address in asked]
            answer = await self._ask(
                lambda redis: _space(
                    redis, keys, *(math.ceil(seconds[address] * 1000) for address in asked)
                )
            )
            places = iter(answer or ())
            held |= {asked[place]: wait / 1000 for place, wait in zip(places, places, strict=True)}
        for address in asked:
            self._spaced[channel, address] = clock + held.get(address, seconds[address])
        return held

    # --- Redis, there or not --------------------------------------------------------------------

    def _has_redis(self) -> bool:
        """Check whether to ask Redis; while it is away somebody looks now and then, and nobody waits for
        that.
        """
        if (
            self._away
            and suspend_proof() >= self._away_until
            and (self._returning is None or self._returning.done())
        ):
            self._returning = asyncio.create_task(self._return())
        return bool(self.queue.url) and not self._away

    async def _return(self) -> None:
        """Tell all once Redis is back, and let them go on alone until each has noticed."""
        try:
            await self.queue.ask(
                lambda redis: redis.set(ALONE, "1", px=round(RETURN_SECONDS * 1000), nx=True)
            )
        except (RedisError, OSError):
            self._away_until = suspend_proof() + RETRY_SECONDS
            return
        self._away = False
        log.info("limiter_with_redis")

    async def _ask(self, act: Callable[[Redis], Awaitable[T]]) -> T | None:
        """Return what Redis answers; None, and it counts as away, where it does not."""
        try:
            return await self.queue.ask(act)
        except (RedisError, OSError) as error:
            if not self._away:
                log.warning("limiter_without_redis", error=type(error).__name__)
            self._away, self._away_until = True, suspend_proof() + RETRY_SECONDS
            return None


def _signals(channel: str) -> tuple[str, str]:
    """Keys of a channel's demand and pause."""
    return f"siaran:demand:{channel}", f"siaran:pause:{channel}"
