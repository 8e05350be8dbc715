"""WebSub hubs: notified of every feed that a publication changed, after its commit, until they
accept it.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, runtime_checkable

import aiohttp
import structlog
from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.store import hubs
from broadcaster.store.custody import is_held
from channels.base.contract import Area
from channels.base.http import REQUEST_ERRORS, open_session

SETTLE_SECONDS = 2.0
"""Seconds after a publication until every web process shows it in its feeds."""
AT_ONCE = 50
"""Addresses named in one request."""
WAITS = (5.0, 15.0, 60.0, 300.0, 600.0)
"""Seconds before the next try at a hub that failed; the last one repeats, for a day."""
log = structlog.get_logger(__name__)


@runtime_checkable
class HubChannel(Protocol):
    """Pull channel whose documents name a hub."""

    @property
    def hub(self) -> str:
        """Address of the hub; empty if there is none."""

    def addresses(self, area: Area) -> Sequence[str]:
        """Return the address of every document of an area that names the hub."""


class HubNotifier:
    """Notifier of hubs in one process; its failures are its own memory, the notifications owed are
    in the database.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._channels = [
            channel
            for channel in app.pull.values()
            if isinstance(channel, HubChannel) and channel.hub
        ]
        self._failures = 0
        self._again_at = 0.0

    async def notify_due(self) -> bool:
        """Notify every hub of changes since the last time; False if there was nothing to report."""
        now = self._app.clock().timestamp()
        if not self._channels or now < self._again_at:
            return False
        owed = await self._app.database.read(_owed, now)
        if not owed:
            return False
        if all([await self._notify(channel, owed) for channel in self._channels]):
            self._failures, self._again_at = 0, 0.0
            await self._app.database.write(_settled, owed, now)
        else:
            self._again_at = now + WAITS[min(self._failures, len(WAITS) - 1)]
            self._failures += 1
        return True

    async def _notify(self, channel: HubChannel, owed: Mapping[int, Sequence[str]]) -> bool:
        """Name every changed document to a channel's hub; True if it accepted all of them."""
        areas = [
            area
            for code in sorted({code for codes in owed.values() for code in codes})
            if (area := self._area(code))
        ]
        addresses = [address for area in areas for address in channel.addresses(area)]
        async with _session() as session:
            for first in range(0, len(addresses), AT_ONCE):
                form = [
                    ("hub.mode", "publish"),
                    *(("hub.url", address) for address in addresses[first : first + AT_ONCE]),
                ]
                try:
                    async with session.post(
                        channel.hub, data=form, allow_redirects=False
                    ) as answer:
                        problem = "" if 200 <= answer.status < 300 else str(answer.status)
                except REQUEST_ERRORS as error:
                    problem = type(error).__name__
                if problem:
                    log.warning("hub_not_told", problem=problem, documents=len(addresses) - first)
                    return False
        log.info("hub_told", editions=len(owed), documents=len(addresses))
        return True

    def _area(self, code: str) -> Area | None:
        known = self._app.tree.get(code)
        return (
            Area(code=known.code, name=known.name, slug=known.slug) if known is not None else None
        )


@asynccontextmanager
async def _session() -> AsyncIterator[aiohttp.ClientSession]:
    """Open an HTTP session for one round."""
    session = open_session(connections=1)
    try:
        yield session
    finally:
        await session.close()


def _owed(connection: Connection, now: float) -> Mapping[int, Sequence[str]]:
    """Return the areas owed to hubs, by edition; empty where this database is not at home, as hubs
    do not know its feeds.
    """
    return {} if is_held(connection) else hubs.unannounced(connection, now, settle=SETTLE_SECONDS)


def _settled(connection: Connection, owed: Mapping[int, Sequence[str]], now: float) -> None:
    hubs.note(connection, owed, now)
    hubs.purge(connection, now)
