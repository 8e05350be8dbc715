"""Sending again: exactly to those not reached who may still get it, slice by slice, however often
it is requested.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from broadcaster.app import App
from broadcaster.domain.deliveries import FAILED, SKIPPED, STATES, UNCONFIRMED
from broadcaster.store import ledger, retries
from broadcaster.store.tables import delivery, run, slice_
from channels.base.contract import Deferred, Receipt, Recipient, Refused, Rejected, Skipped
from subscribers import consent, store
from support.email_program import email_program
from support.fakes import FakeChannel
from support.runs import withdraw
from support.sending import (
    check_counters,
    counters,
    drain_all,
    everything_due,
    fill,
    forget_leases,
    retry_failed,
    table,
    with_channels,
)
from support.world import emergency, notice, publish, rows, states

PEOPLE = [f"warga{n:02}@x.example" for n in range(40)]
OUTCOMES = (
    Receipt(), Receipt(), Rejected(code="550"), Refused(reason="address_dead", code="5.1.1"), Refused(reason="opted_out"),
    Skipped(code="cap"), Deferred(code="451", uncertain=True),
)  # fmt: skip


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    async with email_program(
        database_url, tmp_path, [(address, "cibabat") for address in PEOPLE]
    ) as opened:
        yield with_channels(opened, FakeChannel())


def split_slices(app: App, size: int) -> None:
    """Split the only slice into slices of `size` rows."""

    def split(connection: Any) -> None:
        whole = connection.execute(select(slice_)).one()
        slots = sorted(row.slot for row in connection.execute(select(delivery.c.slot)))
        cuts = [-1, *slots[size - 1 : -1 : size], whole.last_slot]
        connection.execute(delete(slice_))
        for number, (after, last) in enumerate(pairwise(cuts)):
            connection.execute(
                slice_.insert().values(
                    {**whole._mapping, "number": number, "after_slot": after, "last_slot": last}
                )
            )
        ledger.recount(connection, whole.edition, "email")

    app.database.write_now(split)


async def drain_to_the_end(app: App) -> None:
    """Drain until no row waits for a later try either."""
    for _ in range(8):
        await drain_all(app)
        everything_due(app)


def suppress_some(app: App, addresses: Iterable[int], dice: random.Random) -> None:
    """Let a sixth of the addresses unsubscribe, and a sixth die."""
    for address in addresses:
        match dice.randrange(6):
            case 0:
                app.database.write_now(consent.stop, address, source="test", at=1.0)
            case 1:
                app.database.write_now(
                    consent.suppress, address, "address_dead", at=1.0, source="test"
                )


@pytest.mark.parametrize("seed", range(4))
async def test_exactly_those_not_reached_who_may_still_get_it_get_it_again(
    app: App, seed: int
) -> None:
    dice = random.Random(seed)
    outcomes = {address: dice.choice(OUTCOMES) for address in PEOPLE}
    fake = FakeChannel(provider=lambda recipient: outcomes[recipient.address])
    app = with_channels(app, fake)
    stored = await publish(app, notice(channels=["email"]))
    fill(app)
    split_slices(app, 3)
    await drain_to_the_end(app)
    before = {row.address: row for row in rows(app)}
    suppress_some(app, before, dice)
    allowed = {row.id for row in table(app, store.address) if row.state == store.State.CONFIRMED}
    expected = {
        key for key, row in before.items() if row.state in (FAILED, UNCONFIRMED) and key in allowed
    }
    unsure = sum(before[key].state == UNCONFIRMED for key in expected)
    doubles = app.database.read_now(ledger.progress, stored.id).possible_duplicates

    opened, left_out = retry_failed(app, stored.id)
    assert opened == len(expected)
    reasons = {row.id: row.reason for row in table(app, store.address)}
    not_again = [
        key
        for key, row in before.items()
        if row.state in (FAILED, UNCONFIRMED) and key not in allowed
    ]
    assert left_out == Counter(reasons[key] for key in not_again)
    check_counters(app)

    fake.order.clear()
    fake.provider = lambda _recipient: Receipt()
    await drain_to_the_end(app)
    assert sorted(recipient.delivery for recipient in fake.order) == sorted(
        f"{row.edition}.{row.slot}.{row.attempt + 1}"
        for key, row in before.items()
        if key in expected
    )
    after = {row.address: row for row in rows(app)}
    assert all(after[key] == row for key, row in before.items() if key not in expected), (
        "nobody else was touched"
    )
    assert app.database.read_now(ledger.progress, stored.id).possible_duplicates == doubles + unsure
    assert app.database.read_now(ledger.progress, stored.id).percent == 100
    assert retry_failed(app, stored.id)[0] == 0
    check_counters(app)


async def test_one_transaction_looks_at_a_few_slices_and_a_repeat_after_a_death_opens_the_rest(
    app: App,
) -> None:
    app = with_channels(app, FakeChannel(provider=lambda r: Rejected(code=r.address)))
    stored = await publish(app, notice(channels=["email"]))
    fill(app)
    split_slices(app, 4)
    await drain_to_the_end(app)
    (part,) = app.database.read_now(retries.parts, stored.id)
    first = app.database.write_now(retries.open_next, part)
    assert first.opened == 4 * retries.SLICES_AT_ONCE
    assert first.rest is not None
    assert states(app) == {"pending": 20, "failed": 20}
    assert app.database.read_now(ledger.progress, stored.id).sending == "running"
    assert app.database.read_now(ledger.progress, stored.id).percent == 50
    assert retry_failed(app, stored.id) == (20, {}), (
        "a caller that died after the first transaction asks again"
    )
    assert states(app) == {"pending": 40}
    check_counters(app)


async def test_what_fails_again_while_it_goes_on_is_not_opened_twice(app: App) -> None:
    app = with_channels(app, FakeChannel(provider=lambda r: Rejected(code=r.address)))
    stored = await publish(app, notice(channels=["email"]))
    fill(app)
    split_slices(app, 4)
    await drain_to_the_end(app)
    (part,) = app.database.read_now(retries.parts, stored.id)
    first = app.database.write_now(retries.open_next, part)
    await drain_all(app)
    assert first.rest is not None
    assert app.database.write_now(retries.open_next, first.rest).opened == 20
    assert {row.attempt for row in rows(app)} == {1, 2}
    assert states(app) == {"pending": 20, "failed": 20}


async def test_a_skipped_address_is_not_asked_again(app: App) -> None:
    app = with_channels(app, FakeChannel(provider=lambda _r: Skipped(code="cap")))
    stored = await publish(app, notice(channels=["email"]))
    await drain_all(app)
    assert retry_failed(app, stored.id) == (0, {})
    assert {row.state for row in rows(app)} == {SKIPPED}


async def test_an_erased_address_is_left_out(app: App) -> None:
    app = with_channels(
        app,
        FakeChannel(provider=lambda r: Rejected(code="x") if r.address == PEOPLE[0] else Receipt()),
    )
    stored = await publish(app, notice(channels=["email"]))
    await drain_all(app)
    erased = next(row.address for row in rows(app) if row.state == FAILED)
    app.database.write_now(
        lambda c: c.execute(
            update(delivery).where(delivery.c.address == erased).values(address=99_999)
        )
    )
    assert retry_failed(app, stored.id) == (0, {"address_gone": 1})


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"expires_at": 1.0}, "expired"), ({"state": "stopped"}, "stopped"), ({"state": "paused"}, "paused"),
        ({"state": "superseded"}, "superseded"), ({"folded_to": 7}, "folded"),
    ],
)  # fmt: skip
async def test_nothing_is_sent_again_once_it_is_over_and_the_reason_is_told(
    app: App, values: dict[str, Any], why: str
) -> None:
    app = with_channels(app, FakeChannel(provider=lambda r: Rejected(code=r.address)))
    stored = await publish(app, emergency(channels=["email"]))
    await drain_all(app, lane="emergency")
    await drain_to_the_end(app)
    failed = states(app)
    app.database.write_now(lambda c: c.execute(update(run).values(values)))
    assert retry_failed(app, stored.id) == (0, {why: failed["failed"]})
    assert states(app) == failed


async def test_only_the_newest_edition_is_sent_again(app: App) -> None:
    fake = FakeChannel(
        provider=lambda r: Rejected(code=r.address) if r.address < "warga02" else Receipt()
    )
    app = with_channels(app, fake)
    stored = await publish(app, notice(channels=["email"]))
    await drain_all(app)
    withdraw(app, stored.id)
    fake.provider = lambda _r: Receipt()
    await drain_all(app)
    assert retry_failed(app, stored.id) == (0, {})
    assert app.database.read_now(ledger.progress, stored.id).deliveries["email"]["sent"] == 38


async def test_an_early_failure_may_be_sent_again_while_the_rest_is_still_prepared(
    app: App,
) -> None:
    app = with_channels(app, FakeChannel(provider=lambda r: Rejected(code=r.address)))
    stored = await publish(app, notice(channels=["email"]))
    await drain_all(app)
    app.database.write_now(
        lambda c: c.execute(update(run).values(state="preparing", sealed=False, finished_at=None))
    )
    failed = states(app)["failed"]
    assert retry_failed(app, stored.id) == (failed, {})
    assert app.database.read_now(ledger.progress, stored.id).sending == "preparing"


async def test_what_may_have_arrived_stays_unconfirmed_when_it_is_stopped_before_its_next_attempt(
    app: App,
) -> None:
    def unsure(recipient: Recipient) -> Any:
        return Deferred(code="451", uncertain=True) if recipient.address < "warga03" else Receipt()

    app = with_channels(app, FakeChannel(provider=unsure))
    stored = await publish(app, notice(channels=["email"]))
    await drain_to_the_end(app)
    assert counters(app) == {"sent": 37, "unconfirmed": 3}
    assert retry_failed(app, stored.id) == (3, {})
    app.database.write_now(ledger.cancel, stored.id)
    forget_leases(app)
    await drain_all(app)
    assert counters(app) == {"sent": 37, "unconfirmed": 3}
    assert {STATES[row.state] for row in rows(app)} == {"sent", "unconfirmed"}
