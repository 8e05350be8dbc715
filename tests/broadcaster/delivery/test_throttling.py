"""Throttling on request of providers: rates halved and recovering, on both databases and in the
sending itself.
"""

import math
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text, update
from structlog.testing import capture_logs

from broadcaster.app import App
from broadcaster.store import channels, throttling
from broadcaster.store.channel_tables import held_domain, pace
from broadcaster.store.database import Database
from broadcaster.store.throttling import FLOOR, LEAST_RATE, SETTLE_SECONDS, ChannelPace
from channels.base.contract import Deferred, Outcome, Receipt, Recipient
from subscribers.vault import Vault
from support import samples
from support.email_program import email_program
from support.fakes import FakeChannel
from support.sending import drain_until_quiet, everything_due, table, with_channels
from support.world import (
    deliverer,
    emergency,
    notice,
    publish,
    rows,
    states,
    subscribe,
)

TOO_FAST = Deferred(throttle=True, code="130429")


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    async with email_program(
        database_url, tmp_path, [(f"w{n:02}@x.example", "cibabat") for n in range(20)]
    ) as opened:
        yield opened


def let_time_pass(database: Database, seconds: float) -> None:
    """Move the last slowdown into the past."""
    database.write_now(
        lambda c: c.execute(update(pace).values(slowed_at=pace.c.slowed_at - seconds))
    )


def rate_now(database: Database, granted: float) -> float:
    pace, wall = database.read_now(throttling.pace_of, "email")
    return pace.rate(granted, wall)


# --- the rate -------------------------------------------------------------------------------------------


def test_a_channel_without_complaints_has_its_whole_rate(database: Database) -> None:
    assert rate_now(database, 80) == 80
    assert rate_now(database, 0) == 0


def test_too_fast_halves_the_rate_and_a_tenth_comes_back_each_minute(database: Database) -> None:
    assert database.write_now(throttling.slow_down, "email", 80) == 40
    for minutes, expected in ((1, 48), (4, 72), (5, 80), (500, 80)):
        let_time_pass(
            database, 60 * (minutes if minutes < 5 else minutes - 4) - (60 if minutes == 4 else 0)
        )
        assert rate_now(database, 80) == pytest.approx(expected, abs=0.5)


def test_complaints_about_what_was_on_its_way_halve_nothing_more(database: Database) -> None:
    database.write_now(throttling.slow_down, "email", 80)
    assert database.write_now(throttling.slow_down, "email", 80) == pytest.approx(40, abs=0.5)
    let_time_pass(database, SETTLE_SECONDS)
    assert database.write_now(throttling.slow_down, "email", 80) == pytest.approx(20, abs=1)


def test_a_rate_is_never_halved_to_nothing(database: Database) -> None:
    for _again in range(12):
        slowed = database.write_now(throttling.slow_down, "email", 80)
        let_time_pass(database, SETTLE_SECONDS)
    assert slowed == 80 * FLOOR


def test_an_unlimited_channel_is_halved_from_what_it_sent_lately(database: Database) -> None:
    database.write_now(throttling.slow_down, "email", 0)
    assert rate_now(database, 0) == pytest.approx(LEAST_RATE / 2, abs=0.5)
    let_time_pass(database, 301)
    assert rate_now(database, 0) == 0
    database.write_now(channels.count_results, "email", 60_000, 0)
    assert 500 <= database.write_now(throttling.slow_down, "email", 0) <= 30_000


def test_a_rate_set_lower_meanwhile_holds() -> None:
    slowed = ChannelPace(full_rate=80, slowed_rate=40, slowed_at=0)
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
    assert (slowed.full_rate, slowed.slowed_rate) == (1000, 500), (
        "three complaints at once halve it once"
    )
    assert await deliverer(app).state.pacing.rate(channel) == pytest.approx(500, abs=20)


# --- domains --------------------------------------------------------------------------------------------


VAULT = Vault(b"a secret of sixteen bytes")


def held_domains(database: Database, vault: Vault = VAULT) -> dict[str, float]:
    """Return the held domains as staff read them: name -> seconds left."""
    pace, wall = database.read_now(throttling.pace_of, "email")
    named = database.read_now(throttling.held_domains, vault, "email")
    assert {
        throttling.domain_key(vault, "email", name): until for name, until in named.items()
    } == pace.domains
    return {name: until - wall for name, until in named.items()}


def test_a_held_domain_is_held_for_as_long_as_asked_and_on_one_channel(database: Database) -> None:
    database.write_now(throttling.hold_domain, "email", VAULT, "x.example", 600)
    database.write_now(throttling.hold_domain, "email", VAULT, "x.example", 5)
    assert held_domains(database) == {"x.example": pytest.approx(600, abs=10)}
    assert database.read_now(throttling.pace_of, "telegram")[0].domains == {}


def test_a_hold_that_is_over_is_over_and_cleared_away(database: Database) -> None:
    database.write_now(throttling.hold_domain, "email", VAULT, "x.example", -1)
    assert held_domains(database) == {}
    database.write_now(throttling.hold_domain, "email", VAULT, "y.example", 600)
    (row,) = database.read_now(lambda c: c.execute(held_domain.select()).all())
    assert bytes(row.lookup) == throttling.domain_key(VAULT, "email", "y.example")
    assert b"y.example" not in bytes(row.cipher), (
        "nobody reads where residents have their mailboxes"
    )


def test_a_held_domain_that_another_key_sealed_is_shown_by_its_key_alone(
    database: Database,
) -> None:
    database.write_now(throttling.hold_domain, "email", VAULT, "x.example", 600)
    (name,) = database.read_now(
        throttling.held_domains, Vault(b"another of sixteen bytes"), "email"
    )
    assert name == f"#{throttling.domain_key(VAULT, 'email', 'x.example').hex()[:8]}"


def defer_busy_domain(recipient: Recipient) -> Outcome:
    """Defer everything for one provider's domain by an hour."""
    busy = recipient.address.endswith("@sibuk.example")
    return (
        Deferred(throttle=True, scope="domain", code="5.7.1", retry_after=3600.0)
        if busy
        else Receipt()
    )


async def with_busy_domain(app: App) -> tuple[App, FakeChannel]:
    await subscribe(app, "email", [(f"s{n}@sibuk.example", "cibabat") for n in range(5)])
    channel = FakeChannel(provider=defer_busy_domain)
    return with_channels(app, channel), channel


async def test_routine_messages_to_a_held_domain_wait_without_being_tried(app: App) -> None:
    app, channel = await with_busy_domain(app)
    app.database.write_now(throttling.hold_domain, "email", app.vault, "sibuk.example", 3600)
    await publish(app, notice())
    await drain_until_quiet(deliverer(app))
    waiting = [row for row in rows(app) if not row.closed_at]
    assert [(row.spent, row.provider_code) for row in waiting] == [(0, "domain_held")] * 5
    assert len(channel.accepted) == 20


async def test_a_domain_that_asks_for_time_gets_it_from_the_next_edition_too(app: App) -> None:
    app, channel = await with_busy_domain(app)
    await publish(app, notice())
    await drain_until_quiet(deliverer(app))
    assert held_domains(app.database, app.vault) == {"sibuk.example": pytest.approx(3600, abs=20)}
    await publish(app, notice(title="Kabar lain"))
    await drain_until_quiet(deliverer(app))
    codes = [row.provider_code for row in rows(app) if not row.closed_at]
    assert codes == ["5.7.1"] * 5 + ["domain_held"] * 5
    app.database.write_now(lambda c: c.execute(update(held_domain).values(until=0)))
    everything_due(app)
    channel.provider = lambda _r: Receipt()
    await drain_until_quiet(deliverer(app))
    assert states(app) == {"sent": 50}


async def test_an_emergency_waits_for_no_domain(app: App) -> None:
    app, channel = await with_busy_domain(app)
    channel.provider = lambda _r: Receipt()
    app.database.write_now(throttling.hold_domain, "email", app.vault, "sibuk.example", 3600)
    await publish(app, emergency())
    await drain_until_quiet(deliverer(app), lane="emergency")
    assert states(app) == {"sent": 25}


# --- a database that is away ----------------------------------------------------------------------------


async def test_without_the_pace_table_the_last_known_rate_goes_on(app: App) -> None:
    pacing, channel = deliverer(app).state.pacing, FakeChannel(rate=80)
    app.database.write_now(throttling.slow_down, "email", 80)
    app.database.write_now(lambda c: c.execute(text("ALTER TABLE pace RENAME TO away")))
    with capture_logs() as logs:
        assert await pacing.rate(channel) == 80
        app.database.write_now(lambda c: c.execute(text("ALTER TABLE away RENAME TO pace")))
        pacing._read.clear()
        assert await pacing.rate(channel) == pytest.approx(40, abs=1)
        app.database.write_now(lambda c: c.execute(text("ALTER TABLE pace RENAME TO away")))
        pacing._read["email"] = (
            *pacing._read["email"][:1],
            -math.inf,
            pacing._read["email"][2],
        )
        assert await pacing.rate(channel) == pytest.approx(40, abs=1)
        recipient = Recipient(
            delivery="1.1.1",
            attempt=1,
            address="a@x.example",
            area=samples.CIBABAT,
            since=date(2026, 1, 1),
            token="t",
            address_key="k",
        )
        outgoing = channel.personalise(channel.render(samples.notice(), "id"), recipient)
        await pacing.apply_outcome(channel, outgoing, TOO_FAST)
    assert [entry["event"] for entry in logs] == [
        "pace_not_read",
        "pace_not_read",
        "channel_slowed",
        "pace_not_saved",
    ]


def test_a_channel_that_nobody_answers_is_unreachable_and_not_slowed_by_its_provider(
    database: Database,
) -> None:
    database.write_now(throttling.slow_down, "email", 80, "unreachable")
    pace, wall = database.read_now(throttling.pace_of, "email")
    assert pace.unreachable(wall)
    assert not pace.unreachable(wall + throttling.UNREACHABLE_SECONDS + 1), "it answers again"
    database.write_now(throttling.slow_down, "telegram", 80, "429")
    pace, wall = database.read_now(throttling.pace_of, "telegram")
    assert not pace.unreachable(wall)
