"""The ledger's fan-out on both databases: who gets a row, in which order and when, and that the
counters agree with the rows.
"""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text, update

from broadcaster.app import App
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.deliveries import SENDING, SENT, Decision
from broadcaster.domain.retry_policy import UNCERTAIN_LIMIT
from broadcaster.publishing import publications
from broadcaster.publishing.press import Press
from broadcaster.store import address_effects, fanout, gate, ledger, outcomes, slices
from broadcaster.store.fanout import MAX_SLOT, FanOut, Sizes
from broadcaster.store.leases import Holder
from broadcaster.store.tables import delivery, slice_
from channels.base.contract import Deferred, Receipt, Refused, Rejected
from subscribers import audience, consent, residents
from support.email_program import email_program
from support.fakes import FakeChannel
from support.runs import claim_slice, correct, run_of, withdraw
from support.sending import (
    HOLDER,
    check_counters,
    drain_all,
    fill,
    forget_leases,
    table,
    with_channels,
)
from support.world import emergency, notice, publish, rows, states, subscribe

SMALL = Sizes(first=3, chunk=5, slice_=2, least=1)
CIBABAT = [f"cibabat{n}@x.example" for n in range(12)]
MELONG = [f"melong{n}@x.example" for n in range(4)]
OTHER = Holder(owner="other", lease=30)


@asynccontextmanager
async def program_with_subscribers(url: str, folder: Path) -> AsyncIterator[App]:
    """Open a program with email subscribers in Cibabat and in Melong."""
    async with email_program(
        url, folder, [(address, "cibabat") for address in CIBABAT], TELEGRAM_TOKEN="1:x"
    ) as app:
        await subscribe(app, "email", [(address, "melong") for address in MELONG])
        yield with_channels(app, FakeChannel())


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    async with program_with_subscribers(database_url, tmp_path) as opened:
        yield opened


@pytest.fixture
async def local(sqlite_url: str, tmp_path: Path) -> AsyncIterator[App]:
    """Yield the same on SQLite alone, where the kind of database does not matter."""
    async with program_with_subscribers(sqlite_url, tmp_path) as opened:
        yield opened


def claim_run(app: App, channel: str = "email", holder: Holder = HOLDER) -> FanOut | None:
    return app.database.write_now(
        fanout.claim_fanout, channel=channel, lane="routine", holder=holder
    )


def fill_chunk(app: App, fan_out: FanOut, holder: Holder = HOLDER, sizes: Sizes = SMALL) -> bool:
    return app.database.write_now(fanout.fill_chunk, fan_out, holder, sizes)


def addresses_reached(app: App, edition: int, channel: str = "email") -> set[str]:
    """Return the addresses that have a row of an edition."""
    ids = {row.address for row in rows(app, channel) if row.edition == edition}
    addresses = {app.database.read_now(residents.get, number) for number in ids}
    return {app.vault.open(channel, row.cipher) for row in addresses if row is not None}


# --- chunks and slices ----------------------------------------------------------------------------------


async def test_chunks_follow_each_other_in_slot_order_and_slices_cover_every_slot(app: App) -> None:
    done = await publish(app, notice())
    fan_out = claim_run(app)
    assert fan_out is not None
    totals = []
    while not fill_chunk(app, fan_out):
        totals.append(len(rows(app)))
    assert totals == [3, 8, 12], (
        "4, then 6 addresses are looked at, so that about 3 and 5 are concerned: some are in Melong"
    )
    spans = [(part.after_slot, part.last_slot) for part in table(app, slice_)]
    assert spans[0][0] == -1
    assert spans[-1][1] == MAX_SLOT
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert [part.number for part in table(app, slice_)] == list(range(len(spans)))
    sealed = run_of(app, fan_out.edition)
    assert (sealed.total, sealed.sealed, sealed.state, sealed.owner) == (12, True, "running", None)
    assert app.database.read_now(ledger.progress, done.id).deliveries["email"]["pending"] == 12
    check_counters(app)


async def test_an_edition_nobody_subscribed_to_is_done_at_its_seal(local: App) -> None:
    done = await publish(local, notice(areas=["leuwigajah"]))
    assert fill(local) == 1
    assert rows(local) == []
    progress = local.database.read_now(ledger.progress, done.id)
    assert progress.states["email"] == "done"
    fill(local, "telegram")
    assert local.database.read_now(ledger.progress, done.id).sending == "done"


async def test_an_edition_that_was_sent_before_its_seal_is_done_at_its_seal(app: App) -> None:
    await publish(app, notice())
    fan_out = claim_run(app)
    assert fan_out is not None
    while len(rows(app)) < len(CIBABAT):
        fill_chunk(app, fan_out)
    while part := app.database.write_now(
        slices.claim_slice,
        channel="email",
        lane="routine",
        holder=OTHER,
        reopen_wait=0,
        uncertain_limit=UNCERTAIN_LIMIT,
    ):
        marked = app.database.write_now(gate.mark, part, OTHER, cursor=-1, limit=100)
        facts = [Decision(slot=row.slot, attempt=row.attempt, state=SENT) for row in marked.rows]
        app.database.write_now(outcomes.settle, app.vault, part, facts, keep_ids=False)
        app.database.write_now(slices.release, part, OTHER)
    assert run_of(app, fan_out.edition).state == "preparing"
    assert fill_chunk(app, fan_out)
    assert run_of(app, fan_out.edition).state == "done"


async def test_a_subscriber_confirmed_after_the_publication_is_not_in_it(local: App) -> None:
    await publish(local, notice())
    late = text(
        "UPDATE address SET confirmed_at = confirmed_at + 86400 WHERE id = (SELECT min(id) FROM address)"
    )
    local.database.write_now(lambda c: c.execute(late))
    fill(local)
    assert len(rows(local)) == len(CIBABAT) - 1


# --- leases ---------------------------------------------------------------------------------------------


async def test_a_run_is_filled_by_one_holder_at_a_time(local: App) -> None:
    await publish(local, notice())
    first = claim_run(local)
    assert first is not None
    assert claim_run(local, holder=OTHER) is None
    assert claim_run(local) == first, "its own holder may go on"


async def test_a_run_that_its_holder_left_is_taken_over_where_it_stood(app: App) -> None:
    await publish(app, notice())
    first = claim_run(app)
    assert first is not None
    fill_chunk(app, first)
    forget_leases(app)
    second = claim_run(app, holder=OTHER)
    assert second is not None
    before = len(rows(app))
    assert fill_chunk(app, first), "the one who lost it adds nothing more"
    assert 0 < len(rows(app)) == before
    while not fill_chunk(app, second, OTHER):
        pass
    assert len(rows(app)) == len(CIBABAT)
    check_counters(app)


async def test_a_run_of_a_dead_holder_is_taken_over_at_once(local: App) -> None:
    await publish(local, notice())
    assert claim_run(local) is not None
    knows = Holder(owner="other", lease=30, is_dead=lambda owner: owner == HOLDER.owner)
    assert claim_run(local, holder=knows) is not None


async def test_the_run_with_the_fewest_rows_comes_first(local: App) -> None:
    await publish(local, notice())
    await publish(local, notice(title="Posyandu pindah ke balai RW 03"))
    order = []
    for _turn in range(4):
        fan_out = claim_run(local)
        assert fan_out is not None
        order.append(fan_out.edition)
        fill_chunk(local, fan_out)
    assert order == [1, 2, 1, 2]


async def test_nothing_is_added_to_a_run_that_is_paused_or_stopped(local: App) -> None:
    done = await publish(local, notice())
    fan_out = claim_run(local)
    assert fan_out is not None
    fill_chunk(local, fan_out)
    local.database.write_now(ledger.pause, done.id, "salah")
    assert fill_chunk(local, fan_out)
    assert claim_run(local) is None
    local.database.write_now(ledger.resume, done.id)
    resumed = claim_run(local)
    assert resumed is not None
    fill_chunk(local, resumed)
    before = len(rows(local))
    local.database.write_now(ledger.cancel, done.id, "batal")
    assert fill_chunk(local, resumed)
    assert claim_run(local) is None
    assert 0 < len(rows(local)) == before < len(CIBABAT)


# --- fallback rows --------------------------------------------------------------------------------------


async def two_addresses(app: App, people: int) -> list[int]:
    """Subscribe people with an email and a Telegram address each; return their email address ids."""
    for person in range(people):
        for channel, address in (
            ("email", f"dua{person}@x.example"),
            ("telegram", str(1000 + person)),
        ):
            await subscribe(app, channel, [(address, "cibabat")], subscriber=f"dua-{person}")
    addresses = (
        app.database.read_now(residents.find, app.vault, "email", f"dua{person}@x.example")
        for person in range(people)
    )
    return [row.id for row in addresses if row is not None]


async def test_a_fallback_row_before_the_fan_out_reaches_its_slot_is_counted_once(app: App) -> None:
    people = await two_addresses(app, 6)
    edition = (await publish(app, notice())).edition
    assert edition is not None
    for closed in people:
        assert app.database.write_now(address_effects.fall_back, edition, closed) != []
        assert app.database.write_now(address_effects.fall_back, edition, closed) == [], (
            "there is no third address"
        )
    assert table(app, slice_) == []
    fill(app, "telegram")
    assert len(rows(app, "telegram")) == 6
    sealed = run_of(app, edition, "telegram")
    assert (sealed.total, sealed.sealed) == (6, True)
    check_counters(app)


@pytest.mark.parametrize("act", ["correct", "withdraw"])
async def test_whoever_was_reached_hears_of_a_correction_at_their_next_address_wherever_it_went(
    app: App, act: str
) -> None:
    await subscribe(app, "email", [("pindah@x.example", "cibabat")], subscriber="pindah")
    channel, chat = FakeChannel(), FakeChannel(name="telegram")
    app = with_channels(app, channel, chat)
    done = await publish(app, notice())
    await drain_all(app)
    await subscribe(app, "telegram", [("1001", "utama")], subscriber="pindah")
    channel.provider = lambda r: (
        Refused(reason="address_dead") if r.address == "pindah@x.example" else Receipt()
    )
    edition = (
        correct(app, done.id, areas=["melong"]) if act == "correct" else withdraw(app, done.id)
    )
    await drain_all(app)
    await drain_all(app, "telegram")
    assert dict(chat.accepted) == {"1001": 1}
    assert [row.area for row in rows(app, "telegram") if row.edition == edition] == [
        "32.77.03.1002"
    ]
    check_counters(app)


@pytest.fixture
async def app_of_pairs(sqlite_url: str, tmp_path: Path) -> AsyncIterator[tuple[App, list[int]]]:
    async with email_program(sqlite_url, tmp_path, TELEGRAM_TOKEN="1:x") as opened:
        await subscribe(opened, "telegram", [(str(n), "cibabat") for n in range(1, 8)])
        yield opened, await two_addresses(opened, 9)


steps = st.lists(st.sampled_from(["email", "telegram", "fall back"]), max_size=14)
sizes = st.builds(
    Sizes,
    first=st.integers(1, 6),
    chunk=st.integers(1, 9),
    slice_=st.integers(1, 4),
    least=st.integers(1, 4),
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25
)
@given(order=steps, sizes=sizes, seed=st.randoms(use_true_random=False))
def test_whatever_falls_back_meanwhile_the_seal_counts_the_rows(
    app_of_pairs: tuple[App, list[int]], order: list[str], sizes: Sizes, seed: Any
) -> None:
    app, people = app_of_pairs
    press, now = Press.of(app), datetime.now(UTC)
    edition = app.database.write_now(
        publications.publish,
        press,
        press.examine(notice(), now),
        actor=NamedActor(name="t", now=now),
    ).edition
    assert edition is not None
    for step in order:
        if step == "fall back":
            app.database.write_now(address_effects.fall_back, edition, seed.choice(people))
        elif (fan_out := claim_run(app, step)) is not None:
            fill_chunk(app, fan_out, sizes=sizes)
    for channel, expected in (("email", 9), ("telegram", 16)):
        while (fan_out := claim_run(app, channel)) is not None:
            fill_chunk(app, fan_out, sizes=sizes)
        own_rows = [row for row in rows(app, channel) if row.edition == edition]
        parts = [
            part
            for part in table(app, slice_)
            if (part.edition, part.channel) == (edition, channel)
        ]
        assert len(own_rows) == expected == run_of(app, edition, channel).total
        assert sum(part.open for part in parts) == sum(part.n_pending for part in parts) == expected
        assert (parts[0].after_slot, parts[-1].last_slot) == (-1, MAX_SLOT)
    if edition % 8 == 0:
        check_counters(app)


# --- corrections and withdrawals ------------------------------------------------------------------------


async def test_a_correction_goes_to_those_reached_and_to_its_own_audience_once_each(
    app: App,
) -> None:
    odd = CIBABAT[3]
    channel = FakeChannel(provider=lambda r: Rejected(code="x") if r.address == odd else Receipt())
    app = with_channels(app, channel)
    await subscribe(app, "email", [("dua@x.example", "cibabat melong")])
    done = await publish(app, notice())
    await drain_all(app)
    second = correct(app, done.id, areas=["melong"])
    await drain_all(app)
    assert addresses_reached(app, second) == {*CIBABAT, *MELONG, "dua@x.example"} - {odd}
    assert len(rows(app)) == 13 + 16
    check_counters(app)


async def test_a_correction_to_other_areas_goes_to_those_reached_and_to_nobody_new_where_it_left(
    app: App,
) -> None:
    done = await publish(app, notice())
    await drain_all(app)
    await subscribe(
        app, "email", [("baru@x.example", "cibabat"), ("baru-melong@x.example", "melong")]
    )
    second = correct(app, done.id, areas=["melong"])
    await drain_all(app)
    assert addresses_reached(app, second) == {*CIBABAT, *MELONG, "baru-melong@x.example"}
    third = withdraw(app, done.id)
    await drain_all(app)
    assert addresses_reached(app, third) == {*CIBABAT, *MELONG, "baru-melong@x.example"}


async def test_a_correction_knows_every_message_of_earlier_editions_the_newest_first(
    app: App,
) -> None:
    numbers = itertools.count(1)
    channel = FakeChannel(provider=lambda _r: Receipt(message_number=next(numbers)))
    app = with_channels(app, channel)
    done = await publish(app, notice())
    await drain_all(app)
    first = {recipient.address: recipient for recipient in channel.order}
    assert {recipient.corrects for recipient in channel.order} == {()}
    correct(app, done.id)
    assert fill(app)
    correct(app, done.id, summary="Sampai pukul 16.00.")  # before the second has left
    channel.order.clear()
    await drain_all(app)
    assert len(first) == len(channel.order) == 12
    third = {recipient.address: recipient.corrects for recipient in channel.order}
    assert sorted(third.values()) == [(number,) for number in range(1, 13)]
    channel.order.clear()
    withdraw(app, done.id)
    await drain_all(app)
    assert all(recipient.corrects[1:] == third[recipient.address] for recipient in channel.order)
    assert {recipient.corrects[0] for recipient in channel.order} == set(range(13, 25))


async def test_a_message_edited_in_place_is_corrected_once(local: App) -> None:
    channel = FakeChannel(provider=lambda _r: Receipt(message_number=57))
    local = with_channels(local, channel)
    done = await publish(local, notice())
    for act in (correct, withdraw):
        await drain_all(local)
        act(local, done.id)
    await drain_all(local)
    assert {recipient.corrects for recipient in channel.order} == {(), (57,)}


async def test_a_chat_that_moved_is_not_edited_by_the_numbers_of_the_old_one(app: App) -> None:
    channel = FakeChannel(provider=lambda _r: Receipt(message_number=57))
    app = with_channels(app, channel)
    done = await publish(app, notice())
    await drain_all(app)
    moved = Deferred(retry_after=0, throttle=True, scope="address", moved_to="pindah@x.example")
    channel.provider = lambda r: moved if r.address == CIBABAT[0] else Receipt(message_number=57)
    correct(app, done.id)
    channel.order.clear()
    for _ring in range(2):
        await drain_all(app)
    assert {recipient.address: recipient.corrects for recipient in channel.order} == {
        "pindah@x.example": (),
        **dict.fromkeys(CIBABAT[1:], (57,)),
    }


async def test_a_correction_is_counted_under_the_area_where_the_original_was(local: App) -> None:
    done = await publish(local, notice())
    await drain_all(local)
    second = correct(local, done.id, areas=["melong"])
    await drain_all(local)
    codes = [row.area for row in rows(local) if row.edition == second]
    assert sorted(set(codes)) == ["32.77.01.1001", "32.77.03.1002"]
    assert codes.count("32.77.03.1002") == 12


async def test_a_correction_waits_until_the_originals_rows_have_settled(app: App) -> None:
    done = await publish(app, notice())
    fill(app)
    part = claim_slice(app, OTHER)
    marked = app.database.write_now(gate.mark, part, OTHER, cursor=-1, limit=5)
    second = correct(app, done.id)
    assert claim_run(app) is None, "five rows are on the wire, seven wait"
    facts = [Decision(slot=row.slot, attempt=row.attempt, state=SENT) for row in marked.rows]
    app.database.write_now(outcomes.settle, app.vault, part, facts, keep_ids=False)
    app.database.write_now(slices.release, part, OTHER)
    assert claim_run(app) is None, "seven still wait for the gate"
    await drain_all(app)
    first = [row for row in rows(app) if row.edition != second]
    assert [row.reason for row in first].count("superseded") == 7
    assert addresses_reached(app, second) == set(CIBABAT)
    check_counters(app)


async def test_a_third_edition_waits_for_the_first_too(local: App) -> None:
    done = await publish(local, notice())
    fill(local)
    part = claim_slice(local, OTHER)
    local.database.write_now(gate.mark, part, OTHER, cursor=-1, limit=100)
    correct(local, done.id)
    third = correct(local, done.id, summary="Sampai pukul 16.00.")
    assert claim_run(local) is None
    forget_leases(local)
    local.database.write_now(
        lambda c: (
            c.execute(update(delivery).values(state=SENT)),
            c.execute(update(slice_).values(open=0)),
        )
    )
    fan_out = claim_run(local)
    assert fan_out is not None
    assert fan_out.edition == third


async def test_a_withdrawal_goes_only_to_those_who_may_have_had_it(app: App) -> None:
    channel = FakeChannel(
        provider=lambda r: Rejected(code="x") if r.address in CIBABAT[:2] else Receipt()
    )
    app = with_channels(app, channel)
    done = await publish(app, notice())
    await drain_all(app)
    newcomers = [f"baru{n}@x.example" for n in range(3)]
    await subscribe(app, "email", [(address, "cibabat") for address in newcomers])
    second = withdraw(app, done.id)
    channel.provider = lambda _r: Receipt()
    await drain_all(app)
    assert addresses_reached(app, second) == set(CIBABAT[2:])
    assert app.database.read_now(ledger.progress, done.id).deliveries["email"]["sent"] == 10
    check_counters(app)


async def test_a_withdrawal_before_anything_left_reaches_nobody_and_is_done(local: App) -> None:
    channel = FakeChannel()
    local = with_channels(local, channel)
    done = await publish(local, notice())
    fill(local)
    second = withdraw(local, done.id)
    await drain_all(local)
    assert addresses_reached(local, second) == set()
    assert not channel.accepted
    assert states(local) == {"cancelled": 12}
    assert run_of(local, second).state == "done"


async def test_whoever_had_an_uncertain_message_is_told_of_the_withdrawal(app: App) -> None:
    done = await publish(app, notice())
    fill(app)
    part = claim_slice(app, OTHER)
    marked = app.database.write_now(gate.mark, part, OTHER, cursor=-1, limit=4)
    forget_leases(app)  # the worker died with four on the wire
    second = withdraw(app, done.id)
    await drain_all(app)
    assert len(addresses_reached(app, second)) == 4
    assert {row.slot for row in marked.rows} == {
        row.slot for row in rows(app) if row.edition == second
    }
    assert states(app) == {"unconfirmed": 4, "cancelled": 8, "sent": 4}
    assert SENDING not in {row.state for row in rows(app)}


async def test_a_subscriber_who_stopped_since_gets_no_correction(local: App) -> None:
    channel = FakeChannel()
    local = with_channels(local, channel)
    done = await publish(local, notice())
    await drain_all(local)
    address = local.database.read_now(residents.find, local.vault, "email", CIBABAT[0])
    assert address is not None
    local.database.write_now(
        consent.stop, address.id, source="test", at=datetime.now(UTC).timestamp()
    )
    correct(local, done.id)
    await drain_all(local)
    assert channel.accepted[CIBABAT[0]] == 1
    assert channel.accepted[CIBABAT[1]] == 2


@pytest.mark.parametrize(
    ("fields", "lane", "left"), [(notice, "routine", True), (emergency, "emergency", False)]
)
async def test_an_emergency_leaves_with_whoever_is_found_while_a_notice_waits_for_a_slice(
    local: App, fields: Any, lane: str, left: bool
) -> None:
    await publish(local, fields(areas=["cibabat"]))
    fan_out = local.database.write_now(
        fanout.claim_fanout, channel="email", lane=lane, holder=HOLDER
    )
    assert fan_out is not None
    sizes = Sizes(first=2, chunk=2, least=fanout.sizes_of(lane, sqlite=True).least)
    waiting = []
    while not fill_chunk(local, fan_out, sizes=sizes):
        waiting.append(local.database.read_now(fanout.rows_without_slice, fan_out.edition, "email"))
    assert any(waiting) == left
    assert len(rows(local)) == 12


async def test_where_few_are_concerned_a_chunk_looks_at_more(local: App) -> None:
    await subscribe(local, "email", [(f"utama{n}@x.example", "utama") for n in range(100)])
    assert local.database.read_now(
        audience.share, audience_for(local, "utama"), "email"
    ) == pytest.approx(100 / 116)
    assert local.database.read_now(
        audience.share, audience_for(local, "melong"), "email"
    ) == pytest.approx(4 / 116)
    await publish(local, notice(areas=["melong"]))
    fan_out = claim_run(local)
    assert fan_out is not None
    chunks = 0
    while not fill_chunk(local, fan_out, sizes=Sizes(first=5, chunk=5)):
        chunks += 1
    assert chunks <= 116 / 50 + 1, "ten times five at a time"
    assert len(rows(local)) == 4


def audience_for(app: App, area: str) -> audience.Audience:
    """Return the audience of a notice for an area."""
    return audience.Audience(
        areas=app.tree.concerned([app.tree[area].code]),
        topic="x",
        emergency=False,
        confirmed_before=2e9,
    )
