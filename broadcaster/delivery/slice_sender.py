"""The slice sender: works through one claimed slice. Each turn is one transaction that records what
is known and marks what comes next.
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
from broadcaster.delivery.outcome_buffer import Batch, OutcomeBuffer
from broadcaster.delivery.sending_state import SendingState
from broadcaster.domain.deliveries import MarkedRow
from broadcaster.domain.retry_policy import DOMAIN_WAIT, bounded
from broadcaster.runtime import tasks
from broadcaster.store import channels as channel_store
from broadcaster.store import gate, slices
from broadcaster.store import outcomes as outcome_store
from broadcaster.store.gate import Marked
from broadcaster.store.leases import LeaseLost, suspend_proof
from broadcaster.store.slices import Claim
from channels.base.contract import PushChannel

T = TypeVar("T")
log = structlog.get_logger(__name__)

BATCH = 125
"""Rows marked at once by one sender (two of them fill the window of a process)."""
GROUP_SECONDS = 0.1
"""Seconds that an outcome waits at most to be committed."""
LEASE_MARGIN = 5.0
"""Seconds before the end of a lease at which its holder stops writing (a quarter of a short lease)."""
SLOW_SECONDS = 0.1
"""How long a sender waits for what it handed over before it goes on: a slow answer holds up nobody
else.
"""
LOOK_AGAIN = 0.25
"""Seconds between looks for rows that became due again while slow answers are awaited."""
DATABASE_PAUSE = 0.5
"""Seconds between tries to save outcomes while the database does not take them (restart, full
disk).
"""


@dataclass(kw_only=True)
class SliceSender:
    """One claimed slice; `tried` says that only slow answers are left to wait for."""

    state: SendingState
    channel: PushChannel
    claim: Claim
    control: JobControl
    lease_until: float = 0.0
    places: int = 0
    """Places of the process's window that this holds for rows that are marked and unsettled, but
    for late ones.
    """
    tried: asyncio.Event = field(default_factory=asyncio.Event)
    _slow: set[asyncio.Task[None]] = field(default_factory=set)
    _late: set[int] = field(default_factory=set)
    """Slots of rows whose answers are slow: each holds a place of its own until its outcome is
    recorded.
    """
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
        """Check whether a write may still begin: the lease and our time hold for a while, and nobody
        asked us to stop or to rest.
        """
        return (
            not self._is_over()
            and suspend_proof() < self.lease_until - self.margin
            and self.state.limiter.open_for(self.channel.name, self.claim.lane)
        )

    def _is_over(self) -> bool:
        """Check whether to end here. While answers are to come nobody else can have our slice: an
        emergency goes on with it.
        """
        if self.claim.lane == "emergency" and any(not task.done() for task in self._slow):
            return self.control.ended
        return self.control.over

    async def work(self) -> None:
        """Mark, send and settle until nothing is due; then give the slice back."""
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
        """Send until nothing is due, or we should end, and wait for slow answers; whether nobody is
        left to try.
        """
        try:
            everybody = await self._send_all()
            while await self._settle_slow(
                timeout=LOOK_AGAIN if everybody and not self._is_over() else None
            ):
                if await self.app.database.read(gate.has_due, self.claim):
                    everybody = await self._send_all()
        except Exception:  # reason: what is under way must get its outcome; it is raised again
            await self._settle_slow()
            raise
        for ended in self._slow:
            ended.result()
        return everybody

    async def _settle_slow(self, *, timeout: float | None = None) -> bool:  # noqa: ASYNC109  not ours to end: it outlasts this
        """Wait for slow answers, holding no place for anybody else; whether some are still to come
        after `timeout` seconds.
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
        """Send until nothing is due, or we should end; whether nobody is left."""
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
        """Send these rows; what takes long goes on beside the rows after it."""
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
        """Take places for the next turn, up to our share of the window; waits for the first. How
        many rows may be marked.
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
        """Let go of places beyond our share, which shrinks when other channels have work too."""
        surplus = self.places - max(used, min(self.state.window.share, BATCH))
        if surplus > 0:
            self.places -= surplus
            await self._release(surplus)

    async def _release(self, places: int) -> None:
        await self.state.window.release(places, self.channel.name)

    # --- transactions ---------------------------------------------------------------------------

    async def _turn(self, cursor: int, limit: int) -> Marked:
        """Record the outcomes so far and mark the next rows, in one transaction. Raises LeaseLost;
        what is known is recorded.
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
            except (
                Exception
            ):  # reason: outcomes are facts whatever keeps us from going on; it is raised again
                await self._record(batch)
                raise
            self.lease_until = max(self.lease_until, asked + self.holder.lease)
            self.outcomes.clock_lead = marked.at - suspend_proof()
            await self._recorded(batch, fallen)
            return marked

    async def _flush(self) -> None:
        """Record the outcomes so far."""
        async with self._saving:
            await self._record(self.outcomes.take())

    async def _record(self, batch: Batch) -> None:
        if batch:
            await self._recorded(batch, await self._save(batch.record))

    async def _recorded(self, batch: Batch, fallen: Sequence[tuple[str, int]]) -> None:
        """Tell what waits once a batch is safe, and ring for those fallen back to."""
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
        """Give the places of late rows back whose outcomes are recorded."""
        late = self._late & slots
        self._late -= late
        await self._release(len(late))

    async def _rest(self, batch: Batch) -> None:
        """Tell all workers of the channel's or a domain's rest."""
        if batch.pause:
            await self.state.limiter.pause(self.channel.name, batch.pause)
        for domain, seconds in batch.resting.items():
            name = self.state.breakers.replies.name_of(self.channel.name, domain)
            await self.state.pacing.hold_domain(self.channel, name, seconds or DOMAIN_WAIT)

    async def _save(self, act: Callable[[Connection], T]) -> T:
        """Write to the ledger, however long it is away: until it is saved nothing more is marked."""
        while True:
            try:
                return await asyncio.shield(self.app.database.write(act))
            except (OperationalError, InterfaceError) as error:
                log.error(
                    "ledger_not_saved", channel=self.channel.name, error=type(error.orig).__name__
                )
                await asyncio.sleep(DATABASE_PAUSE)

    async def _tick(self) -> None:
        """While a provider is slow: commit what is known in time, and keep the lease; losing it
        ends all writing.
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
        """Hand marked rows over and note what became of each; `waiting` (by slot) are those of
        which it is not known yet.
        """
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
            await pacing.heard(self.channel, result.outgoing, outcome)
            if outcomes.urgent:
                await self._flush()
        outcomes.unwritten(waiting.values())
        return None

    async def _suspend(self, rows: Sequence[MarkedRow], why: str) -> None:
        """Let the edition wait for a person: no message can be made of it."""

        def stop(connection: Connection) -> None:
            outcome_store.hand_back(connection, self.claim, rows)
            channel_store.pause_run(connection, self.claim.edition, self.channel.name, why)

        await self._save(stop)
        await self._settled({row.slot for row in rows})
