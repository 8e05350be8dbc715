"""Two lanes, one provider: an emergency takes the whole rate until it is done, and routine work
resumes by itself.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broadcaster.app import App
from broadcaster.delivery.drain import Deliverer
from broadcaster.delivery.rate_limiter import TICKS
from channels.base.contract import Recipient
from support.fakes import FakeChannel
from support.sending import with_channels
from support.waiting import until
from support.world import (
    deliverer,
    emergency,
    notice,
    program,
    publish,
    states,
    subscribe,
    variables,
)

RATE = 100.0
"""Messages a second, so slow that the notice is still going out when the emergency comes."""
ROUTINE, URGENT = 150, 60


@pytest.fixture
async def app(sqlite_url: str, valkey_url: str, tmp_path: Path) -> AsyncIterator[App]:
    environ = variables(
        sqlite_url,
        tmp_path,
        EMAIL_URL="smtp://127.0.0.1:1",
        EMAIL_FROM="info@cimahi.example",
        BROADCASTER_REDIS_URL=valkey_url,
    )
    async with program(environ, redis_url=valkey_url) as opened:
        await subscribe(
            opened, "email", [(f"melong{n:03}@contoh.example", "melong") for n in range(ROUTINE)]
        )
        await subscribe(
            opened, "email", [(f"cibabat{n:03}@contoh.example", "cibabat") for n in range(URGENT)]
        )
        yield opened


def lanes(order: list[Recipient]) -> str:
    """Return a letter for each message in the order of leaving: E for the emergency, r for routine."""
    return "".join("E" if recipient.address.startswith("cibabat") else "r" for recipient in order)


async def drain(engine: Deliverer, lane: str, done: asyncio.Event) -> None:
    """Drain a lane as a worker does, until `done` is set."""
    while not done.is_set():
        await engine.drain("email", lane, seconds=5)
        await asyncio.sleep(0.02)


async def test_an_emergency_takes_the_whole_rate_until_done_and_routine_resumes(app: App) -> None:
    channel = FakeChannel(rate=RATE)
    app = with_channels(app, channel)
    await publish(app, notice(areas=["melong"]))
    done = asyncio.Event()
    workers = [
        asyncio.create_task(drain(deliverer(app), lane, done)) for lane in ("routine", "emergency")
    ]
    try:
        await until(lambda: len(channel.order) >= 30, what="routine sending")
        await publish(app, emergency())
        await until(lambda: states(app) == {"sent": ROUTINE + URGENT}, seconds=60, what="all sent")
    finally:
        done.set()
        await asyncio.gather(*workers)
    order = lanes(channel.order)
    between = order[order.index("E") : order.rindex("E")]
    # What was reserved for routine before the demand arrived leaves within a tick.
    assert between.count("r") <= 2 * RATE / TICKS
    assert order.rindex("r") > order.rindex("E"), "routine goes on afterwards"
    assert set(channel.accepted.values()) == {1}
