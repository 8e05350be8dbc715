"""The messaging tier, different people in 24 hours: counted exactly on both databases, by several
processes at once, and in the sending itself.
"""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import update

from broadcaster.app import App
from broadcaster.domain.retry_policy import TIER_WAIT
from broadcaster.store import tier
from broadcaster.store.channel_tables import reached
from broadcaster.store.database import Database, now
from broadcaster.store.tier import DAY
from subscribers.audience import Audience
from support.email_program import email_program
from support.fakes import FakeChannel
from support.sending import check_counters, drain_until_quiet, everything_due, table, with_channels
from support.world import (
    deliverer,
    emergency,
    notice,
    publish,
    rows,
    states,
)


def admit(
    database: Database, addresses: list[int], *, people: int = 100, urgent: bool = False
) -> set[int]:
    return database.write_now(tier.admit, "whatsapp", people, addresses, emergency=urgent)


def let_time_pass(database: Database, seconds: float) -> None:
    """Move every time of the tier into the past."""
    database.write_now(lambda c: c.execute(update(reached).values(at=reached.c.at - seconds)))


def used(database: Database) -> int:
    return database.read_now(tier.used, "whatsapp")


def test_a_fifth_is_kept_for_emergencies(database: Database) -> None:
    assert admit(database, list(range(1, 121))) == set(range(1, 81)), "in order"
    assert admit(database, [200]) == set()
    assert admit(database, list(range(200, 230)), urgent=True) == set(range(200, 220))
    assert admit(database, [300], urgent=True) == set()
    assert used(database) == 100


def test_those_reached_within_a_day_are_free(database: Database) -> None:
    admit(database, list(range(1, 81)))
    assert admit(database, [1, 2, 90, 3, 3]) == {1, 2, 3}
    assert used(database) == 80


def test_a_day_is_counted_from_the_last_message_to_each_person(database: Database) -> None:
    admit(database, list(range(1, 81)))
    let_time_pass(database, DAY - 60)
    admit(database, [1])
    let_time_pass(database, 120)
    assert used(database) == 1
    assert admit(database, list(range(100, 200))) == set(range(100, 179))


def test_each_channel_is_counted_for_itself(database: Database) -> None:
    admit(database, [1, 2])
    assert database.write_now(tier.admit, "telegram", 2, [1, 2], emergency=True) == {1, 2}
    assert used(database) == 2


def test_people_reached_longer_ago_are_forgotten_piece_by_piece(database: Database) -> None:
    admit(database, list(range(1, 701)), people=1000)
    let_time_pass(database, DAY + 1)
    for left in (200, 0):
        admit(database, [])
        assert len(database.read_now(lambda c: c.execute(reached.select()).all())) == left


@pytest.mark.parametrize("people", [1, 5])
def test_a_tier_of_a_few_is_kept_too(database: Database, people: int) -> None:
    assert len(admit(database, list(range(10)), people=people)) == people - round(people * 0.2)
    assert len(admit(database, list(range(10)), people=people, urgent=True)) == people


def test_several_processes_admit_exactly_as_many_as_may(database_url: str) -> None:
    stores = [Database(database_url) for _process in range(4)]

    def work(number: int) -> list[int]:
        addresses = range(number * 1000, number * 1000 + 100)
        return [
            admitted_address
            for address in addresses
            for admitted_address in admit(stores[number], [address], people=250)
        ]

    with ThreadPoolExecutor(4) as threads:
        admitted = list(threads.map(work, range(4)))
    assert sum(map(len, admitted)) == 200
    assert used(stores[0]) == 200
    for store in stores:
        store.close()


def test_those_without_room_wait_until_places_free(database: Database) -> None:
    admit(database, list(range(1, 81)))
    let_time_pass(database, 3600)
    times = database.read_now(lambda c: tier.next_room(c, "whatsapp", 100, 3, emergency=False))
    wall = database.read_now(now)
    assert times == sorted(times)
    assert all(abs(moment - wall - DAY + 3600) < 30 for moment in times)
    let_time_pass(database, DAY - 3600 - 5)
    (soon,) = database.read_now(lambda c: tier.next_room(c, "whatsapp", 100, 1, emergency=False))
    assert TIER_WAIT - 5 < soon - database.read_now(now) <= TIER_WAIT


def test_waiting_for_more_places_than_there_are_has_an_answer_too(database: Database) -> None:
    admit(database, [1, 2])
    assert (
        len(database.read_now(lambda c: tier.next_room(c, "whatsapp", 2, 5, emergency=False))) == 5
    )
    assert (
        len(database.read_now(lambda c: tier.next_room(c, "telegram", 2, 5, emergency=False))) == 5
    )
    assert tier.ceiling(0, emergency=True) == 0
    assert (
        len(database.read_now(lambda c: tier.next_room(c, "whatsapp", 0, 2, emergency=False))) == 2
    )


# --- in the sending -------------------------------------------------------------------------------------


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    async with email_program(
        database_url, tmp_path, [(f"w{n:02}@x.example", "cibabat") for n in range(30)]
    ) as opened:
        yield opened


async def test_rows_beyond_the_tier_wait_and_go_when_there_is_room(app: App) -> None:
    channel = FakeChannel(tier=25)
    app = with_channels(app, channel)
    await publish(app, notice())
    await drain_until_quiet(deliverer(app))
    assert states(app) == {"sent": 20, "pending": 10}
    waiting = [row for row in rows(app) if not row.closed_at]
    assert {(row.attempt, row.spent, row.provider_code) for row in waiting} == {(0, 0, "tier")}
    assert all(abs(row.due_at - app.database.read_now(now) - DAY) < 60 for row in waiting)
    check_counters(app)
    let_time_pass(app.database, DAY)
    everything_due(app)
    await drain_until_quiet(deliverer(app))
    assert states(app) == {"sent": 30}
    check_counters(app)
    assert set(channel.accepted.values()) == {1}


async def test_an_emergency_takes_what_was_kept_for_it(app: App) -> None:
    app = with_channels(app, FakeChannel(tier=35))
    await publish(app, notice())
    await drain_until_quiet(deliverer(app))
    await publish(app, emergency())
    await drain_until_quiet(deliverer(app), lane="emergency")
    assert states(app) == {"sent": 28 + 30, "pending": 2}


async def test_an_announcement_that_expires_before_there_is_room_is_not_kept_waiting_longer(
    app: App,
) -> None:
    app = with_channels(app, FakeChannel(tier=1))
    await publish(app, emergency())
    await drain_until_quiet(deliverer(app), lane="emergency")
    waiting = [row for row in rows(app) if not row.closed_at]
    assert len(waiting) == 29
    assert all(row.due_at - app.database.read_now(now) < 3 * 3600 + 5 for row in waiting)


async def test_the_need_of_an_announcement_leaves_out_those_reached_already(app: App) -> None:
    audience = Audience(
        areas=frozenset([app.tree["cibabat"].code]),
        topic="gangguan-layanan",
        emergency=False,
        confirmed_before=1e12,
    )
    need = app.database.read_now(tier.need, "email", 25, audience)
    assert (need.people, need.room, need.waiting) == (30, 20, 10)
    app = with_channels(app, FakeChannel(tier=25))
    await publish(app, notice())
    await drain_until_quiet(deliverer(app))
    need = app.database.read_now(tier.need, "email", 25, audience)
    assert (need.people, need.room, need.waiting) == (10, 0, 10)
    assert len(table(app, reached)) == 20
