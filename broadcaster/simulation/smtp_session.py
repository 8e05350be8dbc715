"""Connections of the stand-in mail server: SMTP with PIPELINING and AUTH."""

import asyncio
import binascii
import re
from base64 import b64decode
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Protocol, cast

from broadcaster.simulation.faults import Faults

SIZE_LIMIT = 10 * 1024 * 1024
LINE_LIMIT = 4096
GREETING = b"220 standin.example ESMTP\r\n"
GO_ON = b"354 End with a dot on a line of its own\r\n"
_GROUP = re.compile(
    rb"MAIL FROM:<([^>\r\n]*)>[^\r\n]*\r\nRCPT TO:<([^>\r\n]+)>[^\r\n]*\r\nDATA\r\n"
)
"""Envelope as pipelining clients send it; handling it in one step halves the cost of a message."""
_OK = b"250 2.0.0 OK\r\n"
_SENDER_OK = b"250 2.1.0 OK\r\n"
_RECIPIENT_OK = b"250 2.1.5 OK\r\n"
_ALL_OK = _SENDER_OK + _RECIPIENT_OK + GO_ON
_NOBODY = b"554 5.5.1 No valid recipients\r\n"


class SessionServer(Protocol):
    """Server that a session belongs to."""

    credentials: tuple[str, str] | None
    faults: Faults
    pipelining: bool
    counts: Counter[str]
    sessions: "set[SmtpSession]"

    def recipient_reply(self, address: str) -> bytes | None:
        """Return the refusal of an address; None accepts it."""

    def take(self, sender: str, recipients: list[str], content: bytes) -> bytes | None:
        """Store a message and return the reply; None drops the connection."""


class SmtpSession(asyncio.Protocol):
    """Connection that processes all received input, however it was split into packets, and replies
    in one write.
    """

    def __init__(self, server: SessionServer) -> None:
        self._server = server
        self._buffer = b""
        self._out: list[bytes] = []
        self._transport = cast(asyncio.Transport, None)
        self._greeted = False
        self._signed_in = server.credentials is None
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._in_content = False
        self._searched = 0  # octets of the content already searched for its end
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
        """Register the connection and send the greeting."""
        self._transport = cast(asyncio.Transport, transport)
        self._server.sessions.add(self)
        self._server.counts["connections"] += 1
        self._greet()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """Unregister the connection."""
        self._closing = True
        self._server.sessions.discard(self)

    def data_received(self, data: bytes) -> None:
        """Process complete lines and messages."""
        self._buffer = self._buffer + data
        self._work()

    def drop(self) -> None:
        """Abort the connection without a reply."""
        self._closing = True
        self._transport.abort()

    def _greet(self) -> None:
        self._out.append(GREETING)

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
        """Process MAIL, RCPT and DATA that arrived together and return the end of them.

        Returns 0 if they did not, or are out of sequence.
        """
        if not (
            self._signed_in and self._greeted and self._sender is None and self._next_line is None
        ):
            return 0
        group = _GROUP.match(self._buffer, position)
        if group is None or group.end() - position > LINE_LIMIT:
            return 0
        self._sender = group[1].decode("utf-8", "replace")
        address = group[2].decode("utf-8", "replace").lower()
        refusal = self._server.recipient_reply(address)
        if refusal is None:
            self._recipients.append(address)
            self._in_content = True
            self._out.append(_ALL_OK)
        else:
            self._closing = refusal.startswith(b"421")
            self._out.append(_SENDER_OK + refusal + (b"" if self._closing else _NOBODY))
        return group.end()

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
            self._obey(line)
        return end + 2

    def _obey(self, line: bytes) -> None:
        self._out.append(self._reply(line))

    def _reply(self, line: bytes) -> bytes:
        command = self._commands.get(line[:4].upper())
        return command(line) if command else b"500 5.5.2 Unknown command\r\n"

    def _content(self, position: int) -> int:
        if self._buffer.startswith(b".\r\n", position):
            end, content = position + 3, b""
        else:
            dot = self._buffer.find(b"\r\n.\r\n", position + self._searched)
            if dot < 0:
                self._searched = max(0, len(self._buffer) - position - 4)
                return -1
            end, content = dot + 5, self._buffer[position : dot + 2]
        self._in_content, self._searched = False, 0
        latency = self._server.faults.latency_ms
        if latency > 0:
            self._held = True
            resume = partial(self._resume, partial(self._answer, content))
            asyncio.get_running_loop().call_later(latency / 1000, resume)
        else:
            self._answer(content)
        return end

    def _resume(self, act: Callable[[], None]) -> None:
        self._held = False
        if not self._closing:
            act()
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
        sender = path_of(line)
        if sender is None:
            return b"501 5.1.7 Bad sender\r\n"
        self._sender = sender
        return _SENDER_OK

    def _rcpt(self, line: bytes) -> bytes:
        if self._sender is None:
            return b"503 5.5.1 Bad sequence of commands\r\n"
        address = path_of(line)
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
        return GO_ON

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


def path_of(line: bytes) -> str | None:
    """Return the address in angle brackets; None if there is none."""
    start, end = line.find(b"<"), line.find(b">")
    return line[start + 1 : end].decode("utf-8", "replace") if 0 <= start < end else None


def _decoded(word: bytes) -> str:
    try:
        return b64decode(word, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
