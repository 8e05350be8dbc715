"""Erasure of an address from the ledger and the inbox; counts of deliveries stay."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, select, update

from broadcaster.store.channel_tables import held_suppression, reached, suspicion
from broadcaster.store.tables import delivery, provider_message, receipt, run
from subscribers.residents import AddressRow
from subscribers.store import alias
from subscribers.vault import Vault

TABLES = (provider_message, held_suppression, reached, receipt, suspicion)
"""Tables of this package from which rows or bodies are deleted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Traits:
    """Identifiers of an address in later statuses and messages: digests of its ids, keys of its
    messages, its slot.
    """

    channel: str
    slot: int
    lookups: frozenset[bytes]
    keys: frozenset[str]


def traits(connection: Connection, row: AddressRow) -> Traits:
    """Return the identifiers by which receipts refer to this address; call it before erasing."""
    others = connection.execute(select(alias.c.lookup).where(alias.c.address == row.id)).scalars()
    keys = connection.execute(
        select(provider_message.c.provider_key).where(_messages(row))
    ).scalars()
    lookups = frozenset((bytes(row.lookup), *map(bytes, others)))
    return Traits(channel=row.channel, slot=row.slot, lookups=lookups, keys=frozenset(keys))


def erase(connection: Connection, row: AddressRow) -> None:
    """Delete what refers to the address or its messages; its delivery rows stay, for the counts."""
    connection.execute(delete(provider_message).where(_messages(row)))
    connection.execute(
        update(delivery).where(_deliveries(row)).values(provider_key=None, message_number=None)
    )
    for table in (held_suppression, reached, suspicion):
        connection.execute(delete(table).where(table.c.address == row.id))


def forget_numbers(connection: Connection, row: AddressRow) -> None:
    """Delete the message numbers of an address: in the chat that it moved to they may belong to
    other messages.
    """
    connection.execute(update(delivery).where(_deliveries(row)).values(message_number=None))


def waiting(
    connection: Connection, channel: str, after: int, limit: int
) -> Sequence[Row[int, bytes]]:
    """Return (id, sealed body) of a channel's unprocessed receipts after an id."""
    statement = select(receipt.c.id, receipt.c.body).where(
        receipt.c.channel == channel, receipt.c.body.is_not(None), receipt.c.id > after
    )
    return connection.execute(statement.order_by(receipt.c.id).limit(limit)).all()


def concerns(
    vault: Vault,
    known: Traits,
    *,
    ids: Collection[str],
    provider_id: str = "",
    delivery: str = "",
) -> bool:
    """True if an event is about the address: by its own id, our callback data, or the id of a
    message to it.
    """
    if any(vault.address_lookup(known.channel, text) in known.lookups for text in ids if text):
        return True
    if provider_id and vault.provider_key(known.channel, provider_id) in known.keys:
        return True
    place = delivery.split(".")
    return len(place) == 3 and place[1] == str(known.slot)


def _editions(channel: str) -> Select[tuple[int]]:
    return select(run.c.edition).where(run.c.channel == channel)


def _deliveries(row: AddressRow) -> ColumnElement[bool]:
    """Condition on `delivery`: rows of this address."""
    return and_(
        delivery.c.edition.in_(_editions(row.channel)),
        delivery.c.channel == row.channel,
        delivery.c.slot == row.slot,
    )


def _messages(row: AddressRow) -> ColumnElement[bool]:
    """Condition on `provider_message`: rows of this address."""
    return and_(
        provider_message.c.edition.in_(_editions(row.channel)),
        provider_message.c.channel == row.channel,
        provider_message.c.slot == row.slot,
    )
