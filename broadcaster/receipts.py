"""What providers say later: kept durably before the webhook is answered, applied in order by one process at a time."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import msgspec
import structlog
from sqlalchemy import Connection

from broadcaster import dialogue
from broadcaster.app import App
from broadcaster.store import receipts as store
from broadcaster.store.receipts import Kept
from channels.base import contract
from channels.base.contract import AddressEvent, AlarmEvent, Answering, Event, InboundEvent, StatusEvent
from subscribers import consent, residents
from subscribers.addresses import SealBroken

log = structlog.get_logger(__name__)

AT_ONCE = 500
"""Receipts applied in one round."""
RETRY_SECONDS = 5.0
"""Pause before a receipt that fits no delivery yet is looked at again (our own commit may be on its way)."""
KEEP_SECONDS = 8 * 24 * 3600.0
"""How long an unmatched receipt and every dedupe key is kept: providers repeat themselves for seven days."""

_KINDS = {kind.__name__: kind for kind in (StatusEvent, InboundEvent, AddressEvent, AlarmEvent)}


def encode(event: Event) -> str:
    """An event as JSON, with the names of its types."""
    fields = asdict(event)
    failure = getattr(event, "failure", None)
    if failure is not None:
        fields["failure"] = {"type": type(failure).__name__, "fields": asdict(failure)}
    return msgspec.json.encode({"type": type(event).__name__, "fields": fields}).decode()


def decode(text: str) -> Event:
    """The event again. Raises msgspec.MsgspecError, KeyError, TypeError for what `encode` never wrote."""
    raw = msgspec.json.decode(text)
    fields = {**raw["fields"]}
    if "aliases" in fields:
        fields["aliases"] = tuple(fields["aliases"])
    if fields.get("at"):
        fields["at"] = datetime.fromisoformat(fields["at"])
    if fields.get("failure"):
        fields["failure"] = getattr(contract, fields["failure"]["type"])(**fields["failure"]["fields"])
    event: Event = _KINDS[raw["type"]](**fields)
    return event


async def accept(app: App, channel: str, events: Sequence[Event]) -> None:
    """Keep what a webhook said; once this returns nothing of it can be lost. The same event twice is kept once."""
    now = app.clock().timestamp()
    kept = [
        Kept(
            dedupe=hashlib.sha256(f"{channel}\0{event.dedupe}".encode()).digest(),
            body=app.book.seal(_sealed_as(channel), encode(event)),
        )
        for event in events
    ]
    await app.database.write(store.keep, channel, kept, now)


def _sealed_as(channel: str) -> str:
    return f"receipt.{channel}"


async def apply_due(app: App) -> int:
    """Apply what is in the inbox, oldest first; returns how many were looked at. Residents are answered after the commit."""
    rows = await app.database.read(store.due, app.clock().timestamp(), AT_ONCE)
    for row in rows:
        try:
            event = decode(app.book.open(_sealed_as(row.channel), row.body))
        except (SealBroken, msgspec.MsgspecError, KeyError, TypeError) as error:
            log.error("receipt_unreadable", channel=row.channel, error=type(error).__name__)
            await app.database.write(store.done, row.id, app.clock().timestamp())
            continue
        answer = await app.database.write(_apply, app, row.id, row.channel, event)
        if answer and isinstance(event, InboundEvent):
            await _answer(app, row.channel, event.address, answer)
    if not rows:
        await app.database.write(store.purge, app.clock().timestamp() - KEEP_SECONDS)
    return len(rows)


def _apply(connection: Connection, app: App, receipt: int, channel: str, event: Event) -> str:
    """One event in one transaction; returns what to answer the resident, if anything."""
    now = app.clock().timestamp()
    answer = ""
    match event:
        case StatusEvent():
            if not store.apply_status(connection, app.book, channel, event, now, receipt_wait=app.push[channel].receipt_wait):
                store.later(connection, receipt, now + RETRY_SECONDS, give_up_before=now - KEEP_SECONDS)
                return ""
        case AddressEvent():
            _apply_address(connection, app, channel, event, now)
        case InboundEvent():
            answer = _apply_inbound(connection, app, channel, event, now)
        case AlarmEvent():
            log.warning("provider_alarm", channel=channel, code=event.code, detail=event.detail)
    store.done(connection, receipt, now)
    return answer


def _apply_address(connection: Connection, app: App, channel: str, event: AddressEvent, now: float) -> None:
    found = residents.find(connection, app.book, channel, event.address)
    if found is None:
        return
    for alias in event.aliases:
        residents.add_alias(connection, app.book, found.id, alias)
    if event.state == "reachable":
        consent.revive(connection, found.id, at=now, source=channel)
    elif event.state == "opted_out":
        consent.stop(connection, found.id, source=channel, at=now)
    else:
        consent.suppress(connection, found.id, "address_dead", at=now, source=channel)


def _apply_inbound(connection: Connection, app: App, channel: str, event: InboundEvent, now: float) -> str:
    found = residents.find(connection, app.book, channel, event.address)
    meaning = dialogue.understand(event.text, event.payload)
    if found is not None:
        for alias in event.aliases:
            residents.add_alias(connection, app.book, found.id, alias)
        if meaning == "stop":
            consent.stop(connection, found.id, source=channel, at=now)
        else:
            consent.revive(connection, found.id, at=now, source=channel)
    return dialogue.answer(meaning, app.site, found.language if found is not None else "id")


async def _answer(app: App, channel: str, address: str, text: str) -> None:
    out = app.push[channel]
    if isinstance(out, Answering) and app.loaded.is_open(channel):
        outcome = await out.answer(address, text)
        if not isinstance(outcome, contract.Receipt):
            log.warning("resident_not_answered", channel=channel, outcome=type(outcome).__name__)
