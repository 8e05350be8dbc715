"""Stranger on loopback: raw connections from an address that is no proxy's, to send what no
well-behaved client would.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

ADDRESS = "127.0.1.1"
"""Loopback too, but not the address of proxies."""


class Stranger:
    """Raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read the next answer, which must have a Content-Length: status, headers by lower-case
        name, body.
        """
        head = (
            (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10))
            .decode("latin-1")
            .split("\r\n")
        )
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:] if line)
        }
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return int(head[0].split()[1]), headers, body

    async def rest(self) -> bytes:
        """Read until the connection ends, however it ends."""
        parts = []
        with contextlib.suppress(ConnectionError):
            while part := await asyncio.wait_for(self.reader.read(65536), 10):
                parts.append(part)
        return b"".join(parts)


@contextlib.asynccontextmanager
async def stranger(port: int, address: str = ADDRESS) -> AsyncIterator[Stranger]:
    """Connect from an address of loopback; the connection is closed with the block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    try:
        yield Stranger(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
