"""Responses to repeatable requests, stored in the transaction that did the work."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, text, update

from broadcaster.store.database import now
from broadcaster.store.tables import idempotency

KEEP_SECONDS = 7 * 24 * 3600.0
"""Seconds for which a key is remembered."""

_TAKE = text(
    "INSERT INTO idempotency (token, key, request, at) VALUES (:token, :key, :request, :at)"
    " ON CONFLICT (token, key) DO NOTHING"
)


class KeyReused(Exception):
    """The same key was used with a different request: nothing is done."""


@dataclass(frozen=True, kw_only=True)
class StoredResponse:
    """A stored HTTP response: status and body."""

    status: int
    body: str


def take(connection: Connection, token: int, key: str, request: bytes) -> StoredResponse | None:
    """Claim a key for a request (its SHA-256); return the stored response, if any. Raises
    KeyReused.

    A concurrent request with the same key waits here until the first has committed.
    """
    wall = now(connection)
    connection.execute(delete(idempotency).where(idempotency.c.at < wall - KEEP_SECONDS))
    taken = connection.execute(_TAKE, {"token": token, "key": key, "request": request, "at": wall})
    if taken.rowcount == 1:
        return None
    row = connection.execute(
        select(idempotency).where(idempotency.c.token == token, idempotency.c.key == key)
    ).one()
    if row.request != request:
        raise KeyReused
    return StoredResponse(status=row.status, body=row.answer)


def keep(connection: Connection, token: int, key: str, answer: StoredResponse) -> None:
    """Store the response, in the transaction of `take`."""
    mine = (idempotency.c.token == token) & (idempotency.c.key == key)
    connection.execute(
        update(idempotency).where(mine).values(status=answer.status, answer=answer.body)
    )
