"""One person's right to be forgotten: an address leaves every table, the inbox and the files of the
database.
"""

import asyncio
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.domain.actor import Actor
from broadcaster.domain.inbox_events import decode, sealed_as
from broadcaster.residents import register
from broadcaster.store import erasing as store
from broadcaster.store import inbox, remnants
from broadcaster.store.erasing import Traits
from channels.base.contract import AddressEvent, Event, InboundEvent, StatusEvent
from subscribers import residents
from subscribers import store as subscriber_store
from subscribers.residents import AddressRow
from subscribers.vault import SealBroken, Vault

AT_ONCE = 500
"""Receipts looked through in one reading."""
TABLES = (
    *store.TABLES, subscriber_store.address, subscriber_store.alias, subscriber_store.consent, subscriber_store.strike,
    subscriber_store.subscription, subscriber_store.subscriber, subscriber_store.merged,
)  # fmt: skip
"""Tables that rows are deleted from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Erased:
    """Whether the address was known, and whether the files of the database hold nothing of it any
    more.
    """

    erased: bool
    cleared: bool = False


async def erase(app: App, channel: str, text: str, *, actor: Actor) -> Erased:
    """Erase an address as `parse_address` gives it; counts of deliveries stay.

    The address goes last: whoever is interrupted can begin again.
    """
    row = await app.database.read(residents.find, app.vault, channel, text)
    return await erase_row(app, row, actor=actor) if row is not None else Erased(erased=False)


async def erase_row(app: App, row: AddressRow, *, actor: Actor) -> Erased:
    """Erase one address that was found, whether or not our key opens it."""
    known = await app.database.read(_traits, row.id)
    if known is None:
        return Erased(erased=False)
    await _forget_receipts(app, known)
    if not await app.database.write(_forget, row.id, actor):
        return Erased(erased=False)  # somebody else was quicker
    cleared = await asyncio.to_thread(remnants.clear, app.database, TABLES)
    return Erased(erased=True, cleared=cleared)


def _traits(connection: Connection, address_id: int) -> Traits | None:
    row = residents.get(connection, address_id)
    return store.traits(connection, row) if row is not None else None


def _forget(connection: Connection, address_id: int, actor: Actor) -> bool:
    row = residents.get(connection, address_id)
    if row is None:
        return False
    store.erase(connection, row)
    residents.erase_row(connection, row)
    register.note_erasure(connection, row.id, channel=row.channel, actor=actor)
    return True


async def _forget_receipts(app: App, known: Traits) -> None:
    """Look through what waits in the inbox: its bodies are sealed, so nothing else tells whose they
    are.
    """
    after = 0
    while page := await app.database.read(store.waiting, known.channel, after, AT_ONCE):
        after = page[-1].id
        mine = [row.id for row in page if _concerns(app.vault, known, row.body)]
        if mine:
            await app.database.write(inbox.mark_applied, mine, app.clock().timestamp())


def _concerns(vault: Vault, known: Traits, body: bytes) -> bool:
    try:
        event: Event = decode(vault.open(sealed_as(known.channel), body))
    except (SealBroken, msgspec.MsgspecError, KeyError, TypeError, ValueError):
        return False  # nobody can read it: it waits for its key
    match event:
        case StatusEvent():
            ids = (event.address, *event.aliases)
            return store.concerns(
                vault, known, ids=ids, provider_id=event.provider_id, delivery=event.delivery
            )
        case InboundEvent() | AddressEvent():
            return store.concerns(vault, known, ids=(event.address, *event.aliases))
    return False
