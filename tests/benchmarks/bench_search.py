"""Cost of a search of the public archive, and of many for everybody else: 10,000 announcements in
SQLite, one process.

Run: PYTHONPATH=tests:. python tests/benchmarks/bench_search.py [--announcements N] [--searches N]
[--searchers N] [--seconds S]
"""

import argparse
import asyncio
import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
from sqlalchemy import Connection

from benchmarks.parts import answering
from broadcaster.app import App, open_app
from broadcaster.domain.actor import NamedActor
from broadcaster.publishing import publications
from broadcaster.publishing.press import Press
from broadcaster.runtime import config, processes
from broadcaster.simulation.ports import free_port
from broadcaster.store.migrate import migrate
from support.browsing import CREDENTIALS

SEARCH_MS, READ_MS = 100.0, 500.0
"""Goals: p95 of a search, and of everybody else's pages while strangers search."""
BATCH = 250
SYLLABLES = (
    "ka",
    "me",
    "di",
    "ta",
    "la",
    "ra",
    "sa",
    "pe",
    "an",
    "bu",
    "ngi",
    "tor",
    "air",
    "jal",
    "ku",
    "ban",
)
WORDS = 12_000
READ = ("/", "/feed/cibabat.rss", "/layar/cibabat/data", "/readyz")


def vocabulary(dice: random.Random) -> Callable[[int], str]:
    """Return a function that makes texts of so many words, which come as often as in a language:
    the n-th word 1/n as often as the first.
    """
    words = ["".join(dice.choices(SYLLABLES, k=dice.randint(2, 5))) for _ in range(WORDS)]
    weights = list(itertools.accumulate(1 / (number + 1) for number in range(WORDS)))
    return lambda count: " ".join(dice.choices(words, cum_weights=weights, k=count))


def load(app: App, count: int, text: Callable[[int], str]) -> None:
    """Publish announcements of 120 words each, one a half hour, as the program does."""
    press, areas = Press.of(app), [area.slug for area in app.tree.kelurahan]

    def publish(connection: Connection, numbers: Sequence[int]) -> None:
        for number in numbers:
            now = app.clock() - timedelta(minutes=30 * (count - number))
            raw = {
                "title": text(5)[:70],
                "body": text(120),
                "areas": [areas[number % len(areas)]],
                "channels": ["feed", "display"],
            }
            publications.publish(
                connection, press, press.examine(raw, now), actor=NamedActor(name="bench", now=now)
            )

    for start in range(0, count, BATCH):
        app.database.write_now(publish, range(start, min(count, start + BATCH)))


@asynccontextmanager
async def web(environ: dict[str, str], folder: Path) -> AsyncIterator[str]:
    """Run the program's own web process on a free port; yields its URL."""
    port = free_port()
    command = [sys.executable, "-m", "broadcaster", "web"]
    served = {"BROADCASTER_HOST": "127.0.0.1", "BROADCASTER_PORT": str(port)}
    with (folder / "web.log").open("wb") as log:
        process = subprocess.Popen(
            processes.tied(command), env={**os.environ, **environ, **served}, stdout=log, stderr=log
        )
    try:
        async with aiohttp.ClientSession() as session:
            await answering(session, f"http://127.0.0.1:{port}/readyz")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


class Figures:
    """Milliseconds and statuses of many requests."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, url
        self.times: list[float] = []
        self.statuses: Counter[int] = Counter()

    async def ask(self, path: str, client: str) -> None:
        """Send a request of a client; its time counts only if it was answered with 200."""
        started = time.perf_counter()
        async with self.session.get(
            self.url + path, headers={"X-Forwarded-For": client}
        ) as response:
            await response.read()
        self.statuses[response.status] += 1
        if response.status == 200:
            self.times.append((time.perf_counter() - started) * 1000)

    def line(self, name: str, goal: float) -> bool:
        """Print a line of the table; returns True if the goal was met."""
        times = sorted(self.times) or [float("inf")]
        late = times[int(len(times) * 0.95)]
        print(
            f"{name:<46}{times[len(times) // 2]:>9.1f}{late:>9.1f}{times[-1]:>9.1f}{goal:>7.0f}  {dict(self.statuses)}",
            flush=True,
        )
        return late < goal


def client_of(number: int) -> str:
    """Return an address of its own for each stranger."""
    return f"2001:db8:{number % 65_536:x}::1"


async def single(session: aiohttp.ClientSession, url: str, searches: Sequence[str]) -> bool:
    """Search one after the other; returns True if the goal was met."""
    figures = Figures(session, url)
    for number, words in enumerate(searches):
        await figures.ask(f"/?kata={words}", client_of(number))
    return figures.line("search, one after the other", SEARCH_MS)


async def crowd(
    session: aiohttp.ClientSession, url: str, searches: Sequence[str], options: argparse.Namespace
) -> bool:
    """Search without a pause from many addresses while everybody else reads; returns True if the
    goals were met.
    """
    end = time.monotonic() + options.seconds
    strangers, readers = Figures(session, url), {path: Figures(session, url) for path in READ}

    async def search(number: int) -> None:
        words = itertools.cycle(
            searches[number % len(searches) :] + searches[: number % len(searches)]
        )
        while time.monotonic() < end:
            await strangers.ask(
                f"/?bahasa=en&kata={next(words)}+{random.choice(SYLLABLES)}", client_of(number)
            )

    async def read(path: str) -> None:
        while time.monotonic() < end:
            await readers[path].ask(path, "2001:db8:ffff::1")
            await asyncio.sleep(0.1)

    await asyncio.gather(
        *(search(number) for number in range(options.searchers)), *(read(path) for path in READ)
    )
    strangers.line(f"search, {options.searchers} at once", float("inf"))
    met = [figures.line(f"{path} meanwhile", READ_MS) for path, figures in readers.items()]
    return all(met)


async def measure(options: argparse.Namespace) -> bool:
    """Print the table; returns True if every goal was met."""
    text = vocabulary(random.Random(7))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder / 'siaran.db'}"
        environ = {
            **CREDENTIALS,
            "BROADCASTER_DATA_DIR": name,
            "BROADCASTER_DATABASE_URL": url,
            "BROADCASTER_REDIS_URL": "redis://127.0.0.1:9",
        }
        migrate(url)
        async with open_app(config.read(environ)) as app:
            started = time.perf_counter()
            load(app, options.announcements, text)
            print(
                f"{options.announcements} published in {time.perf_counter() - started:.1f} s",
                flush=True,
            )
        searches = [text(1 + number % 3).replace(" ", "+") for number in range(options.searches)]
        async with (
            web(environ, folder) as where,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
        ):
            print(f"{'':<46}{'p50 ms':>9}{'p95 ms':>9}{'worst':>9}{'goal':>7}  statuses")
            return all(
                [
                    await single(session, where, searches),
                    await crowd(session, where, searches, options),
                ]
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--announcements", type=int, default=10_000)
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--searchers", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20)
    raise SystemExit(0 if asyncio.run(measure(parser.parse_args())) else 1)
