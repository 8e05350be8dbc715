"""Databases older than case-insensitive addresses: after the first start with the key, each mail
address is found in any case.
"""

import base64
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, func, insert, select

from broadcaster.domain.deliveries import SENT
from broadcaster.runtime import secret_key
from broadcaster.runtime.settings import Settings
from broadcaster.store import migrate, respelling
from broadcaster.store.channel_tables import held_suppression
from broadcaster.store.database import Database
from broadcaster.store.tables import delivery, run
from subscribers import consent, enrolment, residents, store
from subscribers.areas import AreaTree
from subscribers.enrolment import Subscription
from subscribers.respelling import is_pending
from subscribers.subscriptions import read
from subscribers.vault import Vault
from support.former_vault import former_vault
from support.world import SECRET

TREE = AreaTree.built_in()
NOW = 1_795_600_000.0
CIBABAT, MELONG = "32.77.03.1002", "32.77.01.1001"


FORMER = former_vault()
VAULT = Vault(secret_key.derive(base64.b64decode(SECRET), "addresses"))


class OlderDatabase:
    """A database of the version before; `start` upgrades it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.settings = Settings(database_url=url, data_dir=folder, secret_key=SECRET)
        migrate.migrate(url)
        self.database = Database(url)

    def write(self, act: Any, *arguments: Any) -> Any:
        return self.database.write_now(act, *arguments)

    def sign_up(
        self,
        address: str,
        areas: str = "cibabat",
        *,
        at: float = NOW,
        channel: str = "email",
        **more: Any,
    ) -> int:
        """Sign an address up as the version before did; return its id."""
        item = Subscription(
            channel=channel,
            address=address,
            areas=tuple(areas.split()),
            source="formulir",
            consent_at=at,
            act="imported",
            **more,
        )
        self.write(enrolment.enrol, FORMER, TREE, [item], at)
        return int(self.find(address, FORMER, channel).id)

    def find(self, address: str, vault: Vault = VAULT, channel: str = "email") -> Any:
        return self.database.read_now(residents.find, vault, channel, address)

    def start(self) -> None:
        """Restore the tables of the version before, then start this one."""
        self.write(lambda connection: command.downgrade(migrate._config(connection), "0019"))
        secret_key.prepare(self.settings)


@pytest.fixture
def older(empty_database_url: str, tmp_path: Path) -> Iterator[OlderDatabase]:
    database = OlderDatabase(empty_database_url, tmp_path)
    yield database
    database.database.close()


def test_an_address_is_found_in_whatever_case_and_sent_to_as_it_was_written(
    older: OlderDatabase,
) -> None:
    number = older.sign_up("Sari.B@contoh.example")
    phone = older.sign_up("ID.9aB", channel="whatsapp")
    assert older.find("sari.b@contoh.example") is None
    older.start()
    row = older.find("sari.b@contoh.example")
    assert (row.id, VAULT.open("email", row.cipher)) == (number, "Sari.B@contoh.example")
    assert older.find("ID.9aB", channel="whatsapp").id == phone
    assert older.find("id.9ab", channel="whatsapp") is None, "ids of providers are what they are"


def test_two_spellings_become_one_with_the_newest_choice_and_every_proof_of_consent(
    older: OlderDatabase,
) -> None:
    first = older.sign_up("Sari.B@contoh.example", "cibabat", at=NOW)
    older.sign_up("sari.b@contoh.example", "melong", at=NOW + 9, language="en", person="w17")
    older.sign_up("SARI.B@contoh.example", "cibabat", at=NOW + 5)
    older.start()
    row = older.find("Sari.b@contoh.example")
    assert (row.id, row.language, row.home) == (first, "en", MELONG)
    assert older.database.read_now(read, first).areas == (MELONG,)
    assert [proof["at"] for proof in older.database.read_now(consent.history, first)] == [
        NOW,
        NOW + 9,
        NOW + 5,
    ]
    assert older.database.read_now(
        lambda c: c.execute(select(store.address.c.agreed_at)).scalars().all()
    ) == [NOW + 9]
    people = older.database.read_now(
        lambda c: c.execute(select(store.subscriber.c.reference)).scalars().all()
    )
    assert people == [VAULT.reference("w17")]


@pytest.mark.parametrize("stopped", [0, 1])
@pytest.mark.parametrize("reason", ["opted_out", "address_dead"])
def test_a_stop_of_either_spelling_holds(
    older: OlderDatabase, stopped: int, reason: consent.Reason
) -> None:
    ids = [
        older.sign_up("Sari.B@contoh.example", at=NOW),
        older.sign_up("sari.b@contoh.example", at=NOW + 9),
    ]
    older.write(partial(consent.suppress, at=NOW + 1, source="web"), ids[stopped], reason)
    older.start()
    row = older.find("sari.b@contoh.example")
    assert (row.id, row.confirmed, row.reason) == (ids[0], False, reason)


def test_links_in_old_messages_to_either_spelling_still_stop_it(older: OlderDatabase) -> None:
    ids = [
        older.sign_up("Sari.B@contoh.example"),
        older.sign_up("sari.b@contoh.example"),
        older.sign_up("SARI.b@contoh.example"),
    ]
    older.start()
    assert [older.database.read_now(residents.remaining_id, number) for number in ids] == [
        ids[0]
    ] * 3
    assert older.write(residents.erase, VAULT, "email", "sari.B@contoh.example")
    assert (
        older.database.read_now(
            lambda c: c.execute(select(func.count()).select_from(store.merged)).scalar()
        )
        == 0
    )


def test_ledger_rows_of_either_spelling_stay(older: OlderDatabase) -> None:
    kept_id, merged_id = (
        older.sign_up("Sari.B@contoh.example"),
        older.sign_up("sari.b@contoh.example"),
    )
    slots = [
        older.find(text, FORMER).slot for text in ("Sari.B@contoh.example", "sari.b@contoh.example")
    ]
    place = {"channel": "email", "area": CIBABAT, "state": SENT}

    def deliver(connection: Connection) -> None:
        for edition in (1, 2):
            values = {"edition": edition, "channel": "email", "lane": "routine", "state": "done"}
            columns = {
                name: 0
                for name, column in run.c.items()
                if not column.nullable
                and column.default is None
                and column.server_default is None
                and name not in values
            }
            connection.execute(insert(run).values({**columns, **values}))
        rows = [(1, slots[0], kept_id), (1, slots[1], merged_id), (2, slots[1], merged_id)]
        connection.execute(
            insert(delivery), [{**place, "edition": e, "slot": s, "address": a} for e, s, a in rows]
        )
        connection.execute(
            insert(held_suppression).values(
                address=merged_id, channel="email", reason="address_dead", at=NOW
            )
        )

    older.write(deliver)
    older.start()
    columns = (delivery.c.edition, delivery.c.slot, delivery.c.address)
    rows = older.database.read_now(lambda c: c.execute(select(*columns).order_by(*columns)).all())
    assert sorted(tuple(row) for row in rows) == sorted(
        [(1, slots[0], kept_id), (1, slots[1], merged_id), (2, slots[0], kept_id)]
    )
    assert older.database.read_now(
        lambda c: c.execute(select(held_suppression.c.address)).scalars().all()
    ) == [kept_id]


def test_many_follow_in_bounded_steps_that_may_be_interrupted(older: OlderDatabase) -> None:
    items = [
        Subscription(
            channel="email",
            address=f"{name}{n}@contoh.example",
            areas=("cibabat",),
            source="x",
            consent_at=NOW,
        )
        for n in range(600)
        for name in ("Warga", "warga", "Tetangga")
    ]
    older.write(enrolment.enrol, FORMER, TREE, items, NOW)
    older.write(lambda connection: command.downgrade(migrate._config(connection), "0019"))
    migrate.migrate(older.settings.database)
    assert older.write(respelling.step, VAULT), "the process dies here"
    assert older.database.read_now(is_pending)
    secret_key.prepare(older.settings)
    assert not older.database.read_now(is_pending)
    assert (
        older.database.read_now(
            lambda c: c.execute(select(func.count()).select_from(store.address)).scalar()
        )
        == 1_200
    )
    assert older.find("WARGA599@contoh.example") is not None
    assert older.write(enrolment.enrol, VAULT, TREE, items, NOW) == [
        "same" if n % 3 else "repeated" for n in range(1_800)
    ]


def test_an_address_that_the_key_does_not_open_stays_and_the_others_follow(
    older: OlderDatabase,
) -> None:
    broken, whole, _ = (older.sign_up(f"{name}@contoh.example") for name in ("Ani", "Budi", "Dewi"))
    older.write(
        lambda c: c.execute(
            store.address.update().where(store.address.c.id == broken).values(cipher=b"\x01x")
        )
    )
    older.start()
    assert older.find("budi@contoh.example").id == whole
    assert older.find("ani@contoh.example") is None


def test_a_new_database_has_nothing_to_respell(empty_database_url: str, tmp_path: Path) -> None:
    older = OlderDatabase(empty_database_url, tmp_path)
    secret_key.prepare(older.settings)
    assert not older.database.read_now(is_pending)
    older.database.close()
