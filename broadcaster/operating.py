"""What operators do to channels, API tokens and areas. Each act and its row of the audit log are
one transaction.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from broadcaster.announcements import NotAllowed
from broadcaster.app import App
from broadcaster.newsroom import Desk, require
from broadcaster.store import audit, channels, tokens
from channels.base.rendering import one_line
from subscribers import areas

LANES = ("emergency", "routine")


def require_channels(desk: Desk) -> None:
    """Raises NotAllowed unless the person may decide on a channel, which is everybody's."""
    require(desk, "steer")
    if not desk.account.everywhere:
        raise NotAllowed(
            "Kanal dipakai seluruh kota. Minta petugas yang bertugas untuk seluruh kota."
        )


async def resume_channel(app: App, channel: str, *, actor: str) -> None:
    """Open a halted channel again, and wake its workers. Raises NotAllowed where it is open
    already.
    """

    def transaction(connection: Connection) -> None:
        if not channels.resume_channel(connection, channel):
            raise NotAllowed("Kanal ini tidak sedang berhenti.")
        audit.append(
            connection,
            at=app.clock(),
            actor=actor,
            act="channel_resume",
            subject=f"channel:{channel}",
        )

    await app.database.write(transaction)
    for lane in LANES:
        await app.queue.ring(channel, lane)


async def decide_held(app: App, channel: str, *, apply: bool, actor: str) -> int:
    """Deactivate the addresses that are held, or leave them active; how many. Raises NotAllowed
    where none is held.
    """

    def transaction(connection: Connection) -> int:
        state = channels.channel_states(connection).get(channel)
        count = channels.release_held(connection, channel, apply=apply)
        if not count and not (state and state.holding):
            raise NotAllowed("Tidak ada penonaktifan alamat yang ditahan.")
        detail = {"applied": apply, "count": count}
        audit.append(
            connection,
            at=app.clock(),
            actor=actor,
            act="held_decided",
            subject=f"channel:{channel}",
            detail=detail,
        )
        return count

    return await app.database.write(transaction)


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


async def import_areas(app: App, document: Mapping[str, Any], *, file: str, actor: str) -> bool:
    """Replace the tree of areas, or add outlines from GeoJSON; whether it was the tree. Raises
    BadAreas.

    `file` is the SHA-256 of what was given.
    """
    outlines = document.get("type") == "FeatureCollection"

    def transaction(connection: Connection) -> None:
        tree = (
            areas.add_outlines(connection, document)
            if outlines
            else areas.replace_tree(connection, document)
        )
        detail = {"file": file, "count": len(tree.outlines) if outlines else len(tree.all())}
        act = "areas_outline" if outlines else "areas_replace"
        audit.append(
            connection, at=app.clock(), actor=actor, act=act, subject="areas", detail=detail
        )

    await app.database.write(transaction)
    return not outlines
