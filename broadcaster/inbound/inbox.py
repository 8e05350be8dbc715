"""Inbox of provider events: stored before the webhook is answered, applied in order by one process
at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import structlog
from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.domain.inbox_events import decode, encode, sealed_as
from broadcaster.inbound import dialogue, status_updates
from broadcaster.inbound.replies import ReplySender, ResidentReply
from broadcaster.inbound.status_updates import Standing
from broadcaster.staff import chat_linking
from broadcaster.store import address_effects, channels, inbox, merged_addresses
from broadcaster.store.inbox import InboxEvent, WaitingEvent
from channels.base.contract import AddressEvent, AlarmEvent, Event, InboundEvent, StatusEvent
from subscribers import consent, residents
from subscribers.residents import AddressRow
from subscribers.vault import SealBroken, Vault

log = structlog.get_logger(__name__)

KEEP_SECONDS = 8 * 24 * 3600.0
"""Seconds that unmatched receipts and dedupe keys are kept: providers repeat themselves for seven
days.
"""
GROUP = 25
"""Events applied in one transaction."""
EARLY: Mapping[Standing, int] = {"sending": inbox.POSTPONED, "unknown": inbox.UNMATCHED}
"""Priority of a status that cannot be applied yet: our own commit may be on its way, or the message
is not ours.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _InboxItem:
    """An opened event of the inbox."""

    row: WaitingEvent
    event: Event


@dataclass(kw_only=True)
class _Batch:
    """Events of one round: ready to apply, deferred (by new priority), or unreadable."""

    ready: list[_InboxItem] = field(default_factory=list)
    early: dict[int, list[WaitingEvent]] = field(default_factory=dict)
    unreadable: list[WaitingEvent] = field(default_factory=list)
    full: bool = False


async def accept(app: App, channel: str, events: Sequence[Event]) -> None:
    """Store a webhook's events; once this returns none can be lost. A repeated event is stored
    once.
    """
    now = app.clock().timestamp()
    urgent = [
        event
        for event in events
        if isinstance(event, InboundEvent | AddressEvent) and _is_stop(event)
    ]
    stops = await app.database.read(_by_subscribers, app.vault, channel, urgent) if urgent else ()
    rows = [
        InboxEvent(
            dedupe=app.vault.dedupe_key(channel, event.dedupe),
            body=app.vault.seal(sealed_as(channel), encode(event)),
            priority=inbox.STOPS if event.dedupe in stops else _priority(event),
        )
        for event in events
    ]
    await app.database.write(inbox.keep, channel, rows, now)
    await app.alarm.check(app.database, now)


def _priority(event: Event) -> int:
    return inbox.WORDS if isinstance(event, InboundEvent | AddressEvent) else inbox.STATUSES


def _is_stop(event: InboundEvent | AddressEvent) -> bool:
    if isinstance(event, AddressEvent):
        # a group leaves its former id as soon as it has moved
        return event.state in ("opted_out", "moved")
    return dialogue.understand(event.text, event.payload) == "stop"


def _by_subscribers(
    connection: Connection,
    vault: Vault,
    channel: str,
    events: Sequence[InboundEvent | AddressEvent],
) -> set[str]:
    """Return the dedupe keys of events from known addresses: a stranger's stop changes nothing and
    waits its turn.
    """
    return {
        event.dedupe
        for event in events
        if _address_of(connection, vault, channel, event) is not None
    }


async def apply_due(app: App, answerer: ReplySender) -> bool:
    """Apply a round of the inbox, subscribers' stops first; True if more may be ready.

    Answers to residents are sent after the commit, without waiting for them.
    """
    more = False
    for priority in inbox.KINDS:
        batch = await app.database.read(_read_batch, app, priority)
        await _work_off(app, answerer, batch)
        more |= batch.full and priority != inbox.UNMATCHED
    if not more:
        await app.database.write(inbox.purge, app.clock().timestamp() - KEEP_SECONDS)
    return more


def _read_batch(connection: Connection, app: App, priority: int) -> _Batch:
    """Open a round's share of one priority, and set aside statuses that cannot be applied yet, so
    that a flood of them costs no more.
    """
    rows = inbox.due(connection, priority, app.clock().timestamp())
    batch = _Batch(full=len(rows) == inbox.AT_ONCE[priority])
    for row in rows:
        try:
            batch.ready.append(
                _InboxItem(row=row, event=decode(app.vault.open(sealed_as(row.channel), row.body)))
            )
        except (SealBroken, msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
            log.error("receipt_unreadable", channel=row.channel, error=type(error).__name__)
            batch.unreadable.append(row)
    try:
        early = _early(connection, app.vault, batch.ready)
    except Exception as error:  # noqa: BLE001  put off on its own turn
        log.warning("receipts_not_sorted", error=type(error).__name__)
        return batch
    for item in batch.ready:
        if item.row.id in early:
            batch.early.setdefault(early[item.row.id], []).append(item.row)
    batch.ready = [item for item in batch.ready if item.row.id not in early]
    return batch


def _early(connection: Connection, vault: Vault, items: Sequence[_InboxItem]) -> dict[int, int]:
    """Return new priorities for the statuses that cannot be applied yet, by their id in
    the inbox.
    """
    by_channel: dict[str, list[tuple[int, StatusEvent]]] = {}
    for item in items:
        if isinstance(item.event, StatusEvent):
            by_channel.setdefault(item.row.channel, []).append((item.row.id, item.event))
    priorities: dict[int, int] = {}
    for channel, statuses in by_channel.items():
        standings = status_updates.standings(
            connection, vault, channel, [event for _id, event in statuses]
        )
        priorities |= {
            id_: EARLY[now]
            for (id_, _event), now in zip(statuses, standings, strict=True)
            if now in EARLY
        }
    return priorities


async def _work_off(app: App, answerer: ReplySender, batch: _Batch) -> None:
    now = app.clock().timestamp()
    if batch.unreadable:  # whatever its age: it may be a resident's stop
        await app.database.write(
            inbox.postpone, batch.unreadable, inbox.UNREADABLE, now, give_up_before=0.0
        )
    for priority, rows in batch.early.items():
        await app.database.write(
            inbox.postpone, rows, priority, now, give_up_before=now - KEEP_SECONDS
        )
    # PostgreSQL locks rows: a transaction with several deliveries would block the senders
    alone = not app.database.sqlite and any(
        isinstance(item.event, StatusEvent) for item in batch.ready
    )
    size = 1 if alone else GROUP
    for first in range(0, len(batch.ready), size):
        answerer.post(await _apply_safely(app, batch.ready[first : first + size]))


async def _apply_safely(app: App, group: Sequence[_InboxItem]) -> list[ResidentReply]:
    """Apply a group in one transaction; if that fails, apply each event by itself, and defer those
    that still fail.
    """
    try:
        return await app.database.write(_apply, app, group)
    except Exception as error:  # noqa: BLE001  a bad event must not block others
        if len(group) > 1:
            return [answer for item in group for answer in await _apply_safely(app, [item])]
        row, now = group[0].row, app.clock().timestamp()
        log.error("receipt_postponed", channel=row.channel, error=type(error).__name__)
        # while the database is away this raises too, and all of them wait
        await app.database.write(
            inbox.postpone, [row], inbox.POSTPONED, now, give_up_before=now - KEEP_SECONDS
        )
        return []


def _apply(connection: Connection, app: App, group: Sequence[_InboxItem]) -> list[ResidentReply]:
    """Apply events in one transaction, each once; return the answers for residents."""
    now = app.clock().timestamp()
    taken = inbox.take(connection, [item.row.id for item in group])
    answers: list[ResidentReply] = []
    applied: list[int] = []
    for row, event in ((item.row, item.event) for item in group if item.row.id in taken):
        wait = app.push[row.channel].receipt_wait
        if isinstance(event, StatusEvent) and not status_updates.apply_status(
            connection, app.vault, row.channel, event, now, receipt_wait=wait
        ):
            (standing,) = status_updates.standings(connection, app.vault, row.channel, [event])
            inbox.postpone(
                connection,
                [row],
                EARLY.get(standing, inbox.POSTPONED),
                now,
                give_up_before=now - KEEP_SECONDS,
            )
            continue
        answers += _hear(connection, app, row.channel, event, now)
        applied.append(row.id)
    inbox.mark_applied(connection, applied, now)
    return answers


def _hear(
    connection: Connection, app: App, channel: str, event: Event, now: float
) -> list[ResidentReply]:
    """Apply an event that is no status; return the answers, if any."""
    match event:
        case AddressEvent():
            _apply_address(connection, app, channel, event, now)
        case InboundEvent():
            return [_apply_inbound(connection, app, channel, event, now)]
        case AlarmEvent():
            log.warning("provider_alarm", channel=channel, code=event.code, detail=event.detail)
    return []


def _apply_address(
    connection: Connection, app: App, channel: str, event: AddressEvent, now: float
) -> None:
    row = _known(connection, app, channel, event)
    if row is None:
        return
    if event.state == "reachable":
        channels.mark_address_alive(connection, row.id, at=now, source=channel)
    elif event.state == "moved":
        address_effects.move(connection, app.vault, row.id, event.moved_to)
    elif event.state == "opted_out":
        consent.stop(connection, row.id, source=channel, at=now)
    else:
        channels.count_results(connection, channel, 1, 1)
        channels.suppress_or_hold(connection, channel, {row.id: channel}, at=now)


def _apply_inbound(
    connection: Connection, app: App, channel: str, event: InboundEvent, now: float
) -> ResidentReply:
    row = _known(connection, app, channel, event)
    meaning: dialogue.AnswerKind = dialogue.understand(event.text, event.payload)
    is_new_stop = False
    if code := dialogue.staff_code(event.text):
        joined = chat_linking.link(
            connection,
            app.vault,
            channel=channel,
            address=event.address,
            code=code,
            now=app.clock(),
        )
        meaning = "linked" if joined is not None else "link"
    elif row is not None and meaning == "stop":
        is_new_stop = consent.stop(connection, row.id, source=channel, at=now)
    elif row is not None:
        channels.mark_address_alive(connection, row.id, at=now, source=channel)
    text = dialogue.answer(meaning, app.site, row.language if row is not None else "id")
    return ResidentReply(channel=channel, address=event.address, text=text, owed=is_new_stop)


def _known(
    connection: Connection, app: App, channel: str, event: AddressEvent | InboundEvent
) -> AddressRow | None:
    """Return the address that an event names by any of its ids, storing them all as aliases; None
    for a stranger.
    """
    row = _address_of(connection, app.vault, channel, event)
    if row is not None:
        for other in (event.address, *event.aliases):
            merged_addresses.follow_merges(
                connection, residents.add_alias(connection, app.vault, row.id, other)
            )
    return row


def _address_of(
    connection: Connection, vault: Vault, channel: str, event: AddressEvent | InboundEvent
) -> AddressRow | None:
    ids, exact = (event.address, *event.aliases), isinstance(event, AddressEvent) and event.exact
    return next(
        (
            row
            for id_ in ids
            if (row := residents.find(connection, vault, channel, id_, exact=exact))
        ),
        None,
    )
