"""State that must survive an emptied Redis, on both databases: pauses, breakers, held suppressions,
the workers last seen.
"""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, update

from broadcaster.app import App
from broadcaster.domain.retry_policy import (
    BREAKER_MINUTES,
    PROBE_WAIT,
    suppressions_are_mass,
)
from broadcaster.store import channels
from broadcaster.store.channel_tables import channel_minute, channel_state, held_suppression
from broadcaster.store.channels import ChannelState
from broadcaster.store.database import Database
from broadcaster.store.tables import run, worker
from subscribers import consent
from subscribers.store import State, address
from support.email_program import email_program
from support.fakes import FakeChannel
from support.sending import drain_until_quiet, table, with_channels
from support.world import (
    deliverer,
    emergency,
    notice,
    publish,
    rows,
    states,
    subscribe,
)


@pytest.fixture
def local(sqlite_url: str) -> Iterator[Database]:
    """Yield the store on SQLite alone, where the kind of database does not matter."""
    opened = Database(sqlite_url)
    yield opened
    opened.close()


def state(database: Database, channel: str = "email") -> ChannelState:
    return database.read_now(channels.channel_states).get(channel, ChannelState())


def closed_for(database: Database, channel: str = "email") -> float:
    return database.read_now(channels.closed_for, channel)


# --- pauses ---------------------------------------------------------------------------------------------


def test_a_channel_without_a_row_is_open(local: Database) -> None:
    assert local.read_now(channels.channel_states) == {}
    assert closed_for(local) == 0


def test_a_pause_closes_one_channel_for_as_long_as_asked(database: Database) -> None:
    database.write_now(channels.pause_channel, "email", 40)
    assert 35 < closed_for(database) <= 40
    assert closed_for(database, "telegram") == 0


def test_a_shorter_pause_never_shortens_a_longer_one(local: Database) -> None:
    local.write_now(channels.pause_channel, "email", 600)
    local.write_now(channels.pause_channel, "email", 5)
    assert closed_for(local) > 500


def test_a_pause_that_is_over_is_over(local: Database) -> None:
    local.write_now(channels.pause_channel, "email", -5)
    assert closed_for(local) == 0
    assert not local.write_now(channels.resume_channel, "email")


# --- the circuit breaker --------------------------------------------------------------------------------


def test_a_halted_channel_says_why_and_since_when(database: Database) -> None:
    assert database.write_now(channels.halt_channel, "email", "535 bad password", "manual")
    status = state(database)
    assert (status.halted, status.detail, status.next_probe) == ("manual", "535 bad password", None)
    assert status.since is not None
    assert abs(status.since - time.time()) < 10
    assert closed_for(database) == PROBE_WAIT


def test_a_breaker_opens_once(local: Database) -> None:
    assert local.write_now(channels.halt_channel, "email", "first", "probe")
    assert not local.write_now(channels.halt_channel, "email", "second", "probe")
    assert state(local).detail == "first"


def test_what_needs_an_operator_outranks_what_a_probe_can_heal(local: Database) -> None:
    local.write_now(channels.halt_channel, "email", "maintenance", "probe")
    assert local.write_now(channels.halt_channel, "email", "535", "manual")
    assert not local.write_now(channels.halt_channel, "email", "maintenance", "probe")
    assert (state(local).halted, state(local).next_probe) == ("manual", None)


def test_an_operator_opens_it_again_pause_and_all(local: Database) -> None:
    local.write_now(channels.halt_channel, "email", "535", "manual")
    local.write_now(channels.pause_channel, "email", 600)
    assert local.write_now(channels.resume_channel, "email")
    assert state(local) == ChannelState()
    assert not local.write_now(channels.resume_channel, "email")
    assert not local.write_now(channels.resume_channel, "never heard of")


def test_a_probe_that_succeeds_leaves_a_pause_as_it_is(local: Database) -> None:
    local.write_now(channels.pause_channel, "email", 600)
    local.write_now(channels.halt_channel, "email", "maintenance", "probe")
    assert local.write_now(channels.recover_channel, "email")
    assert state(local).halted == ""
    assert closed_for(local) > 500


def test_a_probe_never_opens_what_waits_for_an_operator(local: Database) -> None:
    local.write_now(channels.halt_channel, "email", "535", "manual")
    assert not local.write_now(channels.recover_channel, "email")
    assert state(local).halted == "manual"


def test_a_due_probe_is_taken_by_one_and_due_again_in_a_minute(database: Database) -> None:
    for channel, resume in (("email", "probe"), ("telegram", "probe"), ("whatsapp", "manual")):
        database.write_now(channels.halt_channel, channel, "x", resume)
    assert database.write_now(channels.take_probes) == []
    database.write_now(
        lambda c: c.execute(
            update(channel_state)
            .where(channel_state.c.channel != "telegram")
            .values(next_probe=1.0)
        )
    )
    assert database.write_now(channels.take_probes) == ["email"]
    assert database.write_now(channels.take_probes) == []
    assert abs((state(database).next_probe or 0) - time.time() - PROBE_WAIT) < 10


# --- mass suppression -----------------------------------------------------------------------------------


@given(results=st.integers(0, 100_000), dead=st.integers(0, 5_000))
def test_suppressions_are_mass_when_too_many_of_the_results_are_dead(
    results: int, dead: int
) -> None:
    five, two = (
        dead >= 25 and dead / max(results, 1) > 0.05,
        dead >= 200 and dead / max(results, 1) > 0.02,
    )
    if results:
        assert suppressions_are_mass(results, dead) == (five or two)


@pytest.mark.parametrize(
    ("results", "dead", "mass"),
    [
        (24, 24, False),
        (25, 25, True),
        (499, 25, True),
        (500, 25, False),
        (3_979, 199, True),
        (3_980, 199, False),
        (9_999, 199, False),
        (9_999, 200, True),
        (10_000, 200, False),
    ],
)
def test_the_limits_of_mass_suppression(results: int, dead: int, mass: bool) -> None:
    assert suppressions_are_mass(results, dead) == mass


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    async with email_program(
        database_url, tmp_path, [(f"w{n:02}@x.example", "cibabat") for n in range(40)]
    ) as opened:
        yield opened


def report_dead(app: App, ids: list[int], results: int) -> None:
    """Count `results` and suppress or hold these addresses as dead."""

    def report(connection: Connection) -> None:
        channels.count_results(connection, "email", results, len(ids))
        channels.suppress_or_hold(
            connection, "email", dict.fromkeys(ids, "provider"), at=time.time()
        )

    app.database.write_now(report)


def ids(app: App) -> list[int]:
    return [row.id for row in table(app, address)]


def suppressed(app: App) -> list[int]:
    return [row.id for row in table(app, address) if row.state == State.SUPPRESSED]


async def test_a_few_dead_addresses_are_suppressed_at_once(app: App) -> None:
    some = ids(app)[:5]
    report_dead(app, some, 100)
    assert suppressed(app) == some
    assert not state(app.database).holding
    report_dead(app, [], 100)
    assert table(app, held_suppression) == []


async def test_too_many_are_held_and_the_channel_waits_for_an_operator(app: App) -> None:
    many = ids(app)[:30]
    report_dead(app, many[:10], 10)
    report_dead(app, many[10:], 20)
    assert suppressed(app) == [], "the first ten came before it was clear"
    assert [row.address for row in table(app, held_suppression)] == many
    status = state(app.database)
    assert (status.holding, status.halted) == (True, "manual")
    report_dead(app, many[10:12], 2)
    assert len(table(app, held_suppression)) == 30, "an address is held once"


async def test_what_the_breaker_takes_back_is_of_the_burst_alone(app: App) -> None:
    old, unsubscribed, reported, *burst = ids(app)[:33]
    report_dead(app, [old], 10_000)
    minutes = BREAKER_MINUTES * 60
    app.database.write_now(
        lambda c: c.execute(update(address).values(suppressed_at=address.c.suppressed_at - minutes))
    )
    app.database.write_now(
        consent.suppress, unsubscribed, "opted_out", at=time.time(), source="web"
    )
    app.database.write_now(
        consent.suppress, reported, "address_dead", at=time.time(), source="operator"
    )
    report_dead(app, burst[:24], 10)
    app.database.write_now(lambda c: c.execute(update(channel_minute).values(results=100)))
    report_dead(app, burst[24:], 10)
    assert suppressed(app) == sorted([old, unsubscribed, reported])
    assert [row.address for row in table(app, held_suppression)] == sorted(burst)
    acts = app.database.read_now(consent.history, burst[0])
    assert [(act["act"], act["source"]) for act in acts[1:]] == [
        ("dead", "provider"),
        ("revived", "breaker"),
    ]


async def test_another_channel_keeps_its_suppressions(app: App) -> None:
    await subscribe(app, "telegram", [(str(1000 + n), "cibabat") for n in range(3)])
    chats = ids(app)[40:]
    app.database.write_now(
        channels.suppress_or_hold, "telegram", dict.fromkeys(chats, "provider"), at=time.time()
    )
    report_dead(app, ids(app)[:30], 30)
    assert suppressed(app) == chats


async def test_an_emergency_goes_on_while_suppressions_are_held(app: App) -> None:
    app = with_channels(app, FakeChannel())
    report_dead(app, ids(app)[:30], 30)
    await publish(app, notice())
    await publish(app, emergency())
    engine = deliverer(app)
    await drain_until_quiet(engine)
    await drain_until_quiet(engine, lane="emergency")
    assert states(app)["sent"] == 40, "nobody is suppressed"
    assert {row.edition for row in rows(app) if row.closed_at} == {2}, "the routine one waits"


async def test_while_holding_even_a_single_one_is_held(app: App) -> None:
    report_dead(app, ids(app)[:25], 25)
    app.database.write_now(channels.resume_channel, "email")
    report_dead(app, ids(app)[30:31], 1_000)
    assert ids(app)[30] in [row.address for row in table(app, held_suppression)]
    assert state(app.database).halted == "", "an operator has opened it: it stays open"


@pytest.mark.parametrize("apply", [True, False])
async def test_an_operator_applies_or_discards_what_was_held(app: App, apply: bool) -> None:
    many = ids(app)[:26]
    report_dead(app, many, 26)
    assert app.database.write_now(channels.release_held, "email", apply=apply) == 26
    assert suppressed(app) == (many if apply else [])
    assert table(app, held_suppression) == []
    assert not state(app.database).holding
    report_dead(app, ids(app)[30:31], 1)
    assert ids(app)[30] in suppressed(app), "the count begins anew"
    assert app.database.write_now(channels.release_held, "email", apply=apply) == 0


async def test_only_the_last_quarter_of_an_hour_counts(app: App) -> None:
    report_dead(app, ids(app)[:20], 20)
    app.database.write_now(
        lambda c: c.execute(
            update(channel_minute).values(minute=channel_minute.c.minute - BREAKER_MINUTES)
        )
    )
    report_dead(app, ids(app)[20:30], 10)
    assert not state(app.database).holding
    assert len(suppressed(app)) == 30


async def test_minutes_older_than_a_day_are_forgotten(app: App) -> None:
    report_dead(app, ids(app)[:1], 20)
    app.database.write_now(
        lambda c: c.execute(
            update(channel_minute).values(minute=channel_minute.c.minute - 3 * 24 * 60)
        )
    )
    report_dead(app, ids(app)[1:2], 20)
    assert len(table(app, channel_minute)) == 1


async def test_results_of_a_minute_add_up(app: App) -> None:
    for _group in range(3):
        report_dead(app, [], 250)
    report_dead(app, ids(app)[:2], 2)
    rows = table(app, channel_minute)
    assert (sum(row.results for row in rows), sum(row.dead for row in rows)) == (752, 2)


# --- runs and workers -----------------------------------------------------------------------------------


async def test_a_run_is_paused_with_its_reason_and_only_while_it_runs(app: App) -> None:
    stored = await publish(app, notice())
    assert stored.edition is not None
    assert app.database.write_now(channels.pause_run, stored.edition, "email", "5.6.0 content")
    (paused,) = table(app, run)
    assert (paused.state, paused.stopped_by) == ("paused", "5.6.0 content")
    assert not app.database.write_now(channels.pause_run, stored.edition, "email", "again")
    assert table(app, run) == [paused]


def test_workers_are_counted_by_lane_while_they_are_seen(database: Database) -> None:
    assert database.write_now(channels.mark_worker_alive, "a", "routine") == 1
    assert database.write_now(channels.mark_worker_alive, "b", "routine") == 2
    assert database.write_now(channels.mark_worker_alive, "c", "emergency") == 1
    assert database.write_now(channels.mark_worker_alive, "a", "routine") == 2
    unseen = update(worker).where(worker.c.owner == "b").values(seen_at=worker.c.seen_at - 20)
    database.write_now(lambda c: c.execute(unseen))
    assert database.write_now(channels.mark_worker_alive, "a", "routine") == 1
    long_unseen = update(worker).where(worker.c.owner == "b").values(seen_at=worker.c.seen_at - 200)
    database.write_now(lambda c: c.execute(long_unseen))
    database.write_now(channels.mark_worker_alive, "a", "routine")
    assert database.read_now(lambda c: sorted(row.owner for row in c.execute(worker.select()))) == [
        "a",
        "c",
    ]
