"""What providers want slower than their usual rate, as one process sees it: read from the database at most once a second."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from broadcaster.store import pacing as store
from broadcaster.store.leases import suspend_proof
from broadcaster.store.pacing import SETTLE_SECONDS, Pace
from channels.base.contract import Deferred, Outcome, PushChannel

if TYPE_CHECKING:
    from broadcaster.app import App

FRESH_SECONDS = 1.0
"""How long what was read is believed."""
log = structlog.get_logger(__name__)


@dataclass
class Pacing:
    """The pace of every channel for one process."""

    app: "App"
    _read: dict[str, tuple[Pace, float, float]] = field(default_factory=dict)
    """Of each channel: its pace, when it was read, and by how much the database's clock is ahead of ours."""
    _told: dict[str, float] = field(default_factory=dict)

    async def rate(self, channel: PushChannel) -> float:
        """Messages a second now: what the provider grants, less for a while after it complained; 0 = no limit of our own."""
        pace, at = await self._pace(channel.name)
        return pace.rate(channel.rate, at)

    async def heard(self, channel: PushChannel, outcome: Outcome) -> None:
        """Take in an outcome: "too fast" without a word about how long to wait halves the rate of all workers."""
        if not isinstance(outcome, Deferred) or not outcome.throttle:
            return
        if outcome.scope == "channel" and outcome.retry_after is None:
            await self._slow_down(channel)

    async def _slow_down(self, channel: PushChannel) -> None:
        clock = suspend_proof()
        if clock - self._told.get(channel.name, -SETTLE_SECONDS) < SETTLE_SECONDS:
            return
        self._told[channel.name] = clock
        rate = await self.app.database.write(store.slow_down, channel.name, channel.rate)
        self._read.pop(channel.name, None)
        log.warning("channel_slowed", channel=channel.name, rate=round(rate, 1))

    async def _pace(self, channel: str) -> tuple[Pace, float]:
        """The pace of a channel and the database's time."""
        clock = suspend_proof()
        found = self._read.get(channel)
        if found is None or clock - found[1] >= FRESH_SECONDS:
            pace, wall = await self.app.database.read(store.pace_of, channel)
            found = self._read[channel] = pace, clock, wall - clock
        return found[0], clock + found[2]
