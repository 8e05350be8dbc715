"""A stand-in SMTP server: the real protocol on loopback, with inboxes that can be looked into, and
faults.
"""

import asyncio
import binascii
import re
import ssl
from base64 import b64decode
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from typing import cast

from broadcaster.simulation.faults import Faults

HOST = "127.0.0.1"
SIZE_LIMIT = 10 * 1024 * 1024
LINE_LIMIT = 4096
MAILS = 20  # kept per inbox
INBOXES = 200  # kept of addresses that nobody watches
_MESSAGE_ID = re.compile(rb"^message-id:\s*<([^>\r\n]*)>", re.IGNORECASE | re.MULTILINE)
_GROUP = re.compile(
    rb"MAIL FROM:<([^>\r\n]*)>[^\r\n]*\r\nRCPT TO:<([^>\r\n]+)>[^\r\n]*\r\nDATA\r\n"
)
"""An envelope as pipelining clients write it: worked off at once, which halves what a message costs
here.
"""
_OK = b"250 2.0.0 OK\r\n"
_SENDER_OK = b"250 2.1.0 OK\r\n"
_RECIPIENT_OK = b"250 2.1.5 OK\r\n"
_GO_ON = b"354 End with a dot on a line of its own\r\n"
_ALL_OK = _SENDER_OK + _RECIPIENT_OK + _GO_ON
_NOBODY = b"554 5.5.1 No valid recipients\r\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mail:
    """One accepted message; `raw` is what a mail program would get."""

    sender: str
    to: str
    message_id: str
    raw: bytes
    at: datetime


def received_parts(raw: bytes) -> dict[str, str]:
    """Subject, from, to, text and html of a message, in the shape of the channel's preview."""
    mail = message_from_bytes(raw, policy=policy.default)
    parts = {name: str(mail[name]) for name in ("subject", "from", "to")}
    bodies = {
        part.get_content_type(): str(part.get_content()).replace("\r\n", "\n")
        for part in mail.walk()
        if not part.is_multipart()
    }
    return {**parts, "text": bodies.get("text/plain", ""), "html": bodies.get("text/html", "")}


class SmtpStandIn:
    """One mail server: look into `inbox(address)`, `newest`, `counts` and, with `record`,
    `accepted`; change `faults` freely.

    `credentials` (user, password) are demanded where given. Inboxes are kept of the addresses and
    domains in `watch`, and of the first few others. Without `pipelining` it is not offered.
    """

    def __init__(
        self,
        *,
        credentials: tuple[str, str] | None = None,
        faults: Faults | None = None,
        watch: Collection[str] = (),
        record: bool = False,
        pipelining: bool = True,
        inbox_size: int = MAILS,
    ) -> None:
        self.credentials = credentials
        self.faults = faults or Faults()
        self.watch = frozenset(item.lower() for item in watch)
        self.record = record
        self.pipelining = pipelining
        self.inbox_size = inbox_size
        self.accepted: list[tuple[str, str]] = []
        """(recipient, Message-ID) of each message, written before it is answered."""
        self.counts: Counter[str] = Counter()
        self.newest: deque[Mail] = deque(maxlen=50)
        self.sessions: set[_Session] = set()
        self._inboxes: dict[str, deque[Mail]] = {}
        self._greylisted: set[str] = set()

    @asynccontextmanager
    async def running(
        self, port: int = 0, *, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[str]:
        """Serve on loopback; yields the EMAIL_URL of this server. Raises OSError when `port` is
        taken (0: any free one).
        """
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Session(self), HOST, port, ssl=tls, backlog=256)
        sign_in = ":".join(self.credentials) + "@" if self.credentials else ""
        try:
            yield f"{'smtps' if tls else 'smtp'}://{sign_in}{HOST}:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for session in list(self.sessions):
                session.drop()
            await server.wait_closed()

    def inbox(self, address: str) -> tuple[Mail, ...]:
        """The last messages to an address, oldest first."""
        return tuple(self._inboxes.get(address.lower(), ()))

    def recipient_reply(self, address: str) -> bytes | None:
        """What the faults answer to RCPT; None takes the address."""
        faults = self.faults
        if faults.rate_429 and faults.limited():
            self.counts["limited"] += 1
            return b"421 4.7.0 Too many messages, come back later\r\n"
        if faults.blocked and faults.blocks(address):
            self.counts["blocked"] += 1
            return b"550 5.1.1 User unknown\r\n"
        if faults.greylist and address not in self._greylisted and faults.greylists(address):
            self._greylisted.add(address)
            self.counts["greylisted"] += 1
            return b"451 4.7.1 Greylisted, come back later\r\n"
        return None

    def take(self, sender: str, recipients: list[str], content: bytes) -> bytes | None:
        """Keep a message and answer; None = taken, but the connection drops before the answer."""
        if self.faults.rate_5xx and self.faults.broken():
            self.counts["broken"] += 1
            return b"451 4.3.0 Local error in processing\r\n"
        message_id = _message_id(content)
        for to in recipients:
            if self.record:
                self.accepted.append((to, message_id))
            if self._keeps(to):
                self._keep(
                    Mail(
                        sender=sender,
                        to=to,
                        message_id=message_id,
                        raw=_unstuffed(content),
                        at=datetime.now(UTC),
                    )
                )
        self.counts["accepted"] += len(recipients)
        if self.faults.cut and self.faults.cutting():
            self.counts["cut"] += 1
            return None
        return f"250 2.0.0 Ok: queued as 4{self.counts['accepted']:010X}\r\n".encode()

    def _keeps(self, address: str) -> bool:
        if address in self._inboxes or len(self._inboxes) < INBOXES:
            return True
        return bool(self.watch) and (
            address in self.watch or address.rpartition("@")[2] in self.watch
        )

    def _keep(self, mail: Mail) -> None:
        self._inboxes.setdefault(mail.to, deque(maxlen=self.inbox_size)).append(mail)
        self.newest.append(mail)


def _message_id(content: bytes) -> str:
    start = content.find(b"\r\nMessage-ID: <")
    if start >= 0:
        return content[start + 15 : content.index(b">", start)].decode("utf-8", "replace")
    found = _MESSAGE_ID.search(content)
    return found[1].decode("utf-8", "replace") if found else ""


def _unstuffed(content: bytes) -> bytes:
    raw = content.replace(b"\r\n..", b"\r\n.")
    return raw[1:] if raw.startswith(b"..") else raw


class _Session(asyncio.Protocol):
    """One connection: works off what has come, however it was cut into packets, and answers once
    for all of it.
    """

    def __init__(self, server: SmtpStandIn) -> None:
        self._server = server
        self._buffer = b""
        self._out: list[bytes] = []
        self._transport = cast(asyncio.Transport, None)
        self._greeted = False
        self._signed_in = server.credentials is None
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._in_content = False
        self._searched = 0  # octets of a content that were searched for its end
        self._held = False
        self._closing = False
        self._next_line: Callable[[bytes], bytes] | None = None
        self._commands: dict[bytes, Callable[[bytes], bytes]] = {
            b"EHLO": self._ehlo,
            b"HELO": self._ehlo,
            b"MAIL": self._mail,
            b"RCPT": self._rcpt,
            b"DATA": self._data,
            b"RSET": self._rset,
            b"NOOP": lambda _: _OK,
            b"QUIT": self._quit,
            b"AUTH": self._auth,
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast(asyncio.Transport, transport)
        self._server.sessions.add(self)
        self._server.counts["connections"] += 1
        self._transport.write(b"220 standin.example ESMTP\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._closing = True
        self._server.sessions.discard(self)

    def data_received(self, data: bytes) -> None:
        """Work off whole lines and messages."""
        self._buffer = self._buffer + data
        self._work()

    def drop(self) -> None:
        """End the connection without a word."""
        self._closing = True
        self._transport.abort()

    def _work(self) -> None:
        position = 0
        while not (self._held or self._closing):
            end = (
                self._content(position)
                if self._in_content
                else self._group(position) or self._line(position)
            )
            if end < 0:
                break
            position = end
        self._buffer = self._buffer[position:]
        if len(self._buffer) > (SIZE_LIMIT if self._in_content else LINE_LIMIT) and not self._held:
            self._refuse(
                b"552 5.3.4 Too big\r\n" if self._in_content else b"500 5.5.2 Line too long\r\n"
            )
        self._flush()

    def _refuse(self, reply: bytes) -> None:
        self._out.append(reply)
        self._closing = True

    def _flush(self) -> None:
        if self._out and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()
        if self._closing:
            self._transport.close()

    def _group(self, position: int) -> int:
        """Work off MAIL, RCPT and DATA where they stand together; 0 where they do not, or not in
        turn.
        """
        if not (
            self._signed_in and self._greeted and self._sender is None and self._next_line is None
        ):
            return 0
        found = _GROUP.match(self._buffer, position)
        if found is None or found.end() - position > LINE_LIMIT:
            return 0
        self._sender = found[1].decode("utf-8", "replace")
        address = found[2].decode("utf-8", "replace").lower()
        refusal = self._server.recipient_reply(address)
        if refusal is None:
            self._recipients.append(address)
            self._in_content = True
            self._out.append(_ALL_OK)
        else:
            self._closing = refusal.startswith(b"421")
            self._out.append(_SENDER_OK + refusal + (b"" if self._closing else _NOBODY))
        return found.end()

    def _line(self, position: int) -> int:
        end = self._buffer.find(b"\r\n", position)
        if end < 0:
            return -1
        line = self._buffer[position:end]
        if len(line) > LINE_LIMIT:
            self._refuse(b"500 5.5.2 Line too long\r\n")
        elif self._next_line is not None:
            step, self._next_line = self._next_line, None
            self._out.append(step(line))
        else:
            command = self._commands.get(line[:4].upper())
            self._out.append(command(line) if command else b"500 5.5.2 Unknown command\r\n")
        return end + 2

    def _content(self, position: int) -> int:
        if self._buffer.startswith(b".\r\n", position):
            end, content = position + 3, b""
        else:
            found = self._buffer.find(b"\r\n.\r\n", position + self._searched)
            if found < 0:
                self._searched = max(0, len(self._buffer) - position - 4)
                return -1
            end, content = found + 5, self._buffer[position : found + 2]
        self._in_content, self._searched = False, 0
        latency = self._server.faults.latency_ms
        if latency > 0:
            self._held = True
            asyncio.get_running_loop().call_later(latency / 1000, self._release, content)
        else:
            self._answer(content)
        return end

    def _release(self, content: bytes) -> None:
        self._held = False
        if not self._closing:
            self._answer(content)
            self._work()

    def _answer(self, content: bytes) -> None:
        reply = self._server.take(self._sender or "", self._recipients, content)
        self._sender, self._recipients = None, []
        if reply is None:
            self.drop()
        else:
            self._out.append(reply)

    def _ehlo(self, line: bytes) -> bytes:
        self._greeted = True
        self._rset(line)
        extensions = ["standin.example", f"SIZE {SIZE_LIMIT}", "8BITMIME", "SMTPUTF8"]
        if self._server.pipelining:
            extensions.append("PIPELINING")
        if self._server.credentials:
            extensions.append("AUTH PLAIN LOGIN")
        extensions.append("ENHANCEDSTATUSCODES")
        return "".join(
            f"250{'-' if n < len(extensions) else ' '}{word}\r\n"
            for n, word in enumerate(extensions, 1)
        ).encode()

    def _mail(self, line: bytes) -> bytes:
        if not self._signed_in:
            return b"530 5.7.0 Authentication required\r\n"
        if not self._greeted or self._sender is not None:
            return b"503 5.5.1 Bad sequence of commands\r\n"
        sender = _path(line)
        if sender is None:
            return b"501 5.1.7 Bad sender\r\n"
        self._sender = sender
        return _SENDER_OK

    def _rcpt(self, line: bytes) -> bytes:
        if self._sender is None:
            return b"503 5.5.1 Bad sequence of commands\r\n"
        address = _path(line)
        if not address:
            return b"501 5.1.3 Bad recipient\r\n"
        address = address.lower()
        refusal = self._server.recipient_reply(address)
        if refusal is None:
            self._recipients.append(address)
            return _RECIPIENT_OK
        self._closing = refusal.startswith(b"421")
        return refusal

    def _data(self, line: bytes) -> bytes:
        if not self._recipients:
            return _NOBODY
        self._in_content = True
        return _GO_ON

    def _rset(self, line: bytes) -> bytes:
        self._sender, self._recipients = None, []
        return _OK

    def _quit(self, line: bytes) -> bytes:
        self._closing = True
        return b"221 2.0.0 Bye\r\n"

    def _auth(self, line: bytes) -> bytes:
        words = line.split()
        method = words[1].upper() if len(words) > 1 else b""
        if self._server.credentials is None or method not in {b"PLAIN", b"LOGIN"}:
            return b"504 5.5.4 Unknown method\r\n"
        step = self._plain if method == b"PLAIN" else self._login
        if len(words) > 2:
            return step(words[2])
        self._next_line = step
        return b"334 \r\n" if method == b"PLAIN" else b"334 VXNlcm5hbWU6\r\n"

    def _plain(self, line: bytes) -> bytes:
        return self._judged(*_decoded(line).split("\0")[1:])

    def _login(self, line: bytes) -> bytes:
        self._next_line = lambda password: self._judged(_decoded(line), _decoded(password))
        return b"334 UGFzc3dvcmQ6\r\n"

    def _judged(self, *given: str) -> bytes:
        self._signed_in = given == self._server.credentials
        return (
            b"235 2.7.0 Welcome\r\n" if self._signed_in else b"535 5.7.8 Wrong user or password\r\n"
        )


def _path(line: bytes) -> str | None:
    start, end = line.find(b"<"), line.find(b">")
    return line[start + 1 : end].decode("utf-8", "replace") if 0 <= start < end else None


def _decoded(word: bytes) -> str:
    try:
        return b64decode(word, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
