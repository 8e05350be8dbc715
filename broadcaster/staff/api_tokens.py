"""Adding and revoking of API tokens, audited in the same transaction."""

from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.domain.actor import Actor
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusal_codes import SendingCode
from broadcaster.store import audit, tokens
from channels.base.rendering import one_line


async def add_token(app: App, name: str, scopes: list[str], *, actor: Actor) -> str:
    """Add an API token and return its secret, which is stored nowhere. Raises BadToken."""

    def transaction(connection: Connection) -> str:
        secret = tokens.add(connection, name, scopes)
        audit.append(connection, actor, Act.TOKEN_ADD, f"token:{one_line(name)}", scopes=scopes)
        return secret

    return await app.database.write(transaction)


async def revoke_token(app: App, name: str, *, actor: Actor) -> None:
    """Revoke an API token at once. Raises NotAllowed if no token of that name is in force."""

    def transaction(connection: Connection) -> None:
        if not tokens.revoke(connection, name):
            raise NotAllowed(SendingCode.NO_TOKEN, name=name)
        audit.append(connection, actor, Act.TOKEN_REVOKE, f"token:{name}")

    await app.database.write(transaction)
