"""SMTP over long-lived connections that say exactly where a message stopped."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import unquote, urlsplit

import aiosmtplib

from channels.base.contract import Deferred, Failure, MayWrite, Outcome, Receipt
from channels.base.smtp.envelope import Envelope, Offer, content, parameters, unfit
from channels.base.smtp.pipelining import PING_TIMEOUT, Pipe, Source
from channels.base.smtp.replies import Stage, connect_failure, disconnected, failure_of, said

STALE_AFTER = 30.0
"""Seconds of rest after which a connection is asked whether it still lives."""


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
    """One connection, opened when first needed and kept; aiosmtplib connects, negotiates TLS and
    signs in.

    Then it either delivers message by message through aiosmtplib, or becomes a pipe (see
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
        """Whether a connection stands, as far as is known."""
        return self._client is not None and self._client.is_connected

    @property
    def awake(self) -> bool:
        """Whether it stands and was in use just now, so that nobody need ask the server."""
        return self.alive and self._clock() - self._used_at <= STALE_AFTER

    def touch(self) -> None:
        """Begin a rest."""
        self._used_at = self._clock()

    def flow(self, source: Source) -> Pipe | None:
        """Become a pipe, where PIPELINING is offered. Call after `ready`; raises NoConnection."""
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
        """Hand one message over without a pipe; None when its content may not be written. Raises
        NoConnection.

        A connection lost before the content is tried anew once.
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
        """Connect where needed; True for a new connection. Raises NoConnection."""
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
        except BaseException:  # reason: cancelled half-way, nobody else can close it
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
        except (
            BaseException
        ):  # reason: cancelled in mid-dialogue, the connection cannot be used again
            self.close()
            raise
        finally:
            timer.cancel()
            self.touch()
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
        """Take leave of the server; never raises for a server that is gone."""
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
        """Drop the connection without a word."""
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
