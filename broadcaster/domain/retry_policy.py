"""The retry policy: the effect of an outcome on its row and address, the number and spacing of
retries, and when an edition stops or a channel halts. Pure; delivery and inbound apply it.
"""

from dataclasses import dataclass, replace

from broadcaster.domain.deliveries import (
    CANCELLED,
    EXPIRED,
    FAILED,
    PENDING,
    SENT,
    SKIPPED,
    UNCONFIRMED,
    Consequence,
    Decision,
    MarkedRow,
)
from channels.base.contract import (
    SEVERAL,
    Deferred,
    Failure,
    Halted,
    Outcome,
    Receipt,
    Refused,
    Rejected,
    Skipped,
)

# --- waits ------------------------------------------------------------------------------------

EMERGENCY_WAITS = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds before the next attempt of an emergency; the last one repeats."""
ROUTINE_WAITS = (60.0, 300.0, 900.0, 3600.0, 3600.0)
"""The same for everything else."""
PATIENCE = 24 * 3600.0
"""Seconds after publication at which retries end if the announcement has no expiry."""
ZERO_WAITS = 2
"""Times that a provider's "retry at once" is obeyed, per delivery."""
SUSPECT_WAIT = 3600.0
"""Seconds before a row is retried whose reply may concern the sender."""
LONGEST_WAIT = 6 * 3600.0
"""Longest wait in seconds, whatever a provider asks for: an error of its clock must not end an
announcement.
"""
UNCERTAIN_LIMIT = 3
"""Uncertain attempts after which a row closes as unconfirmed."""
UNCERTAIN_LIMIT_EMERGENCY = 5
"""The same for emergencies."""
UNCERTAIN_PAUSE = 5.0
"""Least seconds before an attempt without an answer is repeated."""
DOMAIN_WAIT = 60.0
"""Seconds for which a mail domain is held back that named no time itself."""
TIER_WAIT = 60.0
"""Least seconds before a row is retried that exceeded the daily limit of recipients."""
PROBE_WAIT = 60.0
"""Seconds between probes of a halted channel."""
OBJECT_STORE_WAITS = (0.2, 0.8)
"""Least seconds before each repetition of a request to the object store: a page waits for it."""

# --- limits -----------------------------------------------------------------------------------

REJECTIONS = 3
"""Distinct addresses (email: domains) with the same rejection and no success in between, after
which the edition stops.
"""
UNOPENED = 5
"""Distinct consecutive addresses that cannot be decrypted, after which the key itself is in
doubt.
"""
FAILURE_SAMPLE = 50
"""Number of calls that the failure breaker considers."""
LIMITED = 3
"""Distinct addresses that get "too fast" with no success in between before the channel rests."""
SUSPECT_SECONDS = 900.0
"""Seconds for which a reply that may concern the sender counts."""
PLACES = 3
"""Mail domains (on other channels: addresses) that must agree before the channel is blamed;
enough on their own if nobody else is left.
"""
ADDRESSES = 3
"""Addresses of a domain that must agree before the domain is held back."""
BREAKER_MINUTES = 15
"""Minutes over which the mass-suppression breaker counts."""

# --- words ------------------------------------------------------------------------------------

REASONS = {
    "address_dead": "Alamat tidak aktif lagi",
    "opted_out": "Warga berhenti berlangganan",
    "address_gone": "Alamat sudah dihapus",
    "address_unconfirmed": "Alamat belum dikonfirmasi warga",
    "rejected": "Ditolak penyedia",
    "skipped": "Tidak dapat dikirim ke alamat ini",
    "no_answer": "Tidak ada jawaban, mungkin sudah sampai",
    "too_late": "Batas waktu mencoba habis",
    "expired": "Pengumuman sudah kedaluwarsa",
    "superseded": "Digantikan terbitan baru",
    "stopped": "Dihentikan petugas",
    "unreadable": "Pesan tidak dapat dibuat untuk alamat ini",
}
"""Reason for closing a row, in words; shown beside the provider's own code."""
WAITS = {
    "": "Penyedia meminta menunggu",
    "unreachable": "Tidak terhubung dengan penyedia",
    "trouble": "Penyedia sedang bermasalah",
    "tier": "Batas orang per hari dari penyedia sudah terpakai",
}
"""Reason for a wait, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """Time of a decision and the limits of its run, in epoch seconds."""

    now: float
    published_at: float
    expires_at: float | None
    emergency: bool
    receipt_wait: float


def wait_before(attempt: int, *, emergency: bool) -> float:
    """Return the seconds to wait after the `attempt`-th spent attempt (1, 2, ...); the last wait
    repeats for ever.
    """
    waits = EMERGENCY_WAITS if emergency else ROUTINE_WAITS
    return waits[min(max(attempt, 1), len(waits)) - 1]


def object_store_wait(attempt: int, asked: float | None, left: float) -> float | None:
    """Return the seconds to wait after the `attempt`-th failed request (1, 2, ...) to the object
    store; None to give up: it was the last, or the wait reaches the `left` seconds of patience.

    `asked`: the store's Retry-After, None if it named none.
    """
    if attempt > len(OBJECT_STORE_WAITS):
        return None
    wait = max(OBJECT_STORE_WAITS[attempt - 1], asked or 0.0)
    return wait if wait < left else None


def uncertain_limit(*, emergency: bool) -> int:
    """Return the number of uncertain attempts that closes a row as unconfirmed."""
    return UNCERTAIN_LIMIT_EMERGENCY if emergency else UNCERTAIN_LIMIT


def abandoned_wait(*, emergency: bool, receipt_wait: float) -> float:
    """Return the seconds before repeating an attempt that a dead process left without an answer.

    Routine news waits `receipt_wait` seconds for a receipt, which would settle the row.
    """
    return 0.0 if emergency else receipt_wait


def bounded(outcome: Outcome) -> Outcome:
    """Limit the wait of an outcome to 0..LONGEST_WAIT seconds."""
    if (
        not isinstance(outcome, Deferred)
        or outcome.retry_after is None
        or 0 <= outcome.retry_after <= LONGEST_WAIT
    ):
        return outcome
    return replace(outcome, retry_after=LONGEST_WAIT if outcome.retry_after > 0 else None)


def decide(row: MarkedRow, outcome: Outcome, moment: Moment) -> Decision:
    """Decide the next state of a row after an attempt. Halted leaves it pending, or pending for
    an hour if the fault may lie with this recipient.
    """
    match outcome:
        case Receipt():
            return Decision(
                slot=row.slot,
                attempt=row.attempt,
                state=SENT,
                provider_id=outcome.provider_id,
                message_number=outcome.message_number,
            )
        case Refused():
            return _closed(row, FAILED, outcome.reason, outcome.code)
        case Rejected():
            return _closed(row, FAILED, "rejected", outcome.code)
        case Skipped():
            return _closed(row, SKIPPED, "skipped", outcome.code)
        case Deferred():
            return _deferred(row, outcome, moment)
        case Halted(about="either" | "recipient"):
            return _retry(row, moment.now + SUSPECT_WAIT, outcome, moment, spend=True)
        case Halted():
            return Decision(
                slot=row.slot, attempt=row.attempt, state=PENDING, provider_code=outcome.code
            )


def _closed(row: MarkedRow, state: int, reason: str, code: str) -> Decision:
    return Decision(
        slot=row.slot, attempt=row.attempt, state=state, reason=reason, provider_code=code
    )


def _deferred(row: MarkedRow, outcome: Deferred, moment: Moment) -> Decision:
    if outcome.uncertain:
        return _uncertain(row, outcome, moment)
    spend = not outcome.throttle
    spent = row.spent + spend
    wait = wait_before(spent, emergency=moment.emergency)
    if outcome.retry_after is not None and (outcome.retry_after > 0 or row.attempt <= ZERO_WAITS):
        wait = outcome.retry_after
    return _retry(row, moment.now + wait, outcome, moment, spend=spend)


def _uncertain(row: MarkedRow, outcome: Deferred, moment: Moment) -> Decision:
    if row.uncertain + 1 >= uncertain_limit(emergency=moment.emergency):
        return _closed(row, UNCONFIRMED, "no_answer", outcome.code)._replace(uncertain=True)
    wait = max(
        UNCERTAIN_PAUSE,
        abandoned_wait(emergency=moment.emergency, receipt_wait=moment.receipt_wait),
    )
    return _retry(row, moment.now + wait, outcome, moment, spend=False, uncertain=True)


def doubtful(row: MarkedRow, outcome: Rejected, moment: Moment) -> Decision:
    """Postpone a row of an emergency whose message may be at fault until the others have been
    tried.
    """
    return _retry(row, moment.now + EMERGENCY_WAITS[-1], outcome, moment, spend=True)


def _retry(
    row: MarkedRow,
    due_at: float,
    outcome: Deferred | Halted | Rejected,
    moment: Moment,
    *,
    spend: bool,
    uncertain: bool = False,
) -> Decision:
    if moment.expires_at is not None:
        due_at = min(due_at, max(moment.expires_at, moment.now))  # it is closed then, as expired
    elif due_at > moment.published_at + PATIENCE:
        return _closed(
            row, UNCONFIRMED if uncertain or row.uncertain else FAILED, "too_late", outcome.code
        )
    return Decision(
        slot=row.slot,
        attempt=row.attempt,
        state=PENDING,
        due_at=due_at,
        reason="",
        provider_code=outcome.code,
        spend=spend,
        uncertain=uncertain,
    )


def unopened(row: MarkedRow, moment: Moment, code: str) -> Decision:
    """Postpone a row whose address cannot be decrypted, until it can be, expires or is
    cancelled.
    """
    due_at = moment.now + wait_before(row.attempt, emergency=False)
    if moment.expires_at is not None:
        due_at = min(due_at, max(moment.expires_at, moment.now))
    return Decision(
        slot=row.slot,
        attempt=row.attempt,
        state=PENDING,
        due_at=due_at,
        reason="unreadable",
        provider_code=code,
    )


def consequence(row: MarkedRow, outcome: Outcome, day: str) -> Consequence | None:
    """Return the effect of an outcome on the address; None for no effect. `day`: today's date in
    WIB.
    """
    match outcome:
        case Receipt() if outcome.aliases:
            return Consequence(
                slot=row.slot, address=row.address, aliases=outcome.aliases, succeeded=row.spent > 0
            )
        case Receipt() if row.spent > 0:
            return Consequence(slot=row.slot, address=row.address, succeeded=True)
        case Refused():
            dead = outcome.reason == "address_dead"
            return Consequence(
                slot=row.slot, address=row.address, dead=dead, opted_out=not dead, fall_back=True
            )
        case Skipped():
            return Consequence(slot=row.slot, address=row.address, fall_back=True)
        case Deferred() if outcome.strikes or outcome.moved_to:
            return Consequence(
                slot=row.slot,
                address=row.address,
                strike_limit=outcome.strikes,
                day=day,
                moved_to=outcome.moved_to,
            )
    return None


# --- endings ----------------------------------------------------------------------------------

CLOSINGS = {"superseded": CANCELLED, "stopped": CANCELLED, "expired": EXPIRED}
"""Closing state of the rows still waiting in a finished run, by the reason that it finished."""


def over(state: str, expires_at: float | None, now: float) -> str:
    """Return the reason that a run is finished, a key of CLOSINGS; "" while it may send."""
    if state in ("superseded", "stopped"):
        return state
    return "expired" if expires_at is not None and expires_at <= now else ""


def stops_edition(addresses: int) -> bool:
    """True if this many addresses with the same rejection, and no success in between, stop an
    edition.
    """
    return addresses >= REJECTIONS


def breaks_channel(failed: int, refused: int) -> bool:
    """True if the failure breaker opens: of the last FAILURE_SAMPLE calls, more than half got no
    reply, or none succeeded (`refused`: the recipient was deferred).
    """
    return failed * 2 > FAILURE_SAMPLE or failed + refused == FAILURE_SAMPLE


def doubts_key(addresses: int) -> bool:
    """True if this many distinct consecutive addresses that cannot be decrypted cast doubt on
    the key.
    """
    return addresses >= UNOPENED


def limits_channel(addresses: int) -> bool:
    """True if this many addresses with "too fast", and no success in between, make the channel
    rest.
    """
    return addresses >= LIMITED


def channel_rest(outcome: Failure) -> float:
    """Return the seconds for which an outcome asks the whole channel to rest; 0 for none."""
    if isinstance(outcome, Deferred) and outcome.throttle and outcome.scope == "channel":
        return outcome.retry_after or 0.0
    return 0.0


def blames_channel(addresses: int, places: int, crowded: int, *, idle: bool) -> bool:
    """True if the same reply to so many halts the channel, by SEVERAL addresses and PLACES.

    `crowded`: places where at least ADDRESSES addresses got it. `idle`: no address is left to
    try, and none was reached.
    """
    several = addresses >= SEVERAL
    spread = places >= PLACES
    return (several and spread) or crowded >= PLACES or (idle and (several or spread))


def suppressions_are_mass(results: int, dead: int) -> bool:
    """True if so many "dead address" answers must be a provider's fault until proven otherwise."""
    return (dead >= 25 and dead > 0.05 * results) or (dead >= 200 and dead > 0.02 * results)
