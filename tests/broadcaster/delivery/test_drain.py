"""Draining on both databases: who receives, what is recorded, and that nothing is lost when a
worker dies.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from broadcaster.app import App
from broadcaster.delivery import controls
from broadcaster.delivery.status import overview
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.deliveries import FAILED, PENDING, SENDING, SENT, STATES, Decision
from broadcaster.store import channels, fanout, gate, ledger, outcomes, slices
from broadcaster.store.failure_causes import Watcher
from broadcaster.store.leases import Holder, LeaseLost
from broadcaster.store.tables import run
from channels.base.contract import (
    Deferred,
    Halted,
    Outcome,
    Receipt,
    Recipient,
    Refused,
    Rejected,
    Skipped,
)
from subscribers.store import State, address
from subscribers.vault import Vault
from support.email_program import email_program
from support.fakes import FakeChannel, Killed, accepts_all
from support.runs import claim_slice
from support.sending import (
    drain_until_quiet,
    everything_due,
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

PEOPLE = [(f"warga{n:03}@contoh.example", "cibabat") for n in range(30)]


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    async with email_program(database_url, tmp_path, PEOPLE) as opened:
        yield opened


async def test_every_subscriber_of_the_area_gets_it_once_and_no_one_else(app: App) -> None:
    await subscribe(
        app,
        "email",
        [
            ("utara@x.example", "cimahi-utara"),
            ("kota@x.example", "cimahi"),
            ("melong@x.example", "melong"),
            ("dua@x.example", "melong cibabat"),
        ],
    )
    channel = FakeChannel()
    app = with_channels(app, channel)
    await publish(app, notice())
    await drain_until_quiet(deliverer(app))
    expected = {address for address, _areas in PEOPLE} | {
        "utara@x.example",
        "kota@x.example",
        "dua@x.example",
    }
    assert channel.accepted == Counter(dict.fromkeys(expected, 1))
    assert states(app) == {"sent": 33}


async def test_progress_is_done_only_when_sealed_and_closed_and_equals_the_rows(app: App) -> None:
    app = with_channels(app, FakeChannel())
    done = await publish(app, notice())
    before = app.database.read_now(ledger.progress, done.id)
    assert (before.sending, before.percent) == ("preparing", 0)
    await drain_until_quiet(deliverer(app))
    after = app.database.read_now(ledger.progress, done.id)
    assert (after.sending, after.percent, after.possible_duplicates) == ("done", 100, 0)
    assert after.deliveries["email"] == {**dict.fromkeys(STATES, 0), "sent": 30}


async def test_the_area_under_which_a_delivery_counts_is_the_deepest_that_matches(app: App) -> None:
    await subscribe(
        app, "email", [("utara@x.example", "cimahi-utara"), ("kota@x.example", "cimahi")]
    )
    app = with_channels(app, FakeChannel())
    done = await publish(app, notice())
    await drain_until_quiet(deliverer(app))
    areas = app.database.read_now(ledger.areas, done.id)
    assert {code: counts["sent"] for code, counts in areas.items()} == {
        "32.77.03.1002": 30,
        "32.77.03": 1,
        "32.77": 1,
    }


async def test_a_killed_worker_loses_nothing_and_doubles_only_what_the_ledger_admits(
    app: App,
) -> None:
    calls = iter(range(1000))
    channel = FakeChannel(provider=lambda _r: None if next(calls) == 12 else Receipt())
    app = with_channels(app, channel)
    done = await publish(app, notice())
    with pytest.raises(BaseExceptionGroup) as killed:
        await deliverer(app, lease=1).drain("email", "routine")
    assert killed.group_contains(Killed)
    forget_leases(app)
    await drain_until_quiet(deliverer(app))
    assert set(channel.accepted) == {address for address, _areas in PEOPLE}
    doubled = sum(count - 1 for count in channel.accepted.values())
    admitted = app.database.read_now(ledger.progress, done.id).possible_duplicates
    assert doubled <= admitted <= 30
    assert states(app) == {"sent": 30}


async def test_a_row_left_sending_three_times_closes_as_unconfirmed(app: App) -> None:
    app = with_channels(app, FakeChannel())
    await publish(app, notice())
    holder = Holder(owner="first", lease=30)
    fill(app)
    for _death in range(3):
        forget_leases(app)
        claim = claim_slice(app, holder)
        app.database.write_now(gate.mark, claim, holder, cursor=-1, limit=100)
    forget_leases(app)
    await drain_until_quiet(deliverer(app))
    assert states(app) == {"unconfirmed": 30}


async def test_an_outcome_from_a_fenced_attempt_is_still_recorded(app: App) -> None:
    app = with_channels(app, FakeChannel())
    await publish(app, notice())
    first, second = Holder(owner="first", lease=30), Holder(owner="second", lease=30)
    fill(app)
    old = claim_slice(app, first)
    marked = app.database.write_now(gate.mark, old, first, cursor=-1, limit=5)
    forget_leases(app)
    new = claim_slice(app, second, reopen_wait=60)
    with pytest.raises(LeaseLost):
        app.database.write_now(gate.mark, old, first, cursor=-1, limit=5)
    facts = [Decision(slot=row.slot, attempt=row.attempt, state=SENT) for row in marked.rows]
    for _twice in range(2):
        app.database.write_now(outcomes.settle, app.vault, old, facts, keep_ids=False)
    app.database.write_now(slices.release, new, second)
    await drain_until_quiet(deliverer(app))
    assert states(app) == {"sent": 30}


async def test_outcomes_recorded_twice_change_nothing(app: App) -> None:
    app = with_channels(app, FakeChannel())
    done = await publish(app, notice())
    await drain_until_quiet(deliverer(app))
    before = rows(app)
    claim = slices.Claim(
        edition=before[0].edition,
        channel="email",
        number=0,
        lane="routine",
        after_slot=-1,
        last_slot=fanout.MAX_SLOT,
        epoch=1,
        follows=None,
        published_at=0,
        expires_at=None,
    )
    facts = [
        Decision(slot=row.slot, attempt=row.attempt, state=FAILED, reason="rejected")
        for row in before
    ]
    app.database.write_now(outcomes.settle, app.vault, claim, facts, keep_ids=False)
    assert rows(app) == before
    assert app.database.read_now(ledger.progress, done.id).deliveries["email"]["sent"] == 30


async def test_a_resident_who_stopped_after_publishing_gets_nothing(app: App) -> None:
    channel = FakeChannel()
    app = with_channels(app, channel)
    await publish(app, notice())
    stop = update(address).values(state=State.SUPPRESSED, reason="opted_out")
    app.database.write_now(lambda c: c.execute(stop))
    await drain_until_quiet(deliverer(app))
    assert not channel.accepted


async def test_a_stop_between_fan_out_and_sending_closes_the_row_with_its_reason(app: App) -> None:
    channel = FakeChannel()
    app = with_channels(app, channel)
    done = await publish(app, notice())
    fill(app)
    stop = (
        update(address)
        .where(address.c.id == rows(app)[3].address)
        .values(state=State.SUPPRESSED, reason="opted_out")
    )
    app.database.write_now(lambda c: c.execute(stop))
    await drain_until_quiet(deliverer(app))
    assert states(app) == {"sent": 29, "skipped": 1}
    causes = app.database.read_now(ledger.failures, done.id)
    assert [(cause.reason, cause.count) for cause in causes] == [("opted_out", 1)]


async def test_an_expired_edition_sends_nothing_more(app: App) -> None:
    channel = FakeChannel()
    app = with_channels(app, channel)
    done = await publish(app, emergency())
    app.database.write_now(lambda c: c.execute(update(run).values(expires_at=1.0)))
    await drain_until_quiet(deliverer(app), lane="emergency")
    assert not channel.accepted
    assert states(app) == {"expired": 30}
    assert app.database.read_now(ledger.progress, done.id).sending == "done"


async def test_refused_addresses_fail_with_reason_and_are_suppressed(app: App) -> None:
    dead = {"warga003@contoh.example", "warga017@contoh.example"}

    def refuse(recipient: Recipient) -> Outcome:
        is_dead = recipient.address in dead
        return Refused(reason="address_dead", code="5.1.1") if is_dead else Receipt()

    app = with_channels(app, FakeChannel(provider=refuse))
    done = await publish(app, notice())
    await drain_until_quiet(deliverer(app))
    assert states(app) == {"sent": 28, "failed": 2}
    cause = app.database.read_now(ledger.failures, done.id)[0]
    assert (cause.reason, cause.provider_code, cause.count) == ("address_dead", "5.1.1", 2)
    suppressed = select(address.c.id).where(address.c.state == State.SUPPRESSED)
    assert len(app.database.read_now(lambda c: c.execute(suppressed).all())) == 2


async def test_a_burst_of_dead_addresses_suppresses_nobody_and_halts_routine_sending(
    app: App,
) -> None:
    more = [(f"banyak{n:03}@contoh.example", "cibabat") for n in range(60)]
    await subscribe(app, "email", more)
    app = with_channels(
        app, FakeChannel(provider=lambda _r: Refused(reason="address_dead", code="5.1.1"))
    )
    await publish(app, notice())
    engine = deliverer(app)
    await engine.drain("email", "routine", seconds=30)
    state = app.database.read_now(channels.channel_states)["email"]
    assert state.holding
    assert state.halted == "manual"
    discarded = app.database.write_now(channels.release_held, "email", apply=False)
    assert discarded > 0


async def test_a_throttled_row_waits_as_long_as_asked_and_pauses_the_channel(app: App) -> None:
    app = with_channels(
        app, FakeChannel(provider=lambda _r: Deferred(retry_after=30, throttle=True, code="429"))
    )
    await publish(app, notice())
    await deliverer(app).drain("email", "routine", seconds=30)
    assert states(app) == {"pending": 30}
    assert all(row.spent == 0 for row in rows(app))
    assert 25 < app.database.read_now(channels.closed_for, "email") <= 30


async def test_halted_burns_no_recipient_and_a_resume_goes_on(app: App) -> None:
    channel = FakeChannel(provider=lambda _r: Halted(code="535", detail="bad password"))
    app = with_channels(app, channel)
    await publish(app, notice())
    await deliverer(app).drain("email", "routine", seconds=30)
    assert states(app) == {"pending": 30}
    assert app.database.read_now(channels.channel_states)["email"].halted == "manual"
    assert await deliverer(app).drain("email", "routine", seconds=30) is False
    channel.provider = accepts_all
    app.database.write_now(channels.resume_channel, "email")
    await drain_until_quiet(deliverer(app))
    assert states(app) == {"sent": 30}


async def test_a_message_three_addresses_reject_alike_stops_the_edition_and_the_rest_stays_pending(
    app: App,
) -> None:
    app = with_channels(
        app, FakeChannel(provider=lambda _r: Rejected(code="5.6.0", detail="content"))
    )
    done = await publish(app, notice())
    await drain_until_quiet(deliverer(app))
    progress = app.database.read_now(ledger.progress, done.id)
    assert progress.sending == "paused"
    assert "5.6.0" in progress.why["email"]
    assert progress.deliveries["email"]["failed"] >= 3


async def test_a_rejection_between_successes_is_that_address_alone(app: App) -> None:
    odd = {f"warga{n:03}@contoh.example" for n in (1, 9, 20, 25)}
    app = with_channels(
        app, FakeChannel(provider=lambda r: Rejected(code="x") if r.address in odd else Receipt())
    )
    await publish(app, notice())
    await drain_until_quiet(deliverer(app))
    assert states(app) == {"sent": 26, "failed": 4}


async def test_an_uncertain_message_is_counted_as_possible_duplicate_and_resent_with_the_same_key(
    app: App,
) -> None:
    keys: dict[str, list[str]] = {}

    def first_time_uncertain(recipient: Recipient) -> Receipt | Deferred:
        keys.setdefault(recipient.address, []).append(recipient.address_key)
        return (
            Receipt()
            if len(keys[recipient.address]) > 1
            else Deferred(uncertain=True, code="timeout")
        )

    app = with_channels(app, FakeChannel(provider=first_time_uncertain))
    done = await publish(app, notice())
    engine = deliverer(app)
    await drain_until_quiet(engine)
    assert states(app) == {"pending": 30}
    everything_due(app)
    await drain_until_quiet(engine)
    assert states(app) == {"sent": 30}
    assert app.database.read_now(ledger.progress, done.id).possible_duplicates == 30
    assert all(len(set(pair)) == 1 for pair in keys.values())


async def test_a_channel_that_mostly_fails_is_halted_until_a_probe_succeeds(app: App) -> None:
    await subscribe(app, "email", [(f"lain{n:03}@contoh.example", "cibabat") for n in range(80)])
    app = with_channels(app, FakeChannel(provider=lambda _r: Deferred(code="451")))
    await publish(app, notice())
    await deliverer(app).drain("email", "routine", seconds=30)
    assert app.database.read_now(channels.channel_states)["email"].halted == "probe"


async def test_pause_and_resume_and_cancel_do_what_they_say(app: App) -> None:
    channel = FakeChannel()
    app = with_channels(app, channel)
    done = await publish(app, notice())
    assert app.database.write_now(ledger.pause, done.id, "salah ketik")
    await drain_until_quiet(deliverer(app))
    assert not channel.accepted
    assert app.database.read_now(ledger.progress, done.id).sending == "paused"
    assert app.database.write_now(ledger.resume, done.id)
    await drain_until_quiet(deliverer(app))
    assert len(channel.accepted) == 30
    assert not app.database.write_now(ledger.cancel, done.id)


async def test_cancelling_closes_every_open_row_and_says_stopped(app: App) -> None:
    channel = FakeChannel()
    app = with_channels(app, channel)
    done = await publish(app, notice())
    fill(app)
    assert app.database.write_now(ledger.cancel, done.id)
    await drain_until_quiet(deliverer(app))
    assert not channel.accepted
    assert states(app) == {"cancelled": 30}
    assert app.database.read_now(ledger.progress, done.id).sending == "stopped"


async def test_retry_failed_sends_to_exactly_those_who_failed(app: App) -> None:
    odd = {f"warga{n:03}@contoh.example" for n in (1, 9)}
    channel = FakeChannel(provider=lambda r: Rejected(code="x") if r.address in odd else Receipt())
    app = with_channels(app, channel)
    done = await publish(app, notice())
    await drain_until_quiet(deliverer(app))
    channel.provider = accepts_all
    channel.accepted.clear()
    assert retry_failed(app, done.id) == (2, {})
    await drain_until_quiet(deliverer(app))
    assert set(channel.accepted) == odd
    assert states(app) == {"sent": 30}
    assert retry_failed(app, done.id) == (0, {})


async def test_a_skipped_address_falls_back_to_the_persons_older_one(app: App) -> None:
    await subscribe(app, "email", [("lama@x.example", "cibabat")], subscriber="orang-1")
    await subscribe(app, "email", [("baru@x.example", "cibabat")], subscriber="orang-1")
    app.database.write_now(
        lambda c: c.execute(
            text(
                "UPDATE address SET confirmed_at = confirmed_at + 5 WHERE id = (SELECT max(id) FROM address)"
            )
        )
    )
    channel = FakeChannel(
        provider=lambda r: Skipped(code="cap") if r.address == "baru@x.example" else Receipt()
    )
    app = with_channels(app, channel)
    done = await publish(app, notice())
    await drain_until_quiet(deliverer(app))
    assert channel.accepted["lama@x.example"] == 1
    assert states(app) == {"sent": 31, "skipped": 1}
    assert app.database.read_now(ledger.progress, done.id).total == 32


def damage_seals(app: App, condition: str) -> None:
    """Damage the seals of the addresses that meet a condition."""
    damage = text(f"UPDATE address SET cipher = :junk WHERE {condition}")
    app.database.write_now(lambda c: c.execute(damage, {"junk": b"\x01broken"}))


async def test_one_unreadable_address_does_not_stop_its_slice(app: App) -> None:
    channel = FakeChannel()
    app = with_channels(app, channel)
    done = await publish(app, notice())
    sealed = app.database.read_now(
        lambda c: c.execute(text("SELECT cipher FROM address ORDER BY id LIMIT 1")).scalar_one()
    )
    damage_seals(app, "id = (SELECT min(id) FROM address)")
    await drain_until_quiet(deliverer(app))
    assert states(app) == {"sent": 29, "pending": 1}
    (waiting,) = [row for row in rows(app) if row.state == PENDING]
    assert (waiting.spent, waiting.uncertain, waiting.reason) == (0, 0, "unreadable")
    assert waiting.due_at > app.clock().timestamp() + 30
    assert app.database.read_now(channels.closed_for, "email") == 0
    (cause,) = app.database.read_now(overview, done.id, app.site, Watcher()).causes.waiting
    assert (cause.reason, cause.count) == ("unreadable", 1)
    repair = text("UPDATE address SET cipher = :sealed WHERE id = (SELECT min(id) FROM address)")
    app.database.write_now(lambda c: c.execute(repair, {"sealed": sealed}))
    everything_due(app)
    await drain_until_quiet(deliverer(app))
    assert states(app) == {"sent": 30}


async def test_an_unreadable_address_waits_longer_each_time_and_is_closed_by_a_cancel(
    app: App,
) -> None:
    app = with_channels(app, FakeChannel())
    done = await publish(app, notice())
    damage_seals(app, "id = (SELECT min(id) FROM address)")
    waits = []
    for _try in range(3):
        await drain_until_quiet(deliverer(app))
        (waiting,) = [row for row in rows(app) if row.state == PENDING]
        waits.append(waiting.due_at - app.clock().timestamp())
        everything_due(app)
    assert waits == sorted(waits)
    await controls.steer(app, done.id, "cancel", actor=NamedActor(name="test", now=app.clock()))
    await drain_until_quiet(deliverer(app))
    assert states(app) == {"sent": 29, "cancelled": 1}


async def test_many_damaged_addresses_beside_good_ones_halt_nothing(app: App) -> None:
    app = with_channels(app, FakeChannel())
    await publish(app, notice())
    damage_seals(app, "id IN (SELECT id FROM address ORDER BY slot LIMIT 8)")
    # These are the first eight in the order of sending.
    await drain_until_quiet(deliverer(app))
    assert states(app) == {"sent": 22, "pending": 8}
    everything_due(app)
    await drain_until_quiet(deliverer(app))  # now without good ones
    assert app.database.read_now(channels.closed_for, "email") == 0


async def test_with_another_key_everything_waits_and_the_channel_halts_with_the_reason(
    app: App,
) -> None:
    channel = FakeChannel()
    app = with_channels(app, channel)
    await publish(app, notice())
    await publish(app, emergency())
    wrong = replace(app, vault=Vault(b"another key of thirty-two bytes."))
    await drain_until_quiet(deliverer(wrong))
    await drain_until_quiet(deliverer(wrong), lane="emergency")
    assert states(app) == {"pending": 60}
    assert {(row.spent, row.uncertain) for row in rows(app)} == {(0, 0)}
    state = app.database.read_now(channels.channel_states)["email"]
    assert (state.halted, "kunci rahasia tidak cocok" in state.detail) == ("manual", True)
    app.database.write_now(channels.resume_channel, "email")
    everything_due(app)
    await drain_until_quiet(deliverer(app))
    await drain_until_quiet(deliverer(app), lane="emergency")
    assert states(app) == {"sent": 60}


async def test_stopping_hands_back_what_was_marked_and_not_written(app: App) -> None:
    channel = FakeChannel()
    app = with_channels(app, channel)
    await publish(app, notice())
    engine = deliverer(app)

    def stop_at_the_tenth(_recipient: Recipient) -> Receipt:
        if sum(channel.accepted.values()) >= 9:
            engine.stop()
        return Receipt()

    channel.provider = stop_at_the_tenth
    await engine.drain("email", "routine")
    assert states(app) == {"sent": 10, "pending": 20}
    assert {row.spent for row in rows(app)} == {0}
    channel.provider = accepts_all
    await drain_until_quiet(deliverer(app))
    assert states(app) == {"sent": 30}
    assert max(channel.accepted.values()) == 1


async def test_two_workers_share_an_edition_without_doubling(app: App) -> None:
    await subscribe(app, "email", [(f"lagi{n:04}@contoh.example", "cibabat") for n in range(2500)])
    channel = FakeChannel()
    app = with_channels(app, channel)
    await publish(app, notice())
    await asyncio.gather(*(drain_until_quiet(deliverer(app)) for _ in range(2)))
    assert states(app) == {"sent": 2530}
    assert set(channel.accepted.values()) == {1}


async def test_editions_of_a_lane_take_turns(app: App) -> None:
    await subscribe(app, "email", [(f"lagi{n:04}@contoh.example", "cibabat") for n in range(3000)])
    channel = FakeChannel()
    app = with_channels(app, channel)
    await publish(app, notice())
    await publish(app, notice(title="Posyandu pindah ke balai RW 03"))
    await drain_until_quiet(deliverer(app))
    halfway = Counter(recipient.delivery.split(".")[0] for recipient in channel.order[:3000])
    assert len(halfway) == 2
    assert min(halfway.values()) >= 900


async def test_the_gate_marks_in_slot_order_so_any_part_is_a_sample_of_the_city(app: App) -> None:
    app = with_channels(app, FakeChannel())
    await publish(app, notice())
    await drain_until_quiet(deliverer(app))
    ledger_rows = rows(app)
    assert [row.slot for row in ledger_rows] == sorted(row.slot for row in ledger_rows)
    assert {row.state for row in ledger_rows}.isdisjoint({PENDING, SENDING})


async def test_a_channel_without_settings_is_left_alone(app: App) -> None:
    assert await deliverer(app).drain("telegram", "routine") is False
    assert await deliverer(app).drain("nothing", "routine") is False
