"""Draining: fill the ledger, pass the gate, render, send, record, for at most ten seconds at a time."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from broadcaster.app import App
from broadcaster.delivery import REJECTIONS, Moment, consequence, decide
from broadcaster.limits import Limiter, Window
from broadcaster.logs import told
from broadcaster.store import channels as channel_store
from broadcaster.store import consequences, fanout, outcomes, slices
from broadcaster.store.announcements import edition_document
from broadcaster.store.consequences import Consequence
from broadcaster.store.leases import Holder, LeaseLost, suspend_proof
from broadcaster.store.outcomes import Decision
from broadcaster.store.slices import Claim, MarkedRow
from broadcaster.store.tables import FAILED, PENDING
from channels.base.contract import Area, Deferred, Halted, Message, Outgoing, PushChannel, Recipient, Rejected, Result
from channels.base.rendering import WIB
from subscribers.addresses import SealBroken

T = TypeVar("T")
log = structlog.get_logger(__name__)

WORK_SECONDS = 10.0
"""How long one job works before it rings again and ends."""
WINDOW = 250
"""Rows of one process that may be marked and unsettled: what a kill can leave uncertain."""
HANDS = 3
"""Slices that one job works on side by side, so that the provider never waits for the database."""
BATCH = 80
"""Rows marked at once by one hand (three hands stay within WINDOW)."""
GROUP = 250
"""Outcomes committed together at most."""
GROUP_SECONDS = 0.1
"""The longest that an outcome waits to be committed while others come in."""
LEASE_MARGIN = 5.0
"""Seconds before the end of a lease at which its holder stops writing (a quarter of a short lease)."""
RENDERED = 64
"""Rendered messages kept per process."""
FAILURE_SAMPLE = 50
"""Calls over which the failure breaker looks."""
IDLE = 0.02
"""Seconds a hand waits for the fan-out to bring it a slice."""
DATABASE_PAUSE = 0.5
"""Seconds between tries to save outcomes while the database does not take them (restart, full disk)."""


@dataclass
class Deliverer:
    """Works through the ledger for one process; `workers` is how many processes of its lane were last counted."""

    app: App
    holder: Holder
    workers: int = 1
    stopping: bool = False
    _rendered: dict[tuple[int, str, str], Message] = field(default_factory=dict)
    _running: dict[tuple[str, str], bool] = field(default_factory=dict)
    _rejections: dict[tuple[int, str], dict[str, set[str]]] = field(default_factory=dict)
    _recent: dict[str, list[bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.limiter = Limiter(self.app.queue, lambda: self.workers)
        self.window = Window(WINDOW)
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._areas = {a.code: Area(code=a.code, name=a.name, slug=a.slug) for a in self.app.tree.all()}

    async def drain(self, channel: str, lane: str, *, seconds: float = WORK_SECONDS) -> bool:
        """Work on what is due in this lane of this channel; True when it ended with work left. One call at a time per process."""
        if channel not in self.app.push or not self.app.loaded.is_open(channel):
            return False
        if (channel, lane) in self._running:
            self._running[channel, lane] = True  # somebody rang meanwhile
            return False
        self._running[channel, lane] = False
        self._quiet.clear()
        deadline = suspend_proof() + seconds
        try:
            await _Job(deliverer=self, channel=self.app.push[channel], lane=lane, deadline=deadline).work()
        finally:
            again = self._running.pop((channel, lane))
            if not self._running:
                self._quiet.set()
        return again or suspend_proof() >= deadline

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
            self._rendered[key] = channel.render(edition, lang)
        return self._rendered[key]

    def recipient(self, channel: str, edition_id: int, row: MarkedRow) -> Recipient:
        """The recipient of a marked row. Raises SealBroken, and KeyError for an area that is gone."""
        book = self.app.book
        return Recipient(
            delivery=f"{edition_id}.{row.slot}.{row.attempt}",
            attempt=row.attempt,
            address=book.open(channel, row.cipher),
            area=self._areas[row.area],
            since=datetime.fromtimestamp(row.consented_at, WIB).date(),
            token=book.token(row.address),
            address_key=book.key(row.address),
            previous_id=row.previous_id,
        )

    def edition_should_stop(self, edition_id: int, channel: str, outcome: Rejected, address: int) -> bool:
        """Count a rejection; True once it is the message's fault and not the addresses'."""
        seen = self._rejections.setdefault((edition_id, channel), {}).setdefault(outcome.code, set())
        seen.add(outcome.domain or str(address))
        return outcome.whole_edition or len(seen) >= REJECTIONS

    def succeeded(self, edition_id: int, channel: str) -> None:
        """A success: the rejections before it were the addresses' own."""
        self._rejections.pop((edition_id, channel), None)

    def channel_should_halt(self, channel: str, *, failed: bool) -> bool:
        """Note a call; True once more than half of the last fifty came back with nothing (failure breaker)."""
        recent = self._recent.setdefault(channel, [])
        recent.append(failed)
        del recent[:-FAILURE_SAMPLE]
        if len(recent) == FAILURE_SAMPLE and sum(recent) * 2 > FAILURE_SAMPLE:
            recent.clear()
            return True
        return False


@dataclass(kw_only=True)
class _Job:
    """One call of drain: a filler and some hands, all on one channel and lane."""

    deliverer: Deliverer
    channel: PushChannel
    lane: str
    deadline: float
    filling: bool = True
    closed: bool = False

    async def work(self) -> None:
        """Fill and send until nothing is due, the time is over, or the channel closes. Raises a group of what went wrong.

        What ends one hand leaves the others at work: a message on the wire must get its outcome.
        """
        ended = await asyncio.gather(self._fill(), *(self._hand() for _ in range(HANDS)), return_exceptions=True)
        if errors := [result for result in ended if result is not None]:
            raise BaseExceptionGroup("a part of the draining failed", errors)

    @property
    def _over(self) -> bool:
        return self.closed or self.deliverer.stopping or suspend_proof() >= self.deadline

    async def _fill(self) -> None:
        app, holder = self.deliverer.app, self.deliverer.holder
        try:
            while not self._over:
                claim = await app.database.write(fanout.claim_fanout, channel=self.channel.name, lane=self.lane, holder=holder)
                if claim is None:
                    return
                with suppress(LeaseLost):  # another process took over: the next claim tells what is left
                    await app.database.write(fanout.fill_chunk, claim, holder)
        finally:
            self.filling = False

    async def _hand(self) -> None:
        app = self.deliverer.app
        while not self._over:
            shut = await app.database.read(channel_store.closed_for, self.channel.name, self.lane) > 0
            claim = await app.database.write(
                slices.claim_slice, channel=self.channel.name, lane=self.lane, holder=self.deliverer.holder,
                receipt_wait=0.0 if self.lane == "emergency" else self.channel.receipt_wait, closing=shut,
            )  # fmt: skip
            if claim is not None:
                await _Slice(job=self, claim=claim).work()
            elif self.filling and not shut:
                await asyncio.sleep(IDLE)
            else:
                return


@dataclass(kw_only=True)
class _Slice:
    """A claimed slice being worked on by one hand."""

    job: _Job
    claim: Claim
    lease_until: float = 0.0
    clock_lead: float = 0.0
    """Seconds by which the database's wall clock is ahead of ours for intervals."""

    def __post_init__(self) -> None:
        self.deliverer, self.app, self.channel = self.job.deliverer, self.job.deliverer.app, self.job.channel
        self.holder = self.deliverer.holder
        self.margin = min(LEASE_MARGIN, self.holder.lease / 4)
        self.lease_until = suspend_proof() + self.holder.lease

    def may_write(self) -> bool:
        """Whether a write may still begin: the lease and our time hold for a while, and nobody asked us to stop."""
        return not self.job._over and suspend_proof() < self.lease_until - self.margin

    async def work(self) -> None:
        """Mark, send and settle until nothing is due; then give the slice back."""
        renewing = asyncio.create_task(self._renew())
        try:
            await self._send_all()
        except LeaseLost:
            log.warning("lease_lost", edition=self.claim.edition, channel=self.channel.name, slice=self.claim.number)
        finally:
            renewing.cancel()
            with suppress(asyncio.CancelledError):
                await renewing
            await self._save(lambda c: slices.release(c, self.claim, self.holder))

    async def _send_all(self) -> None:
        cursor, exhausted = self.claim.after_slot, False
        while not exhausted and not self.job._over:
            granted = await self.deliverer.limiter.take(self.channel.name, self.job.lane, rate=self.channel.rate, wanted=BATCH)
            while granted and not exhausted and self.may_write():
                places = await self.deliverer.window.acquire(granted)
                granted -= places
                try:
                    asked = suspend_proof()
                    marked = await self.app.database.write(slices.mark, self.claim, self.holder, cursor=cursor, limit=places)
                    self.lease_until, self.clock_lead = asked + self.holder.lease, marked.at - suspend_proof()
                    cursor, exhausted = marked.cursor, marked.exhausted
                    if marked.rows:
                        await self._send(marked.rows)
                finally:
                    await self.deliverer.window.release(places)
            if not self.may_write():
                return

    async def _renew(self) -> None:
        """Keep the lease while a provider is slow; losing it ends all writing."""
        while True:
            await asyncio.sleep(self.holder.lease / 3)
            asked = suspend_proof()
            try:
                await self.app.database.write(slices.renew, self.claim, self.holder)
            except LeaseLost:
                self.lease_until = 0.0
                return
            except DBAPIError as error:
                log.warning("lease_not_renewed", error=type(error.orig).__name__)
            else:
                self.lease_until = asked + self.holder.lease

    async def _send(self, rows: Sequence[MarkedRow]) -> None:
        """Write one marked batch and record what became of each row; what was never written waits again."""
        messages = await self._render(rows)
        if messages is None:
            return
        waiting = {row.slot: row for row in rows}
        group = _Group(slice_=self)
        outgoing = [one for row in rows if (one := self._compose(messages[row.language], row, waiting, group)) is not None]
        slots = {message.recipient.delivery: row.slot for message, row in zip(outgoing, list(waiting.values()), strict=True)}
        try:
            async for result in self.channel.send(outgoing, may_write=self.may_write):
                await group.add(waiting.pop(slots[result.outgoing.recipient.delivery]), result)
        finally:
            await group.flush()  # also what is known when the rest is cancelled or fails
        left = list(waiting.values())
        await self._save(lambda c: outcomes.hand_back(c, self.claim, left))

    async def _render(self, rows: Sequence[MarkedRow]) -> dict[str, Message] | None:
        """The message in each language of these rows; None, and the edition waits for a person, where it cannot be rendered."""
        name, edition, languages = self.channel.name, self.claim.edition, {row.language for row in rows}
        try:
            return {lang: await self.deliverer.message(edition, self.channel, lang) for lang in languages}
        except DBAPIError:
            await self._save(lambda c: outcomes.hand_back(c, self.claim, rows))
            raise
        except Exception as error:  # noqa: BLE001  reason: whatever a template does, other editions go on
            log.error("edition_unrenderable", edition=edition, channel=name, error=told(error))
            why = f"Pesan tidak dapat dibuat ({type(error).__name__})."

        def stop(connection: Connection) -> None:
            outcomes.hand_back(connection, self.claim, rows)
            channel_store.pause_run(connection, edition, name, why)

        await self._save(stop)
        return None

    def _compose(self, message: Message, row: MarkedRow, waiting: dict[int, MarkedRow], group: "_Group") -> Outgoing | None:
        try:
            recipient = self.deliverer.recipient(self.channel.name, self.claim.edition, row)
            return self.channel.personalise(message, recipient)
        except (SealBroken, KeyError, ValueError) as error:
            # one poisonous row must not stop its slice
            log.error("row_unreadable", edition=self.claim.edition, channel=self.channel.name, error=type(error).__name__)
            del waiting[row.slot]
            group.decisions.append(
                Decision(
                    slot=row.slot, attempt=row.attempt, state=FAILED, reason="unreadable", provider_code=type(error).__name__
                )
            )
            return None

    async def _save(self, act: Callable[[Connection], T]) -> T:
        """Write to the ledger, however long it is away: until it is saved nothing more is marked."""
        while True:
            try:
                return await asyncio.shield(self.app.database.write(act))
            except (OperationalError, InterfaceError) as error:
                log.error("ledger_not_saved", channel=self.channel.name, error=type(error.orig).__name__)
                await asyncio.sleep(DATABASE_PAUSE)


@dataclass(kw_only=True)
class _Group:
    """Outcomes that are committed together."""

    slice_: _Slice
    decisions: list[Decision] = field(default_factory=list)
    meanings: list[Consequence] = field(default_factory=list)
    stop_edition: str = ""
    halt: Halted | None = None
    pause: float = 0.0
    since: float = 0.0
    saving: bool = False
    """A save that was begun ends, even when nobody waits for it any more."""

    async def add(self, row: MarkedRow, result: Result) -> None:
        """Take one outcome in; commit when the group is full or old."""
        claim, deliverer = self.slice_.claim, self.slice_.deliverer
        wall = suspend_proof() + self.slice_.clock_lead
        moment = Moment(
            now=wall, published_at=claim.published_at, expires_at=claim.expires_at,
            emergency=claim.lane == "emergency", receipt_wait=self.slice_.channel.receipt_wait,
        )  # fmt: skip
        outcome = result.outcome
        self.decisions.append(decide(row, outcome, moment))
        meaning = consequence(row, outcome, datetime.fromtimestamp(wall, WIB).date().isoformat())
        if meaning is not None:
            self.meanings.append(meaning)
        failing = isinstance(outcome, Deferred) and not outcome.throttle
        if isinstance(outcome, Halted):
            self.halt = outcome
        elif deliverer.channel_should_halt(claim.channel, failed=failing):
            self.halt = Halted(detail="more than half of the last calls failed", resume="probe")
        if isinstance(outcome, Rejected):
            if deliverer.edition_should_stop(claim.edition, claim.channel, outcome, row.address):
                self.stop_edition = f"{outcome.code} {outcome.detail}".strip()
        elif self.decisions[-1].state not in (PENDING, FAILED):
            deliverer.succeeded(claim.edition, claim.channel)
        if isinstance(outcome, Deferred) and outcome.throttle and outcome.scope == "channel" and outcome.retry_after:
            self.pause = max(self.pause, outcome.retry_after)
        self.since = self.since or suspend_proof()
        if self.halt or len(self.decisions) >= GROUP or suspend_proof() - self.since > GROUP_SECONDS:
            await self.flush()

    async def flush(self) -> None:
        """Commit the outcomes so far, with all that they mean."""
        if not self.decisions or self.saving:
            return
        self.saving = True
        fallen = await self.slice_._save(self._record)
        self.saving = False
        for code, count in Counter(each.provider_code for each in self.decisions if each.state == PENDING).items():
            log.warning("will_try_again", channel=self.slice_.claim.channel, code=code, count=count)
        if self.halt is not None or self.pause:
            self.slice_.job.closed = True
        for channel in {channel for channel, _address in fallen}:
            await self.slice_.app.queue.ring(channel, self.slice_.job.lane)
        self.decisions, self.meanings, self.stop_edition, self.halt, self.pause, self.since = [], [], "", None, 0.0, 0.0

    def _record(self, connection: Connection) -> list[tuple[str, int]]:
        claim = self.slice_.claim
        fallen = consequences.record(
            connection, self.slice_.app.book, claim, self.decisions, self.meanings, keep_ids=self.slice_.channel.receipt_wait > 0
        )
        if self.pause:
            channel_store.pause_channel(connection, claim.channel, self.pause)
        if self.halt is not None and channel_store.halt_channel(connection, claim.channel, self.halt.detail, self.halt.resume):
            log.error(
                "channel_halted", channel=claim.channel, code=self.halt.code, detail=self.halt.detail, resume=self.halt.resume
            )
        if self.stop_edition and channel_store.pause_run(connection, claim.edition, claim.channel, self.stop_edition):
            log.error("edition_stopped", edition=claim.edition, channel=claim.channel, reason=self.stop_edition)
        return fallen
