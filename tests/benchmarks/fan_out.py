"""Fan-out beside the bare `INSERT .. SELECT` of the same rows in the same database: rows/s, longest
transaction, memory.
"""

import time
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from benchmarks.bench_delivery import settings
from benchmarks.city import KINDS, Databases, city
from benchmarks.crowd import Crowd
from benchmarks.parts import memory_now
from broadcaster.app import App
from broadcaster.domain.deliveries import PENDING
from broadcaster.store import fanout
from broadcaster.store.fanout import FanOut
from broadcaster.store.leases import Holder
from subscribers.store import State
from support.world import notice, publish

HOLDER = Holder(owner="benchmark", lease=600)
BARE = f"""
INSERT INTO delivery (edition, channel, slot, address, area, state, attempt, spent, uncertain, due_at)
SELECT 1000000, channel, slot, id, home, {PENDING}, 0, 0, 0, 0 FROM address
WHERE channel = :channel AND state = {State.CONFIRMED} {{more}} ORDER BY slot
"""
ONE_AREA = "AND home = '32.77.03.1002'"


@dataclass(kw_only=True)
class Filled:
    """Fan-out to its seal."""

    rows: int = 0
    seconds: float = 0.0
    chunks: list[float] = field(default_factory=list)
    """Seconds of each transaction, begin to commit."""


def fill(app: App, channel: str, lane: str = "routine") -> Filled:
    """Fan out what was published, on this thread."""
    result = Filled()
    began = time.perf_counter()
    while (
        claim := app.database.write_now(
            fanout.claim_fanout, channel=channel, lane=lane, holder=HOLDER
        )
    ) is not None:
        while not _chunk(app, claim, result):
            pass
    result.seconds = time.perf_counter() - began
    result.rows = app.database.read_now(
        lambda c: c.execute(
            text("SELECT total FROM run ORDER BY edition DESC LIMIT 1")
        ).scalar_one()
    )
    return result


def _chunk(app: App, claim: FanOut, result: Filled) -> bool:
    began = time.perf_counter()
    sealed = app.database.write_now(fanout.fill_chunk, claim, HOLDER)
    result.chunks.append(time.perf_counter() - began)
    return sealed


def bare(app: App, channel: str, *, one_area: bool) -> Filled:
    """Fill with one statement and one transaction, nobody left out, no slices: the floor."""

    def insert(connection: Connection) -> int:
        statement = BARE.format(more=ONE_AREA if one_area else "")
        return connection.execute(text(statement), {"channel": channel}).rowcount

    began = time.perf_counter()
    rows = app.database.write_now(insert)
    return Filled(rows=rows, seconds=time.perf_counter() - began)


async def measure(pool: Databases, kind: str, count: int, *, one_area: bool) -> dict[str, str]:
    """Return a line: the fan-out of an announcement to the city (or to one kelurahan), then the
    bare statement.
    """
    with pool.copy(kind, Crowd(channel="email", count=count)) as url:
        async with city(url, settings("email", "smtp://127.0.0.1:1")) as place:
            await publish(
                place.app, notice(areas=["cibabat" if one_area else "cimahi"], channels=["email"])
            )
            before = memory_now()
            filled = fill(place.app, "email")
            grown = memory_now() - before
            floor = bare(place.app, "email", one_area=one_area)
    ratio = (filled.seconds / filled.rows) / (floor.seconds / floor.rows)
    return {
        "fan-out": f"{'one kelurahan' if one_area else 'whole city'} of {count:,}, {KINDS[kind]}",
        "rows": f"{filled.rows:,}",
        "rows/s": f"{filled.rows / filled.seconds:,.0f}",
        "bare statement, rows/s": f"{floor.rows / floor.seconds:,.0f}",
        "time a row / bare (goal <= 2)": f"{ratio:.2f}",
        "longest transaction": f"{max(filled.chunks) * 1000:.0f} ms",
        "memory grown": f"{grown / 1e6:.0f} MB",
    }
