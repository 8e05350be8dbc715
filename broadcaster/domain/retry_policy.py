"""The one retry policy: what an outcome means for its row and address, how often and after how long
it is tried again, and when an edition stops or a channel halts. Pure; delivery and the receipts of
inbound carry it out.
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

# --- waits --------------------------------------------------------------------------------------

EMERGENCY_WAITS = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds before the next attempt of an emergency; the last one repeats."""
ROUTINE_WAITS = (60.0, 300.0, 900.0, 3600.0, 3600.0)
"""The same for everything else."""
PATIENCE = 24 * 3600.0
"""Seconds after publication at which retrying ends where the announcement gives no expiry."""
ZERO_WAITS = 2
"""How often a provider's "retry at once" is taken at its word, per delivery."""
SUSPECT_WAIT = 3600.0
"""Seconds before a row is tried again whose reply may be about the sender."""
LONGEST_WAIT = 6 * 3600.0
"""Seconds after which we ask again whatever a provider says: a slip of its clock must not end an
announcement.
"""
UNCERTAIN_LIMIT = 3
"""Uncertain attempts after which a row closes as unconfirmed."""
UNCERTAIN_LIMIT_EMERGENCY = 5
"""The same for emergencies."""
UNCERTAIN_PAUSE = 5.0
"""Seconds at least before an attempt that got no answer is made again."""
DOMAIN_WAIT = 60.0
"""Seconds for which a mail domain is left alone that did not say for how long."""
TIER_WAIT = 60.0
"""Seconds at least before a row is tried again that found no room in the day's number of people."""
PROBE_WAIT = 60.0
"""Seconds between looks whether a halted channel is back."""

# --- limits -------------------------------------------------------------------------------------

REJECTIONS = 3
"""Different addresses (email: domains) with the same rejection and no success between, after which
the edition stops.
"""
UNOPENED = 5
"""Different addresses in a row that cannot be opened, after which the key itself is in doubt."""
FAILURE_SAMPLE = 50
"""Calls over which the failure breaker looks."""
LIMITED = 3
"""Different addresses that are told "too fast" with no success between before the channel rests."""
SUSPECT_SECONDS = 900.0
"""How long a reply counts that may be about the sender."""
PLACES = 3
"""Mail domains (elsewhere: addresses) that must agree before the channel is blamed; where nobody
else is left they are enough.
"""
ADDRESSES = 3
"""Addresses of one domain that must agree before it is held."""
BREAKER_MINUTES = 15
"""Minutes over which the mass-suppression breaker counts."""

# --- words --------------------------------------------------------------------------------------

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
"""Why a row closed, in words; the provider's own code stands beside it."""
WAITS = {
    "": "Penyedia meminta menunggu",
    "unreachable": "Tidak terhubung dengan penyedia",
    "trouble": "Penyedia sedang bermasalah",
    "tier": "Batas orang per hari dari penyedia sudah terpakai",
}
"""Why a row waits, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """The time of a decision and the bounds of its run, in epoch seconds."""

    now: float
    published_at: float
    expires_at: float | None
    emergency: bool
    receipt_wait: float


def wait_before(attempt: int, *, emergency: bool) -> float:
    """Return the seconds before the attempt after the `attempt`-th spent one (1, 2, ...): the last
    wait repeats for ever.
    """
    waits = EMERGENCY_WAITS if emergency else ROUTINE_WAITS
    return waits[min(max(attempt, 1), len(waits)) - 1]


def uncertain_limit(*, emergency: bool) -> int:
    """Return how many uncertain attempts close a row as unconfirmed."""
    return UNCERTAIN_LIMIT_EMERGENCY if emergency else UNCERTAIN_LIMIT


def abandoned_wait(*, emergency: bool, receipt_wait: float) -> float:
    """Return the seconds before an attempt is repeated that a dead process left without an answer.

    Everyday news waits for a receipt (`receipt_wait` seconds), which would settle the row.
    """
    return 0.0 if emergency else receipt_wait


def bounded(outcome: Outcome) -> Outcome:
    """Return the outcome with a wait that can be kept: from zero to LONGEST_WAIT."""
    if (
        not isinstance(outcome, Deferred)
        or outcome.retry_after is None
        or 0 <= outcome.retry_after <= LONGEST_WAIT
    ):
        return outcome
    return replace(outcome, retry_after=LONGEST_WAIT if outcome.retry_after > 0 else None)


def decide(row: MarkedRow, outcome: Outcome, moment: Moment) -> Decision:
    """Decide what becomes of a row after an attempt. Halted leaves it waiting as it was, or for an
    hour where others go on.
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
    """Let a row of an emergency wait, whose message may be at fault, until the others have been
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
        due_at = min(
            due_at, max(moment.expires_at, moment.now)
        )  # the gate closes it then, as expired
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
    """Let a row wait as it was, whose address cannot be opened, until it can, expires or is
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
    """Return what an outcome means for the address; None for nothing. `day`: today's date in WIB."""
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


# --- endings ------------------------------------------------------------------------------------

CLOSINGS = {"superseded": CANCELLED, "stopped": CANCELLED, "expired": EXPIRED}
"""How a row closes that waits in a run that is over, by why it is."""


def over(state: str, expires_at: float | None, now: float) -> str:
    """Return why nothing more of a run may leave, a key of CLOSINGS; empty while it may."""
    if state in ("superseded", "stopped"):
        return state
    return "expired" if expires_at is not None and expires_at <= now else ""


def stops_edition(addresses: int) -> bool:
    """Check whether so many addresses with the same rejection, and no success between, stop an edition."""
    return addresses >= REJECTIONS


def breaks_channel(failed: int, refused: int) -> bool:
    """Check whether the failure breaker opens: of the last FAILURE_SAMPLE calls, more than half came back
    with nothing, or none succeeded (`refused`: one recipient was put off).
    """
    return failed * 2 > FAILURE_SAMPLE or failed + refused == FAILURE_SAMPLE


def doubts_key(addresses: int) -> bool:
    """Check whether so many different addresses in a row that cannot be opened put the key in doubt."""
    return addresses >= UNOPENED


def limits_channel(addresses: int) -> bool:
    """Check whether so many addresses told "too fast", and no success between, let the channel rest."""
    return addresses >= LIMITED


def channel_rest(outcome: Failure) -> float:
    """Return the seconds for which this outcome asks the whole channel to rest; 0 for none."""
    if isinstance(outcome, Deferred) and outcome.throttle and outcome.scope == "channel":
        return outcome.retry_after or 0.0
    return 0.0


def blames_channel(addresses: int, places: int, crowded: int, *, idle: bool) -> bool:
    """Check whether the same reply to so many halts the channel, by SEVERAL addresses and PLACES.

    `crowded`: places where ADDRESSES got it. `idle`: nobody is left to try, and nobody was reached.
    """
    several = addresses >= SEVERAL
    spread = places >= PLACES
    return (several and spread) or crowded >= PLACES or (idle and (several or spread))


def suppressions_are_mass(results: int, dead: int) -> bool:
    """Check whether so many "dead address" answers must be a provider's fault until proven otherwise."""
    return (dead >= 25 and dead > 0.05 * results) or (dead >= 200 and dead > 0.02 * results)
