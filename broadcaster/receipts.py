"""What providers say later: kept durably before the webhook is answered, applied in order by one process at a time."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

import msgspec
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError

from broadcaster import dialogue, linking
from broadcaster.app import App
from broadcaster.store import channels as channel_store
from broadcaster.store import receipts as store
from broadcaster.store.receipts import Kept
from channels.base import contract
from channels.base.contract import AddressEvent, AlarmEvent, Answering, Event, InboundEvent, StatusEvent
from subscribers import consent, residents
from subscribers.addresses import SealBroken
from subscribers.residents import AddressRow

log = structlog.get_logger(__name__)

AT_ONCE = 500
"""Receipts applied in one round."""
RETRY_SECONDS = 5.0
"""Pause before a receipt that fits no delivery yet is looked at again (our own commit may be on its way)."""
KEEP_SECONDS = 8 * 24 * 3600.0
"""How long an unmatched receipt and every dedupe key is kept: providers repeat themselves for seven days."""
ANSWERS_AT_ONCE = 20
"""Residents answered at the same time."""
ANSWER_SECONDS = 15.0
"""How long one answer may take."""

_KINDS = {kind.__name__: kind for kind in (StatusEvent, InboundEvent, AddressEvent, AlarmEvent)}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answer:
    """What one resident is told."""

    channel: str
    address: str = field(repr=False)
    text: str


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
            dedupe=app.book.dedupe_key(channel, event.dedupe),
            body=app.book.seal(sealed_as(channel), encode(event)),
        )
        for event in events
    ]
    await app.database.write(store.keep, channel, kept, now)


def sealed_as(channel: str) -> str:
    """Name what the bodies of a channel's receipts are sealed for."""
    return f"receipt.{channel}"


async def apply_due(app: App) -> int:
    """Apply what is in the inbox, oldest first; returns how many were looked at. Residents are answered after the commit."""
    rows = await app.database.read(store.due, app.clock().timestamp(), AT_ONCE)
    answers = []
    for row in rows:
        try:
            answers += await _take_in(app, row.id, row.channel, row.body)
        except (OperationalError, InterfaceError):
            raise  # the database is away: all of them wait
        except Exception as error:  # noqa: BLE001  one poisonous receipt must not stop those behind it
            log.error("receipt_postponed", channel=row.channel, error=type(error).__name__)
            now = app.clock().timestamp()
            await app.database.write(store.later, row.id, now + RETRY_SECONDS, give_up_before=now - KEEP_SECONDS)
    await _answer_all(app, answers)
    if not rows:
        await app.database.write(store.purge, app.clock().timestamp() - KEEP_SECONDS)
    return len(rows)


async def _take_in(app: App, receipt: int, channel: str, body: bytes) -> list[_Answer]:
    """Apply one receipt; what is to be answered to the resident."""
    try:
        event = decode(app.book.open(sealed_as(channel), body))
    except (SealBroken, msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        log.error("receipt_unreadable", channel=channel, error=type(error).__name__)
        await app.database.write(store.done, receipt, app.clock().timestamp())
        return []
    text = await app.database.write(_apply, app, receipt, channel, event)
    return [_Answer(channel=channel, address=event.address, text=text)] if text and isinstance(event, InboundEvent) else []


def _apply(connection: Connection, app: App, receipt: int, channel: str, event: Event) -> str:
    """One event in one transaction, once; returns what to answer the resident, if anything."""
    if not store.take(connection, receipt):
        return ""
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
    found = _known(connection, app, channel, event)
    if found is None:
        return
    if event.state == "reachable":
        channel_store.heard_from(connection, found.id, at=now, source=channel)
    elif event.state == "opted_out":
        consent.stop(connection, found.id, source=channel, at=now)
    else:
        channel_store.count_results(connection, channel, 1, 1)
        channel_store.suppress_or_hold(connection, channel, {found.id: channel}, at=now)


def _apply_inbound(connection: Connection, app: App, channel: str, event: InboundEvent, now: float) -> str:
    found = _known(connection, app, channel, event)
    meaning: dialogue.Answer = dialogue.understand(event.text, event.payload)
    if code := dialogue.staff_code(event.text):
        joined = linking.link(connection, app.book, channel=channel, address=event.address, code=code, now=app.clock())
        meaning = "linked" if joined is not None else "link"
    elif found is not None and meaning == "stop":
        consent.stop(connection, found.id, source=channel, at=now)
    elif found is not None:
        channel_store.heard_from(connection, found.id, at=now, source=channel)
    return dialogue.answer(meaning, app.site, found.language if found is not None else "id")


def _known(connection: Connection, app: App, channel: str, event: AddressEvent | InboundEvent) -> AddressRow | None:
    """The address that an event names by any of its ids, which are all kept as its own; None for a stranger."""
    ids = (event.address, *event.aliases)
    found = next((row for one in ids if (row := residents.find(connection, app.book, channel, one))), None)
    if found is not None:
        for other in ids:
            residents.add_alias(connection, app.book, found.id, other)
    return found


async def _answer_all(app: App, answers: Sequence[_Answer]) -> None:
    """Some at a time; an answer that fails or takes too long is logged and forgotten."""
    places = asyncio.Semaphore(ANSWERS_AT_ONCE)

    async def answer(due: _Answer) -> None:
        async with places:
            await _answer(app, due)

    await asyncio.gather(*(answer(due) for due in answers))


async def _answer(app: App, due: _Answer) -> None:
    out = app.push[due.channel]
    if not isinstance(out, Answering) or not app.loaded.is_open(due.channel):
        return
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            outcome = type(await out.answer(due.address, due.text)).__name__
    except Exception as error:  # noqa: BLE001  whatever keeps one resident from an answer, the others get theirs
        outcome = type(error).__name__
    if outcome != "Receipt":
        log.warning("resident_not_answered", channel=due.channel, outcome=outcome)
