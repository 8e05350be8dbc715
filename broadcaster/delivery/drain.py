"""Draining: fill the ledger, pass the gate, render, send, record, for at most ten seconds at a
time.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime

from broadcaster.app import App
from broadcaster.delivery.in_flight import Window
from broadcaster.delivery.rate_limiter import Limiter
from broadcaster.delivery.reply_history import Replies
from broadcaster.delivery.slice_sender import Hand
from broadcaster.delivery.throttling import Pacing
from broadcaster.domain.deliveries import MarkedRow
from broadcaster.domain.retry_policy import UNOPENED
from broadcaster.runtime import tasks
from broadcaster.store import channels as channel_store
from broadcaster.store import fanout, slices
from broadcaster.store.announcements import edition_document
from broadcaster.store.leases import Holder, LeaseLost, suspend_proof
from channels.base.contract import Area, Message, PushChannel, Recipient
from channels.base.rendering import WIB

WORK_SECONDS = 10.0
"""How long one job works before it rings again and ends."""
WINDOW = 250
"""Rows of one process that may be marked and unsettled: what a kill can leave uncertain."""
RESERVED = 10
"""Places of the window that a channel leaves to each other one."""
HANDS = 2
"""Slices that one job works on side by side, so that the provider never waits for the database."""
RENDERED = 64
"""Rendered messages kept per process."""
DAYS = 4096
"""Days of consent kept as dates."""
COUNT_SECONDS = 1.0
"""How long results may wait to be counted for the mass-suppression breaker; an address called dead
is counted at once.
"""
YIELDING = 3.0
"""While an emergency goes out, routine fan-out rests so many times as long as it took: on SQLite
there is one writer.
"""
IDLE = 0.02
"""Seconds a hand waits for the fan-out to bring it a slice."""


@dataclass
class Deliverer:
    """Works through the ledger for one process; `workers` is how many processes of its lane were
    last counted.
    """

    app: App
    holder: Holder
    workers: int = 1
    stopping: bool = False
    _rendered: dict[tuple[int, str, str], Message] = field(default_factory=dict)
    _running: dict[tuple[str, str], bool] = field(default_factory=dict)
    replies: Replies = field(default_factory=Replies)
    _unopened: dict[str, set[int]] = field(default_factory=dict)
    _days: dict[int, date] = field(default_factory=dict)
    _settling: int = 0
    _uncounted: dict[str, tuple[int, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.limiter = Limiter(self.app.queue, lambda: self.workers)
        self.pacing = Pacing(self.app, self.limiter)
        others = sum(map(self.app.loaded.is_open, self.app.push)) - 1
        self.window = Window(WINDOW, reserved=RESERVED * max(0, others))
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._areas = {
            a.code: Area(code=a.code, name=a.name, slug=a.slug) for a in self.app.tree.all()
        }

    async def drain(self, channel: str, lane: str, *, seconds: float = WORK_SECONDS) -> bool:
        """Work on what is due in this lane of this channel; True when it ended with work left. One
        call at a time per process.
        """
        if channel not in self.app.push or not self.app.loaded.is_open(channel):
            return False
        if (channel, lane) in self._running:
            self._running[channel, lane] = True  # somebody rang meanwhile
            return False
        self._running[channel, lane] = False
        self._quiet.clear()
        deadline = suspend_proof() + seconds
        job = _Job(deliverer=self, channel=self.app.push[channel], lane=lane, deadline=deadline)
        self._settling += 1
        try:
            await job.work()
        except asyncio.CancelledError:
            await job.abandon()
            raise
        finally:
            again, late = self._running.pop((channel, lane)), suspend_proof() >= deadline
            try:
                await (
                    job.settle()
                )  # meanwhile the next call may begin: a slow answer keeps nobody waiting
            finally:
                self._settling -= 1
                if not self._settling:
                    self._quiet.set()
        return again or late or bool(job.slow)

    def works_on(self, channel: str, lane: str) -> bool:
        """Whether this process is draining this lane of this channel."""
        return (channel, lane) in self._running

    @property
    def share(self) -> int:
        """Places of the window for each hand at work."""
        return max(1, WINDOW // (HANDS * max(1, len(self._running))))

    async def settle(self) -> None:
        """Wait until nothing of this process is on the wire any more; call after `stopping`."""
        await self._quiet.wait()

    async def message(self, edition_id: int, channel: PushChannel, lang: str) -> Message:
        """The edition rendered for a channel and language, once per process."""
        key = (edition_id, channel.name, lang)
        if key not in self._rendered:
            edition = await self.app.database.read(edition_document, edition_id)
            if len(self._rendered) >= RENDERED:
                self._rendered.pop(next(iter(self._rendered)))
            self._rendered[key] = channel.render(edition.on(channel.name), lang)
        return self._rendered[key]

    def recipient(self, channel: str, edition_id: int, row: MarkedRow) -> Recipient:
        """The recipient of a marked row. Raises SealBroken, and KeyError for an area that is gone."""
        vault = self.app.vault
        address = vault.open(channel, bytes.fromhex(row.sealed))
        self._unopened.pop(channel, None)
        token, key = vault.names(row.address)
        return Recipient(
            delivery=f"{edition_id}.{row.slot}.{row.attempt}",
            attempt=row.attempt,
            address=address,
            area=self._areas[row.area],
            since=self._day(row.consented_at),
            token=token,
            address_key=key,
            corrects=row.corrects,
        )

    def _day(self, at: float) -> date:
        """The date in WIB of epoch seconds."""
        number = int(at + 7 * 3600) // 86400
        if number not in self._days:
            if len(self._days) >= DAYS:
                self._days.clear()
            self._days[number] = datetime.fromtimestamp(at, WIB).date()
        return self._days[number]

    def results_to_count(self, channel: str, more: int, *, now: bool) -> int:
        """Results of this channel to add to the shared count: at most once a second, or
        transactions would wait for its row.
        """
        count, counted_at = self._uncounted.get(channel, (0, 0.0))
        clock = suspend_proof()
        if not now and clock - counted_at < COUNT_SECONDS:
            self._uncounted[channel] = count + more, counted_at
            return 0
        self._uncounted[channel] = 0, clock
        return count + more

    def key_is_doubtful(self, channel: str, address: int) -> bool:
        """Note an address that cannot be opened; True once several different ones came in a row."""
        unopened = self._unopened.setdefault(channel, set())
        unopened.add(address)
        if len(unopened) < UNOPENED:
            return False
        unopened.clear()
        return True

    def channel_should_halt(self, channel: str, *, failed: bool) -> bool:
        """Note a call; True once more than half of the last fifty came back with nothing (failure
        breaker).
        """
        return self.replies.call(channel, failed=failed)


@dataclass(kw_only=True)
class _Job:
    """One call of drain: a filler and some hands, all on one channel and lane."""

    deliverer: Deliverer
    channel: PushChannel
    lane: str
    deadline: float
    filling: bool = True
    closed: bool = False
    slow: set[asyncio.Task[None]] = field(default_factory=set)
    """Hands that only wait for slow answers."""

    async def work(self) -> None:
        """Fill and send until nothing is due, the time is over, or the channel closes. Raises a
        group of what went wrong.

        What ends one hand leaves the others at work: a message on the wire must get its outcome.
        """
        watching = asyncio.create_task(self.deliverer.limiter.watch(self.channel.name, self.lane))
        try:
            ended = await asyncio.gather(
                self._fill(), *(self._hand() for _ in range(HANDS)), return_exceptions=True
            )
        finally:
            await tasks.end(watching)
        if errors := [result for result in ended if result is not None]:
            raise BaseExceptionGroup("a part of the draining failed", errors)

    async def abandon(self) -> None:
        """Wait for nothing any more: what is under way is left uncertain."""
        for task in self.slow:
            await tasks.end(task)

    async def settle(self) -> None:
        """Wait for slow answers; raises a group of what went wrong with them."""
        ended = await asyncio.gather(*self.slow, return_exceptions=True)
        if errors := [result for result in ended if isinstance(result, Exception)]:
            raise BaseExceptionGroup("a part of the draining failed", errors)

    def _ended(self) -> bool:
        return self.closed or self.deliverer.stopping

    def _over(self) -> bool:
        return self._ended() or suspend_proof() >= self.deadline

    async def _fill(self) -> None:
        app, holder = self.deliverer.app, self.deliverer.holder
        try:
            while not self._over():
                claim = await app.database.write(
                    fanout.claim_fanout, channel=self.channel.name, lane=self.lane, holder=holder
                )
                if claim is None:
                    return
                began = suspend_proof()
                with suppress(
                    LeaseLost
                ):  # another process took over: the next claim tells what is left
                    await app.database.write(fanout.fill_chunk, claim, holder)
                await asyncio.sleep(await self._rest(suspend_proof() - began))
        finally:
            self.filling = False

    async def _rest(self, took: float) -> float:
        """Seconds to leave the database to an emergency after a chunk of routine fan-out that took
        so long.
        """
        if self.lane == "emergency":
            return 0.0
        busy = await self.deliverer.app.database.read(slices.busy_lanes)
        return YIELDING * took if any(lane == "emergency" for _channel, lane in busy) else 0.0

    async def _hand(self) -> None:
        app = self.deliverer.app
        while not self._over():
            shut = (
                await app.database.read(channel_store.closed_for, self.channel.name, self.lane) > 0
            )
            claim = await app.database.write(
                slices.claim_slice,
                channel=self.channel.name,
                lane=self.lane,
                holder=self.deliverer.holder,
                receipt_wait=0.0 if self.lane == "emergency" else self.channel.receipt_wait,
                closing=shut,
            )
            if claim is not None:
                await self._work_through(claim)
            elif self.filling and not shut:
                await asyncio.sleep(IDLE)
            else:
                return

    async def _work_through(self, claim: slices.Claim) -> None:
        def close() -> None:
            self.closed = True

        hand = Hand(
            deliverer=self.deliverer,
            channel=self.channel,
            claim=claim,
            over=self._over,
            ended=self._ended,
            close=close,
        )
        working, tried = asyncio.create_task(hand.work()), asyncio.create_task(hand.tried.wait())
        try:
            await asyncio.wait((working, tried), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await tasks.end(working)
            raise
        finally:
            await tasks.end(tried)
        if working.done():
            working.result()
        else:
            self.slow.add(working)
