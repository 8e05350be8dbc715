"""Two addresses that turn out to be one (spellings, other ids, a moved chat): the ledger's rows of
both are merged.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from broadcaster.app import App
from broadcaster.domain.deliveries import Consequence
from broadcaster.inbound import inbox
from broadcaster.store import address_effects, gate, respelling
from broadcaster.store.leases import Holder, new_owner
from broadcaster.store.tables import STATES, provider_message
from channels.base.contract import AddressEvent, Deferred, Receipt, Rejected
from subscribers import residents
from subscribers.store import unspelled
from support.email_program import email_program
from support.fakes import FakeChannel
from support.former_vault import former_vault
from support.runs import claim_slice, correct, withdraw
from support.sending import (
    check_counters,
    drain_all,
    everything_due,
    fill,
    forget_leases,
    table,
    with_channels,
)
from support.world import notice, publish, rows, states, subscribe

FIRST, SECOND, THIRD = "Sari.B@contoh.example", "sari.b@contoh.example", "SARI.B@contoh.example"


@dataclass
class City:
    """A program whose residents signed up in several spellings, and the mail that arrived."""

    app: App
    channel: FakeChannel

    async def sign_up(self, *people: tuple[str, str]) -> None:
        """Sign (address, areas) pairs up as the version before did."""
        await subscribe(replace(self.app, vault=former_vault()), "email", people)

    async def send(self, *, areas: str = "cibabat") -> str:
        """Publish a notice and send all of it; return the announcement's id."""
        done = await publish(self.app, notice(areas=areas.split(), channels="email"))
        await drain_all(self.app)
        return done.id

    async def correct(self, announcement: str, *, areas: str = "cibabat") -> int:
        """Correct it and send all of that; return the edition."""
        self.channel.accepted.clear()
        edition = correct(self.app, announcement, areas=areas.split(), channels="email")
        await drain_all(self.app)
        return edition

    async def withdraw(self, announcement: str) -> None:
        """Withdraw it and send all of that."""
        self.channel.accepted.clear()
        withdraw(self.app, announcement)
        await drain_all(self.app)

    def merge_spellings(self) -> None:
        """Start the version in which spellings are one."""
        self.app.database.write_now(
            lambda connection: connection.execute(insert(unspelled).values(one=1, after=0))
        )
        respelling.finish(self.app.database, self.app.vault)

    @property
    def mailboxes(self) -> Counter[str]:
        """Count the messages of each mailbox since the last correction."""
        counts: Counter[str] = Counter()
        for address, number in self.channel.accepted.items():
            counts[address.lower()] += number
        return counts

    def row_of(self, address: str) -> Any:
        """Return the stored address."""
        return self.app.database.read_now(residents.find, self.app.vault, "email", address)


@pytest.fixture
async def city(database_url: str, tmp_path: Path) -> AsyncIterator[City]:
    async with email_program(database_url, tmp_path) as opened:
        channel = FakeChannel(provider=lambda r: Receipt(provider_id=f"id-{r.delivery}"))
        yield City(app=with_channels(opened, channel), channel=channel)


async def test_a_correction_has_one_row_for_a_person_whose_two_spellings_had_the_first_edition(
    city: City,
) -> None:
    await city.sign_up((FIRST, "cibabat"), (SECOND, "cibabat"), ("budi@contoh.example", "cibabat"))
    done = await city.send()
    city.merge_spellings()
    second = await city.correct(done)
    assert len([row for row in rows(city.app) if row.edition == second]) == 2
    assert city.mailboxes == {"sari.b@contoh.example": 1, "budi@contoh.example": 1}
    check_counters(city.app)


async def test_a_mailbox_whose_other_spelling_had_the_first_edition_is_corrected_once(
    city: City,
) -> None:
    await city.sign_up((FIRST, "melong"), (SECOND, "cibabat"))
    done = await city.send()
    city.merge_spellings()
    check_counters(city.app)
    second = await city.correct(done, areas="cibabat melong")
    (row,) = [row for row in rows(city.app) if row.edition == second]
    stays = city.row_of(FIRST)
    assert (row.address, row.slot) == (stays.id, stays.slot)
    assert city.mailboxes == {"sari.b@contoh.example": 1}


async def test_a_mailbox_of_three_spellings_is_corrected_once_also_where_it_is_no_audience_any_more(
    city: City,
) -> None:
    await city.sign_up((FIRST, "melong"), (SECOND, "cibabat"), (THIRD, "cibabat"))
    done = await city.send()
    city.merge_spellings()
    await city.correct(done)
    assert city.mailboxes == {"sari.b@contoh.example": 1}
    await city.withdraw(done)
    assert city.mailboxes == {"sari.b@contoh.example": 1}
    check_counters(city.app)


async def test_a_mailbox_that_was_reached_by_the_spelling_that_goes_hears_of_the_withdrawal(
    city: City,
) -> None:
    city.channel.provider = lambda r: (
        Rejected() if r.address == FIRST else Receipt(provider_id=f"id-{r.delivery}")
    )
    await city.sign_up((FIRST, "cibabat"), (SECOND, "cibabat"))
    done = await city.send()
    city.channel.provider = lambda _recipient: Receipt()
    city.merge_spellings()
    check_counters(city.app)
    stays = city.row_of(FIRST)
    assert {(row.slot == stays.slot, STATES[row.state]) for row in rows(city.app)} == {
        (True, "sent"),
        (False, "failed"),
    }
    await city.withdraw(done)
    assert city.mailboxes == {"sari.b@contoh.example": 1}
    check_counters(city.app)


@pytest.mark.parametrize("areas", ["cibabat", "melong"])
async def test_what_still_waits_for_two_spellings_leaves_once(city: City, areas: str) -> None:
    await city.sign_up((FIRST, areas), (SECOND, "cibabat"))
    await publish(city.app, notice(channels="email"))
    fill(city.app)
    city.merge_spellings()
    check_counters(city.app)
    await drain_all(city.app)
    assert city.mailboxes == {"sari.b@contoh.example": 1}
    check_counters(city.app)


@pytest.mark.parametrize("waits", [FIRST, SECOND])
async def test_what_one_spelling_had_already_does_not_leave_for_the_other(
    city: City, waits: str
) -> None:
    later = Deferred(retry_after=60, scope="address")
    city.channel.provider = lambda r: later if r.address == waits else Receipt()
    await city.sign_up((FIRST, "cibabat"), (SECOND, "cibabat"))
    await city.send()
    assert states(city.app) == {"sent": 1, "pending": 1}
    city.channel.provider = lambda _recipient: Receipt()
    city.merge_spellings()
    check_counters(city.app)
    everything_due(city.app)
    await drain_all(city.app)
    assert city.mailboxes == {"sari.b@contoh.example": 1}
    check_counters(city.app)


async def test_what_a_status_names_by_the_providers_id_follows_the_message(city: City) -> None:
    await city.sign_up((FIRST, "melong"), (SECOND, "cibabat"))
    await city.send()
    (row,) = rows(city.app)
    key = city.app.vault.provider_key("email", "id-1")
    name = {"channel": "email", "provider_key": key, "edition": row.edition, "slot": row.slot}
    city.app.database.write_now(
        lambda connection: connection.execute(insert(provider_message).values(name))
    )
    city.merge_spellings()
    (named,) = table(city.app, provider_message)
    assert (named.edition, named.slot) == (row.edition, city.row_of(FIRST).slot)


@pytest.mark.parametrize("areas", ["cibabat", "melong"])
@pytest.mark.parametrize("withdrawn", [False, True], ids=["corrected", "withdrawn"])
async def test_what_a_killed_worker_left_on_the_wire_is_corrected_once(
    city: City, areas: str, withdrawn: bool
) -> None:
    await city.sign_up((FIRST, areas), (SECOND, "cibabat"))
    done = await publish(city.app, notice(channels="email"))
    fill(city.app)
    holder = Holder(owner=new_owner(), lease=30)

    claim = claim_slice(city.app, holder)
    city.app.database.write_now(gate.mark, claim, holder, cursor=-1, limit=10)
    assert "sending" in states(city.app)
    city.merge_spellings()
    check_counters(city.app)
    forget_leases(city.app)
    everything_due(city.app)
    await drain_all(city.app)
    check_counters(city.app)
    if withdrawn:
        await city.withdraw(done.id)
    else:
        await city.correct(done.id, areas="cibabat melong")
    assert city.mailboxes == {SECOND: 1}


@pytest.mark.parametrize("notice_of_change", ["moved", "alias of a status", "alias of a word"])
async def test_a_chat_that_turns_out_to_be_another_hears_what_becomes_of_all_that_either_had(
    city: City, notice_of_change: str
) -> None:
    await subscribe(
        city.app, "email", [("dulu@contoh.example", "cibabat"), ("kini@contoh.example", "melong")]
    )
    done = await city.send()
    database, vault = city.app.database, city.app.vault
    old_id, new_id = city.row_of("dulu@contoh.example").id, city.row_of("kini@contoh.example").id
    if notice_of_change == "moved":
        database.write_now(address_effects.move, vault, old_id, "kini@contoh.example")
    elif notice_of_change == "alias of a status":
        meaning = Consequence(slot=0, address=new_id, aliases=("dulu@contoh.example",))
        database.write_now(
            address_effects.apply,
            vault,
            edition=1,
            channel="email",
            results=0,
            consequences=[meaning],
        )
    else:
        word = AddressEvent(
            dedupe="1",
            address="kini@contoh.example",
            state="reachable",
            aliases=("dulu@contoh.example",),
        )
        database.write_now(inbox._apply_address, city.app, "email", word, 0.0)
    check_counters(city.app)
    await city.withdraw(done)
    assert city.mailboxes == {"kini@contoh.example": 1}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("withdrawn", [False, True], ids=["corrected", "withdrawn"])
async def test_whatever_the_spellings_of_a_mailbox_had_it_hears_once(
    city: City, seed: int, withdrawn: bool
) -> None:
    chance = random.Random(seed)
    people = []
    for number in range(12):
        spellings = chance.sample(
            [f"W{number}@x.example", f"w{number}@x.example", f"w{number}@X.example"],
            chance.choice([1, 2, 3]),
        )
        people += [
            (spelling, chance.choice(["cibabat", "cibabat", "melong"])) for spelling in spellings
        ]
    chance.shuffle(people)
    await city.sign_up(*people)
    outcomes = [Receipt(), Receipt(), Rejected(), Deferred(retry_after=60, scope="address")]
    city.channel.provider = lambda _recipient: chance.choice(outcomes)
    done = await city.send()
    mailboxes = set(city.mailboxes)
    city.channel.provider = lambda _recipient: Receipt()
    city.merge_spellings()
    check_counters(city.app)
    if withdrawn:
        await city.withdraw(done)
        assert city.mailboxes == dict.fromkeys(mailboxes, 1)
    else:
        await city.correct(done, areas="cibabat melong")
        assert city.mailboxes == dict.fromkeys({address.lower() for address, _areas in people}, 1)
    check_counters(city.app)
