"""Load of strangers, and what residents and providers see of it: one real web process and worker on
SQLite, on two cores.

    PYTHONPATH=tests:. python tests/benchmarks/bench_strangers.py [--seconds N] [--only KIND ...]

While strangers (strangers.py) do one thing, then everything at once, a signed BERHENTI is posted
again and again and timed until it is applied, and /readyz and a screen's data are asked for over
fresh connections. Exits with 1 where a goal was missed.
"""

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import aiohttp
import uvloop
from sqlalchemy import select

from benchmarks.bench_delivery import address, settings
from benchmarks.parts import line, machine, process, table
from benchmarks.standins import Clock, provider
from benchmarks.strangers import KINDS
from broadcaster.app import App
from broadcaster.runtime.valkey import valkey
from broadcaster.simulation.ports import free_port
from broadcaster.store.migrate import migrate
from subscribers import store
from support.world import notice, program, publish, subscribe, variables

STOP_SECONDS, ANSWER_MS, MEMORY_MB = 2.0, 500.0, 400.0
"""Goals."""
NOTICES = 300
RESIDENTS = 1_000
GIVE_UP_SECONDS = 15.0
"""Longest time measured."""
PAUSE_SECONDS = 0.2
RESIDENT, META = "127.0.9.1", "127.0.9.2"
"""Source addresses of screens and of the provider: no proxy either."""
PHASES = [(kind, each) for kind in KINDS for each in ("one", "many")] + [
    ("search", "proxied"), ("sign-in", "proxied"), ("all", "many"),
]  # fmt: skip


@dataclass(kw_only=True)
class Seen:
    """Seconds that residents and providers waited in one phase, failures, and the cost of the web
    process.
    """

    stops: list[float] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)
    screen: list[float] = field(default_factory=list)
    failed: int = 0
    memory: int = 0
    cpu: float = 0.0
    """Share of a core that the web process had."""
    waited: float = 0.0
    """Share of the time in which it could have computed and had no core: the machine's doing, not
    ours.
    """

    def row(self, kind: str, source: str, done: str) -> tuple[dict[str, str], bool]:
        """Return a line of the table, and True if every goal was met."""
        stop, megabytes = max(self.stops), self.memory / 2**20
        ready, screen = (1000 * max(times) for times in (self.ready, self.screen))
        met = (
            stop <= STOP_SECONDS
            and max(ready, screen) <= ANSWER_MS
            and megabytes < MEMORY_MB
            and not self.failed
        )
        cells = {
            "strangers": kind,
            "addresses": source,
            "BERHENTI, worst s": f"{stop:.2f}",
            "/readyz, worst ms": f"{ready:.0f}",
            "screen, worst ms": f"{screen:.0f}",
            "web, MB": f"{megabytes:.0f}",
            "web, % of a core": f"{100 * self.cpu:.0f}",
            "% waiting for one": f"{100 * self.waited:.0f}",
            "failed": str(self.failed),
            "goals": "met" if met else "missed",
            "what they got": done,
        }
        return cells, met


@dataclass(kw_only=True)
class Site:
    """Site under load."""

    app: App
    port: int
    web: int
    """Process id of the web server."""
    residents: count = field(default_factory=count)  # type: ignore[type-arg]  # of whole numbers

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return f"http://127.0.0.1:{self.port}{path}"

    async def answered(self, session: aiohttp.ClientSession, path: str, seen: Seen) -> float:
        """Return the seconds until a page was answered."""
        began = time.perf_counter()
        try:
            async with session.get(self.url(path)) as response:
                await response.read()
                seen.failed += response.status != 200
        except (aiohttp.ClientError, TimeoutError):
            seen.failed += 1
        return time.perf_counter() - began

    async def stopped(self, session: aiohttp.ClientSession, seen: Seen) -> float:
        """Return the seconds from the post of a resident's BERHENTI until it is applied; posted
        again if it was not accepted, as Meta does.
        """
        who = address("whatsapp", next(self.residents))
        body = json.dumps(berhenti(who)).encode()
        signature = hmac.new(b"s", body, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": f"sha256={signature}", "Content-Type": "application/json"}
        began, accepted = time.perf_counter(), False
        key = self.app.vault.lookup("whatsapp", who)
        query = select(store.address.c.state).where(store.address.c.lookup == key)
        while time.perf_counter() - began < GIVE_UP_SECONDS:
            if not accepted:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.post(
                        self.url("/webhook/whatsapp"), data=body, headers=headers
                    ) as response:
                        accepted = response.status == 200
            if (
                await self.app.database.read(
                    lambda connection: connection.execute(query).scalar_one()
                )
                != store.State.CONFIRMED
            ):
                return time.perf_counter() - began
            await asyncio.sleep(0.02)
        seen.failed += 1
        return GIVE_UP_SECONDS

    def scheduled(self) -> tuple[float, float]:
        """Return the seconds that the web process's main thread ran, and waited for a core, as the
        kernel counts.
        """
        ran, waited, _ = Path(f"/proc/{self.web}/schedstat").read_text().split()
        return int(ran) / 1e9, int(waited) / 1e9

    def memory(self) -> int:
        """Return the resident bytes of the web process."""
        return int(Path(f"/proc/{self.web}/statm").read_text().split()[1]) * os.sysconf(
            "SC_PAGE_SIZE"
        )


def berhenti(who: str) -> dict[str, object]:
    """Return Meta's webhook of a resident's BERHENTI."""
    message = {
        "from": who,
        "id": f"wamid.{who}",
        "timestamp": str(int(time.time())),
        "type": "text",
        "text": {"body": "BERHENTI"},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "62221234", "phone_number_id": "1"},
        "contacts": [{"profile": {"name": "Warga"}, "wa_id": who}],
        "messages": [message],
    }
    changes = [{"field": "messages", "value": value}]
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "time": int(time.time()), "changes": changes}],
    }


@asynccontextmanager
async def sessions() -> AsyncIterator[tuple[aiohttp.ClientSession, aiohttp.ClientSession]]:
    """Yield the session of a resident and of a provider, each request on a fresh connection."""
    timeout = aiohttp.ClientTimeout(total=GIVE_UP_SECONDS)
    resident = aiohttp.TCPConnector(local_addr=(RESIDENT, 0), force_close=True)
    meta = aiohttp.TCPConnector(local_addr=(META, 0), force_close=True)
    async with (
        aiohttp.ClientSession(connector=resident, timeout=timeout) as first,
        aiohttp.ClientSession(connector=meta, timeout=timeout) as second,
    ):
        yield first, second


async def watch(site: Site, seconds: float) -> Seen:
    """Measure the site for some seconds, as residents and providers see it."""
    seen, began = Seen(), time.perf_counter()
    until, (ran, waited) = began + seconds, site.scheduled()

    async def pages(session: aiohttp.ClientSession, path: str, times: list[float]) -> None:
        while time.perf_counter() < until:
            times.append(await site.answered(session, path, seen))
            await asyncio.sleep(PAUSE_SECONDS)

    async def stops(session: aiohttp.ClientSession) -> None:
        while time.perf_counter() < until:
            seen.stops.append(await site.stopped(session, seen))
            await asyncio.sleep(PAUSE_SECONDS)

    async def memory() -> None:
        while time.perf_counter() < until:
            seen.memory = max(seen.memory, site.memory())
            await asyncio.sleep(PAUSE_SECONDS / 2)

    async with sessions() as (resident, meta):
        reading = (
            pages(resident, "/readyz", seen.ready),
            pages(resident, "/layar/cibabat/data", seen.screen),
        )
        await asyncio.gather(*reading, stops(meta), memory())
    took, (ran_then, waited_then) = time.perf_counter() - began, site.scheduled()
    seen.cpu, seen.waited = (ran_then - ran) / took, (waited_then - waited) / took
    return seen


async def phase(site: Site, kind: str, source: str, seconds: float) -> tuple[dict[str, str], bool]:
    """Start the strangers and watch the site; returns a line of the table and True if every goal
    was met.
    """
    if kind == "nobody":
        return (await watch(site, seconds)).row(kind, source, "")
    async with process("tests/benchmarks/strangers.py", str(site.port), kind, source) as strangers:
        await line(strangers)
        assert strangers.stdin is not None
        strangers.stdin.write(b"begin\n")
        seen = await watch(site, seconds)
        strangers.stdin.close()
        done = json.loads(await line(strangers))
    return seen.row(
        kind,
        source,
        ", ".join(
            f"{each:,} {name}" if isinstance(each, int) else f"{name} {each}"
            for name, each in done.items()
        ),
    )


@asynccontextmanager
async def city() -> AsyncIterator[Site]:
    """Run a site with announcements, residents, a provider, a web process and a worker."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        where = await stack.enter_async_context(provider("whatsapp", Clock()))
        redis_url = await stack.enter_async_context(valkey(folder))
        url = f"sqlite:///{folder / 'siaran.db'}"
        migrate(url)
        port = free_port()
        environ = variables(
            url,
            folder,
            BROADCASTER_REDIS_URL=redis_url,
            BROADCASTER_PORT=str(port),
            BROADCASTER_BASE_URL=f"http://127.0.0.1:{port}",
            **settings("whatsapp", where),
        )
        app = await stack.enter_async_context(program(environ, redis_url=redis_url))
        await subscribe(
            app,
            "whatsapp",
            [(address("whatsapp", number), "melong") for number in range(RESIDENTS)],
        )
        for number in range(NOTICES):
            await publish(app, notice(title=f"Air PDAM mati di Cibabat, hari ke-{number}"))
        web = await stack.enter_async_context(
            process("-m", "broadcaster", "web", environ=environ, quiet=True)
        )
        await stack.enter_async_context(
            process("-m", "broadcaster", "worker", "--lane", "routine", environ=environ, quiet=True)
        )
        site = Site(app=app, port=port, web=web.pid)
        async with sessions() as (resident, meta):
            while not await ready(site, resident):  # noqa: ASYNC110  another process says it
                await asyncio.sleep(0.1)
            await site.stopped(meta, Seen())  # the worker is there too
        yield site


async def ready(site: Site, session: aiohttp.ClientSession) -> bool:
    """True if the web process serves."""
    seen = Seen()
    await site.answered(session, "/readyz", seen)
    return not seen.failed


async def measure(seconds: float, only: Sequence[str]) -> bool:
    """Print the table line by line; returns True if every goal was met."""
    phases = [("nobody", "-"), *PHASES]
    chosen = [(kind, source) for kind, source in phases if not only or kind in only]
    sys.stdout.write(
        f"{machine()}\ngoals: BERHENTI {STOP_SECONDS:g} s, answers {ANSWER_MS:g} ms, web < {MEMORY_MB:g} MB\n\n"
    )
    every = True
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (1_024, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )  # as most shells have it
    async with city() as site:
        for number, (kind, source) in enumerate(chosen):
            cells, met = await phase(site, kind, source, seconds)
            every = every and met
            lines = table([cells]).splitlines()
            sys.stdout.write("\n".join(lines if number == 0 else lines[2:]) + "\n")
            sys.stdout.flush()
    return every


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--only", nargs="*", default=[], metavar="KIND")
    options = parser.parse_args()
    raise SystemExit(0 if uvloop.run(measure(options.seconds, options.only)) else 1)
