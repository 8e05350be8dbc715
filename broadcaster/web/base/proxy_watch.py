"""Client address behind a proxy: taken from trusted proxies alone, with an error logged when the
setup does not fit.
"""

import asyncio
from urllib.parse import urlsplit

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from broadcaster.app import App
from broadcaster.runtime.proxies import INTERNET, peer_of
from broadcaster.store import proxy_sightings
from broadcaster.store.proxy_sightings import Kind

FORWARDED = frozenset({b"x-forwarded-for", b"forwarded", b"x-real-ip"})
LOG_SECONDS, STORE_SECONDS = 3600.0, 60.0
"""Least time between two log lines and two rows of one peer: anybody can send these headers."""
PEERS = 16
"""Most peers recorded separately; all others count as one."""

log = structlog.get_logger(__name__)


class ProxyWatch:
    """Middleware that replaces the client's address as uvicorn does (X-Forwarded-For of trusted
    peers alone), and records misconfigured proxies.
    """

    def __init__(self, app: ASGIApp, *, program: App) -> None:
        trusted = list(program.settings.trusted_proxies)
        inner = ProxyHeadersMiddleware(app, trusted)  # type: ignore[arg-type]  # its own ASGI types
        self.app: ASGIApp = inner  # type: ignore[assignment]  # the same
        self._trusted = inner.trusted_hosts
        self._program = program
        address = urlsplit(program.site.base_url)
        self._public_host = address.netloc.encode() if address.scheme == "https" else b""
        self._logged: dict[tuple[Kind, str], float] = {}
        self._stored: dict[tuple[Kind, str], float] = {}
        self._writing: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the request's headers and pass it on."""
        if scope["type"] == "http" and scope.get("client"):
            self._observe(scope["client"][0], dict(scope["headers"]))
        await self.app(scope, receive, send)

    def _observe(self, peer: str, headers: dict[bytes, bytes]) -> None:
        if peer not in self._trusted:
            if not FORWARDED.isdisjoint(headers):
                self._note("untrusted", peer_of(peer))
        elif (
            self._public_host
            and headers.get(b"host") == self._public_host
            and b"x-forwarded-for" not in headers
        ):
            self._note("silent", peer_of(peer))  # a local probe names another host

    def _note(self, kind: Kind, peer: str) -> None:
        """Log and store, each at most once per interval and peer."""
        if (kind, peer) not in self._stored and len(self._stored) >= PEERS:
            peer = INTERNET
        now, key = self._program.clock().timestamp(), (kind, peer)
        if now - self._logged.get(key, 0.0) >= LOG_SECONDS:
            self._logged[key] = now
            log.error(
                f"proxy_{kind}", peer=peer or "internet", setting="BROADCASTER_TRUSTED_PROXIES"
            )
        if now - self._stored.get(key, 0.0) >= STORE_SECONDS:
            self._stored[key] = now
            task = asyncio.create_task(self._store(kind, peer, now))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def _store(self, kind: Kind, peer: str, at: float) -> None:
        """Store a sighting for `broadcaster doctor`, in the background."""
        try:
            await self._program.database.write(proxy_sightings.note, kind, peer, at)
        # RuntimeError: the program is shutting down and its threads are gone
        except (SQLAlchemyError, RuntimeError) as error:
            log.warning("proxy_not_noted", error=type(error).__name__)
