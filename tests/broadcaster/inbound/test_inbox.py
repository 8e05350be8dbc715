"""The inbox: events stored at once, applied once and in any order, on both databases."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count, permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, text, update
from structlog.testing import capture_logs

from broadcaster.app import App
from broadcaster.domain import deliveries
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.deliveries import PENDING, SENDING, SENT, STATES, UNCONFIRMED
from broadcaster.domain.inbox_events import decode, encode
from broadcaster.domain.retry_policy import UNCERTAIN_LIMIT
from broadcaster.inbound.inbox import KEEP_SECONDS, _apply, _read_batch, accept, apply_due
from broadcaster.inbound.replies import ANSWERS_A_MINUTE, ReplySender
from broadcaster.publishing import corrections
from broadcaster.publishing.press import Press
from broadcaster.store import (
    announcements,
    channels,
    gate,
    inbox,
    ledger,
    metrics,
    outcomes,
    slices,
)
from broadcaster.store.tables import delivery, provider_message, receipt, run, slice_
from channels.base.contract import (
    AddressEvent,
    AlarmEvent,
    Deferred,
    Event,
    Failure,
    Halted,
    InboundEvent,
    Outcome,
    Receipt,
    Recipient,
    Refused,
    Rejected,
    Skipped,
    StatusEvent,
)
from subscribers import residents
from subscribers.residents import AddressRow
from subscribers.store import State
from subscribers.vault import Vault
from support.fakes import FakeChannel
from support.flooding import leave_unmatched
from support.sending import (
    HOLDER,
    check_counters,
    drain_until_quiet,
    everything_due,
    fill,
    table,
    with_channels,
)
from support.world import (
    deliverer,
    emergency,
    notice,
    program,
    publish,
    rows,
    states,
    subscribe,
    variables,
)

PEOPLE = [(f"warga{n}@contoh.example", "cibabat") for n in range(7)]
FIRST = PEOPLE[0][0]


def with_id(recipient: Recipient) -> Outcome:
    """Accept a message under an id of its own."""
    return Receipt(provider_id=f"id-{recipient.delivery}")


@dataclass
class AdjustableClock:
    """A clock that tests put forward."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        """Return the time now."""
        return datetime.now(UTC) + self.ahead

    def forward(self, seconds: float) -> None:
        """Put the clock forward."""
        self.ahead += timedelta(seconds=seconds)


@dataclass
class City:
    """A program with seven subscribers of a fake channel, and a clock of its own."""

    app: App
    channel: FakeChannel
    clock: AdjustableClock

    def __post_init__(self) -> None:
        self.answerer = ReplySender(self.app)

    async def send(self, fields: dict[str, Any] | None = None) -> str:
        """Publish a notice and hand all of it to the provider; return the announcement's id."""
        stored = await publish(self.app, fields or notice())
        await self.drain()
        return stored.id

    async def correct(self, announcement: str) -> None:
        """Correct a notice and hand the correction to the provider."""
        press, now = Press.of(self.app), self.clock()
        checked = press.examine(notice(title="Air PDAM mati sampai 16.00"), now)
        await self.app.database.write(
            corrections.correct,
            press,
            announcement,
            checked,
            reason="Jam salah.",
            actor=NamedActor(name="t", now=now),
        )
        await self.drain()

    async def drain(self) -> None:
        """Send what is due."""
        await drain_until_quiet(deliverer(self.app))
        await drain_until_quiet(deliverer(self.app), lane="emergency")

    async def receive(self, *events: Event) -> None:
        """Accept events and apply all that is due."""
        await accept(self.app, "email", events)
        while any(
            row.applied_at is None and row.due_at <= self.clock().timestamp()
            for row in table(self.app, receipt)
        ):
            await self.round()

    async def round(self) -> bool:
        """Run one round of the inbox with its answers; return whether more waits."""
        more = await apply_due(self.app, self.answerer)
        await self.answerer.settle()
        return more

    def row(self, address: str = FIRST) -> Any:
        """Return the delivery of the newest edition to an address."""
        address_row = self.address(address)
        assert address_row is not None
        return [row for row in rows(self.app, "email") if row.address == address_row.id][-1]

    def state(self, address: str = FIRST) -> str:
        """Return the state of that delivery in words."""
        return STATES[self.row(address).state]

    def address(self, text: str = FIRST) -> AddressRow | None:
        """Return the address that this text is, or is another id of."""
        return self.app.database.read_now(residents.find, self.app.vault, "email", text)

    def status(self, state: Any, address: str = FIRST, **changes: Any) -> StatusEvent:
        """Return a status of the newest attempt to an address, by our callback data."""
        row = self.row(address)
        callback = f"{row.edition}.{row.slot}.{row.attempt}"
        provider_id = (
            f"id-{callback}"
            if row.provider_key == self.app.vault.provider_key("email", f"id-{callback}")
            else ""
        )
        values: dict[str, Any] = {
            "dedupe": f"{provider_id}:{state}",
            "provider_id": provider_id,
            "state": state,
            "at": self.clock(),
            "delivery": callback,
        }
        return StatusEvent(**{**values, **changes})

    def failed(self, failure: Failure | None, address: str = FIRST, **changes: Any) -> StatusEvent:
        """Return a failed status."""
        return self.status("failed", address, failure=failure, **changes)


@asynccontextmanager
async def open_city(url: str, folder: Path) -> AsyncIterator[City]:
    """Open a city on this database."""
    environ = variables(
        url, folder, EMAIL_URL="smtp://127.0.0.1:1", EMAIL_FROM="info@cimahi.example"
    )
    async with program(environ) as opened:
        await subscribe(opened, "email", PEOPLE)
        channel, clock = FakeChannel(provider=with_id, receipt_wait=30), AdjustableClock()
        yield City(
            app=replace(with_channels(opened, channel), clock=clock), channel=channel, clock=clock
        )


@pytest.fixture
async def city(database_url: str, tmp_path: Path) -> AsyncIterator[City]:
    """A city on each database in turn."""
    async with open_city(database_url, tmp_path) as opened:
        yield opened


@pytest.fixture
async def sqlite_city(sqlite_url: str, tmp_path: Path) -> AsyncIterator[City]:
    """A city on SQLite alone, where the database does not matter."""
    async with open_city(sqlite_url, tmp_path) as opened:
        yield opened


# --- stored ---------------------------------------------------------------------------------------------

# NUL is dropped on reading: no database stores it.
words = st.text(st.characters(exclude_characters="\0"), max_size=40)
moments = st.datetimes(min_value=datetime(2020, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  the zone is drawn separately
failures = st.one_of(
    st.none(),
    st.builds(
        Refused, reason=st.sampled_from(["address_dead", "opted_out"]), code=words, detail=words
    ),
    st.builds(Rejected, code=words, whole_edition=st.booleans()),
    st.builds(Skipped, code=words),
    st.builds(
        Deferred,
        retry_after=st.none() | st.floats(0, 9e5),
        throttle=st.booleans(),
        strikes=st.integers(0, 9),
    ),
    st.builds(Halted, code=words, resume=st.sampled_from(["probe", "manual"])),
)
aliases = st.lists(words, max_size=3).map(tuple)
events = st.one_of(
    st.builds(
        StatusEvent, dedupe=words, provider_id=words, delivery=words, at=moments, failure=failures, aliases=aliases,
        state=st.sampled_from(["sent", "delivered", "read", "failed"]),
    ),
    st.builds(InboundEvent, dedupe=words, address=words, text=words, payload=words, aliases=aliases, at=st.none() | moments),
    st.builds(
        AddressEvent, dedupe=words, address=words, aliases=aliases,
        state=st.sampled_from(["address_dead", "opted_out", "reachable"]),
    ),
    st.builds(AlarmEvent, dedupe=words, code=words, detail=words),
)  # fmt: skip


@given(events)
def test_every_event_is_read_back_as_it_was_kept(event: Event) -> None:
    assert decode(encode(event)) == event


async def test_an_event_is_kept_encrypted_before_anything_is_applied(sqlite_city: City) -> None:
    await sqlite_city.send()
    await accept(
        sqlite_city.app,
        "email",
        [sqlite_city.status("delivered"), InboundEvent(dedupe="m1", address=FIRST, text="rahasia")],
    )
    receipts = table(sqlite_city.app, receipt)
    assert [row.applied_at for row in receipts] == [None, None]
    assert b"rahasia" not in receipts[1].body
    assert FIRST.encode() not in receipts[1].body
    assert {len(row.dedupe) for row in receipts} == {16}
    assert bytes(receipts[1].dedupe) == sqlite_city.app.vault.dedupe_key("email", "m1"), (
        "without the key nobody can guess dedupe keys"
    )
    assert sqlite_city.state() == "sent"


async def test_an_event_the_provider_repeats_is_kept_once(city: City) -> None:
    await city.send()
    event = city.status("delivered")
    await accept(city.app, "email", [event, event])
    await accept(city.app, "email", [event])
    assert len(table(city.app, receipt)) == 1
    await accept(city.app, "whatsapp", [event])
    assert len(table(city.app, receipt)) == 2


async def test_no_events_store_nothing(sqlite_city: City) -> None:
    await accept(sqlite_city.app, "email", [])
    assert table(sqlite_city.app, receipt) == []
    assert not await sqlite_city.round()


async def test_what_is_applied_loses_its_body_and_keeps_its_dedupe_key(city: City) -> None:
    await city.send()
    event = city.status("delivered")
    await city.receive(event)
    receipts = table(city.app, receipt)
    assert [row.body for row in receipts] == [None]
    assert receipts[0].applied_at is not None
    await city.receive(event)
    assert table(city.app, receipt) == receipts


async def test_dedupe_keys_are_forgotten_after_eight_days_and_not_before(city: City) -> None:
    await city.send()
    await city.receive(city.status("delivered"), city.status("read"))
    city.clock.forward(KEEP_SECONDS - 60)
    await city.round()
    assert len(table(city.app, receipt)) == 2
    city.clock.forward(120)
    await city.round()
    assert table(city.app, receipt) == []


async def test_a_body_nobody_can_open_is_kept_and_stops_nothing_behind_it(
    sqlite_city: City,
) -> None:
    await sqlite_city.send()
    await accept(
        sqlite_city.app,
        "email",
        [sqlite_city.status("delivered"), sqlite_city.status("delivered", PEOPLE[1][0])],
    )
    spoil = text("UPDATE receipt SET body = :junk WHERE id = (SELECT min(id) FROM receipt)")
    sqlite_city.app.database.write_now(lambda c: c.execute(spoil, {"junk": b"spoilt"}))
    await sqlite_city.receive()
    assert (sqlite_city.state(), sqlite_city.state(PEOPLE[1][0])) == ("sent", "delivered")
    assert [row.body for row in table(sqlite_city.app, receipt)] == [b"spoilt", None]


async def test_a_receipt_that_cannot_be_applied_waits_and_stops_nothing_behind_it(
    city: City,
) -> None:
    await city.send()
    poison = city.failed(Deferred(), FIRST)
    city.app.database.write_now(lambda c: c.execute(delete(run)))
    with capture_logs() as entries:
        await accept(city.app, "email", [poison, city.status("delivered", PEOPLE[1][0])])
        await city.round()
    assert city.state(PEOPLE[1][0]) == "delivered"
    assert [entry["event"] for entry in entries] == ["receipt_postponed"]
    assert [row.applied_at is None for row in table(city.app, receipt)] == [True, False]


# --- statuses that say yes ------------------------------------------------------------------------------


async def test_statuses_in_any_order_end_at_the_highest(city: City) -> None:
    await city.send()
    for (address, _areas), order in zip(
        PEOPLE, permutations(["sent", "delivered", "read"]), strict=False
    ):
        for state in order:
            await city.receive(city.status(state, address, dedupe=f"{address}{state}"))
    assert states(city.app) == {"read": 6, "sent": 1}
    check_counters(city.app)


async def test_a_status_is_found_by_the_providers_id_when_our_callback_data_is_missing(
    city: City,
) -> None:
    announcement = await city.send()
    await city.receive(city.status("delivered", delivery=""))
    await city.receive(city.status("delivered", PEOPLE[1][0], delivery="not ours", dedupe="x"))
    assert states(city.app) == {"sent": 5, "delivered": 2}
    assert (
        city.app.database.read_now(ledger.progress, announcement).deliveries["email"]["delivered"]
        == 2
    )


async def test_callback_data_that_is_not_ours_finds_nothing_and_breaks_nothing(city: City) -> None:
    await city.send()
    foreign = (
        "1.2",
        "1.2.3.4",
        "a.b.c",
        "1.-2.3",
        "1.٣.1",
        "1.99999999999999999999.1",
        f"1.{2**63}.1",
        f"1.{2**63 - 1}.1",
    )
    await city.receive(
        *(
            city.status("delivered", delivery=callback, provider_id="nobody's", dedupe=callback)
            for callback in foreign
        )
    )
    assert states(city.app) == {"sent": 7}
    assert {row.applied_at for row in table(city.app, receipt)} == {None}


async def test_a_status_that_comes_before_our_own_commit_is_applied_after_it(city: City) -> None:
    await publish(city.app, notice())
    fill(city.app)
    claim = city.app.database.write_now(
        slices.claim_slice,
        channel="email",
        lane="routine",
        holder=HOLDER,
        reopen_wait=30,
        uncertain_limit=UNCERTAIN_LIMIT,
    )
    assert claim is not None
    marked = city.app.database.write_now(gate.mark, claim, HOLDER, cursor=-1, limit=10)
    early = city.status("delivered", provider_id="early")
    await city.receive(early)
    assert city.state() == "sending"
    decisions = [
        deliveries.Decision(
            slot=row.slot, attempt=row.attempt, state=SENT, provider_id=str(row.slot)
        )
        for row in marked.rows
    ]
    city.app.database.write_now(outcomes.settle, city.app.vault, claim, decisions, keep_ids=True)
    await city.receive()
    assert city.state() == "sent", "it is looked at again only after a while"
    city.clock.forward(inbox.FIRST_WAIT + 1)
    await city.receive()
    assert city.state() == "delivered"


async def test_a_receipt_of_an_uncertain_attempt_keeps_it_from_being_sent_again(city: City) -> None:
    city.channel.provider = lambda _r: Deferred(uncertain=True, code="timeout")
    announcement = await city.send()
    assert states(city.app) == {"pending": 7}
    for address, _areas in PEOPLE:
        await city.receive(
            city.status("delivered", address, dedupe=address, provider_id=f"late-{address}")
        )
    assert states(city.app) == {"delivered": 7}
    assert city.row().provider_key == city.app.vault.provider_key("email", f"late-{FIRST}"), (
        "the row knows its message"
    )
    everything_due(city.app)
    city.channel.provider = with_id
    await city.drain()
    assert not city.channel.accepted
    assert city.app.database.read_now(ledger.progress, announcement).sending == "done"
    check_counters(city.app)


async def test_an_unconfirmed_row_is_moved_up_by_a_late_receipt(city: City) -> None:
    await city.send()
    row = city.row()
    unconfirmed = (
        update(delivery)
        .where(delivery.c.slot == row.slot)
        .values(state=UNCONFIRMED, reason="no_answer")
    )
    city.app.database.write_now(
        lambda c: (
            c.execute(unconfirmed),
            c.execute(update(slice_).values(n_sent=6, n_unconfirmed=1)),
        )
    )
    await city.receive(city.status("read"))
    assert city.state() == "read"
    assert city.row().reason is None
    check_counters(city.app)


async def test_failed_and_then_delivered_is_delivered(sqlite_city: City) -> None:
    await sqlite_city.send()
    await sqlite_city.receive(sqlite_city.failed(Rejected(code="131009")))
    assert (sqlite_city.state(), sqlite_city.row().provider_code) == ("failed", "131009")
    await sqlite_city.receive(sqlite_city.status("delivered"))
    assert (sqlite_city.state(), sqlite_city.row().reason, sqlite_city.row().provider_code) == (
        "delivered",
        None,
        None,
    )
    check_counters(sqlite_city.app)


async def test_a_row_that_was_never_written_takes_no_status(sqlite_city: City) -> None:
    await sqlite_city.send()
    for (address, _areas), state in zip(PEOPLE, ("skipped", "cancelled", "expired"), strict=False):
        closed = (
            update(delivery)
            .where(delivery.c.slot == sqlite_city.row(address).slot)
            .values(state=STATES.index(state))
        )
        sqlite_city.app.database.write_now(lambda c, closed=closed: c.execute(closed))
        await sqlite_city.receive(sqlite_city.status("delivered", address, dedupe=address))
    assert states(sqlite_city.app) == {"skipped": 1, "cancelled": 1, "expired": 1, "sent": 4}
    assert all(row.applied_at is not None for row in table(sqlite_city.app, receipt))


async def test_a_status_nobody_can_match_is_looked_at_for_eight_days(city: City) -> None:
    await city.send()
    await city.receive(city.status("delivered", delivery="", provider_id="somebody else's"))
    for wait in (5, 10, 20):
        city.clock.forward(wait - 1)
        await city.receive()
        before = table(city.app, receipt)[0].tries
        city.clock.forward(2)
        await city.receive()
        assert table(city.app, receipt)[0].tries == before + 1, (
            "each wait is twice as long as the one before"
        )
    (waiting,) = table(city.app, receipt)
    assert (waiting.tries, waiting.applied_at) == (4, None)
    assert waiting.body is not None
    city.clock.forward(KEEP_SECONDS)
    await city.receive()
    (given_up,) = table(city.app, receipt)
    assert given_up.applied_at is not None
    assert given_up.body is None


async def test_a_status_tells_us_another_id_of_the_address(sqlite_city: City) -> None:
    await sqlite_city.send()
    await sqlite_city.receive(sqlite_city.status("delivered", aliases=("ID.123",)))
    assert sqlite_city.address("ID.123") == sqlite_city.address()


async def test_two_appliers_at_once_apply_once(city: City) -> None:
    await city.send()
    await accept(city.app, "email", [city.failed(Deferred(code="131000"))])
    batches = [
        city.app.database.read_now(_read_batch, city.app, inbox.STATUSES) for _applier in range(2)
    ]
    for batch in batches:
        assert len(batch.ready) == 1
        city.app.database.write_now(_apply, city.app, batch.ready)
    assert city.row().spent == 1
    check_counters(city.app)


# --- who is looked at first -----------------------------------------------------------------------------


def vain_looks(city: City) -> int:
    """Return the number of looks at receipts that matched nothing."""
    return sum(row.tries for row in table(city.app, receipt))


async def test_a_stop_is_applied_in_the_first_round_beside_100000_statuses_that_match_nothing(
    city: City,
) -> None:
    leave_unmatched(city.app, "email", 100_000)
    foreign = [foreign_status(n) for n in range(7_000)]
    await accept(city.app, "email", foreign)
    await accept(city.app, "email", [InboundEvent(dedupe="stop", address=FIRST, text="BERHENTI")])
    before = vain_looks(city)
    assert await city.round(), "more that is fresh waits"
    address = city.address()
    assert address is not None
    assert not address.confirmed
    assert (
        vain_looks(city) - before == inbox.AT_ONCE[inbox.STATUSES] + inbox.AT_ONCE[inbox.UNMATCHED]
    )


def foreign_status(number: int) -> StatusEvent:
    """Return a status of a message that is not ours."""
    return StatusEvent(
        dedupe=f"s{number}", provider_id=f"wamid.{number}", state="sent", at=datetime.now(UTC)
    )


async def test_a_status_that_came_before_its_commit_is_joined_at_its_first_look_however_many_match_nothing(
    city: City,
) -> None:
    leave_unmatched(city.app, "email", 5_000)
    await city.send()
    row = city.row()
    hidden = update(provider_message).where(provider_message.c.slot == row.slot)
    city.app.database.write_now(
        lambda c: c.execute(hidden.values(provider_key="not committed yet"))
    )
    await accept(city.app, "email", [city.status("delivered", delivery="")])
    await city.round()
    assert city.state() == "sent"
    city.app.database.write_now(lambda c: c.execute(hidden.values(provider_key=row.provider_key)))
    city.clock.forward(inbox.FIRST_WAIT + 1)
    await city.round()
    assert city.state() == "delivered"


async def test_a_status_of_an_attempt_that_goes_on_waits_apart_from_what_matches_nothing(
    city: City,
) -> None:
    await city.send()
    sending = update(delivery).where(delivery.c.slot == city.row().slot)
    city.app.database.write_now(lambda c: c.execute(sending.values(state=SENDING)))
    await city.receive(
        city.status("delivered"),
        city.status("delivered", PEOPLE[1][0], delivery="", provider_id="nobody's"),
    )
    assert [row.priority for row in table(city.app, receipt)] == [inbox.POSTPONED, inbox.UNMATCHED]
    for _minute in range(6):
        city.clock.forward(61)
        await city.receive()
    early, foreign = table(city.app, receipt)
    assert early.tries == 7, "it never waits for more than a minute"
    assert foreign.tries < 7
    city.app.database.write_now(lambda c: c.execute(sending.values(state=SENT)))
    city.clock.forward(61)
    await city.receive()
    assert city.state() == "delivered"


async def test_a_status_whose_id_no_database_takes_stops_nothing_beside_it(city: City) -> None:
    await city.send()
    odd = [
        city.status("read", delivery="", provider_id=f"a\0b{n}", dedupe=f"odd{n}") for n in range(3)
    ]
    await city.receive(
        *odd, city.status("delivered"), InboundEvent(dedupe="m", address=PEOPLE[1][0], text="stop")
    )
    assert city.state() == "delivered"
    address = city.address(PEOPLE[1][0])
    assert address is not None
    assert not address.confirmed
    assert [row.applied_at for row in table(city.app, receipt)][:3] == [None] * 3


async def test_what_residents_say_together_is_applied_together_and_the_poison_alone_waits(
    city: City,
) -> None:
    poison = AddressEvent(dedupe="x", address="a\0b", state="opted_out", aliases=(PEOPLE[0][0],))
    city.app.database.write_now(
        lambda c: c.execute(text("ALTER TABLE channel_minute RENAME TO away"))
    )
    dead = AddressEvent(dedupe="dead", address=PEOPLE[1][0], state="address_dead")
    stops = [
        InboundEvent(dedupe=address, address=address, text="stop") for address, _areas in PEOPLE[2:]
    ]
    with capture_logs() as entries:
        await accept(city.app, "email", [poison, dead, *stops])
        await city.round()
    assert [entry["event"] for entry in entries].count("receipt_postponed") == 1
    assert {
        address for address, _areas in PEOPLE if (row := city.address(address)) and row.confirmed
    } == {PEOPLE[1][0]}
    assert [row.priority for row in table(city.app, receipt)].count(inbox.POSTPONED) == 1
    city.app.database.write_now(
        lambda c: c.execute(text("ALTER TABLE away RENAME TO channel_minute"))
    )
    city.clock.forward(inbox.FIRST_WAIT + 1)
    await city.receive()
    address_row = city.address(PEOPLE[1][0])
    assert address_row is not None
    assert address_row.reason == "address_dead"


async def test_dedupe_keys_are_forgotten_also_while_something_matches_nothing(city: City) -> None:
    await city.send()
    await city.receive(city.status("delivered"))
    city.clock.forward(KEEP_SECONDS + 60)
    await city.receive(foreign_status(1))
    city.clock.forward(inbox.FIRST_WAIT + 1)
    await city.round()
    assert [row.tries for row in table(city.app, receipt)] == [2]


# --- statuses that say no -------------------------------------------------------------------------------


CLASSES: tuple[tuple[Failure | None, str, str | None], ...] = (
    (Refused(reason="address_dead", code="131026"), "failed", "address_dead"),
    (Refused(reason="opted_out", code="131050"), "failed", "opted_out"),
    (Rejected(code="131009"), "failed", "rejected"),
    (Skipped(code="131049"), "skipped", "skipped"),
    (Deferred(code="131000"), "pending", None),
    (Halted(code="131042", detail="payment"), "pending", None),
    (None, "failed", "rejected"),
)


async def test_a_failed_status_of_each_class_does_what_the_policy_says(city: City) -> None:
    await city.send()
    for (address, _areas), (failure, state, reason) in zip(PEOPLE, CLASSES, strict=True):
        await city.receive(city.failed(failure, address))
        row = city.row(address)
        assert (STATES[row.state], row.reason) == (state, reason)
        assert row.provider_code == (failure.code if failure else None)
        assert (row.closed_at is None) == (state == "pending")
    check_counters(city.app)
    suppressed = [
        address_row.reason
        for address, _areas in PEOPLE
        if (address_row := city.address(address)) and not address_row.confirmed
    ]
    assert suppressed == ["address_dead", "opted_out"]


async def test_a_failure_that_passes_opens_the_next_attempt_and_the_run(city: City) -> None:
    announcement = await city.send()
    assert city.app.database.read_now(ledger.progress, announcement).sending == "done"
    await city.receive(city.failed(Deferred(code="131000")))
    row = city.row()
    assert (row.spent, row.closed_at) == (1, None)
    assert row.due_at > city.clock().timestamp() + 30
    assert city.app.database.read_now(ledger.progress, announcement).sending == "running"
    everything_due(city.app)
    await city.drain()
    assert city.channel.accepted[FIRST] == 2
    assert (city.state(), city.row().attempt) == ("sent", 2)
    assert city.app.database.read_now(ledger.progress, announcement).sending == "done"
    check_counters(city.app)


async def test_a_failure_of_an_earlier_attempt_changes_nothing_once_there_is_a_later_one(
    city: City,
) -> None:
    await city.send()
    first = city.failed(Rejected(code="131009"), dedupe="again")
    await city.receive(city.failed(Deferred(code="131000")))
    everything_due(city.app)
    await city.drain()
    await city.receive(first)
    assert city.state() == "sent"
    await city.receive(replace(first, delivery="", dedupe="once more"))
    assert city.state() == "sent"
    assert all(row.applied_at is not None for row in table(city.app, receipt))


async def test_a_failure_of_a_row_that_waits_already_is_counted_once(city: City) -> None:
    city.channel.provider = lambda _r: Deferred(uncertain=True, code="timeout")
    await city.send()
    await city.receive(city.failed(Deferred(code="131000"), provider_id="x"))
    assert (city.state(), city.row().spent) == ("pending", 1)
    check_counters(city.app)


async def test_a_broken_channel_is_halted_also_when_its_provider_says_so_later(city: City) -> None:
    await city.send()
    await city.receive(city.failed(Halted(code="131042", detail="payment", resume="manual")))
    state = city.app.database.read_now(channels.channel_states)["email"]
    assert (state.halted, state.detail) == ("manual", "payment")
    await city.drain()
    assert city.channel.accepted[FIRST] == 1, "nothing is sent by a halted channel"
    city.app.database.write_now(channels.resume_channel, "email")
    await city.drain()
    assert city.channel.accepted[FIRST] == 2


SUSPECT = Halted(code="131042", detail="payment", about="either")


async def send_to_twelve_more(city: City) -> list[str]:
    """Send a notice to twelve more subscribers; return their addresses."""
    people = [f"lain{n:02}@contoh.example" for n in range(12)]
    await subscribe(city.app, "email", [(person, "cibabat") for person in people])
    await city.send()
    return people


async def test_one_receipt_of_a_senders_fault_is_that_recipients(city: City) -> None:
    people = await send_to_twelve_more(city)
    await city.receive(city.failed(SUSPECT, people[0]))
    assert not city.app.database.read_now(channels.channel_states)
    assert (city.state(people[0]), city.row(people[0]).provider_code) == ("pending", "131042")


async def test_twelve_receipts_of_a_senders_fault_halt_the_channel_and_say_why(city: City) -> None:
    for person in await send_to_twelve_more(city):
        await city.receive(city.failed(SUSPECT, person))
    state = city.app.database.read_now(channels.channel_states)["email"]
    assert (state.halted, state.suspected, state.detail) == ("manual", True, "131042 payment")


async def test_a_delivery_in_between_clears_the_suspicion_of_receipts(city: City) -> None:
    people = await send_to_twelve_more(city)
    for person in people[:6]:
        await city.receive(city.failed(SUSPECT, person))
    await city.receive(city.status("delivered"))
    for person in people[6:]:
        await city.receive(city.failed(SUSPECT, person))
    assert not city.app.database.read_now(channels.channel_states)


async def test_a_limit_reported_later_pauses_the_channel_and_spends_nothing(
    sqlite_city: City,
) -> None:
    await sqlite_city.send()
    await sqlite_city.receive(
        sqlite_city.failed(Deferred(code="131048", throttle=True, retry_after=3600))
    )
    assert 3500 < sqlite_city.app.database.read_now(channels.closed_for, "email") <= 3600
    assert (sqlite_city.state(), sqlite_city.row().spent) == ("pending", 0)


async def test_a_refused_template_pauses_what_is_left_of_the_edition(sqlite_city: City) -> None:
    announcement = await sqlite_city.send()
    await sqlite_city.receive(sqlite_city.failed(Deferred(code="131000"), PEOPLE[1][0]))
    refused = Rejected(code="132015", detail="template paused", whole_edition=True)
    for address, _areas in PEOPLE[2:4]:
        await sqlite_city.receive(sqlite_city.failed(refused, address))
    assert sqlite_city.app.database.read_now(ledger.progress, announcement).sending == "running", (
        "two may have a language of their own"
    )
    await sqlite_city.receive(sqlite_city.failed(refused, FIRST))
    progress = sqlite_city.app.database.read_now(ledger.progress, announcement)
    assert progress.sending == "paused"
    assert progress.why == {"email": "132015 template paused"}
    assert progress.deliveries["email"]["pending"] == 1


async def test_a_skipped_message_goes_to_the_persons_other_address(city: City) -> None:
    await subscribe(city.app, "email", [("lama@x.example", "cibabat")], subscriber="orang-1")
    await subscribe(city.app, "email", [("baru@x.example", "cibabat")], subscriber="orang-1")
    newer = text(
        "UPDATE address SET confirmed_at = confirmed_at + 5 WHERE id = (SELECT max(id) FROM address)"
    )
    city.app.database.write_now(lambda c: c.execute(newer))
    await city.send()
    await city.receive(city.failed(Skipped(code="131049"), "baru@x.example"))
    await city.drain()
    assert city.channel.accepted["lama@x.example"] == 1
    assert (city.state("baru@x.example"), city.state("lama@x.example")) == ("skipped", "sent")
    check_counters(city.app)


def supersede(city: City) -> None:
    """Leave every edition superseded."""
    city.app.database.write_now(
        lambda c: c.execute(text("UPDATE edition SET newest = :no"), {"no": False})
    )


def stop(city: City) -> None:
    """Stop every run."""
    city.app.database.write_now(
        lambda c: c.execute(update(run).values(state="stopped", stopped_by="salah"))
    )


def expire(city: City) -> None:
    """Let every run expire."""
    city.app.database.write_now(lambda c: c.execute(update(run).values(expires_at=1.0)))


@pytest.mark.parametrize(
    ("end", "state", "reason"),
    [
        (supersede, "cancelled", "superseded"),
        (stop, "cancelled", "stopped"),
        (expire, "expired", "expired"),
    ],
)
async def test_what_fails_after_its_edition_is_over_is_not_sent_again_nor_elsewhere(
    sqlite_city: City, end: Callable[[City], None], state: str, reason: str
) -> None:
    await subscribe(sqlite_city.app, "email", [("lama@x.example", "cibabat")], subscriber="orang-1")
    await subscribe(sqlite_city.app, "email", [("baru@x.example", "cibabat")], subscriber="orang-1")
    announcement = await sqlite_city.send()
    database = sqlite_city.app.database
    assert database.read_now(announcements.newest_edition, announcement) is not None
    end(sqlite_city)
    reached = next(
        address
        for address in ("baru@x.example", "lama@x.example")
        if sqlite_city.channel.accepted[address]
    )
    await sqlite_city.receive(
        sqlite_city.failed(Deferred(code="131000")),
        sqlite_city.failed(Skipped(code="131049"), reached),
    )
    assert (sqlite_city.state(), sqlite_city.row().reason, sqlite_city.row().provider_code) == (
        state,
        reason,
        "131000",
    )
    assert sqlite_city.state(reached) == "skipped"
    assert len(rows(sqlite_city.app)) == 8, "no row for the other address"
    everything_due(sqlite_city.app)
    await sqlite_city.drain()
    assert sum(sqlite_city.channel.accepted.values()) == 8
    check_counters(sqlite_city.app)


async def test_an_emergency_that_fails_later_is_tried_again_within_seconds(
    sqlite_city: City,
) -> None:
    await sqlite_city.send(emergency())
    await sqlite_city.receive(sqlite_city.failed(Deferred(code="131000")))
    assert sqlite_city.row().due_at - sqlite_city.clock().timestamp() <= 5
    assert sqlite_city.row().state == PENDING


# --- what residents and providers say of addresses ------------------------------------------------------


async def test_stop_ends_the_subscription_and_is_answered_once(sqlite_city: City) -> None:
    await sqlite_city.receive(
        InboundEvent(dedupe="m1", address=FIRST, text="Berhenti!"),
        InboundEvent(dedupe="m1", address=FIRST),
    )
    address = sqlite_city.address()
    assert address is not None
    assert (address.confirmed, address.reason) == (False, "opted_out")
    assert [address for address, _text in sqlite_city.channel.answers] == [FIRST]
    assert sqlite_city.channel.answers[0][1].startswith("Anda berhenti.")
    await sqlite_city.send()
    assert FIRST not in sqlite_city.channel.accepted


async def test_a_resident_is_answered_in_the_language_they_chose(sqlite_city: City) -> None:
    sqlite_city.app.database.write_now(
        lambda c: c.execute(text("UPDATE address SET language = 'en'"))
    )
    await sqlite_city.receive(InboundEvent(dedupe="m1", address=FIRST, payload="STOP"))
    assert sqlite_city.channel.answers[0][1].startswith("You have stopped.")


async def test_a_stranger_is_answered_and_nothing_is_stored_of_them(sqlite_city: City) -> None:
    await sqlite_city.receive(
        InboundEvent(dedupe="m1", address="orang@lain.example", text="halo", aliases=("ID.9",))
    )
    assert [address for address, _text in sqlite_city.channel.answers] == ["orang@lain.example"]
    assert sqlite_city.address("orang@lain.example") is None
    assert sqlite_city.address("ID.9") is None


async def test_stop_from_another_id_of_the_person_stops_the_address_we_know(
    sqlite_city: City,
) -> None:
    await sqlite_city.receive(
        InboundEvent(dedupe="m1", address="ID.77", text="stop", aliases=(FIRST,))
    )
    address = sqlite_city.address()
    assert address is not None
    assert not address.confirmed
    assert sqlite_city.address("ID.77") == address


async def test_any_message_brings_a_dead_address_back_but_not_one_that_stopped(
    sqlite_city: City,
) -> None:
    dead, stopped = PEOPLE[1][0], PEOPLE[2][0]
    await sqlite_city.receive(
        AddressEvent(dedupe="a", address=dead, state="address_dead"),
        AddressEvent(dedupe="b", address=stopped, state="opted_out"),
    )
    await sqlite_city.receive(
        InboundEvent(dedupe="c", address=dead, text="halo"),
        InboundEvent(dedupe="d", address=stopped, text="halo"),
    )
    assert [row.reason for address in (dead, stopped) if (row := sqlite_city.address(address))] == [
        "",
        "opted_out",
    ]


async def test_a_block_stops_and_an_unblock_waits_for_the_residents_own_word(
    sqlite_city: City,
) -> None:
    await sqlite_city.receive(
        AddressEvent(dedupe="a", address=FIRST, state="opted_out", aliases=("ID.5",))
    )
    await sqlite_city.receive(AddressEvent(dedupe="b", address="ID.5", state="reachable"))
    address = sqlite_city.address()
    assert address is not None
    assert (address.confirmed, address.reason) == (False, "opted_out")


async def test_an_address_that_is_reachable_again_is_written_to_again(sqlite_city: City) -> None:
    await sqlite_city.receive(AddressEvent(dedupe="a", address=FIRST, state="address_dead"))
    await sqlite_city.receive(AddressEvent(dedupe="b", address=FIRST, state="reachable"))
    address = sqlite_city.address()
    assert address is not None
    assert address.confirmed


async def test_an_event_of_an_address_nobody_knows_changes_nothing(sqlite_city: City) -> None:
    await sqlite_city.receive(
        *(
            AddressEvent(dedupe=state, address="x@y.example", state=state)
            for state in ("address_dead", "opted_out", "reachable")
        )
    )
    assert all(row.applied_at is not None for row in table(sqlite_city.app, receipt))


async def test_very_many_dead_addresses_at_once_are_held_for_an_operator(sqlite_city: City) -> None:
    many = [f"banyak{n:02}@contoh.example" for n in range(30)]
    await subscribe(sqlite_city.app, "email", [(address, "cibabat") for address in many])
    await sqlite_city.receive(
        *(AddressEvent(dedupe=address, address=address, state="address_dead") for address in many)
    )
    assert sqlite_city.app.database.read_now(channels.channel_states)["email"].holding
    assert all(row.confirmed for address in many if (row := sqlite_city.address(address)))


async def test_who_writes_meanwhile_is_not_suppressed_when_an_operator_agrees_to_the_rest(
    sqlite_city: City,
) -> None:
    many = [f"banyak{n:02}@contoh.example" for n in range(30)]
    await subscribe(sqlite_city.app, "email", [(address, "cibabat") for address in many])
    await sqlite_city.receive(
        *(AddressEvent(dedupe=address, address=address, state="address_dead") for address in many)
    )
    await sqlite_city.receive(InboundEvent(dedupe="halo", address=many[7], text="halo"))
    assert sqlite_city.app.database.write_now(channels.release_held, "email", apply=True) == 29
    assert [
        address for address in many if (row := sqlite_city.address(address)) and row.confirmed
    ] == [many[7]]


async def test_an_alarm_is_logged_without_touching_anything(sqlite_city: City) -> None:
    with capture_logs() as entries:
        await sqlite_city.receive(
            AlarmEvent(dedupe="a", code="account_update", detail="event: VERIFIED_ACCOUNT")
        )
    assert [(entry["event"], entry["code"]) for entry in entries] == [
        ("provider_alarm", "account_update")
    ]


# --- answers --------------------------------------------------------------------------------------------


@dataclass
class FailingAnswers(FakeChannel):
    """A channel that cannot answer one resident."""

    async def answer(self, address: str, text: str) -> Outcome:
        """Raise for the first resident, answer the others."""
        if address == FIRST:
            raise ConnectionResetError(f"lost while writing to {address}")
        return await super().answer(address, text)


async def test_a_stranger_who_writes_a_thousand_times_gets_few_answers_and_a_stop_behind_them_counts(
    sqlite_city: City,
) -> None:
    flood = [
        InboundEvent(dedupe=f"m{n}", address="orang@lain.example", text="halo")
        for n in range(1_000)
    ]
    await sqlite_city.receive(*flood, InboundEvent(dedupe="stop", address=FIRST, text="BERHENTI"))
    address = sqlite_city.address()
    assert address is not None
    assert not address.confirmed
    assert [address for address, _text in sqlite_city.channel.answers].count(
        "orang@lain.example"
    ) <= 2 * ANSWERS_A_MINUTE
    assert sqlite_city.channel.answers[0][0] == FIRST, "who stops is heard before all who talk"


async def test_who_wrote_much_and_then_stops_gets_one_confirmation(sqlite_city: City) -> None:
    await sqlite_city.receive(
        *(InboundEvent(dedupe=f"m{n}", address=FIRST, text="halo") for n in range(20))
    )
    await sqlite_city.receive(
        *(
            InboundEvent(dedupe=text, address=FIRST, text=text)
            for text in ("BERHENTI", "berhenti", "halo")
        )
    )
    assert [
        text.startswith("Anda berhenti.") for _address, text in sqlite_city.channel.answers
    ].count(True) == 1


async def test_a_resident_who_cannot_be_answered_keeps_nobody_else_waiting(
    sqlite_city: City,
) -> None:
    channel = FailingAnswers(name="email")
    failing_city = replace(sqlite_city, app=with_channels(sqlite_city.app, channel))
    with capture_logs() as entries:
        await failing_city.receive(
            *(
                InboundEvent(dedupe=address, address=address, text="stop")
                for address, _areas in PEOPLE
            )
        )
    assert sorted(address for address, _text in channel.answers) == sorted(
        address for address, _areas in PEOPLE[1:]
    )
    assert FIRST not in str(entries), "logs carry no address"
    assert [entry["outcome"] for entry in entries] == ["ConnectionResetError"]


async def test_a_channel_that_is_not_open_answers_nobody(sqlite_city: City) -> None:
    fake = FakeChannel(name="telegram")
    app = with_channels(sqlite_city.app, fake)
    answerer = ReplySender(app)
    await accept(app, "telegram", [InboundEvent(dedupe="m", address="42", text="halo")])
    await apply_due(app, answerer)
    await answerer.settle()
    assert fake.answers == []


# --- what cannot be read --------------------------------------------------------------------------------


async def test_a_stop_that_cannot_be_opened_is_kept_and_applied_once_its_key_is_back(
    city: City,
) -> None:
    stop = InboundEvent(dedupe="stop", address=FIRST, text="BERHENTI", at=city.clock())
    app_with_wrong_key = replace(city.app, vault=Vault(b"another key of thirty-two bytes."))
    await accept(city.app, "email", [stop])
    with capture_logs() as logs:
        await apply_due(app_with_wrong_key, ReplySender(app_with_wrong_key))
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [
        ("receipt_unreadable", "error")
    ]
    (event_row,) = table(city.app, receipt)
    assert (event_row.applied_at, event_row.priority) == (None, inbox.UNREADABLE)
    assert event_row.body
    assert city.app.database.read_now(inbox.count_unreadable) == {"email": 1}
    city.clock.forward(30 * 24 * 3600)
    await apply_due(app_with_wrong_key, ReplySender(app_with_wrong_key))
    assert [row.applied_at for row in table(city.app, receipt)] == [None]
    city.clock.forward(inbox.LONGEST_WAIT[inbox.UNREADABLE] + 1)
    await apply_due(city.app, city.answerer)
    address = city.address()
    assert address is not None
    assert address.state == State.SUPPRESSED
    assert city.app.database.read_now(inbox.count_unreadable) == {}


async def test_a_receipt_of_another_version_is_kept(sqlite_city: City) -> None:
    sealed = sqlite_city.app.vault.seal("receipt.email", '{"type": "TomorrowEvent", "fields": {}}')
    await sqlite_city.app.database.write(
        inbox.keep, "email", [inbox.InboxEvent(dedupe=b"x", body=sealed, priority=inbox.WORDS)], 0.0
    )
    await apply_due(sqlite_city.app, sqlite_city.answerer)
    (event_row,) = table(sqlite_city.app, receipt)
    assert (event_row.applied_at, event_row.priority, bytes(event_row.body)) == (
        None,
        inbox.UNREADABLE,
        sealed,
    )
    assert event_row.due_at > sqlite_city.clock().timestamp()


async def test_receipts_that_cannot_be_read_are_counted_in_the_metrics(sqlite_city: City) -> None:
    await sqlite_city.app.database.write(
        inbox.keep,
        "email",
        [inbox.InboxEvent(dedupe=b"x", body=b"spoilt", priority=inbox.WORDS)],
        0.0,
    )
    await apply_due(sqlite_city.app, sqlite_city.answerer)
    figures = sqlite_city.app.database.read_now(metrics.read, sqlite_city.clock().timestamp())
    assert figures.inbox["unreadable"].count == 1


# --- a group with a new id ------------------------------------------------------------------------

OLD, NEW = "lama@contoh.example", "baru@contoh.example"
MOVED = AddressEvent(dedupe="m1", address=OLD, state="moved", moved_to=NEW, exact=True)


@pytest.mark.parametrize("state", ["opted_out", "address_dead", "reachable"])
async def test_an_event_of_a_former_id_changes_nothing(city: City, state: Any) -> None:
    await subscribe(city.app, "email", [(OLD, "cibabat")])
    await city.receive(MOVED, AddressEvent(dedupe="l1", address=OLD, state=state, exact=True))
    moved = city.address(NEW)
    assert moved is not None and moved.state == State.CONFIRMED
    await city.receive(AddressEvent(dedupe="l2", address=NEW, state="opted_out", exact=True))
    stopped = city.address(NEW)
    assert stopped is not None and stopped.state != State.CONFIRMED


async def test_another_id_of_the_same_person_still_stops(city: City) -> None:
    await subscribe(city.app, "email", [(OLD, "cibabat")])
    await city.receive(MOVED, AddressEvent(dedupe="l1", address=OLD, state="opted_out"))
    stopped = city.address(NEW)
    assert stopped is not None and stopped.state != State.CONFIRMED


async def test_a_group_that_moved_is_not_edited_by_the_numbers_of_the_old_one(city: City) -> None:
    city.channel.provider = lambda _recipient: Receipt(message_number=57)
    await subscribe(city.app, "email", [(OLD, "cibabat")])
    announcement = await city.send()
    await city.receive(MOVED)
    city.channel.order.clear()
    await city.correct(announcement)
    corrects = {recipient.address: recipient.corrects for recipient in city.channel.order}
    assert corrects == {NEW: (), **dict.fromkeys((address for address, _areas in PEOPLE), (57,))}


async def test_a_group_whose_move_is_reported_twice_is_edited_by_its_new_numbers(
    city: City,
) -> None:
    numbers = count(1)
    city.channel.provider = lambda _recipient: Receipt(message_number=next(numbers))
    await subscribe(city.app, "email", [(OLD, "cibabat")])
    await city.receive(MOVED)
    announcement = await city.send()
    (number,) = (row.message_number for row in [city.row(NEW)])
    await city.receive(replace(MOVED, dedupe="m2", exact=False))
    city.channel.order.clear()
    await city.correct(announcement)
    assert [recipient.corrects for recipient in city.channel.order if recipient.address == NEW] == [
        (number,)
    ]
