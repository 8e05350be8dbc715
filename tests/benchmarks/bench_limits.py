"""Rate kept by four processes together, on a real Valkey: the worst second and the mean, also while
it is emptied.

    PYTHONPATH=tests:. python tests/benchmarks/bench_limits.py --seconds 60

A grant counts at the moment in which take() returns. Every process has two senders on each rate; the
clock is the machine's.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import redis
import structlog
import uvloop

from benchmarks.parts import cost, line, process, table
from broadcaster.delivery.drain import SENDERS
from broadcaster.delivery.rate_limiter import Limiter
from broadcaster.delivery.slice_sender import BATCH
from broadcaster.runtime.queue import Queue
from broadcaster.runtime.valkey import valkey

RATES = (20, 80, 1000)
PROCESSES = 4
Grant = tuple[float, int]


async def grants(url: str, rate: float, until: float) -> list[Grant]:
    """Take grants of one process on one rate until that time; returns (monotonic time, number
    granted).
    """
    queue = Queue(url)
    limiter, taken = Limiter(queue, lambda: PROCESSES), []

    async def ask() -> None:
        while time.monotonic() < until:
            if granted := await limiter.take(f"rate-{rate:g}", "routine", rate=rate, wanted=BATCH):
                taken.append((time.monotonic(), granted))

    await asyncio.gather(*(ask() for _ in range(SENDERS)))
    await queue.aclose()
    return taken


async def child(url: str, seconds: float) -> None:
    """Measure in one of the processes: print that it is ready, read the start time from a line,
    then print its grants by rate.
    """
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    began = float(await asyncio.to_thread(sys.stdin.readline))
    await asyncio.sleep(began - time.monotonic())
    taken = await asyncio.gather(*(grants(url, rate, began + seconds) for rate in RATES))
    sys.stdout.write(json.dumps({"grants": taken, "cpu": cost(os.getpid()).cpu}))


def worst_second(times: Sequence[Grant]) -> int:
    """Return the largest sum that any window of one second saw."""
    ordered = sorted(times)
    moments, sums = [at for at, _ in ordered], [0]
    for _, granted in ordered:
        sums.append(sums[-1] + granted)
    return max(
        (sums[bisect_right(moments, at + 1.0)] - sums[i] for i, at in enumerate(moments)), default=0
    )


def longest_silence(times: Sequence[Grant]) -> float:
    """Return the longest pause in seconds: on a busy machine, or right after Redis was emptied,
    some ticks pass unused.
    """
    moments = sorted(at for at, _ in times)
    return max((after - before for before, after in pairwise(moments)), default=0.0)


async def measured(url: str, seconds: float, *, emptied: bool) -> list[dict[str, str]]:
    """Return a row for each rate."""
    async with AsyncExitStack() as stack:
        started = [
            await stack.enter_async_context(
                process(
                    "tests/benchmarks/bench_limits.py", "--child", url, "--seconds", str(seconds)
                )
            )
            for _ in range(PROCESSES)
        ]
        for worker in started:
            await line(worker)
        began = time.monotonic() + 0.5
        for worker in started:
            assert worker.stdin is not None
            worker.stdin.write(f"{began}\n".encode())
        await asyncio.sleep(0.5 + seconds / 2)
        if emptied:
            with redis.Redis.from_url(url) as client:
                client.flushall()
        answers = [
            json.loads(await worker.stdout.read())
            for worker in started
            if worker.stdout is not None
        ]
    rows = []
    for number, rate in enumerate(RATES):
        granted_at = [
            (at, granted) for answer in answers for at, granted in answer["grants"][number]
        ]
        mean = sum(granted for _, granted in granted_at) / seconds
        rows.append(
            {
                "R": str(rate),
                "Redis emptied": "yes" if emptied else "no",
                "worst second": str(worst_second(granted_at)),
                "% of R": f"{100 * mean / rate:.1f}",
                "longest silence, ms": f"{1000 * longest_silence(granted_at):.0f}",
                "CPU s, all": f"{sum(answer['cpu'] for answer in answers):.1f}",
            }
        )
    return rows


async def free_call(url: str, seconds: float = 2.0) -> float:
    """Return the microseconds of a take() on an unlimited channel."""
    queue = Queue(url)
    limiter, count, until = Limiter(queue, lambda: 1), 0, time.monotonic() + seconds
    while time.monotonic() < until:
        await limiter.take("free", "routine", rate=0, wanted=1)
        count += 1
    await queue.aclose()
    return seconds / count * 1e6


async def main(seconds: float) -> None:
    """Measure with and without emptying Redis, and print a table."""
    with tempfile.TemporaryDirectory() as folder:
        async with valkey(Path(folder)) as url:
            rows = [
                row
                for emptied in (False, True)
                for row in await measured(url, seconds, emptied=emptied)
            ]
            sys.stdout.write(table(rows) + "\n")
            sys.stdout.write(f"take() of an unlimited channel: {await free_call(url):.1f} µs\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--child", default="")
    options = parser.parse_args()
    structlog.configure(  # it prints where a child's grants go
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)
    )
    uvloop.run(child(options.child, options.seconds) if options.child else main(options.seconds))
