"""HTTP as push channels need it: one session with limits, and what a failed request tells about the
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

from channels.base.contract import BadSignature, Deferred

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 9.0
"""A worker's turn ends within 20 s of its start and begins its last write within 10 s: no request
may take longer.
"""
CONNECTIONS = 250
"""Requests of a channel under way at once: as many as a worker may owe, so that none waits behind
slow answers.
"""
IDLE_SECONDS = 10.0
"""Idle connections are dropped before the other side drops them: a write into a dead one would
count as uncertain.
"""


class NotWritten(BaseException):
    """Writing was forbidden while the request waited for a connection: nothing of it left.

    No Exception, so that no library takes it for a failure of the network.
    """


class _Forbidden(Exception):
    """The same, as aiohttp's writer can pass it on."""


writing: ContextVar[Callable[[], bool]] = ContextVar("writing", default=lambda: True)
"""Whether a request of this context may still be written: asked once it has a connection, and right
before the write itself.
"""


class Body(aiohttp.BytesPayload):
    """What a request carries; aiohttp writes it, with the head before it, some time after it was
    given the connection.
    """

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        if not writing.get()():
            raise _Forbidden
        await super().write_with_length(writer, content_length)


class _Connector(aiohttp.TCPConnector):
    """Asks once more whether to write, right before it lends a connection.

    Uses no connection again on which an answer came that nobody waits for: the next request would
    take it for its own.
    """

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  its signature
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        if not writing.get()():
            connection.close()
            raise NotWritten
        return connection

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        while (
            (found := await super()._get(key, traces))
            and found.protocol is not None
            and found.protocol.should_close
        ):
            found.close()
        return found


def open_session(
    *,
    connections: int,
    connect_seconds: float = CONNECT_SECONDS,
    total_seconds: float = TOTAL_SECONDS,
) -> aiohttp.ClientSession:
    """A session of at most `connections` kept-alive connections; call it inside the event loop.

    Waiting for a free connection counts as connecting. Cookies are neither kept nor sent.
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
    """The one session of a channel: opened by its first request, opened anew after aclose()."""

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
        """The open session; only inside the event loop."""
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
"""All that a request may raise because of the network or the provider."""


FOREIGN = Deferred(uncertain=True, code="foreign answer", detail="the answer to another message")
"""A connection was out of step: whether our own message was taken, nobody told us."""


def never_written(error: BaseException | None) -> bool:
    """Whether `error` arose before the request was written: name, connection or TLS failed, or no
    connection became free.
    """
    return isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)


def deferred(error: BaseException) -> Deferred:
    """What a failed request means for its message: try later; uncertain when it had been written.
    Tells no address.

    Raises NotWritten where it was held back.
    """
    if isinstance(error.__cause__, _Forbidden):
        raise NotWritten
    code = type(error).__name__
    if never_written(error):
        return Deferred(code=code, detail="no connection")
    return Deferred(uncertain=True, code=code, detail="no answer", about="recipient")


def seconds(text: str | None, *, clock: Callable[[], float] = time.time) -> float | None:
    """A Retry-After header, a number or a date, in seconds from now; None when absent, past or
    nonsense.
    """
    try:
        value = float(text or "")
    except ValueError:
        return _until(text or "", clock())
    return value if math.isfinite(value) and value >= 0 else None


def _until(date: str, now: float) -> float | None:
    try:
        wait = parsedate_to_datetime(date).timestamp() - now
    except (ValueError, TypeError, OverflowError):  # also years that no clock knows
        return None
    return wait if wait > 0 else None


def signed_by(secret: str, body: bytes, signature: str) -> bool:
    """Whether `signature` is the hex HMAC-SHA256 of the raw body, compared in constant time; an
    empty secret signs nothing.
    """
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return bool(secret) and hmac.compare_digest(
        expected.encode(), signature.encode("utf-8", "replace")
    )


def require(secret: str, given: str) -> None:
    """Raise BadSignature unless a shared secret was given."""
    if not same(secret, given):
        raise BadSignature


def same(secret: str, given: str) -> bool:
    """Whether a shared secret was given, compared in constant time; an empty secret is never given."""
    return bool(secret) and hmac.compare_digest(secret.encode(), given.encode("utf-8", "replace"))
