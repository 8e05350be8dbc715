"""SMTP over long-lived connections that say exactly where a message stopped."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, cast
from urllib.parse import unquote, urlsplit

import aiosmtplib

from channels.base.contract import Deferred, Failure, Halted, Outcome, Receipt, Skipped
from channels.base.smtp_replies import Stage, connect_failure, failure_of, said

STALE_AFTER = 30.0
"""Seconds of rest after which a connection is asked whether it still lives."""
PING_TIMEOUT = 5.0
REST = 5.0
"""Seconds a connection stays away from a server that has enough of us."""
DOWN_AFTER = 300.0
"""Seconds without any connection after which the channel halts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """Where mail is handed over, out of EMAIL_URL; `starttls` None = where the server offers it."""

    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    tls: bool
    starttls: bool | None

    @classmethod
    def of(cls, url: str) -> "Server":
        """`smtp://user:pass@host:port?starttls=true` or `smtps://...`; raises ValueError.

        Credentials leave this machine only under TLS, unless `starttls=false` says otherwise.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise ValueError("seharusnya smtp://nama:sandi@host:port?starttls=true atau smtps://nama:sandi@host:port")
        tls = parts.scheme == "smtps"
        local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        starttls = {"starttls=true": True, "starttls=false": False}.get(parts.query)
        if starttls is None and not tls:
            starttls = False if local else True if parts.username else None
        return cls(
            host=parts.hostname,
            port=parts.port or (465 if tls else 587 if starttls else 25),
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
            tls=tls,
            starttls=False if tls else starttls,
        )


class Envelope(NamedTuple):
    """What goes to the server for one recipient; `data` has CRLF lines of at most 998 octets, none with a leading dot."""

    sender: str
    to: str
    data: bytes
    message_id: str


class NoConnection(Exception):
    """No connection could be had; `failure` says what follows."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


class _Lost(Exception):
    """The connection went before anything of the message was written."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


class Connection:
    """One connection, opened when first needed and kept; it owes at most one message and one opened envelope.

    aiosmtplib connects, negotiates TLS and signs in; the content is written as it stands, since it needs no repair.
    """

    def __init__(
        self, make: Callable[[], aiosmtplib.SMTP], *, timeout: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`timeout`: seconds to connect, and again for the whole dialogue about one message."""
        self._make = make
        self._timeout = timeout
        self._clock = clock
        self._client: aiosmtplib.SMTP | None = None
        self._used_at = 0.0

    @property
    def alive(self) -> bool:
        """Whether a connection stands, as far as is known."""
        return self._client is not None and self._client.is_connected

    async def deliver(self, envelope: Envelope) -> Outcome:
        """Hand one message over; raises NoConnection. A connection lost before the content is tried anew once."""
        fresh = await self.ready()
        try:
            return await self._transact(envelope)
        except _Lost as lost:
            if fresh:
                return lost.failure
        await self.ready()
        try:
            return await self._transact(envelope)
        except _Lost as lost:
            return lost.failure

    async def ready(self) -> bool:
        """Connect where needed; True for a new connection. Raises NoConnection."""
        if self.alive and (self._clock() - self._used_at <= STALE_AFTER or await self._answers()):
            return False
        client = self._make()
        try:
            async with asyncio.timeout(self._timeout):
                await client.connect()
                if client.is_ehlo_or_helo_needed:
                    await client.ehlo()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            client.close()
            raise NoConnection(connect_failure(error)) from error
        except BaseException:  # reason: cancelled half-way, nobody else can close it
            client.close()
            raise
        self._client = client
        return True

    async def _answers(self) -> bool:
        client = cast(aiosmtplib.SMTP, self._client)
        try:
            await client.noop(timeout=PING_TIMEOUT)
        except (aiosmtplib.SMTPException, OSError):
            client.close()
            return False
        return True

    async def _transact(self, envelope: Envelope) -> Outcome:
        client = cast(aiosmtplib.SMTP, self._client)
        if not envelope.to.isascii() and not client.supports_extension("smtputf8"):
            return Skipped(code="5.6.7", detail="the server has no SMTPUTF8")
        timer = asyncio.get_running_loop().call_later(self._timeout, self._abort)
        stage: Stage = "mail"
        try:
            for stage, command, wanted in _commands(envelope):
                reply = await client.execute_command(command, timeout=None)
                if reply.code not in wanted:
                    return await self._refused(stage, reply, envelope)
            stage = "content"
            reply = await self._write(client, envelope.data)
        except (aiosmtplib.SMTPException, OSError) as error:
            self.close()
            failure = Deferred(uncertain=stage == "content", code="disconnected", detail=type(error).__name__)
            if stage == "content":
                return failure
            raise _Lost(failure) from error
        except BaseException:  # reason: cancelled in mid-dialogue, the connection cannot be used again
            self.close()
            raise
        finally:
            timer.cancel()
            self._used_at = self._clock()
        if reply.code == 250:
            return Receipt(provider_id=envelope.message_id, detail=said(reply.message))
        return await self._refused("content", reply, envelope)

    @staticmethod
    async def _write(client: aiosmtplib.SMTP, data: bytes) -> aiosmtplib.SMTPResponse:
        # not client.data(): it searches each message for line ends and dots, half of the time a message takes
        protocol = client.protocol
        if protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("connection lost")
        protocol.write(data + b".\r\n")
        return await protocol.read_response(timeout=None)

    async def _refused(self, stage: Stage, reply: aiosmtplib.SMTPResponse, envelope: Envelope) -> Outcome:
        failure = failure_of(stage, reply.code, reply.message, envelope.to.rpartition("@")[2])
        if reply.code == 421 or reply.code < 400:
            self.close()
            if stage == "mail":
                raise _Lost(failure)
        elif stage in {"rcpt", "data"}:
            await self._reset()
        return failure

    async def _reset(self) -> None:
        try:
            await cast(aiosmtplib.SMTP, self._client).rset(timeout=self._timeout)
        except (aiosmtplib.SMTPException, OSError):
            self.close()

    def _abort(self) -> None:
        if self._client is not None and self._client.transport is not None:
            cast(asyncio.Transport, self._client.transport).abort()

    async def quit(self) -> None:
        """Take leave of the server; never raises for a server that is gone."""
        if self._client is None or not self._client.is_connected:
            return
        try:
            await self._client.quit(timeout=PING_TIMEOUT)
        except (aiosmtplib.SMTPException, OSError):
            self.close()

    def close(self) -> None:
        """Drop the connection without a word."""
        if self._client is not None:
            self._client.close()
            self._client = None


def _commands(envelope: Envelope) -> tuple[tuple[Stage, bytes, tuple[int, ...]], ...]:
    utf8 = b"" if envelope.to.isascii() else b" SMTPUTF8"
    return (
        ("mail", b"MAIL FROM:<" + envelope.sender.encode() + b">" + utf8, (250,)),
        ("rcpt", b"RCPT TO:<" + envelope.to.encode() + b">", (250, 251)),
        ("data", b"DATA", (354,)),
    )


class Pool:
    """Connections that live from one batch to the next; each message takes the one used last."""

    def __init__(self, make: Callable[[], Connection], *, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`make` gives a connection that is not yet open; `size`: how many at most."""
        self._make = make
        self._clock = clock
        self._connections = [make() for _ in range(size)]
        self._idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        for connection in self._connections:
            self._idle.put_nowait(connection)
        self._opening: set[Connection] = set()
        self._resting: set[asyncio.TimerHandle] = set()
        self._unreachable: tuple[float, Failure] | None = None
        self._down_since: float | None = None

    async def deliver(self, envelope: Envelope) -> Outcome:
        """Hand one message over, on another connection where the server takes no further one."""
        while True:
            connection = await self._idle.get()
            rests = False
            try:
                if not connection.alive:
                    if failure := self._known_unreachable():
                        return failure
                    self._opening.add(connection)
                outcome = await connection.deliver(envelope)
            except NoConnection as none:
                self._opening.discard(connection)
                rests = isinstance(none.failure, Deferred) and self._any_other()
                if not rests:
                    return self._not_connected(none.failure)
            else:
                self._unreachable = self._down_since = None
                return outcome
            finally:
                self._opening.discard(connection)
                self._give_back(connection, rests=rests)

    def _any_other(self) -> bool:
        return bool(self._opening) or any(connection.alive for connection in self._connections)

    def _give_back(self, connection: Connection, *, rests: bool) -> None:
        if not rests:
            self._idle.put_nowait(connection)
            return

        def wake() -> None:
            self._resting.discard(handle)
            self._idle.put_nowait(connection)

        handle = asyncio.get_running_loop().call_later(REST, wake)
        self._resting.add(handle)

    def _known_unreachable(self) -> Failure | None:
        if (
            self._unreachable
            and self._clock() < self._unreachable[0]
            and not any(connection.alive for connection in self._connections)
        ):
            return self._unreachable[1]
        return None

    def _not_connected(self, failure: Failure) -> Failure:
        now = self._clock()
        self._down_since = now if self._down_since is None else self._down_since
        if isinstance(failure, Deferred) and now - self._down_since >= DOWN_AFTER:
            failure = Halted(code=failure.code, detail=failure.detail, resume="probe")
        self._unreachable = (now + 1.0, failure)
        return failure

    async def probe(self) -> Failure | None:
        """Open and leave one connection more; None when the server took us."""
        connection = self._make()
        try:
            await connection.ready()
        except NoConnection as none:
            return none.failure
        await connection.quit()
        self._unreachable = self._down_since = None
        return None

    async def aclose(self) -> None:
        """Take leave on every connection."""
        for handle in self._resting:
            handle.cancel()
        await asyncio.gather(*(connection.quit() for connection in self._connections))
