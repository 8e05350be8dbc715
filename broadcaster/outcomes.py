"""Outcomes on their way to the ledger: what the retry policy makes of each, gathered and recorded together."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from sqlalchemy import Connection

from broadcaster.delivery import Moment, consequence, decide, unopened
from broadcaster.store import channels as channel_store
from broadcaster.store import consequences, key_binding
from broadcaster.store import outcomes as store
from broadcaster.store.consequences import Consequence
from broadcaster.store.leases import suspend_proof
from broadcaster.store.outcomes import Decision
from broadcaster.store.slices import Claim
from broadcaster.store.statements import MarkedRow
from broadcaster.store.tables import FAILED, PENDING
from channels.base.contract import Deferred, Failure, Halted, Outcome, PushChannel, Receipt, Rejected
from channels.base.rendering import WIB
from subscribers.addresses import AddressBook

if TYPE_CHECKING:
    from broadcaster.draining import Deliverer

log = structlog.get_logger(__name__)

GROUP = 250
"""Outcomes committed together at most."""


KEY_DOES_NOT_FIT = "Alamat tidak dapat dibuka: kunci rahasia tidak cocok. Pulihkan kuncinya, lalu buka lagi kanal ini."


@dataclass(kw_only=True)
class Batch:
    """Outcomes that are committed together, with all that they mean for addresses, edition and channel."""

    book: AddressBook
    claim: Claim
    keep_ids: bool
    results: int = 0
    """Results to count for the mass-suppression breaker, of earlier batches too."""
    decisions: list[Decision] = field(default_factory=list)
    meanings: list[Consequence] = field(default_factory=list)
    unwritten: list[MarkedRow] = field(default_factory=list)
    stop_edition: str = ""
    halt: Halted | None = None
    pause: float = 0.0
    key_in_doubt: bool = False
    """Several different addresses in a row could not be opened."""

    def __bool__(self) -> bool:
        return bool(self.decisions or self.unwritten)

    @property
    def closes(self) -> bool:
        """Whether this ends the sending by this channel for now."""
        return self.halt is not None or self.pause > 0

    def record(self, connection: Connection) -> list[tuple[str, int]]:
        """Record everything, repeating it changes nothing; returns (channel, address) pairs fallen back to."""
        claim = self.claim
        store.hand_back(connection, claim, self.unwritten)
        fallen = consequences.record(
            connection, self.book, claim, self.decisions, self.meanings, keep_ids=self.keep_ids, results=self.results
        ) if self.decisions else []  # fmt: skip
        if self.pause:
            channel_store.pause_channel(connection, claim.channel, self.pause)
        if self.key_in_doubt and not key_binding.opens_addresses(connection, self.book, claim.channel):
            self.halt = Halted(detail=KEY_DOES_NOT_FIT, resume="manual")
        if self.halt is not None and channel_store.halt_channel(connection, claim.channel, self.halt.detail, self.halt.resume):
            log.error(
                "channel_halted", channel=claim.channel, code=self.halt.code, detail=self.halt.detail, resume=self.halt.resume
            )
        if self.stop_edition and channel_store.pause_run(connection, claim.edition, claim.channel, self.stop_edition):
            log.error("edition_stopped", edition=claim.edition, channel=claim.channel, reason=self.stop_edition)
        return fallen

    def tell(self) -> None:
        """Log what will be tried again, by the provider's code."""
        for code, count in Counter(each.provider_code for each in self.decisions if each.state == PENDING).items():
            log.warning("will_try_again", channel=self.claim.channel, code=code, count=count)


@dataclass(kw_only=True)
class Outcomes:
    """Gathers what became of the rows of one claim until somebody takes the batch; `since` is when its oldest came in."""

    deliverer: "Deliverer"
    channel: PushChannel
    claim: Claim
    clock_lead: float = 0.0
    """Seconds by which the database's wall clock is ahead of ours for intervals."""
    since: float = 0.0

    def __post_init__(self) -> None:
        self._batch = self._empty()
        self._any_moment = self._moment()  # of a receipt the time does not matter

    def _empty(self) -> Batch:
        return Batch(book=self.deliverer.app.book, claim=self.claim, keep_ids=self.channel.receipt_wait > 0)

    @property
    def urgent(self) -> bool:
        """Whether the batch should be recorded at once: it is full, or changes what others may do."""
        batch = self._batch
        changes = batch.halt is not None or batch.key_in_doubt or bool(batch.stop_edition) or batch.pause > 0
        return changes or len(batch.decisions) >= GROUP

    def take(self) -> Batch:
        """The batch so far; the next one is empty."""
        batch, self._batch, self.since = self._batch, self._empty(), 0.0
        batch.results = self.deliverer.results_to_count(self.claim.channel, len(batch.decisions), now=bool(batch.meanings))
        return batch

    def add(self, row: MarkedRow, outcome: Outcome) -> None:
        """Take one outcome in."""
        if not self.since:
            self.since = suspend_proof()
        if isinstance(outcome, Receipt):
            self._batch.decisions.append(decide(row, outcome, self._any_moment))
            self._received(row, outcome)
        else:
            moment = self._moment()
            decision = decide(row, outcome, moment)
            self._batch.decisions.append(decision)
            self._failed(row, outcome, decision, moment)

    def unwritten(self, rows: Iterable[MarkedRow]) -> None:
        """These were marked and never written: they wait again, no attempt spent."""
        self._batch.unwritten += rows

    def unopened(self, row: MarkedRow, code: str) -> None:
        """Let a row wait whose address cannot be opened; several different ones in a row put the key in doubt."""
        if not self.since:
            self.since = suspend_proof()
        self._batch.decisions.append(unopened(row, self._moment(), code))
        self._batch.key_in_doubt |= self.deliverer.key_is_doubtful(self.claim.channel, row.address)

    def unreadable(self, row: MarkedRow, code: str) -> None:
        """No message can be made for this row, whatever the reason that `code` names."""
        self._batch.decisions.append(
            Decision(slot=row.slot, attempt=row.attempt, state=FAILED, reason="unreadable", provider_code=code)
        )

    def _moment(self) -> Moment:
        claim = self.claim
        return Moment(
            now=suspend_proof() + self.clock_lead, published_at=claim.published_at, expires_at=claim.expires_at,
            emergency=claim.lane == "emergency", receipt_wait=self.channel.receipt_wait,
        )  # fmt: skip

    def _received(self, row: MarkedRow, outcome: Receipt) -> None:
        self.deliverer.succeeded(self.claim.edition, self.claim.channel)
        self.deliverer.channel_should_halt(self.claim.channel, failed=False)
        if row.spent or outcome.aliases:
            self._mean(row, outcome, "")

    def _mean(self, row: MarkedRow, outcome: Outcome, day: str) -> None:
        meaning = consequence(row, outcome, day)
        if meaning is not None:
            self._batch.meanings.append(meaning)

    def _failed(self, row: MarkedRow, outcome: Failure, decision: Decision, moment: Moment) -> None:
        self._mean(row, outcome, datetime.fromtimestamp(moment.now, WIB).date().isoformat())
        claim, batch = self.claim, self._batch
        failing = isinstance(outcome, Deferred) and not outcome.throttle
        if isinstance(outcome, Halted):
            batch.halt = outcome
        elif self.deliverer.channel_should_halt(claim.channel, failed=failing):
            batch.halt = Halted(detail="more than half of the last calls failed", resume="probe")
        if isinstance(outcome, Rejected):
            if self.deliverer.edition_should_stop(claim.edition, claim.channel, outcome, row.address):
                batch.stop_edition = f"{outcome.code} {outcome.detail}".strip()
        elif decision.state not in (PENDING, FAILED):
            self.deliverer.succeeded(claim.edition, claim.channel)
        if isinstance(outcome, Deferred) and outcome.throttle and outcome.scope == "channel" and outcome.retry_after:
            batch.pause = max(batch.pause, outcome.retry_after)
