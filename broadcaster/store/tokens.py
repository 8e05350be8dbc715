"""API tokens: shown once, kept as SHA-256; each with the scopes it was given."""

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
from broadcaster.store.tables import token as tokens
from channels.base.legibility import has_letter
from channels.base.rendering import one_line

SCOPES = ("read", "write", "publish")
PREFIX = "siaran_"
SECONDS_BETWEEN_MARKS = 60
"""How exactly `last_used_at` is kept: a busy token is not a write for each request."""


class BadToken(Refusal):
    """The token cannot be made; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token as the web knows it: never its secret."""

    id: int
    name: str
    scopes: frozenset[str]
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    def may(self, scope: str) -> bool:
        """Whether this token was given the scope."""
        return self.revoked_at is None and scope in self.scopes


def add(connection: Connection, name: str, scopes: list[str]) -> str:
    """Make a token and return its secret, which is shown only now. Raises BadToken."""
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
            connection.execute(insert(tokens).values(row))
    except IntegrityError as error:
        raise BadToken(AccountCode.TOKEN_NAME_TAKEN, name=name) from error
    return secret


def find(connection: Connection, secret: str) -> Token | None:
    """The token of this secret, unless it is unknown or revoked. The time it takes tells nothing
    about other tokens.
    """
    digest = _digest(secret)
    row = connection.execute(select(tokens).where(tokens.c.digest == digest)).one_or_none()
    if row is None or not hmac.compare_digest(row.digest, digest) or row.revoked_at is not None:
        return None
    return _token(row)


def mark_used(connection: Connection, token_id: int) -> None:
    """Note that the token was used just now."""
    connection.execute(
        update(tokens).where(tokens.c.id == token_id).values(last_used_at=now(connection))
    )


def needs_mark(token: Token, moment: datetime) -> bool:
    """Whether `last_used_at` is old enough to be written again."""
    return (
        token.last_used_at is None
        or (moment - token.last_used_at).total_seconds() >= SECONDS_BETWEEN_MARKS
    )


def revoke(connection: Connection, name: str) -> bool:
    """End a token at once; False when there is none of that name in force."""
    changed = connection.execute(
        update(tokens)
        .where(tokens.c.name == name, tokens.c.revoked_at.is_(None))
        .values(revoked_at=now(connection))
    )
    return changed.rowcount == 1


def in_force(connection: Connection, name: str) -> bool:
    """Whether the token of this name may still be used."""
    wanted = (tokens.c.name == name, tokens.c.revoked_at.is_(None))
    return connection.execute(select(tokens.c.id).where(*wanted)).first() is not None


def everyone(connection: Connection) -> list[Token]:
    """All tokens, by name."""
    return [_token(row) for row in connection.execute(select(tokens).order_by(tokens.c.name))]


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
