"""The right to be forgotten: an address is erased from every table, the inbox and the database's
files.
"""

import asyncio
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.domain.actor import Actor
from broadcaster.domain.inbox_events import decode, sealed_as
from broadcaster.residents import register
from broadcaster.store import erasing, inbox, remnants
from broadcaster.store.erasing import Traits
from channels.base.contract import AddressEvent, Event, InboundEvent, StatusEvent
from subscribers import residents
from subscribers.residents import AddressRow
from subscribers.store import address, alias, consent, merged, strike, subscriber, subscription
from subscribers.vault import SealBroken, Vault

AT_ONCE = 500
"""Receipts examined in one reading."""
TABLES = (
    *erasing.TABLES,
    address,
    alias,
    consent,
    strike,
    subscription,
    subscriber,
    merged,
)
"""Tables that rows are deleted from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ErasureResult:
    """Result of an erasure: `erased` if the address was known, `cleared` if the database's files
    hold nothing of it any more.
    """

    erased: bool
    cleared: bool = False


async def erase(app: App, channel: str, text: str, *, actor: Actor) -> ErasureResult:
    """Erase an address as `parse_address` gives it; counts of deliveries stay.

    The address goes last: an interrupted erasure can be repeated.
    """
    row = await app.database.read(residents.find, app.vault, channel, text)
    return (
        await erase_row(app, row, actor=actor) if row is not None else ErasureResult(erased=False)
    )


async def erase_row(app: App, row: AddressRow, *, actor: Actor) -> ErasureResult:
    """Erase one address row, whether or not our key opens it."""
    known = await app.database.read(_traits, row.id)
    if known is None:
        return ErasureResult(erased=False)
    await _forget_receipts(app, known)
    if not await app.database.write(_forget, row.id, actor):
        return ErasureResult(erased=False)  # another process erased it first
    cleared = await asyncio.to_thread(remnants.clear, app.database, TABLES)
    return ErasureResult(erased=True, cleared=cleared)


def _traits(connection: Connection, address_id: int) -> Traits | None:
    row = residents.get(connection, address_id)
    return erasing.traits(connection, row) if row is not None else None


def _forget(connection: Connection, address_id: int, actor: Actor) -> bool:
    row = residents.get(connection, address_id)
    if row is None:
        return False
    erasing.erase(connection, row)
    residents.erase_row(connection, row)
    register.note_erasure(connection, row.id, channel=row.channel, actor=actor)
    return True


async def _forget_receipts(app: App, known: Traits) -> None:
    """Delete the person's receipts from the inbox: their bodies are sealed, so each must be opened
    to tell.
    """
    after = 0
    while page := await app.database.read(erasing.waiting, known.channel, after, AT_ONCE):
        after = page[-1].id
        receipts = [row.id for row in page if _concerns(app.vault, known, row.body)]
        if receipts:
            await app.database.write(inbox.mark_applied, receipts, app.clock().timestamp())


def _concerns(vault: Vault, known: Traits, body: bytes) -> bool:
    try:
        event: Event = decode(vault.open(sealed_as(known.channel), body))
    except (SealBroken, msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return False  # unreadable: it waits for its key
    match event:
        case StatusEvent():
            ids = (event.address, *event.aliases)
            return erasing.concerns(
                vault, known, ids=ids, provider_id=event.provider_id, delivery=event.delivery
            )
        case InboundEvent() | AddressEvent():
            return erasing.concerns(vault, known, ids=(event.address, *event.aliases))
    return False
