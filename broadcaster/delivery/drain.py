"""Draining: fill the ledger, pass the gate, render, send, record, for at most ten seconds a job."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from broadcaster.app import App
from broadcaster.delivery.job_control import JobControl
from broadcaster.delivery.sending_state import SendingState
from broadcaster.delivery.slice_sender import SliceSender
from broadcaster.domain.retry_policy import abandoned_wait, uncertain_limit
from broadcaster.runtime import tasks
from broadcaster.store import channels, fanout, slices
from broadcaster.store.leases import Holder, LeaseLost, suspend_proof
from channels.base.contract import PushChannel

WORK_SECONDS = 10.0
"""Seconds that one job works before it rings again and ends."""
SENDERS = 2
"""Slices that one job works on concurrently, so that the provider never waits for the database."""
YIELDING = 3.0
"""Pause of routine fan-out during an emergency, as a multiple of the time its last chunk took:
SQLite has a single writer.
"""
IDLE = 0.02
"""Seconds that a sender waits for the fan-out to provide a slice."""


@dataclass
class Deliverer:
    """Works through the ledger for one process; `workers` is the last count of its lane's
    processes.
    """

    app: App
    holder: Holder
    workers: int = 1
    _running: dict[tuple[str, str], bool] = field(default_factory=dict)
    _settling: int = 0

    def __post_init__(self) -> None:
        self.state = SendingState.of(self.app, self.holder, lambda: self.workers)
        self._stopping = asyncio.Event()
        self._quiet = asyncio.Event()
        self._quiet.set()

    def stop(self) -> None:
        """Allow nothing more to be marked."""
        self._stopping.set()

    async def drain(self, channel: str, lane: str, *, seconds: float = WORK_SECONDS) -> bool:
        """Work on what is due in one lane of a channel; True if it ended with work left.

        A concurrent call for the same lane and channel returns False and makes the first one return
        True.
        """
        if channel not in self.app.push or not self.app.loaded.is_open(channel):
            return False
        if (channel, lane) in self._running:
            self._running[channel, lane] = True  # more work arrived meanwhile
            return False
        self._running[channel, lane] = False
        self._quiet.clear()
        control = JobControl(deadline=suspend_proof() + seconds, stopping=self._stopping)
        job = _Job(state=self.state, channel=self.app.push[channel], lane=lane, control=control)
        self._settling += 1
        self.state.window.join(SENDERS)
        try:
            await job.work()
        except asyncio.CancelledError:
            await job.abandon()
            raise
        finally:
            self.state.window.leave(SENDERS)
            again = self._running.pop((channel, lane))
            late = suspend_proof() >= control.deadline
            try:
                # the next call may begin meanwhile: a slow answer blocks nobody
                await job.settle()
            finally:
                self._settling -= 1
                if not self._settling:
                    self._quiet.set()
        return again or late or bool(job.slow)

    def works_on(self, channel: str, lane: str) -> bool:
        """True if this process is draining this lane of this channel."""
        return (channel, lane) in self._running

    async def settle(self) -> None:
        """Wait until this process has nothing in flight; call after `stop()`."""
        await self._quiet.wait()


@dataclass(kw_only=True)
class _Job:
    """A call of `drain`: a filler and some slice senders, all on one channel and lane."""

    state: SendingState
    channel: PushChannel
    lane: str
    control: JobControl
    filling: bool = True
    slow: set[asyncio.Task[None]] = field(default_factory=set)
    """Slice senders that only wait for slow answers."""

    async def work(self) -> None:
        """Fill and send until nothing is due, time is up or the channel closes. Raises a group of
        the errors.

        An error in one sender leaves the others at work: a message in flight must get its outcome.
        """
        watching = asyncio.create_task(self.state.limiter.watch(self.channel.name, self.lane))
        try:
            ended = await asyncio.gather(
                self._fill(), *(self._send() for _ in range(SENDERS)), return_exceptions=True
            )
        finally:
            await tasks.end(watching)
        if errors := [result for result in ended if result is not None]:
            raise BaseExceptionGroup("a part of the draining failed", errors)

    async def abandon(self) -> None:
        """Cancel the slow senders; whatever is in flight stays uncertain."""
        for task in self.slow:
            await tasks.end(task)

    async def settle(self) -> None:
        """Wait for slow answers; raises a group of their errors."""
        ended = await asyncio.gather(*self.slow, return_exceptions=True)
        if errors := [result for result in ended if isinstance(result, Exception)]:
            raise BaseExceptionGroup("a part of the draining failed", errors)

    async def _fill(self) -> None:
        database, holder = self.state.app.database, self.state.holder
        try:
            while not self.control.over:
                claim = await database.write(
                    fanout.claim_fanout, channel=self.channel.name, lane=self.lane, holder=holder
                )
                if claim is None:
                    return
                began = suspend_proof()
                # another process took over; the next claim finds what is left
                with suppress(LeaseLost):
                    await database.write(fanout.fill_chunk, claim, holder)
                await asyncio.sleep(await self._rest(suspend_proof() - began))
        finally:
            self.filling = False

    async def _rest(self, took: float) -> float:
        """Return the seconds to leave the database to an emergency, after a routine chunk that took
        `took` seconds.
        """
        if self.lane == "emergency":
            return 0.0
        busy = await self.state.app.database.read(slices.busy_lanes)
        return YIELDING * took if any(lane == "emergency" for _channel, lane in busy) else 0.0

    async def _send(self) -> None:
        database, channel = self.state.app.database, self.channel
        emergency = self.lane == "emergency"
        while not self.control.over:
            # asked before the claim, whose answer may be older than the last chunk
            filling = self.filling
            shut = await database.read(channels.closed_for, channel.name, self.lane) > 0
            claim = await database.write(
                slices.claim_slice,
                channel=channel.name,
                lane=self.lane,
                holder=self.state.holder,
                reopen_wait=abandoned_wait(emergency=emergency, receipt_wait=channel.receipt_wait),
                uncertain_limit=uncertain_limit(emergency=emergency),
                closing=shut,
            )
            if claim is not None:
                await self._work_through(claim)
            elif filling and not shut:
                await asyncio.sleep(IDLE)
            else:
                return

    async def _work_through(self, claim: slices.Claim) -> None:
        sender = SliceSender(
            state=self.state, channel=self.channel, claim=claim, control=self.control
        )
        working = asyncio.create_task(sender.work())
        tried = asyncio.create_task(sender.tried.wait())
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
