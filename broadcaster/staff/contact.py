"""Reaching one person of staff: their channels, and one message by one of them."""

import asyncio

import structlog

from broadcaster.app import App
from broadcaster.domain.accounts import Account
from broadcaster.runtime.logs import told as said_without_values
from broadcaster.store import accounts
from broadcaster.store.custody import is_held
from channels.base.contract import BadAddress, Deferred, Halted, Outcome, Refused
from channels.base.staff_messages import Note, StaffChannel

log = structlog.get_logger(__name__)

TELL_SECONDS = 20.0
"""How long one channel may take for one nudge; less than a claim lasts."""


def ways(app: App, person: Account) -> dict[str, str]:
    """By which channels this person can be told, and where: those that are open, offer it, and of
    which they gave an address.
    """
    found = {name: str(getattr(person, name)) for name in accounts.REACHED_BY if able(app, name)}
    return {name: text for name, text in found.items() if text}


def able(app: App, channel: str) -> bool:
    """Whether there is such a channel, and staff can be told by it."""
    return channel in app.push and can_tell(app, channel)


def can_tell(app: App, channel: str) -> bool:
    """Whether staff can be told by this channel, had they an address there."""
    return app.loaded.is_open(channel) and isinstance(app.push[channel], StaffChannel)


async def tell(app: App, channel: str, address: str, note: Note) -> Outcome:
    """Hand a note to one channel; whatever goes wrong is an outcome."""
    out = app.push[channel]
    if not isinstance(out, StaffChannel):
        return Halted(code="mute")
    if await app.database.read(is_held):
        return Halted(code="not at home")
    try:
        async with asyncio.timeout(TELL_SECONDS):
            return await out.notify(app.loaded.modules[channel].parse_address(address), note)
    except BadAddress:
        return Refused(reason="address_dead", code="address")
    except TimeoutError:
        return Deferred(code="slow", uncertain=True)
    except Exception as error:  # noqa: BLE001  whatever keeps one person from being told, the others are
        log.error("nudge_failed", channel=channel, error=said_without_values(error))
        return Deferred(code=type(error).__name__)
