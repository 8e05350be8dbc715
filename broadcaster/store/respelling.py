"""The first start after mail addresses became one in whatever case: stored ones follow, in bounded
steps, on any process.
"""

from sqlalchemy import Connection

from broadcaster.store import twins
from broadcaster.store.database import Database
from subscribers import respelling
from subscribers.vault import Vault


def step(connection: Connection, vault: Vault) -> bool:
    """Look at the next addresses, in one transaction; False once none is left."""
    joined = respelling.respell(connection, vault)
    twins.follow(connection, joined or ())
    return joined is not None


def finish(database: Database, vault: Vault) -> None:
    """Look at all that is left; whoever was interrupted goes on where they were."""
    if database.read_now(respelling.is_pending):
        while database.write_now(step, vault):
            pass
