"""Seconds from a signed BERHENTI over HTTP to the end of the subscription, beside floods of
statuses that match nothing of ours.

PYTHONPATH=tests:. python tests/benchmarks/bench_inbox.py [--stops N] [--statuses N] [--unmatched N]
[--people N]

Web process and workers of both lanes are the program's own, on loopback. Each case: so many
unmatched statuses wait from before, so many arrive while the stops do; the last one also sends a
routine announcement at full speed. Goal: 2 s at most.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from statistics import median
from time import monotonic

import aiohttp
import structlog

from benchmarks.bench_delivery import settings
from benchmarks.city import KINDS, City, Databases, city, databases
from benchmarks.crowd import Crowd
from benchmarks.parts import answering, machine, process, table
from benchmarks.standins import Clock, provider
from subscribers import residents
from support.browsing import CREDENTIALS, listening
from support.flooding import flood, leave_unmatched, post_webhook, text_message
from support.world import notice, publish, subscribe

GOAL = 2.0
PATIENCE = 60.0
LOOK = 0.005


@dataclass(frozen=True, kw_only=True)
class Case:
    """Load beside the stops: unmatched statuses that wait, statuses that arrive, and whether a
    sending runs.
    """

    unmatched: int
    statuses: int
    sending: bool = False

    @property
    def name(self) -> str:
        """Name in a cell of the table."""
        return f"{self.unmatched} wait, {self.statuses} arrive{', a sending runs' if self.sending else ''}"


def siti(number: int) -> str:
    """Return the number of a resident."""
    return f"62812{number:08}"


def is_stopped(place: City, number: int) -> bool:
    """True if the resident's subscription has ended."""
    row = place.app.database.read_now(residents.find, place.app.vault, "whatsapp", siti(number))
    return row is not None and not row.confirmed


@asynccontextmanager
async def served(
    pool: Databases, kind: str, people: int, stops: int
) -> AsyncIterator[tuple[City, str, aiohttp.ClientSession]]:
    """Run the web process and a worker for each lane, with residents by email and those who will
    stop by WhatsApp.
    """
    with listening() as (sock, port):
        pass
    sock.close()  # free again for the web process
    async with provider("email", Clock()) as where:
        environ = {
            **{name: value for name, value in CREDENTIALS.items() if name.startswith("WHATSAPP_")},
            **settings("email", where),
            "BROADCASTER_PORT": str(port),
            "BROADCASTER_BASE_URL": f"http://127.0.0.1:{port}",
        }
        with pool.copy(kind, Crowd(channel="email", count=people)) as url:
            async with city(url, environ) as place, aiohttp.ClientSession() as session:
                await subscribe(
                    place.app, "whatsapp", [(siti(number), "cibabat") for number in range(stops)]
                )
                async with process("-m", "broadcaster", "web", environ=place.environ, quiet=True):
                    await answering(session, f"http://127.0.0.1:{port}/healthz")
                    place.quiet = True
                    await place.start("routine", "emergency")
                    yield place, f"http://127.0.0.1:{port}", session


async def measure(
    pool: Databases, kind: str, case: Case, people: int, stops: int
) -> dict[str, str]:
    """Return a line: how long each stop took."""
    async with served(pool, kind, people, stops) as (place, url, session):
        if case.unmatched:
            leave_unmatched(place.app, "whatsapp", case.unmatched)
        if case.sending:
            await publish(place.app, notice(areas=["cimahi"], channels=["email"]))
            await asyncio.sleep(1)
        flooding = asyncio.create_task(flood(session, url, case.statuses))
        times = [await stop(place, url, session, number) for number in range(stops)]
        await flooding
    worst = max(times)
    return {
        "database": KINDS[kind],
        "case": case.name,
        "median s": f"{median(times):.2f}",
        "worst s": f"{worst:.2f}",
        "goal": "met" if worst <= GOAL else f"MISSED ({GOAL} s)",
    }


async def stop(place: City, url: str, session: aiohttp.ClientSession, number: int) -> float:
    """Return the seconds from a resident's BERHENTI until it is applied."""
    began = monotonic()
    await post_webhook(session, url, text_message(siti(number), "BERHENTI"))
    while not is_stopped(place, number):
        if monotonic() - began > PATIENCE:
            return float("inf")
        await asyncio.sleep(LOOK)
    return monotonic() - began


async def main() -> None:
    """Measure every case on both databases."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stops", type=int, default=10)
    parser.add_argument("--statuses", type=int, default=7_000)
    parser.add_argument("--unmatched", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=50_000)
    parser.add_argument("--only", choices=[*KINDS])
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    cases = (
        Case(unmatched=0, statuses=0),
        Case(unmatched=0, statuses=options.statuses),
        Case(unmatched=options.unmatched, statuses=options.statuses),
        Case(unmatched=options.unmatched, statuses=options.statuses, sending=True),
    )
    with databases() as pool:
        kinds = [options.only] if options.only else [*KINDS]
        lines = [
            await measure(pool, kind, case, options.people, options.stops)
            for kind in kinds
            for case in cases
        ]
    sys.stdout.write(f"{machine()}\n\n{table(lines)}\n")


if __name__ == "__main__":
    asyncio.run(main())
