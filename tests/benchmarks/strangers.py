"""Strangers in a process of their own: ask the web server for what costs it, or hold on to it.

    python tests/benchmarks/strangers.py PORT KIND ADDRESSES

KIND is one of KINDS or "all"; ADDRESSES: "one", "many" (source addresses of loopback) or "proxied"
(one proxy names many visitors). Prints what was done as JSON.
"""

import asyncio
import contextlib
import json
import os
import random
import resource
import secrets
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

import aiohttp
import uvloop

AT_ONCE = 40
"""Requests on their way at the same time."""
HALF_OPEN = 1_100
UNFINISHED = 200
UNFINISHED_BYTES = 1_500_000
AGAIN_SECONDS = 1.0
"""Pause before a connection that was ended is opened again."""
HEAD_BYTES = 200 * 1024 * 1024
HEADS = 4
"""Connections that share the bytes of heads."""
SCRIPTS = (
    "abcdefghijklmnop ",
    "ابتثجحخدذرزسشصضطظعغ ",
    "ᮃᮄᮅᮆᮇᮈᮊᮌᮎ ",
    "漢字仮名交 ",
    "àéîõü ",
    "%_'\"*( ",
)
PROXY = "127.0.0.1"

Act = Callable[["Strangers"], Awaitable[None]]


@dataclass(kw_only=True)
class Strangers:
    """Strangers of one phase."""

    port: int
    addresses: str
    sessions: list[aiohttp.ClientSession] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)

    def source(self) -> str:
        """Return a source address."""
        if self.addresses == "proxied":
            return PROXY
        return (
            "127.0.1.1"
            if self.addresses == "one"
            else f"127.0.{random.randint(1, 8)}.{random.randint(1, 250)}"
        )

    async def ask(self, path: str, method: str = "GET", **headers: str) -> None:
        """Send a request and count the status or error."""
        if self.addresses == "proxied":
            headers["X-Forwarded-For"] = f"203.0.{random.randint(0, 255)}.{random.randint(1, 254)}"
        url = f"http://127.0.0.1:{self.port}{path}"
        data = headers.pop("data", None)
        try:
            async with random.choice(self.sessions).request(
                method, url, headers=headers, data=data
            ) as response:
                await response.read()
                self.done[str(response.status)] += 1
                if response.status in (429, 503):
                    await asyncio.sleep(
                        0.02
                    )  # a stranger's round trip: else this process alone takes a core
        except (aiohttp.ClientError, TimeoutError) as error:
            self.done[type(error).__name__] += 1
            await asyncio.sleep(0.05)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a raw connection."""
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(self.source(), 0))


@asynccontextmanager
async def sessions(strangers: Strangers) -> AsyncIterator[None]:
    """Give the strangers HTTP sessions, each from an address of its own."""
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(1 if strangers.addresses == "one" else AT_ONCE):
            connector = aiohttp.TCPConnector(local_addr=(strangers.source(), 0), limit=AT_ONCE)
            timeout = aiohttp.ClientTimeout(total=30)
            session = aiohttp.ClientSession(
                connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
            )
            strangers.sessions.append(await stack.enter_async_context(session))
        yield


def words() -> str:
    """Return words that nobody used before, of any length, in any script."""
    length = random.choice((1, 3, 12, 60, 300, 2_000))
    return "".join(random.choice(random.choice(SCRIPTS)) for _ in range(length))


async def sign_in(strangers: Strangers) -> None:
    """Guess a password, with a form token as our page gives it."""
    token = secrets.token_hex(8)
    form = f"nama=rina&sandi={secrets.token_hex(6)}&csrf={token}"
    origin = f"http://127.0.0.1:{strangers.port}"
    headers = {
        "Cookie": f"formulir={token}",
        "Origin": origin,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    await strangers.ask("/redaksi/masuk", "POST", data=form, **headers)


async def search(strangers: Strangers) -> None:
    """Search the announcements."""
    await strangers.ask(f"/?kata={quote(words())}")


async def feeds(strangers: Strangers) -> None:
    """Ask for a feed by a name and a value that it does not know."""
    kind = random.choice(("rss", "atom", "json"))
    await strangers.ask(f"/feed/cibabat.{kind}?{secrets.token_hex(3)}={secrets.token_hex(3)}")


async def check(strangers: Strangers) -> None:
    """Ask whether a text is ours."""
    await strangers.ask(f"/cek?kode={quote('CMH-' + secrets.token_hex(3) + ' ' + words())}")


async def held(strangers: Strangers, start: bytes, more: int) -> None:
    """Open a connection, send `start` and `more` bytes, and hold on until the server ends it."""
    await asyncio.sleep(
        random.random() * AGAIN_SECONDS if more else 0
    )  # their network carries no more than some gigabits
    try:
        reader, writer = await strangers.connect()
    except OSError as error:
        strangers.done[type(error).__name__] += 1
        await asyncio.sleep(0.2)
        return
    try:
        writer.write(start)
        for _ in range(0, more, 65_536):
            writer.write(b"x" * min(65_536, more))
            await writer.drain()
        strangers.done["held"] += 1
        await reader.read(65_536)
        strangers.done["ended by the server"] += 1
    except OSError:
        strangers.done["ended by the server"] += 1
    finally:
        writer.transport.abort()
    await asyncio.sleep(AGAIN_SECONDS)


async def half_open(strangers: Strangers) -> None:
    """Send nothing, or begin a head."""
    await held(strangers, random.choice((b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ")), 0)


async def bodies(strangers: Strangers) -> None:
    """Begin a webhook's body, signed as it may be or not at all."""
    signature = random.choice(("", f"X-Hub-Signature-256: sha256={secrets.token_hex(32)}\r\n"))
    head = f"POST /webhook/whatsapp HTTP/1.1\r\nHost: x\r\nContent-Length: {2 * UNFINISHED_BYTES}\r\n{signature}\r\n"
    await held(strangers, head.encode(), UNFINISHED_BYTES)


async def heads(strangers: Strangers) -> None:
    """Send a head of some ten megabytes."""
    await held(strangers, b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ", HEAD_BYTES // HEADS)


KINDS: dict[str, tuple[Act, int]] = {
    "sign-in": (sign_in, AT_ONCE),
    "search": (search, AT_ONCE),
    "feeds": (feeds, AT_ONCE),
    "check": (check, AT_ONCE),
    "bodies": (bodies, UNFINISHED),
    "half-open": (half_open, HALF_OPEN),
    "heads": (heads, HEADS),
}
"""Acts of strangers, and the number that do each at the same time."""


async def main(port: int, kind: str, addresses: str) -> None:
    """Print that all is ready; begin with a line on standard input and go on until it ends."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.nice(10)  # strangers compute on machines of their own
    strangers = Strangers(port=port, addresses=addresses)

    async def again(act: Act) -> None:
        while True:
            await act(strangers)

    async with sessions(strangers):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        chosen = KINDS.values() if kind == "all" else [KINDS[kind]]
        tasks = [asyncio.create_task(again(act)) for act, count in chosen for _ in range(count)]
        await asyncio.to_thread(sys.stdin.read)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        failed = [each for each in ended if isinstance(each, Exception)]
    sys.stdout.write(
        json.dumps({**strangers.done, **({"broken": repr(failed[0])} if failed else {})}) + "\n"
    )


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
