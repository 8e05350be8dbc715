"""Proxies observed by web processes, stored for `broadcaster doctor`, which is another process."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, delete, select

from broadcaster.store.staff_tables import proxy_sighting
from subscribers.store import dialect_insert

Kind = Literal["untrusted", "silent"]
"""untrusted: it forwards a client address but is not trusted; silent: it is trusted but forwards
none.
"""
KEEP_SECONDS = 24 * 3600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Sighting:
    """A peer whose requests all count as one address; `peer` is "" for all those on the open
    internet together.
    """

    kind: Kind
    peer: str
    last_at: float


def note(connection: Connection, kind: Kind, peer: str, at: float) -> None:
    """Record a sighting and delete expired ones."""
    connection.execute(delete(proxy_sighting).where(proxy_sighting.c.last_at < at - KEEP_SECONDS))
    added = dialect_insert(connection, proxy_sighting).values(kind=kind, peer=peer, last_at=at)
    connection.execute(
        added.on_conflict_do_update(index_elements=["kind", "peer"], set_={"last_at": at})
    )


def since(connection: Connection, at: float) -> list[Sighting]:
    """List the sightings since `at`."""
    rows = (
        select(proxy_sighting)
        .where(proxy_sighting.c.last_at >= at)
        .order_by(proxy_sighting.c.kind, proxy_sighting.c.peer)
    )
    return [
        Sighting(kind=row.kind, peer=row.peer, last_at=row.last_at)
        for row in connection.execute(rows)
    ]
