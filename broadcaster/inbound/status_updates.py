"""Status updates: a later receipt moves its delivery row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import structlog
from sqlalchemy import Connection, Row

from broadcaster.delivery.breaker import SuspectOutcome, rejected_by, weigh
from broadcaster.domain.deliveries import (
    DELIVERED,
    FAILED,
    PENDING,
    READ,
    SENDING,
    SENT,
    UNCONFIRMED,
    Decision,
    MarkedRow,
)
from broadcaster.domain.retry_policy import (
    CLOSINGS,
    Moment,
    channel_rest,
    consequence,
    decide,
    over,
    stops_edition,
)
from broadcaster.domain.sender_faults import SuspectReply, is_suspect
from broadcaster.store import (
    address_effects,
    channels,
    delivery_updates,
    merged_addresses,
    suspicions,
)
from channels.base.contract import Deferred, Failure, Halted, Rejected, StatusEvent
from channels.base.moments import WIB
from subscribers import residents
from subscribers.vault import Vault

log = structlog.get_logger(__name__)

_RANK = {PENDING: 0, UNCONFIRMED: 0, SENT: 1, FAILED: 2, DELIVERED: 3, READ: 4}
"""Order of states: a status only moves a row up; skipped, cancelled and expired rows were never
written and take none.
"""
_REACHES = {"sent": SENT, "delivered": DELIVERED, "read": READ, "failed": FAILED}


def apply_status(
    connection: Connection,
    vault: Vault,
    channel: str,
    event: StatusEvent,
    now: float,
    *,
    receipt_wait: float,
) -> bool:
    """Move a delivery by a later status; False if its row is not ready yet (try again later)."""
    (place,) = _places(connection, vault, channel, [event])
    row = (
        delivery_updates.locked(connection, place.edition, channel, place.slot)
        if place is not None
        else None
    )
    if place is None or row is None or row.state == SENDING:
        return False
    _apply(connection, vault, channel, event, row, place, now, receipt_wait=receipt_wait)
    # last: an alias that joins two addresses may move their rows
    for alias in event.aliases:
        merged_addresses.follow_merges(
            connection, residents.add_alias(connection, vault, row.address, alias)
        )
    return True


def _apply(
    connection: Connection,
    vault: Vault,
    channel: str,
    event: StatusEvent,
    row: Row[Any],
    place: "_DeliveryKey",
    now: float,
    *,
    receipt_wait: float,
) -> None:
    to = _REACHES[event.state]
    if row.state not in _RANK or _RANK[to] <= _RANK[row.state]:
        return
    key = vault.provider_key(channel, event.provider_id)
    if to != FAILED:
        suspicions.note_later_success(connection, channel, now)
        delivery_updates.confirm(connection, row, to, now, key)
    elif not _is_stale(row, place.attempt, key):
        _fail(connection, vault, row, event.failure or Rejected(), now, receipt_wait)


Standing = Literal["ready", "sending", "unknown"]
"""Standing of the delivery behind a status: it can be applied now, an attempt is going on, or no
delivery is known.
"""


def standings(
    connection: Connection, vault: Vault, channel: str, events: Sequence[StatusEvent]
) -> list[Standing]:
    """Return which of these statuses can be applied, without locking rows and in few queries."""
    places = _places(connection, vault, channel, events)
    slots: dict[int, set[int]] = {}
    for place in places:
        if place is not None:
            slots.setdefault(place.edition, set()).add(place.slot)
    states = delivery_updates.states(connection, channel, slots)
    return [_standing(place, states) for place in places]


def _standing(place: "_DeliveryKey | None", states: Mapping[tuple[int, int], int]) -> Standing:
    state = states.get((place.edition, place.slot)) if place is not None else None
    return "unknown" if state is None else "sending" if state == SENDING else "ready"


@dataclass(frozen=True, kw_only=True, slots=True)
class _DeliveryKey:
    """Key of a delivery row; `attempt` is known only from our own callback data."""

    edition: int
    slot: int
    attempt: int | None = None


def _parse(callback: str) -> _DeliveryKey | None:
    """Parse our callback data, edition.slot.attempt; None for anything else."""
    parts = callback.split(".")
    if len(parts) != 3 or not all(
        part.isascii() and part.isdigit() and len(part) < 20 for part in parts
    ):
        return None
    edition_id, slot, attempt = (int(part) for part in parts)
    return (
        _DeliveryKey(edition=edition_id, slot=slot, attempt=attempt)
        if max(edition_id, slot) < 2**63
        else None
    )


def _places(
    connection: Connection, vault: Vault, channel: str, events: Sequence[StatusEvent]
) -> list[_DeliveryKey | None]:
    """Return the delivery of each status: by our callback data, else by the provider's id."""
    parsed = [_parse(event.delivery) for event in events]
    keys = [vault.provider_key(channel, event.provider_id) for event in events]
    numbered = delivery_updates.by_provider_keys(
        connection,
        channel,
        {key for key, place in zip(keys, parsed, strict=True) if place is None},
    )
    known = {
        key: _DeliveryKey(edition=edition_id, slot=slot)
        for key, (edition_id, slot) in numbered.items()
    }
    return [place or known.get(key) for key, place in zip(keys, parsed, strict=True)]


def _is_stale(row: Row[Any], attempt: int | None, key: str) -> bool:
    """True if an earlier attempt failed: only the latest counts."""
    if attempt is not None:
        return bool(attempt != row.attempt)
    return row.provider_key is not None and row.provider_key != key


def _fail(
    connection: Connection,
    vault: Vault,
    row: Row[Any],
    failure: Failure,
    now: float,
    receipt_wait: float,
) -> None:
    """Apply the failure of a message that the provider had accepted: the retry policy decides, as
    for any failure.
    """
    bounds = delivery_updates.run_of(connection, row)
    ended = _ended(bounds, now)
    marked = MarkedRow(
        slot=row.slot,
        address=row.address,
        area=row.area,
        attempt=row.attempt,
        spent=row.spent,
        uncertain=row.uncertain,
        sealed="",
        language="id",
        consented_at=0.0,
    )
    moment = Moment(
        now=now,
        published_at=bounds.published_at,
        expires_at=bounds.expires_at,
        emergency=bounds.lane == "emergency",
        receipt_wait=receipt_wait,
    )
    decision = decide(marked, failure, moment)
    if ended and decision.state == PENDING:
        decision = decision._replace(state=CLOSINGS[ended], reason=ended, due_at=0.0)
    delivery_updates.move(connection, row, decision.state, _changes(row, decision, now))
    meaning = consequence(marked, failure, datetime.fromtimestamp(now, WIB).date().isoformat())
    if meaning is not None:
        meaning = replace(meaning, fall_back=meaning.fall_back and not ended)
        address_effects.apply(
            connection,
            vault,
            edition=row.edition,
            channel=row.channel,
            results=1,
            consequences=[meaning],
        )
    _hold_back(connection, row, failure, now)


def _ended(bounds: Row[Any], now: float) -> str:
    """Return why nothing more of this edition may leave, a key of CLOSINGS; empty while it may."""
    state = bounds.state if bounds.newest else "superseded"
    return over(state, bounds.expires_at, now)


def _changes(row: Row[Any], decision: Decision, now: float) -> dict[str, object]:
    return {
        "reason": decision.reason or None,
        "provider_code": decision.provider_code or None,
        "due_at": decision.due_at,
        "spent": row.spent + decision.spend,
        "closed_at": None if decision.state == PENDING else now,
    }


def _hold_back(connection: Connection, row: Row[Any], failure: Failure, now: float) -> None:
    """Pause or halt the messages behind a failure; as each failure concerns one recipient, several
    must agree.
    """
    match failure:
        case Halted(about="sender"):
            if channels.halt_channel(connection, row.channel, failure.detail, failure.resume):
                log.error(
                    "channel_halted",
                    channel=row.channel,
                    code=failure.code,
                    detail=failure.detail,
                )
        case Halted() | Deferred() if is_suspect(failure):
            report = SuspectOutcome(seen=SuspectReply(address=row.address, at=now), outcome=failure)
            weigh(connection, row.channel, [report], {}, later=True)
        case Deferred(about="sender") if rest := channel_rest(failure):
            channels.pause_channel(connection, row.channel, rest)
        case Rejected(whole_edition=True):
            _reject_edition(connection, row, failure, now)


def _reject_edition(connection: Connection, row: Row[Any], failure: Rejected, now: float) -> None:
    """Stop the edition once several addresses were refused for its template, with no success
    between.
    """
    seen = SuspectReply(address=row.address, at=now)
    if not stops_edition(rejected_by(connection, row.channel, row.edition, failure, seen)):
        return
    why = f"{failure.code} {failure.detail}".strip()
    if channels.pause_run(connection, row.edition, row.channel, why):
        log.error("edition_stopped", edition=row.edition, channel=row.channel, reason=why)
