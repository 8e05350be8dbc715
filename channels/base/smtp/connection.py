"""Long-lived SMTP connections that know exactly how far each message got."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import unquote, urlsplit

import aiosmtplib

from channels.base.contract import MayWrite
from channels.base.outcomes import Deferred, Failure, Outcome, Receipt
from channels.base.smtp.envelope import Envelope, Offer, content, parameters, unfit
from channels.base.smtp.pipelining import PING_TIMEOUT, Pipe, Source
from channels.base.smtp.replies import Stage, connect_failure, disconnected, excerpt, failure_of

STALE_AFTER = 30.0
"""Seconds of idleness after which a connection is checked before use."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """The mail server from EMAIL_URL; `starttls` None = if the server offers it."""

    host: str
    port: int
    user: str | None
    password: str | None = field(repr=False)
    tls: bool
    starttls: bool | None

    @classmethod
    def of(cls, url: str) -> "Server":
        """Parse `smtp://user:pass@host:port?starttls=true` or `smtps://...`; raises ValueError.

        Credentials are only sent over TLS, unless `starttls=false` overrides it.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
            raise ValueError(
                "seharusnya smtp://nama:sandi@host:port?starttls=true atau smtps://nama:sandi@host:port"
            )
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


class NoConnection(Exception):
    """No connection could be made; `failure` is the outcome for the waiting messages."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


class _Lost(Exception):
    """The connection was lost before anything of the message was written."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


class Connection:
    """A connection that opens on first use and stays open; aiosmtplib connects, negotiates TLS and
    authenticates.

    It then either delivers message by message through aiosmtplib, or becomes a pipe (see
    pipelining.py).
    """

    def __init__(
        self,
        make: Callable[[], aiosmtplib.SMTP],
        *,
        timeout: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`timeout`: seconds to connect, and again for the whole dialogue about one message."""
        self._make = make
        self._timeout = timeout
        self._clock = clock
        self._client: aiosmtplib.SMTP | None = None
        self._used_at = 0.0
        self._offer = Offer()
        self.pipe: Pipe | None = None

    @property
    def alive(self) -> bool:
        """True if the connection is open, as far as is known."""
        return self._client is not None and self._client.is_connected

    @property
    def awake(self) -> bool:
        """True if it is open and was used recently, so that it needs no check."""
        return self.alive and self._clock() - self._used_at <= STALE_AFTER

    def touch(self) -> None:
        """Record the time of last use."""
        self._used_at = self._clock()

    def flow(self, source: Source) -> Pipe | None:
        """Become a pipe if the server offers PIPELINING; None if not. Call after `ready`.

        Raises NoConnection.
        """
        client = self._client
        if self.pipe is not None or client is None or not self.alive or not self._offer.pipelining:
            return self.pipe
        if client.protocol is None or client.protocol._buffer:
            self.close()
            raise NoConnection(
                Deferred(throttle=True, code="unreachable", detail="replies out of turn")
            )
        transport = cast(asyncio.Transport, client.protocol.transport)
        self.pipe = Pipe(transport, source, offer=self._offer, timeout=self._timeout)
        return self.pipe

    async def deliver(
        self, envelope: Envelope, may_begin: MayWrite = lambda: True
    ) -> Outcome | None:
        """Deliver one message without a pipe; None if its content may not be written.

        A connection lost before the content is reopened once. Raises NoConnection.
        """
        fresh = await self.ready()
        try:
            return await self._transact(envelope, may_begin)
        except _Lost as lost:
            if fresh:
                return lost.failure
        await self.ready()
        try:
            return await self._transact(envelope, may_begin)
        except _Lost as lost:
            return lost.failure

    async def ready(self) -> bool:
        """Connect if needed; True for a new connection. Raises NoConnection."""
        if self.awake or (self.alive and await self._answers()):
            return False
        self.close()
        client = self._make()
        try:
            async with asyncio.timeout(self._timeout):
                await client.connect()
                if client.is_ehlo_or_helo_needed:
                    await client.ehlo()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            client.close()
            raise NoConnection(connect_failure(error)) from error
        except BaseException:  # reason: if cancelled half-way, nothing else would close it
            client.close()
            raise
        self._client, self._offer = client, Offer.of(client.esmtp_extensions)
        return True

    async def _answers(self) -> bool:
        if self.pipe is not None:
            return await self.pipe.answers()
        client = cast(aiosmtplib.SMTP, self._client)
        try:
            await client.noop(timeout=PING_TIMEOUT)
        except (aiosmtplib.SMTPException, OSError):
            client.close()
            return False
        return True

    async def _transact(self, envelope: Envelope, may_begin: MayWrite) -> Outcome | None:
        client = cast(aiosmtplib.SMTP, self._client)
        if failure := unfit(envelope, self._offer):
            return failure
        timer = asyncio.get_running_loop().call_later(self._timeout, self._abort)
        stage: Stage = "mail"
        try:
            for stage, command, wanted in self._commands(envelope):
                reply = await client.execute_command(command, timeout=None)
                if reply.code not in wanted:
                    return await self._refused(stage, reply, envelope)
            if not may_begin():
                self.close()
                return None
            stage = "content"
            reply = await self._write(client, content(envelope))
        except (aiosmtplib.SMTPException, OSError) as error:
            self.close()
            failure = disconnected(stage, type(error).__name__)
            if stage == "content":
                return failure
            raise _Lost(failure) from error
        except BaseException:  # reason: if cancelled mid-dialogue, the connection cannot be reused
            self.close()
            raise
        finally:
            timer.cancel()
            self.touch()
        if reply.code == 250:
            return Receipt(provider_id=envelope.message_id, detail=excerpt(reply.message))
        return await self._refused("content", reply, envelope)

    @staticmethod
    async def _write(client: aiosmtplib.SMTP, data: bytes) -> aiosmtplib.SMTPResponse:
        # not client.data(): it scans each message for line ends and dots, half of a message's total
        # time
        protocol = client.protocol
        if protocol is None:
            raise aiosmtplib.SMTPServerDisconnected("connection lost")
        protocol.write(data + b".\r\n")
        return await protocol.read_response(timeout=None)

    async def _refused(
        self, stage: Stage, reply: aiosmtplib.SMTPResponse, envelope: Envelope
    ) -> Outcome:
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
        """Send QUIT; never raises, even if the server is gone."""
        if self.pipe is not None:
            await self.pipe.quit()
            self.close()
        if self._client is None or not self._client.is_connected:
            return
        try:
            await self._client.quit(timeout=PING_TIMEOUT)
        except (aiosmtplib.SMTPException, OSError):
            self.close()

    def close(self) -> None:
        """Close the connection without QUIT."""
        if self._client is not None:
            self._client.close()
            self._client = None
        if self.pipe is not None:
            pipe, self.pipe = self.pipe, None
            pipe.drop("closed")

    def _commands(self, envelope: Envelope) -> tuple[tuple[Stage, bytes, tuple[int, ...]], ...]:
        more = parameters(envelope, self._offer)
        return (
            ("mail", f"MAIL FROM:<{envelope.sender}>{more}".encode(), (250,)),
            ("rcpt", f"RCPT TO:<{envelope.to}>".encode(), (250, 251)),
            ("data", b"DATA", (354,)),
        )
