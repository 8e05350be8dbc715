"""The audit log: append-only, each row chained to the one before by SHA-256, so that no change goes unnoticed."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select, text

from broadcaster.store.database import is_sqlite
from broadcaster.store.tables import audit

BEGINNING = bytes(32)
"""What the first row names as the digest before it."""
_APPENDING = 0x5349_4152_4155
"""Advisory lock: one transaction appends at a time (SQLite has one writer anyway)."""


class BrokenChain(Exception):
    """The log was changed: `id` is the first row that does not follow from the one before."""

    def __init__(self, row_id: int) -> None:
        self.id = row_id
        super().__init__(f"audit row {row_id} does not follow from the one before")


def append(
    connection: Connection, *, at: datetime, actor: str, act: str, subject: str, detail: Mapping[str, Any] | None = None
) -> int:
    """Write down who did what to what; the row's id. Call it last in a transaction: on PostgreSQL it waits its turn."""
    if not is_sqlite(connection):
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _APPENDING})
    previous = connection.execute(select(audit.c.digest).order_by(audit.c.id.desc()).limit(1)).scalar() or BEGINNING
    row: dict[str, Any] = {
        "at": at.timestamp(),
        "actor": actor,
        "act": act,
        "subject": subject,
        "detail": msgspec.json.encode(detail or {}, order="sorted").decode(),
    }
    stored = insert(audit).values(**row, previous=previous, digest=_digest(previous, row)).returning(audit.c.id)
    return int(connection.execute(stored).scalar_one())


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One row: who did what to what, with what came of it; `at` in epoch seconds."""

    id: int
    at: float
    actor: str
    act: str
    subject: str
    detail: Mapping[str, Any]


def about(connection: Connection, subject: str) -> list[Entry]:
    """Everything that was done to one thing, the oldest first."""
    rows = connection.execute(select(audit).where(audit.c.subject == subject).order_by(audit.c.id))
    return [read(row) for row in rows]


def read(row: Row[Any]) -> Entry:
    """A row of the table as people read it."""
    detail = msgspec.json.decode(row.detail)
    return Entry(id=row.id, at=row.at, actor=row.actor, act=row.act, subject=row.subject, detail=detail)


def verify(connection: Connection) -> int:
    """Recompute the whole chain: how many rows hold. Raises BrokenChain at the first that does not.

    Rows taken from the end leave no trace in the chain itself: compare `head` with one noted elsewhere.
    """
    previous, count = BEGINNING, 0
    with connection.execute(select(audit).order_by(audit.c.id).execution_options(yield_per=1_000)) as rows:
        for row in rows:
            written = {name: getattr(row, name) for name in ("at", "actor", "act", "subject", "detail")}
            if row.previous != previous or row.digest != _digest(previous, written):
                raise BrokenChain(row.id)
            previous, count = row.digest, count + 1
    return count


def head(connection: Connection) -> str:
    """The digest of the last row, hex: who notes it elsewhere can tell later that nothing before it was taken away."""
    found = connection.execute(select(audit.c.digest).order_by(audit.c.id.desc()).limit(1)).scalar()
    return (found or BEGINNING).hex()


def _digest(previous: bytes, row: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(previous + msgspec.json.encode(row, order="sorted")).digest()
