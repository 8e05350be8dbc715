"""An SMTP server that answers each step as a test tells it, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

DROP = "drop"
"""Instead of a reply: the connection ends."""
SILENCE = "silence"
"""Instead of a reply: nothing, until the client gives up."""

GOOD = {
    "greeting": "220 scripted.example ESMTP",
    "EHLO": "250-scripted.example\r\n250-SMTPUTF8\r\n250 SIZE 1000000",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go on",
    "content": "250 2.0.0 ok queued as 4711",
    "RSET": "250 2.0.0 ok",
    "NOOP": "250 2.0.0 ok",
    "QUIT": "221 2.0.0 bye",
    "AUTH": "235 2.7.0 welcome",
}


class ScriptedSmtp:
    """A good server, but for the steps in `script`: step -> reply, or a list of replies used up one
    by one.
    """

    def __init__(self, **script: str | list[str]) -> None:
        self.script = script
        self.commands: list[str] = []
        self.mails: list[bytes] = []
        self.connections = 0
        self.got_mail = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    @asynccontextmanager
    async def running(self, port: int = 0) -> AsyncIterator[str]:
        """Serve on loopback; yields the URL."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        try:
            yield f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()
            self.hang_up()
            await server.wait_closed()

    def hang_up(self) -> None:
        """End every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    def _reply(self, step: str) -> str:
        told = self.script.get(step, GOOD.get(step, "500 5.5.2 what"))
        if isinstance(told, list):
            return told.pop(0) if told else GOOD[step]
        return told

    async def _answer(self, step: str, writer: asyncio.StreamWriter) -> str:
        reply = self._reply(step)
        if reply == DROP:
            writer.transport.abort()
            raise ConnectionResetError
        if reply == SILENCE:
            await asyncio.Event().wait()
        writer.write(f"{reply}\r\n".encode())
        await writer.drain()
        return reply

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._answer("greeting", writer)
        while line := await reader.readline():
            self.commands.append(line.decode().rstrip("\r\n"))
            reply = await self._answer(line[:4].decode().upper(), writer)
            if reply.startswith("354"):
                self.mails.append(await reader.readuntil(b"\r\n.\r\n"))
                self.got_mail.set()
                reply = await self._answer("content", writer)
            if reply.startswith(("421", "221")):
                return
