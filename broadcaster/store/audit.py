"""The audit log: append-only, each row chained to the previous one by SHA-256, so that changes are
detected.

The database refuses to change or remove a row (store/audit_guard.py). If that guard was removed,
the chain identifies the row that was altered, and `audit_tail` reveals rows missing at the end. An
attacker who can rewrite the whole log, its tail too, is detected by a head noted elsewhere: print
one with `broadcaster audit verify` and pass it to the next verification.
"""

import hashlib
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select, text, update

from broadcaster.domain.actor import Actor
from broadcaster.domain.audit_acts import Act
from broadcaster.store.audit_tables import audit, audit_tail
from broadcaster.store.database import is_sqlite

BEGINNING = bytes(32)
"""The previous digest of the first row."""
_APPENDING = 0x5349_4152_4155
"""Advisory lock: one transaction appends at a time (SQLite has one writer anyway)."""
_place: ContextVar[str] = ContextVar("place", default="")


class BrokenChain(Exception):
    """The log was changed: `id` is the first row that does not follow from the previous one."""

    def __init__(self, row_id: int, why: str = "does not follow from the one before") -> None:
        self.id = row_id
        super().__init__(f"audit row {row_id} {why}")


class CutShort(BrokenChain):
    """Rows are missing at the end, or were added past it: `id` is the last valid row, `tail` the
    last one written.
    """

    def __init__(self, row_id: int, tail: int) -> None:
        self.tail = tail
        super().__init__(row_id, f"is the last that holds, but {tail} was the last one written")


class Forgotten(BrokenChain):
    """A separately noted head is no row of this log: it was rewritten or cut before `id`, its last
    row.
    """

    def __init__(self, row_id: int) -> None:
        super().__init__(
            row_id, "is the last one, and none before it has the digest that was noted"
        )


def set_place(place: str) -> None:
    """Set the place of this request or command: `append` adds it if the actor has none."""
    _place.set(place)


def append(connection: Connection, actor: Actor, act: Act, subject: str, /, **details: Any) -> int:
    """Append a row and return its id. Call it last in a transaction: on PostgreSQL it waits its
    turn.

    `details`: `before` and `after` are what changed. The actor's place (default: that of the
    request or command) is added as `from`.
    """
    sqlite = is_sqlite(connection)
    if not sqlite:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _APPENDING})
    last, previous = _tail(connection)
    place = actor.place or _place.get()
    detail = {"from": place, **details} if place else details
    row: dict[str, Any] = {
        "at": actor.at,
        "actor": actor.name,
        "act": str(act),
        "subject": subject,
        "detail": msgspec.json.encode(detail, order="sorted").decode(),
    }
    digest = _digest(previous, row)
    # SQLite would reuse the id of a removed last row
    numbered = {"id": last + 1} if sqlite else {}
    stored = (
        insert(audit)
        .values(**numbered, **row, previous=previous, digest=digest)
        .returning(audit.c.id)
    )
    identity = int(connection.execute(stored).scalar_one())
    moved = connection.execute(update(audit_tail).values(last=identity, digest=digest))
    if not moved.rowcount:
        connection.execute(insert(audit_tail).values(one=1, last=identity, digest=digest))
    return identity


@dataclass(frozen=True, kw_only=True, slots=True)
class AuditEntry:
    """A row of the log; `at` in epoch seconds. `act` is text: a log may hold acts of older
    versions.
    """

    id: int
    at: float
    actor: str
    act: str
    subject: str
    detail: Mapping[str, Any]


def about(connection: Connection, subject: str) -> list[AuditEntry]:
    """Return the rows about one subject, the oldest first."""
    rows = connection.execute(select(audit).where(audit.c.subject == subject).order_by(audit.c.id))
    return [entry_of(row) for row in rows]


def entry_of(row: Row[Any]) -> AuditEntry:
    """Convert a row of the table."""
    detail = msgspec.json.decode(row.detail)
    return AuditEntry(
        id=row.id, at=row.at, actor=row.actor, act=row.act, subject=row.subject, detail=detail
    )


def verify(connection: Connection, *, known: str = "") -> int:
    """Recompute the whole chain and return how many rows are valid. `known`: a head noted earlier,
    which must still be in it.

    Raises BrokenChain at the first row that does not follow, CutShort if rows are missing at the
    end, Forgotten if the noted head is none of its rows any more.
    """
    last, digest = _tail(connection)
    previous, count, identity = BEGINNING, 0, 0
    met, whole = known in ("", BEGINNING.hex()), digest == BEGINNING
    with connection.execute(
        select(audit).order_by(audit.c.id).execution_options(yield_per=1_000)
    ) as rows:
        for row in rows:
            written = {
                name: getattr(row, name) for name in ("at", "actor", "act", "subject", "detail")
            }
            if row.previous != previous or row.digest != _digest(previous, written):
                raise BrokenChain(row.id)
            previous, count, identity = row.digest, count + 1, row.id
            met, whole = (
                met or previous.hex() == known,
                whole or (identity, previous) == (last, digest),
            )
    if not whole or identity > (ended := _tail(connection)[0]):
        raise CutShort(identity, last if not whole else ended)
    if not met:
        raise Forgotten(identity)
    return count


def head(connection: Connection) -> str:
    """Return the digest of the last row, hex: noted elsewhere, it later proves that nothing before
    it was removed.
    """
    return _tail(connection)[1].hex()


def _tail(connection: Connection) -> tuple[int, bytes]:
    """Return id and digest of the row written last."""
    row = connection.execute(select(audit_tail.c.last, audit_tail.c.digest)).one_or_none()
    return (int(row.last), bytes(row.digest)) if row is not None else (0, BEGINNING)


def _digest(previous: bytes, row: Mapping[str, Any]) -> bytes:
    return hashlib.sha256(previous + msgspec.json.encode(row, order="sorted")).digest()
