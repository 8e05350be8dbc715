"""Rates shared by all workers, counted in ticks by one atomic script on Redis time; without Redis,
a cautious share for each worker.

Rates are messages a second. A tick is a tenth of a second, stretched by 1 / SHARE, and grants a
tenth of a rate as it begins: ten ticks take 1.03 s, so no second ever sees more than the rate.
Grants not used in time are dropped, not accumulated.

While Redis is away each worker takes R / (2 x workers). Once it is back, the first worker to notice
keeps all of them in that mode for RETURN_SECONDS, until each has noticed: the shares of some and
the ticks of others never add up to more than the rate.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from broadcaster.delivery.redis_scripts import (
    ALONE,
    READ_SIGNALS,
    RESERVE,
    SPACE,
    RedisScript,
    Signal,
)
from broadcaster.runtime.queue import Queue
from broadcaster.store.leases import suspend_proof

T = TypeVar("T")
log = structlog.get_logger(__name__)

SHARE = 0.97
"""Fraction of the granted rate that is used in the long run."""
ALONE_SHARE = 0.9
"""Fraction of its share that a worker uses without Redis, as it takes a tick's messages in advance.
"""
TICKS = 10
"""Ticks that together grant one second's rate."""
TICK = 1 / TICKS / SHARE
"""Seconds of a tick; no reservation lies further ahead, so an emergency never waits longer."""
GRACE = 0.01
"""Seconds after its start during which a tick can still be reserved."""
LATE = 0.028
"""Seconds after the start of its tick beyond which a message would come too close to those of the
tenth tick after it.
"""
DEMAND_SECONDS = 2
"""Seconds that an emergency's demand holds back routine work after its last renewal."""
REFRESH_SECONDS = 0.05
"""Seconds that an unlimited channel relies on the last reading of pauses and demands."""
WATCH_SECONDS = 0.1
"""Seconds between readings on behalf of messages that are granted and not yet written."""
SIGNAL_SECONDS = 0.3
"""Seconds that a signal holds without being read again."""
PAUSE_SECONDS = 2.0
"""Seconds that Redis announces a pause at most: it only spreads the news; the database holds the
pause for as long as the provider asks.
"""
RETRY_SECONDS = 0.25
"""Seconds that Redis is left alone after it failed to answer."""
RETURN_SECONDS = 2.0
"""Seconds that all workers go on alone once Redis is back: longer than any takes to notice."""
SPACED = 20_000
"""Addresses remembered in this process before expired ones are dropped."""


_reserve, _read_signals, _space = (
    RedisScript(RESERVE),
    RedisScript(READ_SIGNALS),
    RedisScript(SPACE),
)


@dataclass
class Limiter:
    """Grants sends on each channel; `workers` returns the last count of the lane's processes."""

    queue: Queue
    workers: Callable[[], int]
    _local: dict[str, float] = field(default_factory=dict)
    _dropped: dict[str, int] = field(default_factory=dict)
    _refreshed_at: dict[tuple[str, str], float] = field(default_factory=dict)
    _paused: dict[str, float] = field(default_factory=dict)
    _demanded: dict[str, float] = field(default_factory=dict)
    _spaced: dict[tuple[str, int], float] = field(default_factory=dict)
    _alone_since: float | None = None
    _away: bool = False
    _away_until: float = 0.0
    _returning: "asyncio.Task[None] | None" = None

    async def take(self, channel: str, lane: str, *, rate: float, wanted: int) -> int:
        """Return how many messages may be written now (0 to `wanted`); waits about 100 ms at most
        for the first.
        """
        if rate <= 0:
            return await self._take_unlimited(channel, lane, wanted)
        asked = suspend_proof()
        granted, wait = await self._reserve(channel, lane, rate, wanted)
        if wait > 0:
            await asyncio.sleep(min(wait, TICK))
        return self._in_time(channel, granted, late=suspend_proof() - asked - wait)

    async def _take_unlimited(self, channel: str, lane: str, wanted: int) -> int:
        """Grant everything unless paused or held back by an emergency; reads Redis a few times a
        second, not each time.
        """
        clock = suspend_proof()
        if clock - self._refreshed_at.get((channel, lane), -math.inf) >= REFRESH_SECONDS:
            self._refreshed_at[channel, lane] = clock
            await self.refresh(channel, lane)
        if self.open_for(channel, lane):
            return wanted
        await asyncio.sleep(TICK)
        return 0

    def _in_time(self, channel: str, granted: int, *, late: float) -> int:
        """Return the grant, or 0 if its time has passed; after a second of nothing even a machine
        that is always late sends.
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
        """Reserve up to `wanted`; return how many, and seconds until their tick begins or until
        another try.
        """
        if self._has_redis():
            keys = (f"siaran:tick:{channel}", *_signals(channel), ALONE)
            numbers = (wanted, rate, TICKS, round(TICK * 1e6), round(GRACE * 1e6), DEMAND_SECONDS)
            answer = await self._ask(lambda redis: _reserve(redis, keys, lane, *numbers))
            if answer is not None:
                granted, wait, signal = map(int, answer)
                self._note_signals(
                    channel, demanded=signal == Signal.DEMANDED, paused=signal == Signal.PAUSED
                )
                if signal != Signal.ALONE:
                    self._alone_since = None
                    return granted, wait / 1e6
        return self._take_alone(channel, rate, wanted)

    def _take_alone(self, channel: str, rate: float, wanted: int) -> tuple[int, float]:
        """Reserve a share of R / (2 x workers) in this process, without Redis."""
        interval = 2 * max(self.workers(), 1) / (rate * ALONE_SHARE)
        clock = suspend_proof()
        if self._alone_since is None:
            self._alone_since = clock
            self._local.clear()
        # the last tick that anybody could reserve in Redis must be over for a whole tick
        free = max(self._local.get(channel, self._alone_since + 2 * TICK + interval), clock)
        granted = min(math.floor((clock + TICK - free) / interval) + 1, wanted)
        if granted < 1:
            return 0, free - clock - TICK
        self._local[channel] = free + granted * interval
        return granted, free - clock

    # --- pauses and demands ---------------------------------------------------------------------

    def open_for(self, channel: str, lane: str) -> bool:
        """True if granted messages may still be written, as far as this process knows; cheap enough
        for every write.
        """
        shut_until = self._paused.get(channel, 0.0)
        if lane != "emergency" and self._demanded:
            shut_until = max(shut_until, self._demanded.get(channel, 0.0))
        return not shut_until or suspend_proof() >= shut_until

    async def pause(self, channel: str, seconds: float) -> None:
        """Stop all writing at once for `seconds`, as the provider asked; the caller also records it
        in the database, which holds it longer.
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
        """Keep reading the channel's signals until cancelled, for messages that are granted and not
        yet written.
        """
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            await self.refresh(channel, lane)

    async def refresh(self, channel: str, lane: str) -> None:
        """Read pauses and demands from Redis once; an emergency renews its own demand."""
        if self._has_redis():
            renewed = DEMAND_SECONDS if lane == "emergency" else 0
            signals = await self._ask(
                lambda redis: _read_signals(redis, _signals(channel), renewed)
            )
            if signals is not None:
                self._note_signals(channel, demanded=bool(signals[0]), paused=bool(signals[1]))

    def _note_signals(self, channel: str, *, demanded: bool, paused: bool) -> None:
        until = suspend_proof() + SIGNAL_SECONDS
        if demanded:
            self._demanded[channel] = until
        else:
            self._demanded.pop(channel, None)
        if paused:
            self._paused[channel] = max(self._paused.get(channel, 0.0), until)

    # --- spacing of messages to one address ------------------------------------------------------

    async def space(self, channel: str, seconds: Mapping[int, float]) -> Mapping[int, float]:
        """Reserve one message for each address (id -> seconds until its next); return the seconds
        that the others must wait, by id.

        One request for all. Without Redis each process keeps the spacing for itself.
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

    # --- availability of Redis ------------------------------------------------------------------

    def _has_redis(self) -> bool:
        """True if Redis is to be asked; while it is away a background task looks for it now and
        then.
        """
        if (
            self._away
            and suspend_proof() >= self._away_until
            and (self._returning is None or self._returning.done())
        ):
            self._returning = asyncio.create_task(self._return())
        return bool(self.queue.url) and not self._away

    async def _return(self) -> None:
        """Announce that Redis is back, and keep all workers alone until each has noticed."""
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
        """Return the answer of Redis; None, and Redis counts as away, if it fails."""
        try:
            return await self.queue.ask(act)
        except (RedisError, OSError) as error:
            if not self._away:
                log.warning("limiter_without_redis", error=type(error).__name__)
            self._away, self._away_until = True, suspend_proof() + RETRY_SECONDS
            return None


def _signals(channel: str) -> tuple[str, str]:
    """Return the keys of a channel's demand and pause."""
    return f"siaran:demand:{channel}", f"siaran:pause:{channel}"
