"""Slice sender: works through one claimed slice. Each turn is one transaction that records known
outcomes and marks the next rows.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from broadcaster.delivery.job_control import JobControl
from broadcaster.delivery.message_composer import MessageComposer, Unrenderable
from broadcaster.delivery.outcome_buffer import OutcomeBatch, OutcomeBuffer
from broadcaster.delivery.sending_state import SendingState
from broadcaster.domain.deliveries import MarkedRow
from broadcaster.domain.retry_policy import DOMAIN_WAIT, bounded
from broadcaster.runtime import tasks
from broadcaster.store import channels, gate, slices
from broadcaster.store.gate import Marked
from broadcaster.store.leases import LeaseLost, suspend_proof
from broadcaster.store.outcomes import hand_back
from broadcaster.store.slices import Claim
from channels.base.contract import PushChannel, Receipt

T = TypeVar("T")
log = structlog.get_logger(__name__)

BATCH = 125
"""Rows marked at once by one sender (two senders fill the window of a process)."""
GROUP_SECONDS = 0.1
"""Seconds that an outcome waits at most to be committed."""
LEASE_MARGIN = 5.0
"""Seconds before the end of a lease at which its holder stops writing (a quarter of a short lease).
"""
SLOW_SECONDS = 0.1
"""Seconds that a sender waits for an answer before it goes on: a slow answer blocks nobody else."""
LOOK_AGAIN = 0.25
"""Seconds between checks for rows that became due again while slow answers are pending."""
DATABASE_PAUSE = 0.5
"""Seconds between tries to save outcomes while the database is unavailable (restart, full disk)."""


@dataclass(kw_only=True)
class SliceSender:
    """Sender of one claimed slice; `tried` is set once only slow answers are pending."""

    state: SendingState
    channel: PushChannel
    claim: Claim
    control: JobControl
    lease_until: float = 0.0
    places: int = 0
    """Places of the window that this sender holds for marked and unsettled rows, except late ones.
    """
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    _slow: set[asyncio.Task[None]] = field(default_factory=set)
    _late: set[int] = field(default_factory=set)
    """Slots of rows whose answers are slow: each holds a place until its outcome is recorded."""
    _saving: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.app, self.holder = self.state.app, self.state.holder
        self.margin = min(LEASE_MARGIN, self.holder.lease / 4)
        self.lease_until = suspend_proof() + self.holder.lease
        self.outcomes = OutcomeBuffer(state=self.state, channel=self.channel, claim=self.claim)
        self.composer = MessageComposer(
            state=self.state, channel=self.channel, claim=self.claim, outcomes=self.outcomes
        )

    def may_write(self) -> bool:
        """True if a write may still begin: lease and deadline leave time, and no stop or pause was
        asked for.
        """
        return (
            not self._is_over()
            and suspend_proof() < self.lease_until - self.margin
            and self.state.limiter.open_for(self.channel.name, self.claim.lane)
        )

    def _is_over(self) -> bool:
        """True if the sender must end. While answers are pending nobody else can claim the slice,
        so an emergency goes on.
        """
        if self.claim.lane == "emergency" and any(not task.done() for task in self._slow):
            return self.control.ended
        return self.control.over

    async def work(self) -> None:
        """Mark, send and settle until nothing is due; then release the slice."""
        ticking = asyncio.create_task(self._tick())
        try:
            if await self._send_and_settle():
                self.outcomes.tried_all()
        except LeaseLost:
            log.warning(
                "lease_lost",
                edition=self.claim.edition,
                channel=self.channel.name,
                slice=self.claim.number,
            )
        finally:
            for task in (*self._slow, ticking):
                await tasks.end(task)
            try:
                await self._flush()
            finally:
                await self._save(lambda c: slices.release(c, self.claim, self.holder))
                await self._release(self.places + len(self._late))

    async def _send_and_settle(self) -> bool:
        """Send until nothing is due or the job ends, and wait for slow answers; True if no row is
        left to try.
        """
        try:
            everybody = await self._send_all()
            while await self._settle_slow(
                timeout=LOOK_AGAIN if everybody and not self._is_over() else None
            ):
                if await self.app.database.read(gate.has_due, self.claim):
                    everybody = await self._send_all()
        except Exception:  # reason: messages in flight must get their outcome; it is raised again
            await self._settle_slow()
            raise
        for ended in self._slow:
            ended.result()
        return everybody

    async def _settle_slow(
        self,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  the tasks outlast this call
    ) -> bool:
        """Wait for slow answers without holding places; True if some are still pending after
        `timeout` seconds.
        """
        under_way = [task for task in self._slow if not task.done()]
        if not under_way:
            return False
        await self._flush()
        places, self.places = self.places, 0
        await self._release(places)
        self.tried.set()
        return bool((await asyncio.wait(under_way, timeout=timeout))[1])

    async def _send_all(self) -> bool:
        """Send until nothing is due or the job ends; True if no row is left."""
        cursor, exhausted = self.claim.after_slot, False
        take, pacing = self.state.limiter.take, self.state.pacing
        while not exhausted and not self._is_over():
            rate = await pacing.rate(self.channel)
            granted = await take(self.channel.name, self.claim.lane, rate=rate, wanted=BATCH)
            if not granted:
                await self._flush()
            while granted and not exhausted:
                if not self.may_write():
                    return False
                limit = await self._hold(granted)
                marked = await self._turn(cursor, limit)
                granted -= limit
                cursor, exhausted = marked.cursor, marked.exhausted
                await self._give_back(len(marked.rows))
                if marked.rows:
                    await self._begin(marked.rows)
        return exhausted

    async def _begin(self, rows: Sequence[MarkedRow]) -> None:
        """Send these rows; slow ones go on beside the rows after them."""
        waiting = {row.slot: row for row in rows}
        sending = asyncio.create_task(self._send(rows, waiting))
        try:
            await asyncio.wait((sending,), timeout=SLOW_SECONDS)
        except asyncio.CancelledError:
            await tasks.end(sending)
            raise
        if sending.done():
            return sending.result()
        for ended in [task for task in self._slow if task.done()]:
            self._slow.discard(ended)
            ended.result()
        self.places -= len(waiting)
        self._late |= waiting.keys()
        self._slow.add(sending)
        return None

    async def _hold(self, wanted: int) -> int:
        """Take places for the next turn, up to our share of the window, waiting for the first;
        return how many rows may be marked.
        """
        window = self.state.window
        wanted = min(wanted, window.share, BATCH)
        if self.places < wanted:
            more = window.take(wanted - self.places, self.channel.name)
            if not self.places + more:
                more = await window.acquire(wanted, self.channel.name)
            self.places += more
        return min(wanted, self.places)

    async def _give_back(self, used: int) -> None:
        """Release places beyond our share, which shrinks when other channels have work too."""
        surplus = self.places - max(used, min(self.state.window.share, BATCH))
        if surplus > 0:
            self.places -= surplus
            await self._release(surplus)

    async def _release(self, places: int) -> None:
        await self.state.window.release(places, self.channel.name)

    # --- transactions ---------------------------------------------------------------------------

    async def _turn(self, cursor: int, limit: int) -> Marked:
        """Record known outcomes and mark the next rows, in one transaction. Raises LeaseLost, with
        the outcomes recorded.
        """
        async with self._saving:
            batch, asked = self.outcomes.take(), suspend_proof()

            def act(connection: Connection) -> tuple[list[tuple[str, int]], Marked]:
                fallen = batch.record(connection) if batch else []
                people = self.channel.tier
                return fallen, gate.mark(
                    connection, self.claim, self.holder, cursor=cursor, limit=limit, people=people
                )

            try:
                fallen, marked = await self._save(act)
            except Exception:  # reason: outcomes must be kept whatever failed; it is raised again
                await self._record(batch)
                raise
            self.lease_until = max(self.lease_until, asked + self.holder.lease)
            self.outcomes.clock_lead = marked.at - suspend_proof()
            await self._recorded(batch, fallen)
            return marked

    async def _flush(self) -> None:
        """Record known outcomes."""
        async with self._saving:
            await self._record(self.outcomes.take())

    async def _record(self, batch: OutcomeBatch) -> None:
        if batch:
            await self._recorded(batch, await self._save(batch.record))

    async def _recorded(self, batch: OutcomeBatch, fallen: Sequence[tuple[str, int]]) -> None:
        """Act on a batch once it is committed: log retries, release places, wake the channels
        fallen back to.
        """
        batch.tell()
        await self._settled(batch.slots)
        if batch.shut:
            self.state.breakers.replies.closed.add(self.channel.name)
        if batch.closes:
            self.control.close()
        await self._rest(batch)
        for channel in {channel for channel, _address in fallen}:
            await self.app.queue.ring(channel, self.claim.lane)

    async def _settled(self, slots: set[int]) -> None:
        """Release the places of late rows whose outcomes are recorded."""
        late = self._late & slots
        self._late -= late
        await self._release(len(late))

    async def _rest(self, batch: OutcomeBatch) -> None:
        """Announce the rest of the channel or of domains to all workers."""
        if batch.pause:
            await self.state.limiter.pause(self.channel.name, batch.pause)
        for domain, seconds in batch.resting.items():
            name = self.state.breakers.replies.name_of(self.channel.name, domain)
            await self.state.pacing.hold_domain(self.channel, name, seconds or DOMAIN_WAIT)

    async def _save(self, act: Callable[[Connection], T]) -> T:
        """Write to the ledger, retrying while the database is away; until then nothing more is
        marked.
        """
        while True:
            try:
                return await asyncio.shield(self.app.database.write(act))
            except (OperationalError, InterfaceError) as error:
                log.error(
                    "ledger_not_saved", channel=self.channel.name, error=type(error.orig).__name__
                )
                await asyncio.sleep(DATABASE_PAUSE)

    async def _tick(self) -> None:
        """Commit outcomes in time and renew the lease while a provider is slow; a lost lease ends
        all writing.
        """
        renewed = suspend_proof()
        while True:
            await asyncio.sleep(min(GROUP_SECONDS, self.holder.lease / 3))
            asked = suspend_proof()
            if (
                self.outcomes.since
                and asked - self.outcomes.since > GROUP_SECONDS
                and not self._saving.locked()
            ):
                await self._flush()
            if asked - renewed < self.holder.lease / 3:
                continue
            renewed = asked
            try:
                await self.app.database.write(slices.renew, self.claim, self.holder)
            except LeaseLost:
                self.lease_until = 0.0
                return
            except DBAPIError as error:
                log.warning("lease_not_renewed", error=type(error.orig).__name__)
            else:
                self.lease_until = max(self.lease_until, asked + self.holder.lease)

    # --- messages -------------------------------------------------------------------------------

    async def _send(self, rows: Sequence[MarkedRow], waiting: dict[int, MarkedRow]) -> None:
        """Send marked rows and note each outcome; `waiting` are the rows (by slot) without one."""
        try:
            messages = await self.composer.render(rows)
        except Unrenderable as error:
            return await self._suspend(rows, str(error))
        outgoing = await self.composer.outgoing(rows, messages, waiting)
        outcomes, pacing = self.outcomes, self.state.pacing
        sent = {message.recipient.delivery: row for row, message in outgoing}
        async for result in self.channel.send(
            [message for _row, message in outgoing], may_write=self.may_write
        ):
            recipient, outcome = result.outgoing.recipient, bounded(result.outcome)
            row = sent[recipient.delivery]
            outcomes.add(waiting.pop(row.slot), outcome, recipient.address)
            if not isinstance(outcome, Receipt):
                await pacing.apply_outcome(self.channel, result.outgoing, outcome)
            if outcomes.urgent:
                await self._flush()
        outcomes.unwritten(waiting.values())
        return None

    async def _suspend(self, rows: Sequence[MarkedRow], why: str) -> None:
        """Pause the edition until a person acts: no message can be made of it."""

        def stop(connection: Connection) -> None:
            hand_back(connection, self.claim, rows)
            channels.pause_run(connection, self.claim.edition, self.channel.name, why)

        await self._save(stop)
        await self._settled({row.slot for row in rows})
