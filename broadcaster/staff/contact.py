"""Contact with one staff member: the channels that reach them, and sending on one of them."""

import asyncio

import structlog

from broadcaster.app import App
from broadcaster.domain.accounts import Account
from broadcaster.runtime import logs
from broadcaster.store import accounts
from broadcaster.store.custody import is_held
from channels.base.contract import BadAddress, Deferred, Halted, Outcome, Refused
from channels.base.staff_messages import Note, StaffChannel

log = structlog.get_logger(__name__)

TELL_SECONDS = 20.0
"""Timeout of one notification on one channel; shorter than a claim."""


def addresses_of(app: App, person: Account) -> dict[str, str]:
    """Return the person's addresses by channel, for open channels that can notify staff."""
    addresses = {
        name: str(getattr(person, name)) for name in accounts.REACHED_BY if can_reach(app, name)
    }
    return {name: address for name, address in addresses.items() if address}


def can_reach(app: App, channel: str) -> bool:
    """True if the channel exists and can notify staff."""
    return channel in app.push and can_notify(app, channel)


def can_notify(app: App, channel: str) -> bool:
    """True if this channel is open and can notify staff. Raises KeyError for an unknown channel."""
    return app.loaded.is_open(channel) and isinstance(app.push[channel], StaffChannel)


async def send(app: App, channel: str, address: str, note: Note) -> Outcome:
    """Send a note on one channel; every failure becomes an outcome."""
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
    except Exception as error:  # noqa: BLE001  one failure must not stop the other notifications
        log.error("nudge_failed", channel=channel, error=logs.describe_error(error))
        return Deferred(code=type(error).__name__)
