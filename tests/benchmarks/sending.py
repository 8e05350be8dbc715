"""Messages a second from publish() to the last committed outcome, beside prebuilt messages sent by
the client library alone.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from benchmarks.bench_delivery import STAND_INS, settings
from benchmarks.city import KINDS, City, Databases, city
from benchmarks.crowd import Crowd
from benchmarks.parts import line, process
from broadcaster.store import ledger
from broadcaster.store.tables import run
from support.world import notice, publish

LIMIT_SECONDS = 3_600
"""Longest run: one that takes longer is given up."""
GOALS = {
    ("email", "sqlite", 2): 15_000,
    ("email", "postgresql", 2): 10_000,
    ("telegram", "sqlite", 2): 1_000,
}
GOALS[("whatsapp", "sqlite", 2)] = 1_000


@dataclass(frozen=True, kw_only=True)
class Sent:
    """Run, or a floor."""

    count: int
    seconds: float
    cpu: float
    """CPU seconds of the workers, or of the one process of a floor."""
    memory: float = 0.0
    filled: float = 0.0
    lost: int = 0
    doubled: int = 0

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.count / self.seconds

    @property
    def each(self) -> float:
        """CPU microseconds a message."""
        return self.cpu / self.count * 1e6


async def full_path(url: str, channel: str, count: int, workers: int) -> Sent:
    """Publish to the whole city; the clock runs from publish() to the last committed outcome."""
    async with process("tests/benchmarks/providers.py", STAND_INS[channel]) as provider:
        where = await line(provider)
        async with city(url, settings(channel, where)) as place:
            await place.start(*["routine"] * workers)
            idle = sum(each.cpu for each in place.costs())
            seconds, filled = await _until_done(place, channel)
            spent = place.costs()
        assert provider.stdin is not None
        provider.stdin.write(b"\n")
        counted = json.loads(await line(provider))
    return Sent(
        count=count,
        seconds=seconds,
        cpu=sum(each.cpu for each in spent) - idle,
        filled=filled,
        memory=max(each.memory for each in spent),
        lost=count - counted["different"],
        doubled=counted["accepted"] - counted["different"],
    )


async def _until_done(place: City, channel: str) -> tuple[float, float]:
    """Return the seconds from publish() to the end, and to the seal of the fan-out."""
    app, filled, began = place.app, 0.0, time.perf_counter()
    stored = await publish(app, notice(areas=["cimahi"], channels=[channel]))
    while (progress := await app.database.read(ledger.progress, stored.id)).sending != "done":
        filled = filled or (
            time.perf_counter() - began if await app.database.read(_sealed) else 0.0
        )
        if time.perf_counter() - began > LIMIT_SECONDS:
            raise TimeoutError(f"not done: {progress}")
        await asyncio.sleep(0.05)
    return time.perf_counter() - began, filled


def _sealed(connection: Connection) -> bool:
    return bool(connection.execute(select(run.c.sealed)).scalar())


async def floor(channel: str, count: int, mode: str = "pipelined") -> Sent:
    """Send the same messages through one client, built before the clock starts, recorded nowhere."""
    async with process("tests/benchmarks/providers.py", STAND_INS[channel]) as provider:
        where = await line(provider)
        async with process("tests/benchmarks/floor.py", channel, str(count), where, mode) as client:
            seconds, cpu, memory = (float(word) for word in (await line(client)).split())
    return Sent(count=count, seconds=seconds, cpu=cpu, memory=memory)


async def measure(
    pool: Databases, channel: str, count: int, kinds: Sequence[str]
) -> list[dict[str, str]]:
    """Return lines of one channel: floors first, then 1 and 2 workers on each kind of database."""
    bare = await floor(channel, count)
    lines = [
        _line(
            f"{channel}, client alone" + (", pipelined" if channel == "email" else ""), bare, bare
        )
    ]
    if channel == "email":
        lines.append(
            _line(
                "email, aiosmtplib's sendmail alone", await floor(channel, count, "sendmail"), bare
            )
        )
    crowd = Crowd(channel=channel, count=count)
    for kind in kinds:
        each = 0.0
        for workers in (1, 2):
            with pool.copy(kind, crowd) as url:
                sent = await full_path(url, channel, count, workers)
            goal = GOALS.get((channel, kind, workers), 0)
            lines.append(
                _line(
                    f"{channel}, {KINDS[kind]}, {workers} worker(s)",
                    sent,
                    bare,
                    goal=goal,
                    one_worker=each,
                )
            )
            each = sent.each
    return lines


def _line(
    path: str, sent: Sent, bare: Sent, *, goal: int = 0, one_worker: float = 0.0
) -> dict[str, str]:
    return {
        "path": path,
        "messages": f"{sent.count:,}",
        "messages/s": f"{sent.rate:,.0f}" + (f" (goal >= {goal:,})" if goal else ""),
        "of the client alone (email: goal >= 60 %)": f"{sent.rate / bare.rate:.0%}",
        "CPU µs/message": f"{sent.each:.0f}",
        "CPU of 2 workers / 1 (goal <= 1.15)": f"{sent.each / one_worker:.2f}"
        if one_worker
        else "-",
        "peak RSS": f"{sent.memory / 1e6:.0f} MB",
        "lost / doubled": f"{sent.lost} / {sent.doubled}"
        if sent is not bare and sent.filled
        else "-",
        "fan-out": f"{sent.filled:.2f} s" if sent.filled else "-",
    }


async def sizes(
    pool: Databases, channel: str, counts: Sequence[int], kinds: Sequence[str]
) -> list[dict[str, str]]:
    """Return lines of memory and CPU by the number of recipients, one worker."""
    lines = []
    for kind in kinds:
        smallest: Sent | None = None
        for count in counts:
            with pool.copy(kind, Crowd(channel=channel, count=count)) as url:
                sent = await full_path(url, channel, count, 1)
            smallest = smallest or sent
            lines.append(
                {
                    "recipients": f"{count:,}",
                    "database": KINDS[kind],
                    "messages/s": f"{sent.rate:,.0f}",
                    "peak RSS": f"{sent.memory / 1e6:.0f} MB",
                    "RSS / smallest": f"{sent.memory / smallest.memory:.2f}",
                    "CPU µs/message": f"{sent.each:.0f}",
                    "CPU / smallest (goal <= 1.10)": f"{sent.each / smallest.each:.2f}",
                    "lost / doubled": f"{sent.lost} / {sent.doubled}",
                }
            )
    return lines
