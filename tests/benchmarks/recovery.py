"""Seconds from SIGKILL of one of two workers until nothing is open any more, and what was lost or
doubled.
"""

import asyncio
import json
import signal
import time
from collections.abc import Callable

from benchmarks.bench_delivery import settings
from benchmarks.city import KINDS, City, Databases, city
from benchmarks.crowd import Crowd
from benchmarks.parts import cost, line, process
from broadcaster.store import ledger
from broadcaster.store.ledger import Progress
from support.world import notice, publish

LIMIT_SECONDS = 300


async def reached(place: City, announcement: str, there: Callable[[Progress], bool]) -> Progress:
    """Return the progress once it is `there`; raises TimeoutError."""
    began = time.perf_counter()
    while not there(progress := await place.app.database.read(ledger.progress, announcement)):
        if time.perf_counter() - began > LIMIT_SECONDS:
            raise TimeoutError(f"not there: {progress}")
        await asyncio.sleep(0.02)
    return progress


async def measure(pool: Databases, kind: str, count: int, lease: int) -> dict[str, str]:
    """Return a line: email, the busier worker killed after the first fifth; the other one takes
    over.
    """
    async with process("tests/benchmarks/providers.py", "smtp") as provider:
        where = await line(provider)
        channel_settings = {**settings("email", where), "BROADCASTER_LEASE": str(lease)}
        with pool.copy(kind, Crowd(channel="email", count=count)) as url:
            async with city(url, channel_settings) as place:
                await place.start("routine", "routine")
                stored = await publish(place.app, notice(areas=["cimahi"], channels=["email"]))
                await reached(
                    place,
                    stored.id,
                    lambda progress: progress.deliveries["email"]["sent"] >= count // 5,
                )
                busier = max(place.workers, key=lambda worker: cost(worker.pid).cpu)
                busier.send_signal(signal.SIGKILL)
                killed = time.perf_counter()
                progress = await reached(
                    place, stored.id, lambda progress: progress.sending == "done"
                )
                seconds = time.perf_counter() - killed
        assert provider.stdin is not None
        provider.stdin.write(b"\n")
        counted = json.loads(await line(provider))
    return {
        "database": KINDS[kind],
        "recipients": f"{count:,}",
        "lease": f"{lease} s",
        "from the kill to done (goal <= lease + 5 s)": f"{seconds:.1f} s",
        "lost": str(count - counted["different"]),
        "doubled / admitted": f"{counted['accepted'] - counted['different']} / {progress.possible_duplicates}",
    }
