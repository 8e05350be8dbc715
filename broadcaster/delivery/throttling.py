"""Throttling: rates and domains that providers want slower, as one process sees them, read from the
database once a second at most.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import structlog
from sqlalchemy.exc import DBAPIError

from broadcaster.delivery.rate_limiter import Limiter
from broadcaster.domain.deliveries import MarkedRow
from broadcaster.domain.retry_policy import DOMAIN_WAIT, channel_rest
from broadcaster.store.leases import suspend_proof
from broadcaster.store.throttling import (
    SETTLE_SECONDS,
    ChannelPace,
    domain_key,
    hold_domain,
    pace_of,
    slow_down,
)
from channels.base.contract import Deferred, Outcome, Outgoing, PushChannel

if TYPE_CHECKING:
    from broadcaster.app import App

FRESH_SECONDS = 1.0
"""Seconds that a reading is relied on."""
log = structlog.get_logger(__name__)


@dataclass
class Pacing:
    """Pace of every channel for one process."""

    app: "App"
    limiter: Limiter
    _read: dict[str, tuple[ChannelPace, float, float]] = field(default_factory=dict)
    """By channel: its pace, the time of reading, and the lead of the database's clock over ours."""
    _slowed: dict[str, float] = field(default_factory=dict)

    async def rate(self, channel: PushChannel) -> float:
        """Return the messages a second allowed now: the provider's rate, lowered for a while after
        a complaint; 0 = no limit of our own.
        """
        pace, at = await self._pace(channel.name)
        return pace.rate(channel.rate, at)

    async def held_back(
        self,
        channel: PushChannel,
        outgoing: Sequence[tuple[MarkedRow, Outgoing]],
        *,
        emergency: bool,
    ) -> dict[int, Deferred]:
        """Return the deferrals of rows (by slot) that must not be written to yet. An emergency
        waits for no domain.
        """
        pace, at = await self._pace(channel.name)
        held: dict[int, Deferred] = {}
        if pace.domains and not emergency:
            for row, message in outgoing:
                until = pace.domains.get(
                    domain_key(self.app.vault, channel.name, _domain(message)), 0.0
                )
                if until > at:
                    held[row.slot] = _later(until - at, "domain_held", "domain")
        if channel.spaced:
            held |= await self._too_close(
                channel, [(row, message) for row, message in outgoing if row.slot not in held]
            )
        return held

    async def _too_close(
        self, channel: PushChannel, outgoing: Sequence[tuple[MarkedRow, Outgoing]]
    ) -> dict[int, Deferred]:
        slots = {row.address: row.slot for row, _ in outgoing}
        seconds = {
            row.address: wait
            for row, message in outgoing
            if (wait := channel.spacing(message.recipient.address)) > 0
        }
        if not seconds:
            return {}
        waits = await self.limiter.space(channel.name, seconds)
        return {
            slots[address]: _later(wait, "spacing", "address")
            for address, wait in waits.items()
            if wait > 0
        }

    async def apply_outcome(
        self, channel: PushChannel, message: Outgoing, outcome: Outcome
    ) -> None:
        """Apply an outcome: "too fast" without a time halves the rate of all workers; a domain's
        wait holds for all of them.

        Replies that may concern one recipient alone are weighed together in delivery/breaker.py.
        """
        if not isinstance(outcome, Deferred) or not outcome.throttle or outcome.about != "sender":
            return
        if outcome.scope == "channel" and outcome.retry_after is None:
            await self._slow_down(channel, outcome.code)
        elif rest := channel_rest(outcome):
            await self.limiter.pause(channel.name, rest)
        elif outcome.scope == "domain":
            await self.hold_domain(channel, _domain(message), outcome.retry_after or DOMAIN_WAIT)

    async def hold_domain(self, channel: PushChannel, domain: str, seconds: float) -> None:
        """Send nothing to a domain for `seconds`, on all workers."""
        pace, at = await self._pace(channel.name)
        key = domain_key(self.app.vault, channel.name, domain)
        if (
            domain and pace.domains.get(key, 0.0) - at < seconds - FRESH_SECONDS
        ):  # else known already
            log.warning("domain_held", channel=channel.name, seconds=round(seconds))
            await self._write(channel.name, hold_domain, self.app.vault, domain, seconds)

    async def _write(self, channel: str, act: Callable[..., object], *values: object) -> None:
        """Save a change and have the pace read again; if the database is away the next complaint
        will do.
        """
        try:
            await self.app.database.write(act, channel, *values)
        except DBAPIError as error:
            log.warning("pace_not_saved", channel=channel, error=type(error.orig).__name__)
        else:
            if channel in self._read:
                pace, _, lead = self._read[channel]
                self._read[channel] = pace, -math.inf, lead

    async def _slow_down(self, channel: PushChannel, code: str) -> None:
        clock = suspend_proof()
        if clock - self._slowed.get(channel.name, -SETTLE_SECONDS) < SETTLE_SECONDS:
            return
        self._slowed[channel.name] = clock
        log.warning("channel_slowed", channel=channel.name)
        await self._write(channel.name, slow_down, channel.rate, code)

    async def _pace(self, channel: str) -> tuple[ChannelPace, float]:
        """Return the pace of a channel and the database's time (epoch seconds)."""
        clock = suspend_proof()
        known = self._read.get(channel)
        if known is None or clock - known[1] >= FRESH_SECONDS:
            try:
                pace, wall = await self.app.database.read(pace_of, channel)
            except DBAPIError as error:  # the last reading holds; marked rows must not wait for it
                log.warning("pace_not_read", channel=channel, error=type(error.orig).__name__)
                pace, wall = (known[0], clock + known[2]) if known else (ChannelPace(), time.time())
            known = self._read[channel] = pace, clock, wall - clock
        return known[0], clock + known[2]


def _later(seconds: float, code: str, scope: Literal["domain", "address"]) -> Deferred:
    return Deferred(retry_after=seconds, throttle=True, scope=scope, code=code)


def _domain(message: Outgoing) -> str:
    return message.recipient.address.rpartition("@")[2].lower()
