"""Binding of a database to a secret key, and the rows that prove a key: sealed values and signed
editions.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Select, Table, insert, inspect, literal, select, text

from broadcaster.store.database import is_sqlite, now
from broadcaster.store.staff_tables import account, metadata
from broadcaster.store.tables import edition, key_binding, receipt, sweeper, worker
from subscribers import store
from subscribers.store import address, alias
from subscribers.vault import Vault

PROOFS = 20
"""Rows of each kind on which a key is tried."""
_BINDING = 0x5349_4152_4B45
"""Advisory lock: only one process at a time binds a key (SQLite has one writer anyway)."""
_OF_PROCESSES = (key_binding, sweeper, worker)
"""Tables whose rows processes write by themselves."""


def lock(connection: Connection) -> None:
    """Lock the binding until this transaction ends; what is read after this call is final."""
    if not is_sqlite(connection):
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _BINDING})


def fingerprint(connection: Connection) -> bytes | None:
    """Return the fingerprint of the key that this database belongs to; None if it is unbound."""
    stored = connection.execute(select(key_binding.c.fingerprint)).scalar_one_or_none()
    return bytes(stored) if stored is not None else None


def can_be_bound(connection: Connection) -> bool:
    """True if this database has the table of its binding; databases of earlier versions lack it."""
    return inspect(connection).has_table(key_binding.name)


def bind(connection: Connection, fingerprint: bytes) -> None:
    """Bind the database permanently to the key of this fingerprint."""
    connection.execute(
        insert(key_binding).values(one=1, fingerprint=fingerprint, at=now(connection))
    )


def holds_data(connection: Connection) -> bool:
    """True if anything was ever stored, also by an older version; tables alone are no data."""
    present = set(inspect(connection).get_table_names())
    tables = [*metadata.sorted_tables, *store.metadata.sorted_tables]
    written = (table for table in tables if table.name in present and table not in _OF_PROCESSES)
    return any(
        connection.execute(select(literal(1)).select_from(table).limit(1)).first() is not None
        for table in written
    )


_receipts = select(literal("receipt.").concat(receipt.c.channel), receipt.c.body).where(
    receipt.c.body.is_not(None)
)
_second_factors = select(literal("totp"), account.c.totp).where(account.c.totp.is_not(None))
_KINDS: tuple[tuple[Table, Select[Any]], ...] = (
    (address, select(address.c.channel, address.c.cipher).order_by(address.c.id)),
    (alias, select(alias.c.channel, alias.c.cipher).order_by(alias.c.address)),
    (receipt, _receipts.order_by(receipt.c.id)),
    (account, _second_factors.order_by(account.c.id)),
)


def oldest_seals(connection: Connection) -> Iterator[tuple[str, bytes]]:
    """Yield (purpose, sealed value) of the oldest rows of each kind, whichever tables exist."""
    present = set(inspect(connection).get_table_names())
    for table, rows in _KINDS:
        if table.name in present:
            yield from ((row[0], bytes(row[1])) for row in connection.execute(rows.limit(PROOFS)))


def opens_addresses(connection: Connection, vault: Vault, channel: str) -> bool:
    """True if the vault's key opens most of a channel's oldest addresses; the others are then
    damaged.
    """
    oldest = (
        select(address.c.cipher)
        .where(address.c.channel == channel)
        .order_by(address.c.id)
        .limit(PROOFS)
    )
    opened = [
        vault.opens(channel, bytes(sealed)) for sealed in connection.execute(oldest).scalars()
    ]
    return 2 * sum(opened) > len(opened)


def oldest_key_ids(connection: Connection) -> list[str]:
    """List the ids of the keys that signed the oldest editions."""
    if not inspect(connection).has_table(edition.name):
        return []
    return list(
        connection.execute(select(edition.c.key_id).order_by(edition.c.id).limit(PROOFS)).scalars()
    )
