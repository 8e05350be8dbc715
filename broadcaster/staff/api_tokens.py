"""API tokens: added and revoked, each act audited in its transaction."""

from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.store import audit, tokens
from channels.base.rendering import one_line


async def add_token(app: App, name: str, scopes: list[str], *, actor: str) -> str:
    """Make an API token; its secret, which is shown only now. Raises BadToken."""

    def transaction(connection: Connection) -> str:
        secret = tokens.add(connection, name, scopes)
        detail = {"scopes": scopes}
        audit.append(
            connection,
            at=app.clock(),
            actor=actor,
            act="token_add",
            subject=f"token:{one_line(name)}",
            detail=detail,
        )
        return secret

    return await app.database.write(transaction)


async def revoke_token(app: App, name: str, *, actor: str) -> None:
    """End an API token at once. Raises NotAllowed where none of that name is in force."""

    def transaction(connection: Connection) -> None:
        if not tokens.revoke(connection, name):
            raise NotAllowed(f"Token {name!r} tidak ada atau sudah dicabut.")
        audit.append(
            connection, at=app.clock(), actor=actor, act="token_revoke", subject=f"token:{name}"
        )

    await app.database.write(transaction)
