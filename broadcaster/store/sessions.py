"""Sessions of staff: only the SHA-256 of the cookie is stored; each ends when idle, too old or
revoked.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, select, update

from broadcaster.domain.accounts import Account
from broadcaster.store import accounts
from broadcaster.store.staff_tables import account, session

HALF = "half"
"""`way` of a session that still lacks the second factor: it grants access to nothing."""
IDLE_SECONDS = 2 * 3600
"""Idle seconds after which a session ends; autosave counts as use, so no text is lost while
writing.
"""
OLDEST_SECONDS = 12 * 3600
"""Seconds after which a session ends however busy it is: a working day."""
SECONDS_BETWEEN_MARKS = 60
"""Resolution of `seen_at`: requests within so many seconds cause no further write."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A session of a person in a browser; `id` names it in lists and cannot be used to sign in."""

    id: str
    account: Account
    csrf: str
    way: str
    started_at: float
    seen_at: float
    agent: str
    place: str
    hint: str = ""

    @property
    def latest(self) -> float:
        """Epoch seconds at which the session ends however busy it is."""
        return self.started_at + OLDEST_SECONDS


def start(
    connection: Connection,
    account_id: int,
    *,
    way: str,
    agent: str,
    place: str,
    at: float,
    hint: str = "",
) -> str:
    """Begin a session and return the value of its cookie.

    The value is always new, so that an earlier value known to somebody else gives no access.
    """
    value = secrets.token_urlsafe(32)
    row = {
        "digest": _digest(value),
        "id": secrets.token_hex(8),
        "account": account_id,
        "csrf": secrets.token_urlsafe(24),
        "way": way,
        "started_at": at,
        "seen_at": at,
        "agent": agent,
        "place": place,
        "hint": hint,
    }
    connection.execute(insert(session).values(row))
    connection.execute(update(account).where(account.c.id == account_id).values(seen_at=at))
    connection.execute(delete(session).where(~_alive(at)))
    return value


def find(connection: Connection, value: str, at: float) -> Session | None:
    """Find the session of a cookie; None if unknown, revoked, idle too long, too old, or its
    account is disabled.
    """
    row = connection.execute(
        select(session).where(session.c.digest == _digest(value), _alive(at))
    ).one_or_none()
    if row is None:
        return None
    person = accounts.by_id(connection, row.account)
    return _session(row, person) if person is not None and person.disabled_at is None else None


def needs_mark(current: Session, at: float) -> bool:
    """True if `seen_at` is old enough to be written again."""
    return at - current.seen_at >= SECONDS_BETWEEN_MARKS


def mark(connection: Connection, session_id: str, at: float) -> None:
    """Record that the session was used."""
    connection.execute(update(session).where(session.c.id == session_id).values(seen_at=at))


def of(connection: Connection, person: Account, at: float) -> list[Session]:
    """List a person's valid sessions, the most recently used first."""
    alive = (
        select(session)
        .where(session.c.account == person.id, _alive(at))
        .order_by(session.c.seen_at.desc())
    )
    return [_session(row, person) for row in connection.execute(alive)]


def end(connection: Connection, session_id: str, account_id: int) -> bool:
    """Revoke a session of this person; False if it is not theirs."""
    own = (session.c.id == session_id, session.c.account == account_id)
    return connection.execute(delete(session).where(*own)).rowcount == 1


def end_all(connection: Connection, account_id: int, *, but: str = "") -> int:
    """Revoke every session of a person except `but`; return how many."""
    others = (session.c.account == account_id, session.c.id != but)
    return connection.execute(delete(session).where(*others)).rowcount


def end_way(connection: Connection, account_id: int, way: str) -> int:
    """Revoke every session of a person that began in this way; return how many."""
    return connection.execute(
        delete(session).where(session.c.account == account_id, session.c.way == way)
    ).rowcount


def _alive(at: float) -> ColumnElement[bool]:
    return and_(session.c.seen_at > at - IDLE_SECONDS, session.c.started_at > at - OLDEST_SECONDS)


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()


def _session(row: Row[Any], person: Account) -> Session:
    return Session(
        id=row.id,
        account=person,
        csrf=row.csrf,
        way=row.way,
        started_at=row.started_at,
        seen_at=row.seen_at,
        agent=row.agent,
        place=row.place,
        hint=row.hint,
    )
