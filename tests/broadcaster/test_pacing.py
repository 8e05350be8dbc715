"""What providers want slower: rates halved and recovering, on both databases and in the sending itself."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import update

from broadcaster.app import App
from broadcaster.store import channels as channel_store
from broadcaster.store import pacing as store
from broadcaster.store.database import Database
from broadcaster.store.pacing import FLOOR, LEAST_RATE, SETTLE_SECONDS, Pace
from broadcaster.store.tables import pace
from channels.base.contract import Deferred, Receipt
from fakes import FakeChannel
from sending import drain_until_quiet, table, with_channels
from world import deliverer, notice, program, publish, states, subscribe, variables

TOO_FAST = Deferred(throttle=True, code="130429")


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    environ = variables(database_url, tmp_path, EMAIL_URL="smtp://127.0.0.1:1", EMAIL_FROM="info@cimahi.example")
    async with program(environ) as opened:
        await subscribe(opened, "email", [(f"w{n:02}@x.example", "cibabat") for n in range(20)])
        yield opened


def later(database: Database, seconds: float) -> None:
    """So much time passes."""
    database.write_now(lambda c: c.execute(update(pace).values(slowed_at=pace.c.slowed_at - seconds)))


def rate(database: Database, granted: float) -> float:
    found, wall = database.read_now(store.pace_of, "email")
    return found.rate(granted, wall)


# --- the rate -------------------------------------------------------------------------------------------


def test_a_channel_nobody_complained_about_has_its_whole_rate(database: Database) -> None:
    assert rate(database, 80) == 80
    assert rate(database, 0) == 0


def test_too_fast_halves_the_rate_and_a_tenth_comes_back_each_minute(database: Database) -> None:
    assert database.write_now(store.slow_down, "email", 80) == 40
    for minutes, expected in ((1, 48), (4, 72), (5, 80), (500, 80)):
        later(database, 60 * (minutes if minutes < 5 else minutes - 4) - (60 if minutes == 4 else 0))
        assert rate(database, 80) == pytest.approx(expected, abs=0.5)


def test_complaints_about_what_was_on_its_way_halve_nothing_more(database: Database) -> None:
    database.write_now(store.slow_down, "email", 80)
    assert database.write_now(store.slow_down, "email", 80) == pytest.approx(40, abs=0.5)
    later(database, SETTLE_SECONDS)
    assert database.write_now(store.slow_down, "email", 80) == pytest.approx(20, abs=1)


def test_a_rate_is_never_halved_to_nothing(database: Database) -> None:
    for _again in range(12):
        slowed = database.write_now(store.slow_down, "email", 80)
        later(database, SETTLE_SECONDS)
    assert slowed == 80 * FLOOR


def test_an_unlimited_channel_is_halved_from_what_it_sent_lately(database: Database) -> None:
    database.write_now(store.slow_down, "email", 0)
    assert rate(database, 0) == pytest.approx(LEAST_RATE / 2, abs=0.5)
    later(database, 301)
    assert rate(database, 0) == 0
    database.write_now(channel_store.count_results, "email", 60_000, 0)
    assert 500 <= database.write_now(store.slow_down, "email", 0) <= 30_000


def test_a_rate_set_lower_meanwhile_holds() -> None:
    slowed = Pace(full_rate=80, slowed_rate=40, slowed_at=0)
    assert slowed.rate(10, 0) == 10
    assert slowed.rate(0, 60) == 48
    assert slowed.rate(80, -5) == 40, "a clock set back"


async def test_a_throttled_channel_is_slower_for_all_workers(app: App) -> None:
    answers = iter([TOO_FAST] * 3)
    channel = FakeChannel(provider=lambda _r: next(answers, Receipt()), rate=1000)
    app = with_channels(app, channel)
    await publish(app, notice())
    await drain_until_quiet(deliverer(app))
    assert states(app) == {"pending": 3, "sent": 17}
    (slowed,) = table(app, pace)
    assert (slowed.full_rate, slowed.slowed_rate) == (1000, 500), "three complaints at once halve it once"
    assert await deliverer(app).pacing.rate(channel) == pytest.approx(500, abs=20)
