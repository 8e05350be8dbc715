"""Client connections: uvicorn's protocol with limits of size and time, and a clean close after an
early answer.

uvicorn itself accepts heads of any size, waits for ever for heads, bodies and slow readers, and
keeps reading the body of a request that it has answered. `sweep` checks the deadlines of all
connections twice a second, so that a request needs no timer.
"""

import asyncio
from operator import itemgetter
from typing import Any, NoReturn

import httptools
from starlette.types import Message, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
)
from uvicorn.server import ServerState

from broadcaster.web.base.admission import Admission
from broadcaster.web.base.exchange import EXTENSION, Exchange
from broadcaster.web.base.refusals import RefusalKind
from broadcaster.web.base.run_queue import RunSlot, is_urgent
from broadcaster.web.base.unread import Unread

FRAMING = 8
"""Bytes of chunk framing allowed per byte of body."""
CLOSE = (b"connection", b"close")


def sweep(admission: Admission, now: float) -> None:
    """Close every connection that exceeded a deadline.

    While too many bytes stay unread in total, close the connections that have read nothing for
    longest.
    """
    connections = [
        connection for connection in admission if isinstance(connection, LimitedConnection)
    ]
    stalled = [
        (connection.unread.read_at, size, connection)
        for connection in connections
        if (size := connection.sweep(now))
    ]
    over = sum(size for _, size, _ in stalled) - admission.limits.unread_bytes
    for _, size, connection in sorted(stalled, key=itemgetter(0)):
        if over <= 0:
            break
        connection.drop_unread()
        over -= size
    admission.refusals.report()


class _Refused(Exception):
    """The parser must stop: the connection is refused."""


class AdmissionState(ServerState):
    """Server state with the admission control of its connections."""

    def __init__(self, admission: Admission) -> None:
        super().__init__()
        self.admission = admission


class LimitedConnection(HttpToolsProtocol):
    """Connection that enforces the limits of its server's admission control."""

    def __init__(
        self,
        config: Config,
        server_state: AdmissionState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.app: Any = self._serve  # _serve wraps the application that uvicorn loaded
        self._admission = server_state.admission
        self._limits = server_state.admission.limits
        self._exchange = Exchange(connection=self, complete=True)
        """Request being read, or the last one read."""
        self._answering = self._exchange
        """Request that the application is answering; later ones wait."""
        self._early = 0
        self._refusal: tuple[int, RefusalKind] = (400, "malformed")
        self._silent = True
        """True until the first byte arrives."""
        self._in_head = True
        self._head_since: float | None = None
        """Time at which the incomplete head began; None between requests."""
        self._head_bytes = 0
        self._head_came = 0
        """Bytes of the head that were parsed (`_head_bytes`), and bytes received after the first
        packet without completing it (`_head_came`).
        """
        self._continued = False
        """True while parsing bytes that continue an earlier head."""
        self._lingering = 0
        """Bytes still to be discarded; above 0 once no further request is read."""
        self._linger_timer: asyncio.TimerHandle | None = None
        self.unread = Unread(self._limits)

    # --- uvicorn's and httptools' callbacks -------------------------------------------------------

    # the signature is uvicorn's own
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit the connection, or answer 503 if there is no room."""
        super().connection_made(transport)
        self._head_since = self.loop.time()
        if not self._admission.enter(self, self.client[0] if self.client else ""):
            self._write_end(503)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._admission.leave(self)
        self._admission.early_bytes -= self._early
        self._early = 0
        if self._linger_timer is not None:
            self._linger_timer.cancel()
        self._disconnect()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the data within the limits."""
        if self._lingering or self.transport.is_closing():
            self._discard(data)
            return
        self._unset_keepalive_if_required()
        self._silent = False
        self._continued = self._in_head and self._head_since is not None
        if self._in_head and self._head_since is None:
            self._head_since = self.loop.time()
        exchange = self._exchange
        try:
            self.parser.feed_data(data)
            self._count(data, exchange)
        except httptools.HttpParserUpgrade:
            if self.cycle is not None:
                self.cycle.keep_alive = False  # no upgrades: answered as plain HTTP
        except (httptools.HttpParserError, _Refused):
            self._refuse(*self._refusal)
        else:
            self._pause_until_asked()

    def on_message_begin(self) -> None:
        """Start counting a head."""
        super().on_message_begin()
        self._continued = False
        self._head_bytes = 0
        self._head_since = self._head_since or self.loop.time()

    def on_url(self, url: bytes) -> None:
        """Count a part of the URL."""
        self._head_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Accept a header within the limits; ignore the trailers of a body."""
        if not self._in_head:
            return
        self._head_bytes += len(name) + len(value) + 4
        if (
            self._head_bytes > self._limits.head_bytes
            or len(self.headers) >= self._limits.head_fields
        ):
            self._stop(431, "head_size")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Hand the request to the application."""
        if self._head_bytes > self._limits.head_bytes:
            self._stop(431, "head_size")
        if len(self.pipeline) >= self._limits.pipelined:
            self._stop(429, "pipelined")
        self._in_head, self._head_since = False, None
        self._exchange = Exchange(connection=self)
        self.scope["extensions"] = {EXTENSION: {"exchange": self._exchange}}
        super().on_headers_complete()
        self._exchange.cycle = self.cycle
        self._admission.answer(self)

    def on_body(self, body: bytes) -> None:
        """Count a chunk of a body; refuse it when too many bytes arrived unasked."""
        exchange = self._exchange
        exchange.body += len(body)
        if exchange.asked_at is None and not exchange.closing:
            exchange.early += len(body)
            self._early += len(body)
            self._admission.early_bytes += len(body)
            if self._admission.early_bytes > self._limits.early_bytes:
                self._stop(503, "bodies_full")
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Mark the request as complete."""
        self._exchange.complete = True
        self._in_head = True
        self._head_came = 0
        if not self._all_answered:
            self._admission.answer(self)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Continue with the next request, or linger after an early answer."""
        if self._exchange.closing:
            self.server_state.total_requests += 1
            self._linger()
            return
        super().on_response_complete()
        if self._all_answered and not self.transport.is_closing():
            self._head_since = self.loop.time() if self._head_since else None
            self._admission.wait(self)

    # --- the application's side -------------------------------------------------------------------

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application.

        Records when it asks for the body; an answer that starts before the body is complete closes
        the connection.
        """
        exchange: Exchange = scope["extensions"][EXTENSION]["exchange"]
        self._answering = exchange

        slot = RunSlot(self._admission.places, self._limits.under_way_seconds)
        scope["extensions"][EXTENSION]["slot"] = slot
        if not is_urgent(scope["path"], scope["headers"]):
            await slot.take()

        async def noting_receive() -> Message:
            slot.release()
            self._release_early(exchange)
            if exchange.asked_at is None:
                exchange.asked_at = self.loop.time()
                if not exchange.complete:
                    self._admission.upload(self)
            return await receive()

        async def closing_send(message: Message) -> None:
            if message["type"] != "http.response.start":
                self.unread.sent += len(message.get("body", b""))
                await send(message)
                return
            slot.release()
            exchange.closing = not exchange.complete
            if not exchange.closing:
                await send(message)
                return
            await send({**message, "headers": [*message.get("headers", []), CLOSE]})
            if exchange.cycle is not None:
                # otherwise uvicorn closes at once, and the reset overtakes the answer
                exchange.cycle.keep_alive = True

        try:
            await self.config.loaded_app(scope, noting_receive, closing_send)
        finally:
            slot.release()
            self._release_early(exchange)

    def _release_early(self, exchange: Exchange) -> None:
        """Release the early bytes of a body from the shared count."""
        taken = min(exchange.early, self._early)  # _early is 0 once the connection is lost
        exchange.early = 0
        self._early -= taken
        self._admission.early_bytes -= taken

    # --- limits -----------------------------------------------------------------------------------

    def sweep(self, now: float) -> int:
        """Close the connection if a deadline has passed.

        Returns the unread bytes if the client has stopped reading, else 0.
        """
        stalled = self._stalled(now)
        if self._lingering or self.transport.is_closing():
            return stalled
        exchange = self._exchange
        if self._all_answered:
            if self._head_since is not None and now - self._head_since > self._limits.head_seconds:
                self._refuse(None if self._silent else 408, "head_time")
        elif exchange.asked_at is not None and not exchange.complete:
            if self.flow.read_paused:
                exchange.asked_at = now  # the application is slow, not the client
            allowed = self._limits.body_seconds + exchange.body / self._limits.bytes_per_second
            if now - exchange.asked_at > allowed:
                self._refuse(408, "body_time")
        return stalled

    def drop(self) -> None:
        """Close at once to make room for another connection."""
        self.transport.abort()

    def give_up(self) -> None:
        """Answer 503 to the request that is being read."""
        if not self._lingering and not self.transport.is_closing():
            self._end(503)

    def drop_unread(self) -> None:
        """Close without sending the rest of an answer that the client does not read."""
        self._admission.refusals.note("unread")
        self.transport.abort()

    @property
    def _all_answered(self) -> bool:
        return self.cycle is None or (self.cycle.response_complete and not self.pipeline)

    def _stalled(self, now: float) -> int:
        """Return the unread bytes of a stalled client; close if it reads too slowly."""
        waiting = self.transport.get_write_buffer_size()
        if self.unread.is_too_slow(now, waiting):
            self.drop_unread()
            return 0
        return self.unread.stalled(now, waiting)

    def _count(self, data: bytes, exchange: Exchange) -> None:
        """Enforce the limits of a head that arrives in pieces and of a body's framing."""
        if self._continued and self._head_since is not None:
            self._head_came += len(data)
            if self._head_came > self._limits.head_bytes:
                self._stop(431, "head_size")
        if not exchange.complete:
            exchange.framed += len(data)
            if exchange.framed > self._limits.head_bytes + (1 + FRAMING) * exchange.body:
                self._stop(400, "body_framing")

    def _stop(self, status: int, kind: RefusalKind) -> NoReturn:
        self._refusal = (status, kind)
        raise _Refused

    def _pause_until_asked(self) -> None:
        """Stop reading until the application asks for the body: its checks come first."""
        exchange = self._exchange
        if not exchange.complete and exchange.asked_at is None and not self.transport.is_closing():
            self.flow.pause_reading()

    # --- the end ----------------------------------------------------------------------------------

    def _refuse(self, status: int | None, kind: RefusalKind) -> None:
        """Count a refusal and close, answering where the request it belongs to is unambiguous."""
        self._admission.refusals.note(kind)
        self._end(status)

    def _end(self, status: int | None) -> None:
        """Close; answer `status` unless an earlier answer is still due."""
        cycle = self.cycle
        begun = (
            cycle is not None
            and not cycle.response_complete
            and (cycle.response_started or bool(self.pipeline))
        )
        earlier = self._in_head and not self._all_answered
        self._disconnect()
        if status is None or begun or earlier:
            self.transport.abort()
            return
        self._write_end(status)
        self._linger()

    def _disconnect(self) -> None:
        """Signal disconnection to every request; uvicorn itself signals only the last one."""
        for cycle in (
            self._answering.cycle,
            self._exchange.cycle,
            *(waiting for waiting, _app in self.pipeline),
        ):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.waiting_for_100_continue = False
                cycle.message_event.set()

    def _write_end(self, status: int) -> None:
        """Write the final answer of this connection, without a body."""
        again = b"retry-after: 5\r\n" if status == 503 else b""
        self.transport.write(
            STATUS_LINE[status] + again + b"content-length: 0\r\nconnection: close\r\n\r\n"
        )

    def _linger(self) -> None:
        """Discard further data until the client has read the answer; a reset would lose it."""
        if self.transport.is_closing():
            return
        self._lingering = self._limits.linger_bytes
        self._admission.wait(self, first=True)
        if self.cycle is not None:
            self.cycle.body.clear()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
        self._linger_timer = self.loop.call_later(self._limits.linger_seconds, self.transport.abort)

    def _discard(self, data: bytes) -> None:
        self._lingering -= len(data)
        if self._lingering <= 0:
            self.transport.abort()
