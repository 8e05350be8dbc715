"""HTTP for push channels: a session with limits, and the meaning of a failed request for its
message.
"""

import hashlib
import hmac
import math
import time
from collections.abc import Callable
from contextvars import ContextVar
from email.utils import parsedate_to_datetime

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_reqrep import ClientRequest, ConnectionKey
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from channels.base.events import BadSignature
from channels.base.outcomes import Deferred

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 9.0
"""Seconds for a whole request: a worker's turn ends within 20 s and begins its last write within 10
s, so no request may take longer.
"""
CONNECTIONS = 250
"""Concurrent requests per channel: as many as a worker may have in flight, so that none queues
behind slow answers.
"""
IDLE_SECONDS = 10.0
"""Seconds before an idle connection is dropped: earlier than the server would, as a write into a
dead connection counts as uncertain.
"""


class NotWritten(BaseException):
    """Writing was forbidden while the request waited for a connection; nothing was sent.

    A BaseException, so that no library mistakes it for a network failure.
    """


class _Forbidden(Exception):
    """NotWritten as an exception that aiohttp's writer passes on."""


writing: ContextVar[Callable[[], bool]] = ContextVar("writing", default=lambda: True)
"""Returns True while a request of this context may be written. Called once the request has a
connection and again right before the write.
"""


class Body(aiohttp.BytesPayload):
    """A request body; aiohttp writes it, after the headers, some time after lending the
    connection.
    """

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        if not writing.get()():
            raise _Forbidden
        await super().write_with_length(writer, content_length)


class _Connector(aiohttp.TCPConnector):
    """Connector that asks again for permission to write right before it lends a connection.

    It never reuses a connection that received an unexpected answer: the next request would take
    that answer for its own.
    """

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  the overridden signature
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        if not writing.get()():
            connection.close()
            raise NotWritten
        return connection

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        while (
            (connection := await super()._get(key, traces))
            and connection.protocol is not None
            and connection.protocol.should_close
        ):
            connection.close()
        return connection


def open_session(
    *,
    connections: int,
    connect_seconds: float = CONNECT_SECONDS,
    total_seconds: float = TOTAL_SECONDS,
) -> aiohttp.ClientSession:
    """Open a session of at most `connections` kept-alive connections; call it inside the event
    loop.

    Waiting for a free connection counts as connecting. Cookies are neither stored nor sent.
    """
    return aiohttp.ClientSession(
        connector=_Connector(
            limit=connections,
            limit_per_host=connections,
            keepalive_timeout=IDLE_SECONDS,
            ttl_dns_cache=300,
        ),
        timeout=aiohttp.ClientTimeout(
            total=total_seconds, connect=connect_seconds, sock_connect=connect_seconds
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "siaran-cimahi"},
    )


class Sessions:
    """The single session of a channel: opened by its first request and reopened after aclose()."""

    def __init__(
        self,
        *,
        connections: int,
        connect_seconds: float = CONNECT_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self.connections = connections
        self._seconds = (connect_seconds, total_seconds)
        self._session: aiohttp.ClientSession | None = None

    def get(self) -> aiohttp.ClientSession:
        """Return the open session; call it only inside the event loop."""
        if self._session is None or self._session.closed:
            connect, total = self._seconds
            self._session = open_session(
                connections=self.connections, connect_seconds=connect, total_seconds=total
            )
        return self._session

    async def aclose(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None


REQUEST_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)
"""Exceptions that the network or the provider can cause in a request."""


FOREIGN = Deferred(uncertain=True, code="foreign answer", detail="the answer to another message")
"""A connection was out of step: it is unknown whether our own message was accepted."""


def never_written(error: BaseException | None) -> bool:
    """True if `error` arose before the request was written: DNS, connection or TLS failed, or no
    connection became free.
    """
    return isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)


def deferred(error: BaseException) -> Deferred:
    """Return the outcome of a message whose request failed: try later; uncertain if it was written.

    Its text contains no address. Raises NotWritten if the request was held back.
    """
    if isinstance(error.__cause__, _Forbidden):
        raise NotWritten
    code = type(error).__name__
    if never_written(error):
        return Deferred(code=code, detail="no connection")
    return Deferred(uncertain=True, code=code, detail="no answer", about="recipient")


def seconds(text: str | None, *, clock: Callable[[], float] = time.time) -> float | None:
    """Parse a Retry-After header (a number or a date) into seconds from now.

    None if absent, past or malformed.
    """
    try:
        value = float(text or "")
    except ValueError:
        return _until(text or "", clock())
    return value if math.isfinite(value) and value >= 0 else None


def _until(date: str, now: float) -> float | None:
    try:
        wait = parsedate_to_datetime(date).timestamp() - now
    except (ValueError, TypeError, OverflowError):  # also years out of range
        return None
    return wait if wait > 0 else None


def signed_by(secret: str, body: bytes, signature: str) -> bool:
    """True if `signature` is the hex HMAC-SHA256 of the raw body.

    Compared in constant time; an empty secret never matches.
    """
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return bool(secret) and hmac.compare_digest(
        expected.encode(), signature.encode("utf-8", "replace")
    )


def require(secret: str, given: str) -> None:
    """Raise BadSignature unless the shared secret was given."""
    if not same(secret, given):
        raise BadSignature


def same(secret: str, given: str) -> bool:
    """True if the shared secret was given.

    Compared in constant time; an empty secret never matches.
    """
    return bool(secret) and hmac.compare_digest(secret.encode(), given.encode("utf-8", "replace"))
