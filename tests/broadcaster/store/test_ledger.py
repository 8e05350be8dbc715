"""Progress and controls of a sending at the edges: nothing published, half sent, ended."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from broadcaster.app import App
from broadcaster.domain.deliveries import STATES
from broadcaster.store import address_effects, fanout, ledger, slices
from broadcaster.store.ledger import Progress
from broadcaster.store.tables import run, slice_
from channels.base.contract import Deferred, Receipt, Refused, Rejected
from subscribers import residents
from support.email_program import email_program
from support.fakes import FakeChannel
from support.runs import run_of
from support.sending import (
    HOLDER,
    check_counters,
    counters,
    drain_all,
    everything_due,
    fill,
    retry_failed,
    table,
    with_channels,
)
from support.world import notice, publish, states, subscribe

PEOPLE = [f"warga{n:02}@x.example" for n in range(12)]
SMALL = fanout.Sizes(first=4, chunk=4, slice_=2)


@asynccontextmanager
async def program_with_subscribers(url: str, folder: Path) -> AsyncIterator[App]:
    """Open a program with twelve subscribers by email and two by Telegram."""
    async with email_program(
        url, folder, [(address, "cibabat") for address in PEOPLE], TELEGRAM_TOKEN="1:x"
    ) as app:
        await subscribe(app, "telegram", [("71", "cibabat"), ("72", "melong")])
        yield with_channels(app, FakeChannel(), FakeChannel(name="telegram"))


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    async with program_with_subscribers(database_url, tmp_path) as opened:
        yield opened


@pytest.fixture
async def local(sqlite_url: str, tmp_path: Path) -> AsyncIterator[App]:
    """Yield the same on SQLite alone, where the kind of database does not matter."""
    async with program_with_subscribers(sqlite_url, tmp_path) as opened:
        yield opened


def progress(app: App, key: str) -> Progress:
    return app.database.read_now(ledger.progress, key)


# --- progress -------------------------------------------------------------------------------------------


async def test_before_the_first_publication_everything_is_empty_and_done(local: App) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    stored = await publish(local, notice(publish_at=soon))
    for key in (stored.id, "nothing"):
        empty = progress(local, key)
        assert (empty.sending, empty.total, empty.open, empty.percent) == ("done", 0, 0, 100)
        assert (empty.deliveries, empty.states, empty.why) == ({}, {}, {})
        assert local.database.read_now(ledger.areas, key) == {}
        assert local.database.read_now(ledger.failures, key) == []
        for act in (ledger.resume, ledger.cancel):
            assert not local.database.write_now(act, key)
        assert retry_failed(local, key) == (0, {})
        assert not local.database.write_now(ledger.pause, key, "why")


async def test_an_edition_that_goes_only_to_feeds_and_screens_is_done_at_once(local: App) -> None:
    stored = await publish(local, notice(channels=["feed", "display"]))
    assert (progress(local, stored.id).sending, progress(local, stored.id).percent) == ("done", 100)


async def test_the_least_finished_channel_says_how_far_all_are(app: App) -> None:
    stored = await publish(app, notice())
    assert (progress(app, stored.id).sending, progress(app, stored.id).percent) == ("preparing", 0)
    await drain_all(app)
    assert progress(app, stored.id).states == {"email": "done", "telegram": "preparing"}
    assert (progress(app, stored.id).sending, progress(app, stored.id).percent) == ("preparing", 99)
    fill(app, "telegram")
    assert (progress(app, stored.id).sending, progress(app, stored.id).percent) == ("running", 92)
    await drain_all(app, "telegram")
    assert (progress(app, stored.id).sending, progress(app, stored.id).percent) == ("done", 100)


async def test_percentages_are_rounded_down_and_never_promise_the_end(local: App) -> None:
    counts = dict.fromkeys(STATES, 0)
    almost = Progress(
        sending="running",
        possible_duplicates=0,
        why={},
        states={},
        deliveries={"email": {**counts, "sent": 99_999, "pending": 1}},
    )
    assert (almost.percent, almost.open, almost.total) == (99, 1, 100_000)
    preparing = Progress(
        sending="preparing",
        possible_duplicates=0,
        why={},
        states={},
        deliveries={"email": {**counts, "sent": 1000}},
    )
    assert preparing.percent == 99


@pytest.mark.parametrize(
    ("run_states", "word"),
    [
        (["done", "done"], "done"), (["running", "paused"], "running"), (["paused", "done"], "paused"),
        (["stopped", "done"], "stopped"), (["superseded"], "stopped"), (["preparing", "stopped"], "preparing"), ([], "done"),
    ],
)  # fmt: skip
def test_one_state_stands_for_all_channels(run_states: list[str], word: str) -> None:
    assert ledger._sending(run_states) == word


async def test_causes_come_with_the_most_frequent_first_and_their_codes(local: App) -> None:
    def provider(recipient: Any) -> Any:
        number = PEOPLE.index(recipient.address)
        return {
            0: Refused(reason="address_dead", code="5.1.1"),
            1: Rejected(code="5.3.4"),
            2: Rejected(code="5.3.4"),
        }.get(number, Receipt())

    local = with_channels(local, FakeChannel(provider=provider))
    stored = await publish(local, notice(channels=["email"]))
    await drain_all(local)
    causes = local.database.read_now(ledger.failures, stored.id)
    assert [(cause.state, cause.reason, cause.provider_code, cause.count) for cause in causes] == [
        ("failed", "rejected", "5.3.4", 2),
        ("failed", "address_dead", "5.1.1", 1),
    ]


# --- pause and resume -----------------------------------------------------------------------------------


async def test_a_pause_while_preparing_ends_the_filling_and_a_resume_goes_on_with_it(
    app: App,
) -> None:
    stored = await publish(app, notice(channels=["email"]))
    fan_out = app.database.write_now(
        fanout.claim_fanout, channel="email", lane="routine", holder=HOLDER
    )
    assert fan_out is not None
    app.database.write_now(fanout.fill_chunk, fan_out, HOLDER, SMALL)
    assert app.database.write_now(ledger.pause, stored.id, "salah ketik")
    assert not app.database.write_now(ledger.pause, stored.id, "lagi"), "the first reason stands"
    paused = progress(app, stored.id)
    assert (paused.sending, paused.why, paused.total) == ("paused", {"email": "salah ketik"}, 4)
    assert ("email", "routine") not in app.database.read_now(slices.busy_lanes)
    assert app.database.write_now(ledger.resume, stored.id)
    assert (progress(app, stored.id).sending, progress(app, stored.id).why) == ("preparing", {})
    await drain_all(app)
    assert states(app) == {"sent": 12}
    check_counters(app)


async def test_a_resume_of_what_was_all_sent_meanwhile_is_done(local: App) -> None:
    stored = await publish(local, notice(channels=["email"]))
    await drain_all(local)
    local.database.write_now(
        lambda c: c.execute(update(run).values(state="paused", finished_at=None))
    )
    assert local.database.write_now(ledger.resume, stored.id)
    assert progress(local, stored.id).sending == "done"
    assert not local.database.write_now(ledger.resume, stored.id)


async def test_one_channel_that_was_stopped_is_resumed_without_touching_the_other(
    local: App,
) -> None:
    local = with_channels(
        local, FakeChannel(provider=lambda _r: Rejected(code="5.6.0", whole_edition=True))
    )
    stored = await publish(local, notice())
    await drain_all(local)
    await drain_all(local, "telegram")
    assert progress(local, stored.id).states == {"email": "paused", "telegram": "done"}
    assert local.database.write_now(ledger.resume, stored.id)
    assert progress(local, stored.id).states["telegram"] == "done"
    local = with_channels(local, FakeChannel())
    await drain_all(local)
    assert progress(local, stored.id).sending == "done"
    check_counters(local)


# --- cancel ---------------------------------------------------------------------------------------------


async def test_cancelling_before_anything_is_filled_sends_nothing_and_leaves_no_work(
    app: App,
) -> None:
    stored = await publish(app, notice())
    assert app.database.write_now(ledger.cancel, stored.id, "salah")
    for channel in ("email", "telegram"):
        await drain_all(app, channel)
    cancelled = progress(app, stored.id)
    assert (cancelled.sending, cancelled.total, cancelled.why["email"]) == ("stopped", 0, "salah")
    assert app.database.read_now(slices.busy_lanes) == []
    assert all(row.finished_at is not None for row in table(app, run))
    assert not app.database.write_now(ledger.cancel, stored.id)


async def test_cancelling_half_way_through_the_filling_closes_fallback_rows_beyond_it_too(
    app: App,
) -> None:
    await subscribe(app, "email", [("dua@x.example", "cibabat")], subscriber="dua")
    await subscribe(app, "telegram", [("99", "cibabat")], subscriber="dua")
    stored = await publish(app, notice())
    closed = app.database.read_now(residents.find, app.vault, "email", "dua@x.example")
    assert closed is not None
    assert stored.edition is not None
    app.database.write_now(address_effects.fall_back, stored.edition, closed.id)
    app.database.write_now(ledger.cancel, stored.id)
    await drain_all(app, "telegram")
    assert states(app, "telegram") == {"cancelled": 1}
    assert progress(app, stored.id).deliveries["telegram"]["cancelled"] == 1
    check_counters(app)


async def test_rows_that_wait_for_a_later_attempt_are_closed_at_once(local: App) -> None:
    fake = FakeChannel(
        provider=lambda r: Deferred(code="451") if r.address < "warga06" else Receipt()
    )
    local = with_channels(local, fake)
    stored = await publish(local, notice(channels=["email"]))
    await drain_all(local)
    assert counters(local) == {"pending": 6, "sent": 6}
    local.database.write_now(ledger.cancel, stored.id)
    await drain_all(local)
    assert counters(local) == {"cancelled": 6, "sent": 6}
    assert run_of(local, stored.edition).finished_at is not None
    check_counters(local)


# --- recount ----------------------------------------------------------------------------------------


async def test_a_recount_makes_the_counters_say_what_the_rows_are(app: App) -> None:
    stored = await publish(app, notice(channels=["email"]))
    await drain_all(app)
    app.database.write_now(
        lambda c: c.execute(update(slice_).values(n_sent=0, n_failed=7, n_pending=3, open=3))
    )
    app.database.write_now(ledger.recount, stored.edition, "email")
    check_counters(app)
    everything_due(app)
    assert progress(app, stored.id).deliveries["email"]["sent"] == 12
