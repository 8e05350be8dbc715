"""An SMTP server with PIPELINING that plays a tape of moves, one for each reply it owes, and notes
what it really took.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import cast

GOOD = "good"
DROP = "drop"
"""The connection ends; a content has been taken all the same."""
CLOSE = "close"
"""A good reply, then the connection ends."""
SILENCE = "silence"
"""No reply, for ever; a content has been taken all the same."""
EXTRA = "extra"
"""A good reply and one that nobody asked for."""
BYTES = "bytes"
"""A good reply, each byte in a packet of its own."""
LINES = "lines"
"""A good reply of several lines."""
ANYWAY = "anyway"
"""DATA is answered with 354 though no recipient was accepted; otherwise good."""
GARBAGE = ["2500 x", "25", "", "nun", "250_x", "250-a\r\n251 b", "\xff\xfe\xfd"]
"""No replies at all."""
GARBAGE += ["250 " + "x" * 5000, "250-x\r\n" * 6000, "x" * 9000]
CODES = [421, 450, 451, 452, 550, 552, 554, 221, 252, 354]
"""Replies other than the wanted one; below 400 they are out of turn."""
GOODS = {
    "MAIL": "250",
    "RCPT": "250",
    "DATA": "354",
    "RSET": "250",
    "NOOP": "250",
    "QUIT": "221",
    "content": "250",
}


class HostileSmtp:
    """Good where the tape has ended. `taken`: (recipient, content) accepted; `said`: recipients
    whose content got its 250.
    """

    def __init__(self, tape: Iterable[str | int] = (), *, extensions: str = "PIPELINING") -> None:
        self.tape = iter(tape)
        self.extensions = extensions
        self.taken: list[tuple[str, bytes]] = []
        self.said: list[str] = []
        self.asked: list[str] = []
        """Recipients whose content was asked for with 354."""
        self.faults: list[str] = []
        """What a client must never do."""
        self.commands: list[str] = []
        self.connections = 0
        self.open: set[_Talk] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """Serve on loopback; yields the port."""
        server = await asyncio.get_running_loop().create_server(lambda: _Talk(self), "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for talk in list(self.open):
                talk.transport.abort()
            await server.wait_closed()


class _Talk(asyncio.Protocol):
    def __init__(self, server: HostileSmtp) -> None:
        self.server = server
        self.transport = cast(asyncio.Transport, None)
        self.buffer = b""
        self.sender = False
        self.to = ""
        self.reading = False
        self.mute = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.server.open.add(self)
        self.server.connections += 1
        self.transport.write(b"220 hostile.example\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.open.discard(self)
        self.mute = True

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while not self.mute:
            if not self.reading:
                head, found, rest = self.buffer.partition(b"\r\n")
            else:
                head, found, rest = (b"\r\n" + self.buffer).partition(b"\r\n.\r\n")
            if not found:
                return
            self.buffer = rest
            if self.reading:
                self._content(head[2:] + b"\r\n" if head else b"")
            else:
                self._command(head.decode())

    def _command(self, line: str) -> None:
        self.server.commands.append(line)
        verb, path = line[:4].upper(), line.partition("<")[2].partition(">")[0]
        if verb == "EHLO":
            words = ["hostile.example", *self.server.extensions.split(",")]
            lines = [
                f"250{'-' if n < len(words) else ' '}{word}\r\n" for n, word in enumerate(words, 1)
            ]
            self.transport.write("".join(lines).encode())
            return
        if verb == "DATA" and self.buffer:
            self.server.faults.append("something was written before DATA was answered")
        move = next(self.server.tape, GOOD)
        if verb == "DATA" and move == 354:
            move = GOOD
        if verb == "QUIT" and move == SILENCE:
            move = DROP  # nothing depends on it, and waiting takes long
        refusal = self._refusal(verb, move)
        if refusal is None and not isinstance(move, int):
            self._apply(verb, path)
        self._reply(verb, move, refusal)

    def _refusal(self, verb: str, move: str | int) -> str | None:
        if verb not in GOODS:
            return "500 5.5.2 what"
        if (verb == "MAIL" and self.sender) or (verb == "RCPT" and not self.sender):
            return "503 5.5.1 bad sequence"
        if verb == "DATA" and not self.to and move != ANYWAY:
            return "554 5.5.1 no valid recipients"
        return None

    def _apply(self, verb: str, path: str) -> None:
        if verb in {"RSET", "MAIL"}:
            self.sender, self.to = verb == "MAIL", ""
        elif verb == "RCPT":
            self.to = path
        elif verb == "DATA":
            self.reading = True
            self.server.asked.append(self.to)

    def _content(self, octets: bytes) -> None:
        move = next(self.server.tape, GOOD)
        if not self.to:
            self.server.faults.append("a content without a recipient")
        if not isinstance(move, int) or move < 400:
            self.server.taken.append((self.to, octets))
        if move in {GOOD, CLOSE, EXTRA, BYTES, LINES, ANYWAY}:
            self.server.said.append(self.to)
        self.reading, self.sender, self.to = False, False, ""
        self._reply("content", move, None)

    def _reply(self, step: str, move: str | int, refusal: str | None) -> None:
        good = f"{refusal or GOODS[step] + ' 2.0.0 ' + step}\r\n"
        if move in (DROP, SILENCE):
            self.mute = True
            if move == DROP:
                self.transport.abort()
        elif move == BYTES:
            for octet in good.encode():
                self.transport.write(bytes([octet]))
        elif isinstance(move, int):
            self.transport.write(
                f"{move} {move // 100}.9.9 no\r\n".encode() if refusal is None else good.encode()
            )
            if move == 421 and refusal is None:
                self._end()
        elif move in GARBAGE:
            self.transport.write(move.encode("latin-1") + b"\r\n")
        else:
            more = "250 2.0.0 nobody asked\r\n" if move == EXTRA else ""
            several = f"{good[:3]}-satu\r\n{good[:3]}-\r\n" if move == LINES else ""
            self.transport.write(f"{several}{good}{more}".encode())
        if move == CLOSE or step == "QUIT":
            self._end()

    def _end(self) -> None:
        self.mute = True
        self.transport.close()
