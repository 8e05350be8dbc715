"""Outcomes on their way to the ledger: decided by the retry policy, recorded in batches."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from sqlalchemy import Connection

from broadcaster.delivery.breaker import SuspectOutcome, weigh
from broadcaster.delivery.sending_state import SendingState
from broadcaster.domain.deliveries import FAILED, PENDING, Consequence, Decision, MarkedRow
from broadcaster.domain.retry_policy import (
    Moment,
    channel_rest,
    consequence,
    decide,
    doubtful,
    unopened,
)
from broadcaster.domain.sender_faults import SuspectReply, is_ours, is_suspect
from broadcaster.store import address_effects, channels, key_binding, outcomes
from broadcaster.store.leases import suspend_proof
from broadcaster.store.slices import Claim
from channels.base.contract import (
    About,
    Deferred,
    Failure,
    Halted,
    Outcome,
    PushChannel,
    Receipt,
    Rejected,
)
from channels.base.moments import WIB
from subscribers.vault import Vault

log = structlog.get_logger(__name__)

GROUP = 250
"""Outcomes committed together at most."""

KEY_DOES_NOT_FIT = (
    "Alamat tidak dapat dibuka: kunci rahasia tidak cocok. "
    "Pulihkan kuncinya, lalu buka lagi kanal ini."
)


@dataclass(kw_only=True)
class OutcomeBatch:
    """Outcomes that are committed together, with their consequences for addresses, edition and
    channel.
    """

    vault: Vault
    claim: Claim
    keep_ids: bool
    results: int = 0
    """Results to count for the mass-suppression breaker, including those of earlier batches."""
    decisions: list[Decision] = field(default_factory=list)
    meanings: list[Consequence] = field(default_factory=list)
    unwritten: list[MarkedRow] = field(default_factory=list)
    stop_edition: str = ""
    halt: Halted | None = None
    pause: float = 0.0
    key_in_doubt: bool = False
    """True if several different addresses in a row could not be opened."""
    reports: list[SuspectOutcome] = field(default_factory=list)
    """Suspect replies, to be weighed with those of the other workers."""
    arrived: dict[str, float] = field(default_factory=dict)
    """Times of successes that clear suspicions, by domain (keyed hash); "" stands for the channel
    itself.
    """
    arrived_at: float = 0.0
    """Time of the last success (epoch seconds); 0 if none."""
    idle: bool = False
    """True if no recipient was left to try."""
    reopens: bool = False
    """True if a success may reopen a channel that suspect replies closed."""
    shut: bool = False
    """True if the suspect replies closed the channel."""
    resting: dict[str, float] = field(default_factory=dict)
    """Seconds that domains (keyed hash) rest because of suspect replies."""

    def __bool__(self) -> bool:
        return bool(self.decisions or self.unwritten or self.idle)

    @property
    def slots(self) -> set[int]:
        """Return the slots of the rows that this batch settles."""
        return {decision.slot for decision in self.decisions} | {row.slot for row in self.unwritten}

    @property
    def closes(self) -> bool:
        """True if this ends sending by the channel for now. Replies to single recipients never end
        an emergency.
        """
        halts = self.halt is not None and (is_ours(self.halt) or self.claim.lane != "emergency")
        return halts or self.pause > 0 or (self.shut and self.claim.lane != "emergency")

    def record(self, connection: Connection) -> list[tuple[str, int]]:
        """Record everything; repeating it changes nothing. Return the (channel, address) pairs
        fallen back to.
        """
        claim = self.claim
        outcomes.hand_back(connection, claim, self.unwritten)
        fallen = (
            address_effects.record(
                connection,
                self.vault,
                claim,
                self.decisions,
                self.meanings,
                keep_ids=self.keep_ids,
                results=self.results,
            )
            if self.decisions
            else []
        )
        if self.pause:
            channels.pause_channel(connection, claim.channel, self.pause)
        if self.key_in_doubt and not key_binding.opens_addresses(
            connection, self.vault, claim.channel
        ):
            self.halt = Halted(detail=KEY_DOES_NOT_FIT, resume="manual")
        self._weigh(connection)
        if self.halt is not None and self._halt(connection, self.halt):
            log.error(
                "channel_halted",
                channel=claim.channel,
                code=self.halt.code,
                detail=self.halt.detail,
                resume=self.halt.resume,
            )
        if self.stop_edition and channels.pause_run(
            connection, claim.edition, claim.channel, self.stop_edition
        ):
            log.error(
                "edition_stopped",
                edition=claim.edition,
                channel=claim.channel,
                reason=self.stop_edition,
            )
        return fallen

    def _halt(self, connection: Connection, halt: Halted) -> bool:
        detail = f"{halt.code} {halt.detail}".strip()
        return channels.halt_channel(
            connection, self.claim.channel, detail, halt.resume, suspected=not is_ours(halt)
        )

    def _weigh(self, connection: Connection) -> None:
        """Let suspect replies close the channel, and the success of an emergency reopen it."""
        channel = self.claim.channel
        if self.reports or self.arrived:
            weighed = weigh(connection, channel, self.reports, self.arrived, idle=self.idle)
            self.shut, self.resting = weighed.closed, dict(weighed.domains)
        if (
            self.reopens
            and self.arrived_at
            and channels.clear_suspicion(connection, channel, self.arrived_at)
        ):
            log.info("channel_resumed", channel=channel)

    def tell(self) -> None:
        """Log what will be retried, by the provider's code."""
        for code, count in Counter(
            each.provider_code for each in self.decisions if each.state == PENDING
        ).items():
            log.warning("will_try_again", channel=self.claim.channel, code=code, count=count)


@dataclass(kw_only=True)
class OutcomeBuffer:
    """Collects the outcomes of one claim until a batch is taken; `since` is when the oldest came
    in.
    """

    state: SendingState
    channel: PushChannel
    claim: Claim
    clock_lead: float = 0.0
    """Seconds by which the database's wall clock is ahead of `suspend_proof`."""
    since: float = 0.0

    def __post_init__(self) -> None:
        self._batch = self._empty()
        self._any_moment = self._moment()  # the time of a receipt does not matter
        self._suspects: dict[str, SuspectOutcome] = {}

    def _empty(self) -> OutcomeBatch:
        return OutcomeBatch(
            vault=self.state.app.vault, claim=self.claim, keep_ids=self.channel.receipt_wait > 0
        )

    @property
    def urgent(self) -> bool:
        """True if the batch should be recorded at once: it is full, or affects what
        others may do.
        """
        batch = self._batch
        return (
            len(batch.decisions) >= GROUP
            or batch.halt is not None
            or batch.key_in_doubt
            or batch.stop_edition != ""
            or batch.pause > 0
        )

    def take(self) -> OutcomeBatch:
        """Return the current batch and begin an empty one."""
        batch, self._batch, self.since = self._batch, self._empty(), 0.0
        batch.reopens = (
            self.claim.lane == "emergency"
            or self.claim.channel in self.state.breakers.replies.closed
        )
        batch.results = self.state.breakers.results_to_count(
            self.claim.channel, len(batch.decisions), now=bool(batch.meanings)
        )
        return batch

    def add(self, row: MarkedRow, outcome: Outcome, address: str = "") -> None:
        """Add one outcome; `address` is the recipient's, of which only the domain is used."""
        if not self.since:
            self.since = suspend_proof()
        if isinstance(outcome, Receipt):
            self._batch.decisions.append(decide(row, outcome, self._any_moment))
            self._received(row, outcome, address)
        else:
            moment = self._moment()
            decision = (
                self._rejected(row, outcome, moment)
                if isinstance(outcome, Rejected)
                else decide(row, outcome, moment)
            )
            self._batch.decisions.append(decision)
            self._failed(row, outcome, decision, moment)
            if is_suspect(outcome):
                self._suspect(row, outcome, address, moment.now)

    def tried_all(self) -> None:
        """Let suspicions count, and stop an edition that nobody accepts: the claim has no row left
        to try.
        """
        batch, replies, claim = self._batch, self.state.breakers.replies, self.claim
        batch.stop_edition = batch.stop_edition or replies.doubted(claim.edition, claim.channel)
        if replies.is_suspected(claim.channel):
            batch.reports += self._suspects.values()
        batch.idle = bool(batch.stop_edition or batch.reports)

    def unwritten(self, rows: Iterable[MarkedRow]) -> None:
        """Let rows that were marked but never written wait again; no attempt is spent."""
        self._batch.unwritten += rows

    def unopened(self, row: MarkedRow, code: str) -> None:
        """Let a row wait whose address cannot be opened; several different ones in a row put the
        key in doubt.
        """
        if not self.since:
            self.since = suspend_proof()
        self._batch.decisions.append(unopened(row, self._moment(), code))
        self._batch.key_in_doubt |= self.state.recipients.key_is_doubtful(
            self.claim.channel, row.address
        )

    def unreadable(self, row: MarkedRow, code: str) -> None:
        """Fail a row for which no message can be made; `code` names the error."""
        self._batch.decisions.append(
            Decision(
                slot=row.slot,
                attempt=row.attempt,
                state=FAILED,
                reason="unreadable",
                provider_code=code,
            )
        )

    def _moment(self) -> Moment:
        claim = self.claim
        return Moment(
            now=suspend_proof() + self.clock_lead,
            published_at=claim.published_at,
            expires_at=claim.expires_at,
            emergency=claim.lane == "emergency",
            receipt_wait=self.channel.receipt_wait,
        )

    def _received(self, row: MarkedRow, outcome: Receipt, address: str) -> None:
        replies, batch, channel = self.state.breakers.replies, self._batch, self.claim.channel
        at = suspend_proof() + self.clock_lead
        replies.reached(self.claim.edition, channel)
        replies.call(channel, failed=False)
        domain = self._domain(address) if replies.watches(channel) else ""
        if successes := replies.success(channel, domain, at):
            batch.arrived |= successes
        batch.arrived_at = at
        if row.spent or outcome.aliases:
            self._mean(row, outcome, "")

    def _domain(self, address: str) -> str:
        """Return the keyed hash of a mail address's domain; empty for other addresses."""
        name = address.rpartition("@")[2].lower() if "@" in address else ""
        return self.state.app.vault.lookup("domain", name).hex() if name else ""

    def _suspect(self, row: MarkedRow, outcome: Halted | Deferred, address: str, at: float) -> None:
        replies, channel = self.state.breakers.replies, self.claim.channel
        domain = self._domain(address)
        if channel in replies.arrived:
            self._batch.arrived.setdefault("", replies.arrived[channel])
        replies.suspect(channel, domain, address.rpartition("@")[2].lower())
        report = SuspectOutcome(
            seen=SuspectReply(address=row.address, domain=domain, at=at), outcome=outcome
        )
        self._batch.reports.append(report)
        self._suspects[report.kind] = report

    def _rejected(self, row: MarkedRow, outcome: Rejected, moment: Moment) -> Decision:
        """Decide on a rejection. One that others got too is the message's fault; an emergency tries
        everybody before it stops for that.
        """
        claim, replies = self.claim, self.state.breakers.replies
        if not replies.edition_is_rejected(claim.edition, claim.channel, outcome, row.address):
            return decide(row, outcome, moment)
        why = f"{outcome.code} {outcome.detail}".strip()
        if moment.emergency:
            replies.doubt(claim.edition, claim.channel, why)
            return doubtful(row, outcome, moment)
        self._batch.stop_edition = why
        return decide(row, outcome, moment)

    def _mean(self, row: MarkedRow, outcome: Outcome, day: str) -> None:
        meaning = consequence(row, outcome, day)
        if meaning is not None:
            self._batch.meanings.append(meaning)

    def _failed(self, row: MarkedRow, outcome: Failure, decision: Decision, moment: Moment) -> None:
        self._mean(row, outcome, datetime.fromtimestamp(moment.now, WIB).date().isoformat())
        claim, batch = self.claim, self._batch
        if isinstance(outcome, Halted):
            batch.halt = outcome if is_ours(outcome) else batch.halt
        elif self._is_broken(row, outcome):
            about: About = "sender" if is_ours(outcome) else "recipient"
            batch.halt = Halted(
                detail="more than half of the last calls failed", resume="probe", about=about
            )
        if decision.state not in (PENDING, FAILED):
            self.state.breakers.replies.reached(claim.edition, claim.channel)
        if isinstance(outcome, Deferred) and self._rests(row, outcome):
            batch.pause = max(batch.pause, outcome.retry_after or 0.0)

    def _is_broken(self, row: MarkedRow, outcome: Failure) -> bool:
        """True if this call opens the failure breaker. Another failure of the same recipient is no
        new evidence.
        """
        failing = isinstance(outcome, Deferred) and not outcome.throttle
        if not failing or is_ours(outcome):
            return self.state.breakers.replies.call(self.claim.channel, failed=failing)
        return row.spent == 0 and self.state.breakers.replies.refusal(self.claim.channel)

    def _rests(self, row: MarkedRow, outcome: Deferred) -> bool:
        """True if the whole channel must rest for as long as the provider asks."""
        if not channel_rest(outcome):
            return False
        limited = not outcome.alarm and self.state.breakers.replies.is_limited(
            self.claim.channel, row.address
        )
        return limited or is_ours(outcome)
