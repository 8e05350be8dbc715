"""The inbox of receipts, and what a later status does to a delivery row."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Row, delete, select, text, update

from broadcaster.delivery import Moment, consequence, decide
from broadcaster.store import consequences
from broadcaster.store.slices import MarkedRow
from broadcaster.store.tables import (
    DELIVERED,
    FAILED,
    PENDING,
    READ,
    SENDING,
    SENT,
    STATES,
    UNCONFIRMED,
    delivery,
    provider_message,
    receipt,
    run,
    slice_,
)
from channels.base.contract import StatusEvent
from channels.base.rendering import WIB
from subscribers import residents
from subscribers.addresses import AddressBook

_RANK = {PENDING: 0, UNCONFIRMED: 0, SENT: 1, FAILED: 2, DELIVERED: 3, READ: 4}
"""A status only ever moves a row up; skipped, cancelled and expired rows were never written and take none."""
_REACHES = {"sent": SENT, "delivered": DELIVERED, "read": READ, "failed": FAILED}


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One event as it is stored."""

    dedupe: bytes
    body: bytes


def keep(connection: Connection, channel: str, events: Sequence[Kept], now: float) -> None:
    """Store events; one that was stored before stays as it is."""
    if events:
        connection.execute(
            text("INSERT INTO receipt (channel, dedupe, body, received_at, due_at, tries)"
                 " VALUES (:channel, :dedupe, :body, :now, :now, 0) ON CONFLICT DO NOTHING"),
            [{"channel": channel, "dedupe": event.dedupe, "body": event.body, "now": now} for event in events],
        )  # fmt: skip


def due(connection: Connection, now: float, limit: int) -> Sequence[Row[int, str, bytes]]:
    """What waits to be applied, in key order."""
    found = (
        select(receipt.c.id, receipt.c.channel, receipt.c.body)
        .where(receipt.c.applied_at.is_(None), receipt.c.due_at <= now)
        .order_by(receipt.c.id)
        .limit(limit)
    )
    return connection.execute(found).all()


def done(connection: Connection, receipt_id: int, now: float) -> None:
    """Applied: the body goes, the dedupe key stays."""
    connection.execute(update(receipt).where(receipt.c.id == receipt_id).values(applied_at=now, body=None))


def later(connection: Connection, receipt_id: int, due_at: float, *, give_up_before: float) -> None:
    """Look again at `due_at`, unless it was received before `give_up_before`."""
    waits = update(receipt).where(receipt.c.id == receipt_id)
    connection.execute(waits.where(receipt.c.received_at >= give_up_before).values(due_at=due_at, tries=receipt.c.tries + 1))
    connection.execute(waits.where(receipt.c.received_at < give_up_before).values(applied_at=due_at, body=None))


def purge(connection: Connection, before: float) -> None:
    """Forget dedupe keys that no provider repeats any more."""
    connection.execute(delete(receipt).where(receipt.c.applied_at.is_not(None), receipt.c.received_at < before))


def apply_status(
    connection: Connection, book: AddressBook, channel: str, event: StatusEvent, now: float, *, receipt_wait: float
) -> bool:
    """Move a delivery by a later status; False when its row cannot be told yet (look again later)."""
    found = _row(connection, channel, event)
    if found is None or found.state == SENDING:
        return False
    for alias in event.aliases:
        residents.add_alias(connection, book, found.address, alias)
    to = _REACHES[event.state]
    if found.state not in _RANK or _RANK[to] <= _RANK[found.state]:
        return True
    if to == FAILED:
        _fail(connection, book, channel, found, event, now, receipt_wait)
    else:
        _move(connection, channel, found, to, {"closed_at": now, "reason": None})
        if found.state == FAILED:
            connection.execute(_where(channel, found).values(provider_code=None))
    return True


def _row(connection: Connection, channel: str, event: StatusEvent) -> Row | None:  # type: ignore[type-arg]
    """The delivery a status speaks of: by our callback data first, by the provider's id second."""
    edition_slot = _parse(event.delivery) or _by_provider_id(connection, channel, event.provider_id)
    if edition_slot is None:
        return None
    edition, slot, attempt = edition_slot
    row = connection.execute(
        select(delivery)
        .where(delivery.c.edition == edition, delivery.c.channel == channel, delivery.c.slot == slot)
        .with_for_update()
    ).first()
    if row is not None and event.state == "failed" and attempt is not None and row.attempt != attempt:
        return None  # an earlier attempt failed; a later one is what counts
    return row


def _parse(callback: str) -> tuple[int, int, int | None] | None:
    parts = callback.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    edition, slot, attempt = (int(part) for part in parts)
    return (edition, slot, attempt) if max(edition, slot) < 2**63 else None


def _by_provider_id(connection: Connection, channel: str, provider_id: str) -> tuple[int, int, int | None] | None:
    row = connection.execute(
        select(provider_message.c.edition, provider_message.c.slot).where(
            provider_message.c.channel == channel, provider_message.c.provider_id == provider_id
        )
    ).first()
    return None if row is None else (row.edition, row.slot, None)


def _fail(
    connection: Connection, book: AddressBook, channel: str, found: Row, event: StatusEvent, now: float, receipt_wait: float
) -> None:  # type: ignore[type-arg]
    """The provider took the message and gave it up later: the retry policy decides, as for any failure."""
    bounds = connection.execute(select(run).where(run.c.edition == found.edition, run.c.channel == channel)).one()
    if event.failure is None:
        _move(connection, channel, found, FAILED, {"reason": "rejected", "closed_at": now})
        return
    row = MarkedRow(
        slot=found.slot, address=found.address, area=found.area, attempt=found.attempt, spent=found.spent,
        uncertain=found.uncertain, cipher=b"", language="id", confirmed_at=0.0,
    )  # fmt: skip
    moment = Moment(
        now=now, published_at=bounds.published_at, expires_at=bounds.expires_at, emergency=bounds.lane == "emergency",
        receipt_wait=receipt_wait,
    )  # fmt: skip
    decision = decide(row, event.failure, moment)
    changes = {
        "reason": decision.reason or None, "provider_code": decision.provider_code or None, "due_at": decision.due_at,
        "spent": found.spent + decision.spend, "closed_at": None if decision.state == PENDING else now,
    }  # fmt: skip
    _move(connection, channel, found, decision.state, changes)
    meaning = consequence(row, event.failure, datetime.fromtimestamp(now, WIB).date().isoformat())
    if meaning is not None:
        consequences.apply(connection, book, edition=found.edition, channel=channel, results=1, consequences=[meaning])


def _where(channel: str, found: Row):  # type: ignore[no-untyped-def,type-arg]
    return update(delivery).where(
        delivery.c.edition == found.edition, delivery.c.channel == channel, delivery.c.slot == found.slot
    )


def _move(connection: Connection, channel: str, found: Row, to: int, changes: dict[str, object]) -> None:  # type: ignore[type-arg]
    """Change a row's state together with the counters of its slice."""
    connection.execute(_where(channel, found).values(state=to, **changes))
    before, after = slice_.c[f"n_{STATES[found.state]}"], slice_.c[f"n_{STATES[to]}"]
    values: dict[str, object] = {before.name: before - 1, after.name: after + 1}
    opened = int(to == PENDING) - int(found.state == PENDING)
    values["open"] = slice_.c.open + opened
    if to == PENDING:
        values["due_at"] = 0
    connection.execute(
        update(slice_)
        .where(
            slice_.c.edition == found.edition, slice_.c.channel == channel,
            slice_.c.after_slot < found.slot, slice_.c.last_slot >= found.slot,
        )
        .values(values)
    )  # fmt: skip
    mine = (run.c.edition == found.edition) & (run.c.channel == channel)
    if to == PENDING:
        connection.execute(update(run).where(mine, run.c.state == "done").values(state="running", finished_at=None))
