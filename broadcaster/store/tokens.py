"""API tokens: displayed once, stored as SHA-256, each with its scopes."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from broadcaster.domain.refusal_codes import AccountCode
from broadcaster.domain.refusals import Refusal
from broadcaster.store.database import now
from broadcaster.store.tables import token
from channels.base.legibility import has_letter
from channels.base.rendering import one_line

SCOPES = ("read", "write", "publish")
PREFIX = "siaran_"
SECONDS_BETWEEN_MARKS = 60
"""Resolution of `last_used_at`: requests within so many seconds cause no further write."""


class BadToken(Refusal):
    """The token cannot be made; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token without its secret."""

    id: int
    name: str
    scopes: frozenset[str]
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def may(self, scope: str) -> bool:
        """True if this token is valid and has the scope."""
        return self.revoked_at is None and scope in self.scopes


def add(connection: Connection, name: str, scopes: list[str]) -> str:
    """Make a token and return its secret, which is not stored. Raises BadToken."""
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        scopes_there = tuple(SCOPES)
        if unknown:
            raise BadToken(AccountCode.TOKEN_SCOPE_UNKNOWN, names=unknown, scopes=scopes_there)
        raise BadToken(AccountCode.TOKEN_SCOPE_MISSING, scopes=scopes_there)
    name = one_line(name)
    if not has_letter(name):
        raise BadToken(AccountCode.TOKEN_NAME_MISSING)
    secret = PREFIX + secrets.token_urlsafe(32)
    row = {
        "name": name,
        "digest": _digest(secret),
        "scopes": " ".join(scope for scope in SCOPES if scope in scopes),
        "created_at": now(connection),
    }
    try:
        with connection.begin_nested():
            connection.execute(insert(token).values(row))
    except IntegrityError as error:
        raise BadToken(AccountCode.TOKEN_NAME_TAKEN, name=name) from error
    return secret


def find(connection: Connection, secret: str) -> Token | None:
    """Find the token of this secret; None if unknown or revoked. Its timing reveals nothing about
    other tokens.
    """
    digest = _digest(secret)
    row = connection.execute(select(token).where(token.c.digest == digest)).one_or_none()
    if row is None or not hmac.compare_digest(row.digest, digest) or row.revoked_at is not None:
        return None
    return _token(row)


def mark_used(connection: Connection, token_id: int) -> None:
    """Record that the token was used just now."""
    connection.execute(
        update(token).where(token.c.id == token_id).values(last_used_at=now(connection))
    )


def needs_mark(token: Token, moment: datetime) -> bool:
    """True if `last_used_at` is old enough to be written again."""
    return (
        token.last_used_at is None
        or (moment - token.last_used_at).total_seconds() >= SECONDS_BETWEEN_MARKS
    )


def revoke(connection: Connection, name: str) -> bool:
    """Revoke a token at once; False if no valid token has that name."""
    changed = connection.execute(
        update(token)
        .where(token.c.name == name, token.c.revoked_at.is_(None))
        .values(revoked_at=now(connection))
    )
    return changed.rowcount == 1


def in_force(connection: Connection, name: str) -> bool:
    """True if a token of this name is valid."""
    valid = (token.c.name == name, token.c.revoked_at.is_(None))
    return connection.execute(select(token.c.id).where(*valid)).first() is not None


def everyone(connection: Connection) -> list[Token]:
    """List all tokens by name."""
    return [_token(row) for row in connection.execute(select(token).order_by(token.c.name))]


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _token(row: Row[tuple[object, ...]]) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        scopes=frozenset(row.scopes.split()),
        created_at=datetime.fromtimestamp(row.created_at, UTC),
        last_used_at=row.last_used_at and datetime.fromtimestamp(row.last_used_at, UTC),
        revoked_at=row.revoked_at and datetime.fromtimestamp(row.revoked_at, UTC),
    )
