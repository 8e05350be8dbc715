"""Controls of channels: resume one, decide on held suppressions. Each act shares a transaction with
its audit entry.
"""

from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.domain.actor import Actor, StaffActor, require
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusal_codes import SendingCode
from broadcaster.store import audit, channels

LANES = ("emergency", "routine")


def require_channels(actor: StaffActor) -> None:
    """Raise NotAllowed unless the person may decide on channels, which the whole city shares."""
    require(actor, "steer")
    if not actor.account.everywhere:
        raise NotAllowed(SendingCode.CHANNELS_CITYWIDE)


async def resume_channel(app: App, channel: str, *, actor: Actor) -> None:
    """Reopen a halted channel and wake its workers. Raises NotAllowed if it is already open."""

    def transaction(connection: Connection) -> None:
        if not channels.resume_channel(connection, channel):
            raise NotAllowed(SendingCode.CHANNEL_OPEN)
        audit.append(connection, actor, Act.CHANNEL_RESUME, f"channel:{channel}")

    await app.database.write(transaction)
    for lane in LANES:
        await app.queue.ring(channel, lane)


async def decide_held(app: App, channel: str, *, apply: bool, actor: Actor) -> int:
    """Deactivate the held addresses, or leave them active; return their number. Raises NotAllowed
    if none is held.
    """

    def transaction(connection: Connection) -> int:
        state = channels.channel_states(connection).get(channel)
        count = channels.release_held(connection, channel, apply=apply)
        if not count and not (state and state.holding):
            raise NotAllowed(SendingCode.NOTHING_HELD)
        audit.append(
            connection, actor, Act.HELD_DECIDED, f"channel:{channel}", applied=apply, count=count
        )
        return count

    return await app.database.write(transaction)
