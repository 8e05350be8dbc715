"""An SMTP server that answers single recipients as a test tells it, over real sockets; all others
get their mail.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What one recipient gets: at "rcpt", "data" or "content" this reply, once `gate` is set where
    there is one.
    """

    reply: str
    stage: str = "rcpt"
    gate: asyncio.Event | None = None


@dataclass
class PickySmtp:
    """`answers` by address; `arrived` says when (loop time) each other address got its mail,
    `tried` how often RCPT named it.
    """

    answers: Mapping[str, Answer] = field(default_factory=dict)
    pipelining: bool = True
    arrived: dict[str, float] = field(default_factory=dict)
    tried: Counter[str] = field(default_factory=Counter)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Serve on loopback; yields the URL."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=256)
        try:
            yield f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        writer.write(b"220 picky.example ESMTP\r\n")
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to = ""
        while line := await reader.readline():
            word = line[:4].upper()
            reply = {b"MAIL": "250 2.1.0 ok", b"RSET": "250 2.0.0 ok", b"NOOP": "250 2.0.0 ok"}.get(
                word, "502 5.5.1 what"
            )
            if word == b"EHLO":
                extensions = [
                    "picky.example",
                    *(["PIPELINING"] if self.pipelining else []),
                    "SMTPUTF8",
                ]
                reply = "".join(f"250-{name}\r\n" for name in extensions) + "250 8BITMIME"
            elif word == b"RCPT":
                address = line.decode().partition("<")[2].partition(">")[0]
                self.tried[address] += 1
                reply = await self._answer("rcpt", address, "250 2.1.5 ok")
                to = address if reply.startswith("250") else ""
            elif word == b"DATA":
                reply = (
                    await self._answer("data", to, "354 go on")
                    if to
                    else "554 5.5.1 No valid recipients"
                )
            writer.write(f"{reply}\r\n".encode())
            if reply.startswith("354"):
                await reader.readuntil(b"\r\n.\r\n")
                reply = await self._answer("content", to, "250 2.0.0 queued")
                if reply.startswith("250"):
                    self.arrived[to] = asyncio.get_running_loop().time()
                writer.write(f"{reply}\r\n".encode())
            if reply.startswith("421"):
                await writer.drain()
                return

    async def _answer(self, stage: str, address: str, otherwise: str) -> str:
        answer = self.answers.get(address)
        if answer is None or answer.stage != stage:
            return otherwise
        if answer.gate is not None:
            await answer.gate.wait()
        return answer.reply
