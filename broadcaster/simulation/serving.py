"""HTTP server of a stand-in provider, on loopback or between the containers of one machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

HOST = "127.0.0.1"


@asynccontextmanager
async def running(app: web.Application, port: int = 0, *, host: str = HOST) -> AsyncIterator[str]:
    """Serve `app` on `host` and yield its URL without a trailing slash.

    Port 0 picks any free one. Raises OSError when `port` is taken.
    """
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
