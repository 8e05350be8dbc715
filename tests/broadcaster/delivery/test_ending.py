"""The end of runs, also on closed channels: paused ones end at their expiry, superseded ones at
once; nobody waits for a retry.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text, update

from broadcaster.app import App
from broadcaster.domain import deliveries
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.deliveries import FAILED, PENDING, SENT, SKIPPED, Decision
from broadcaster.inbound import status_updates
from broadcaster.publishing import corrections
from broadcaster.publishing.press import Press
from broadcaster.store import address_effects, channels, fanout, gate, ledger, outcomes, slices
from broadcaster.store.database import now
from broadcaster.store.leases import Holder, LeaseLost
from broadcaster.store.tables import run
from channels.base.contract import Deferred, Receipt, Refused, StatusEvent
from support.email_program import email_program
from support.fakes import FakeChannel
from support.runs import claim_slice, correct, run_of
from support.sending import (
    check_counters,
    drain_until_quiet,
    fill,
    forget_leases,
    retry_failed,
    with_channels,
)
from support.world import (
    deliverer,
    emergency,
    notice,
    publish,
    rows,
    states,
    subscribe,
)

PEOPLE = [(f"warga{n:03}@contoh.example", "cibabat") for n in range(12)]


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    async with email_program(database_url, tmp_path, PEOPLE) as opened:
        yield opened


async def test_a_correction_does_not_wait_for_the_retries_of_what_it_corrects(app: App) -> None:
    busy = lambda r: Deferred(code="451") if r.address.startswith("warga003") else Receipt()  # noqa: E731
    channel = FakeChannel(provider=busy)
    app = with_channels(app, channel)
    first = await publish(app, notice())
    await drain_until_quiet(deliverer(app))
    assert states(app) == {"sent": 11, "pending": 1}
    channel.provider = lambda _r: Receipt()
    second = correct(app, first.id)
    for _ring in range(2):
        await drain_until_quiet(deliverer(app))
    sent = [row for row in rows(app) if row.edition == second and row.state == SENT]
    assert len(sent) == 12
    assert states(app) == {"sent": 23, "cancelled": 1}
    assert run_of(app, first.edition).finished_at is not None


async def test_a_retry_noted_after_the_end_of_a_run_closes_at_once_too(app: App) -> None:
    first = await publish(app, notice())
    fill(app)
    holder = Holder(owner="h", lease=30)
    claim = claim_slice(app, holder)
    marked = app.database.write_now(gate.mark, claim, holder, cursor=-1, limit=3)
    correct(app, first.id)
    later = app.database.read_now(now) + 3600
    waits = [
        Decision(slot=row.slot, attempt=row.attempt, state=PENDING, due_at=later)
        for row in marked.rows
    ]
    app.database.write_now(outcomes.settle, app.vault, claim, waits, keep_ids=False)
    app.database.write_now(slices.release, claim, holder)
    app = with_channels(app, FakeChannel())
    for _ring in range(2):
        await drain_until_quiet(deliverer(app))
    assert states(app) == {"cancelled": 12, "sent": 12}


@pytest.mark.parametrize("filled", [True, False])
async def test_a_paused_run_closes_at_its_expiry(app: App, filled: bool) -> None:
    done = await publish(app, notice())
    if filled:
        fill(app)
    app.database.write_now(ledger.pause, done.id, "editor")
    app.database.write_now(lambda c: c.execute(update(run).values(expires_at=1.0)))
    assert app.database.read_now(slices.busy_lanes) == []
    app.database.write_now(slices.finish_idle)
    assert app.database.read_now(slices.busy_lanes) == [("email", "routine")]
    channel = FakeChannel()
    await drain_until_quiet(deliverer(with_channels(app, channel)))
    assert not channel.accepted
    assert states(app) == {"expired": 12}
    assert app.database.read_now(ledger.progress, done.id).sending == "done"
    assert app.database.read_now(slices.busy_lanes) == []


@pytest.mark.parametrize("end", ["cancel", "expire"])
async def test_a_halted_channel_still_closes_what_may_not_leave_any_more(
    app: App, end: str
) -> None:
    done = await publish(app, notice())
    fill(app)
    app.database.write_now(channels.halt_channel, "email", "token", "manual")
    if end == "cancel":
        app.database.write_now(ledger.cancel, done.id)
    else:
        app.database.write_now(lambda c: c.execute(update(run).values(expires_at=1.0)))
    channel = FakeChannel()
    await drain_until_quiet(deliverer(with_channels(app, channel)))
    assert not channel.accepted
    assert states(app) == {"cancelled" if end == "cancel" else "expired": 12}
    assert run_of(app, done.edition).finished_at is not None


async def test_a_halted_channel_keeps_what_may_still_leave(app: App) -> None:
    await publish(app, notice())
    app.database.write_now(channels.halt_channel, "email", "token", "manual")
    await drain_until_quiet(deliverer(with_channels(app, FakeChannel())))
    assert states(app) == {"pending": 12}


async def test_an_emergency_goes_on_while_suppressions_are_held(app: App) -> None:
    await subscribe(app, "email", [(f"mati{n:03}@contoh.example", "cibabat") for n in range(60)])
    dead = lambda r: Refused(reason="address_dead") if r.address.startswith("mati") else Receipt()  # noqa: E731
    app = with_channels(app, FakeChannel(provider=dead))
    await publish(app, emergency())
    engine = deliverer(app)
    for _ring in range(3):
        await drain_until_quiet(engine, lane="emergency")
    assert app.database.read_now(channels.channel_states)["email"].holding
    assert states(app) == {"sent": 12, "failed": 60}
    await publish(app, emergency())
    await drain_until_quiet(engine, lane="emergency")
    assert (states(app)["sent"], states(app).get("pending")) == (24, None)
    await publish(app, notice())
    await drain_until_quiet(engine)
    assert (states(app)["sent"], states(app)["pending"] >= 12) == (24, True)


async def test_a_second_correction_reaches_those_whom_only_the_first_edition_reached(
    app: App,
) -> None:
    """Correct twice with more earlier rows than one chunk holds: each recipient counts once."""
    await subscribe(app, "email", [(f"lagi{n:04}@contoh.example", "cibabat") for n in range(1200)])
    channel = FakeChannel()
    app = with_channels(app, channel)
    first = await publish(app, notice())
    await drain_until_quiet(deliverer(app))
    moved = [row.address for row in rows(app)][700:900]
    correct(app, first.id)
    for _ring in range(2):
        await drain_until_quiet(deliverer(app))
    app.database.write_now(
        lambda c: c.execute(
            text("UPDATE address SET home = '32.77.01.1001' WHERE id BETWEEN :first AND :last"),
            {"first": min(moved), "last": max(moved)},
        )
    )
    third = correct(app, first.id, title="Ralat kedua: air PDAM mati Jumat")
    for _ring in range(2):
        await drain_until_quiet(deliverer(app))
    assert len([row for row in rows(app) if row.edition == third]) == 1212


async def test_sending_an_unconfirmed_message_again_is_admitted_as_a_possible_duplicate(
    app: App,
) -> None:
    app = with_channels(app, FakeChannel())
    done = await publish(app, notice())
    fill(app)
    holder = Holder(owner="h", lease=30)
    for _death in range(3):
        forget_leases(app)
        claim = claim_slice(app, holder)
        app.database.write_now(gate.mark, claim, holder, cursor=-1, limit=100)
    forget_leases(app)
    await drain_until_quiet(deliverer(app))
    assert states(app) == {"unconfirmed": 12}
    assert retry_failed(app, done.id) == (12, {})
    await drain_until_quiet(deliverer(app))
    assert app.database.read_now(ledger.progress, done.id).possible_duplicates == 3 * 12
    check_counters(app)


def fence_first_holder(app: App) -> tuple[slices.Claim, slices.Claim, gate.Marked]:
    """Fill a run and let its first holder lose the lease, with rows on the wire, to a second one."""
    fill(app)
    first, second = Holder(owner="first", lease=30), Holder(owner="second", lease=30)
    old = claim_slice(app, first)
    marked = app.database.write_now(gate.mark, old, first, cursor=-1, limit=100)
    forget_leases(app)
    return old, claim_slice(app, second), marked


async def test_a_fenced_refusal_suppresses_but_does_not_fall_back_from_an_open_row(
    app: App,
) -> None:
    for name in ("lama", "baru"):
        await subscribe(app, "email", [(f"{name}@contoh.example", "cibabat")], subscriber="orang-1")
    app.database.write_now(
        lambda c: c.execute(
            text(
                "UPDATE address SET confirmed_at = confirmed_at + 5 WHERE id = (SELECT max(id) FROM address)"
            )
        )
    )
    await publish(app, notice())
    old, _new, marked = fence_first_holder(app)
    newest = max(marked.rows, key=lambda row: row.address)
    decision = Decision(slot=newest.slot, attempt=newest.attempt, state=SKIPPED, reason="skipped")
    meaning = deliveries.Consequence(slot=newest.slot, address=newest.address, fall_back=True)
    record = address_effects.record
    assert (
        app.database.write_now(
            record, app.vault, old, [decision], [meaning], keep_ids=False, results=1
        )
        == []
    )
    assert len(rows(app)) == 13


async def test_a_late_receipt_counts_though_a_later_attempt_is_on_the_wire_or_failed(
    app: App,
) -> None:
    await publish(app, notice())
    old, new, marked = fence_first_holder(app)
    second = Holder(owner="second", lease=30)
    remarked = app.database.write_now(gate.mark, new, second, cursor=-1, limit=100)
    failed = Decision(slot=remarked.rows[0].slot, attempt=2, state=FAILED, reason="rejected")
    app.database.write_now(outcomes.settle, app.vault, new, [failed], keep_ids=False)
    facts = [Decision(slot=row.slot, attempt=1, state=SENT) for row in marked.rows]
    app.database.write_now(outcomes.settle, app.vault, old, facts, keep_ids=False)
    assert states(app) == {"sent": 12}
    app.database.write_now(outcomes.hand_back, new, remarked.rows)
    app.database.write_now(
        outcomes.settle,
        app.vault,
        new,
        [failed._replace(slot=remarked.rows[1].slot)],
        keep_ids=False,
    )
    assert states(app) == {"sent": 12}
    check_counters(app)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_chunk_that_was_being_filled_when_its_run_was_superseded_is_undone(
    app: App,
) -> None:
    first = await publish(app, notice())
    holder = Holder(owner="h", lease=30)
    claim = app.database.write_now(
        fanout.claim_fanout, channel="email", lane="routine", holder=holder
    )
    press, lost_leases = Press.of(app), []

    def fill_chunk() -> None:
        try:
            app.database.write_now(fanout.fill_chunk, claim, holder)
        except LeaseLost:
            lost_leases.append(True)

    thread = threading.Thread(target=fill_chunk)
    with app.database.writer_engine.begin() as connection:
        corrections.withdraw(
            connection, press, first.id, reason="salah", actor=NamedActor(name="t", now=app.clock())
        )
        slices.finish_idle(connection)
        thread.start()
        await asyncio.sleep(0.3)
    thread.join()
    assert lost_leases
    assert rows(app) == []


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_run_that_closes_while_a_receipt_reopens_a_row_stays_open(app: App) -> None:
    app = with_channels(app, FakeChannel())
    done = await publish(app, notice())
    await drain_until_quiet(deliverer(app))
    app.database.write_now(
        lambda c: c.execute(update(run).values(state="running", finished_at=None))
    )
    row = rows(app)[0]
    event = StatusEvent(
        dedupe="d",
        delivery=f"{row.edition}.{row.slot}.{row.attempt}",
        provider_id="",
        state="failed",
        failure=Deferred(code="451"),
        at=app.clock(),
    )

    def apply_receipt() -> None:
        app.database.write_now(
            lambda c: status_updates.apply_status(
                c, app.vault, "email", event, now(c), receipt_wait=0
            )
        )

    thread = threading.Thread(target=apply_receipt)
    with app.database.writer_engine.begin() as connection:
        slices.finish_run(connection, row.edition, "email")
        thread.start()
        await asyncio.sleep(0.3)
    thread.join()
    reopened = run_of(app, done.edition)
    assert (reopened.state, reopened.finished_at) == ("running", None)


async def test_a_channel_that_halts_stops_the_senders_at_work(app: App) -> None:
    await publish(app, notice())
    fill(app)
    holder = Holder(owner="h", lease=30)
    claim = claim_slice(app, holder)
    assert len(app.database.write_now(gate.mark, claim, holder, cursor=-1, limit=3).rows) == 3
    app.database.write_now(channels.pause_channel, "email", 30)
    stopped = app.database.write_now(gate.mark, claim, holder, cursor=-1, limit=3)
    assert (stopped.rows, stopped.exhausted) == ([], True)
    assert states(app) == {"sending": 3, "pending": 9}
