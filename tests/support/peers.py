"""Clients at addresses of their own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from support.browsing import Running


class Droppable:
    """A client that remembers whether it was dropped."""

    def __init__(self) -> None:
        self.dropped = False

    def drop(self) -> None:
        """Remember that it was dropped."""
        self.dropped = True


@asynccontextmanager
async def from_address(site: Running, address: str) -> AsyncIterator[Running]:
    """Yield the site as a client at another loopback address reaches it, without a cookie jar."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(local_addr=(address, 0)),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    ) as session:
        yield Running(url=site.url, app=site.app, clock=site.clock, session=session)
