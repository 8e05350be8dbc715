"""Stored mail addresses become case-insensitive, in bounded steps at the first start after the
upgrade.
"""

from sqlalchemy import Connection

from broadcaster.store import merged_addresses
from broadcaster.store.database import Database
from subscribers import respelling
from subscribers.vault import Vault


def step(connection: Connection, vault: Vault) -> bool:
    """Normalise the next addresses in one transaction; False once none is left."""
    joined = respelling.respell(connection, vault)
    merged_addresses.follow_merges(connection, joined or ())
    return joined is not None


def finish(database: Database, vault: Vault) -> None:
    """Normalise all remaining addresses; an interrupted run continues where it stopped."""
    if database.read_now(respelling.is_pending):
        while database.write_now(step, vault):
            pass
