"""The rules by which an address enters, changes or stays as it is."""

from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from subscribers import consent, store
from subscribers.areas import AreaTree
from subscribers.enrolment import Subscription, enrol
from subscribers.residents import add_alias, erase
from subscribers.store import slot_of
from subscribers.subscriptions import read
from subscribers.vault import Vault

NOW = 1_795_600_000.0


def wanted(address: str, *areas: str, **more: Any) -> Subscription:
    """Return a subscription by email."""
    return Subscription(
        **{
            "channel": "email",
            "source": "test",
            "consent_at": NOW - 60,
            "address": address,
            "areas": areas,
            **more,
        }
    )


def total(conn: Connection, table: str) -> int:
    """Count the rows of a table."""
    return int(
        conn.execute(select(func.count()).select_from(store.metadata.tables[table])).scalar_one()
    )


def test_a_new_address_is_confirmed_now_with_the_proof_of_then(
    sign_up: Any, look_up: Any, conn: Connection
) -> None:
    assert (
        sign_up(
            "rina@contoh.example",
            "cibabat melong",
            topics="cuaca",
            source="formulir",
            consent_at=NOW - 60,
        )
        == "new"
    )
    row = look_up("rina@contoh.example")
    assert (row.confirmed, row.confirmed_at, row.created_at, row.home, row.topics) == (
        True,
        NOW,
        NOW,
        "32.77.01.1001",
        " cuaca ",
    )
    assert read(conn, row.id).areas == ("32.77.01.1001", "32.77.03.1002")
    assert consent.history(conn, row.id) == [
        {"act": "granted", "source": "formulir", "text_version": "", "at": NOW - 60}
    ]


def test_the_address_itself_is_nowhere_in_the_table(
    sign_up: Any, look_up: Any, vault: Vault
) -> None:
    sign_up("rina@contoh.example")
    row = look_up("rina@contoh.example")
    assert b"rina" not in row.cipher + row.lookup
    assert vault.open("email", row.cipher) == "rina@contoh.example"


def test_the_same_again_changes_nothing(sign_up: Any, look_up: Any, conn: Connection) -> None:
    sign_up("rina@contoh.example", "cibabat melong", topics="cuaca kesehatan")
    before = look_up("rina@contoh.example")
    assert (
        sign_up(
            "rina@contoh.example", "melong 32.77.03.1002", topics="kesehatan cuaca", now=NOW + 9
        )
        == "same"
    )
    assert look_up("rina@contoh.example") == before
    assert len(consent.history(conn, before.id)) == 1


@pytest.mark.parametrize(
    "change",
    [{"areas": "baros"}, {"topics": "bansos"}, {"language": "en"}],
    ids=["areas", "topics", "language"],
)
def test_a_changed_wish_replaces_the_old_one(
    change: dict[str, str], sign_up: Any, look_up: Any, conn: Connection
) -> None:
    sign_up("rina@contoh.example", "cibabat melong", topics="cuaca")
    before = look_up("rina@contoh.example")
    assert (
        sign_up(
            "rina@contoh.example",
            **{"areas": "cibabat melong", "topics": "cuaca", "now": NOW + 9, **change},
        )
        == "changed"
    )
    after = look_up("rina@contoh.example")
    assert (after.id, after.slot, after.confirmed_at, after.subscriber) == (
        before.id,
        before.slot,
        NOW,
        before.subscriber,
    )
    assert len(consent.history(conn, before.id)) == 2


def test_a_suppressed_address_stays_as_it_is(sign_up: Any, look_up: Any, conn: Connection) -> None:
    sign_up("rina@contoh.example", "cibabat")
    consent.stop(conn, look_up("rina@contoh.example").id, source="web", at=NOW)
    before = look_up("rina@contoh.example")
    assert sign_up("rina@contoh.example", "melong", now=NOW + 9) == "suppressed"
    assert look_up("rina@contoh.example") == before
    assert read(conn, before.id).areas == ("32.77.03.1002",)


def test_a_new_opt_in_of_the_resident_lifts_the_suppression(
    sign_up: Any, look_up: Any, conn: Connection
) -> None:
    sign_up("rina@contoh.example", "cibabat")
    consent.stop(conn, look_up("rina@contoh.example").id, source="web", at=NOW)
    assert sign_up("rina@contoh.example", "melong", renewed=True, now=NOW + 9) == "changed"
    row = look_up("rina@contoh.example")
    assert (row.confirmed, row.reason, row.suppressed_at, row.confirmed_at) == (
        True,
        "",
        None,
        NOW + 9,
    )
    assert row.home == "32.77.01.1001"


def test_an_address_typed_in_by_somebody_is_not_written_to(
    sign_up: Any, look_up: Any, conn: Connection
) -> None:
    assert sign_up("dewi@contoh.example", confirmed=False) == "new"
    row = look_up("dewi@contoh.example")
    assert (row.confirmed, row.confirmed_at) == (False, None)
    assert consent.history(conn, row.id) == []


def test_somebody_elses_typing_cannot_change_a_confirmed_address(
    sign_up: Any, look_up: Any
) -> None:
    sign_up("rina@contoh.example", "cibabat")
    before = look_up("rina@contoh.example")
    assert sign_up("rina@contoh.example", "melong", confirmed=False) == "same"
    assert look_up("rina@contoh.example") == before


def test_an_unconfirmed_address_may_be_typed_in_again_and_be_confirmed(
    sign_up: Any, look_up: Any
) -> None:
    sign_up("dewi@contoh.example", "cibabat", confirmed=False)
    assert sign_up("dewi@contoh.example", "melong", confirmed=False) == "changed"
    assert not look_up("dewi@contoh.example").confirmed
    assert sign_up("dewi@contoh.example", "melong") == "changed"
    assert look_up("dewi@contoh.example").confirmed


def test_a_resident_who_stopped_elsewhere_starts_as_stopped(sign_up: Any, look_up: Any) -> None:
    assert sign_up("rina@contoh.example", suppressed="opted_out") == "new"
    row = look_up("rina@contoh.example")
    assert (row.confirmed, row.reason, row.confirmed_at) == (False, "opted_out", None)
    sign_up("dewi@contoh.example")
    assert sign_up("dewi@contoh.example", suppressed="opted_out") == "same"
    assert look_up("dewi@contoh.example").confirmed


def test_a_name_joins_the_addresses_of_one_person(
    sign_up: Any, look_up: Any, conn: Connection
) -> None:
    sign_up("rina@contoh.example", person="warga-17")
    sign_up("628120000001", channel="whatsapp", person="warga-17")
    sign_up("dewi@contoh.example", person="warga-18")
    assert (
        look_up("rina@contoh.example").subscriber == look_up("628120000001", "whatsapp").subscriber
    )
    assert total(conn, "subscriber") == 2
    assert "warga" not in str(conn.execute(select(store.subscriber.c.reference)).scalars().all())


def test_addresses_without_a_name_are_people_of_their_own(sign_up: Any, conn: Connection) -> None:
    sign_up("rina@contoh.example")
    sign_up("dewi@contoh.example")
    assert total(conn, "subscriber") == 2


def test_a_later_name_is_given_to_the_person_who_is_there(
    sign_up: Any, look_up: Any, conn: Connection
) -> None:
    sign_up("rina@contoh.example")
    person = look_up("rina@contoh.example").subscriber
    assert sign_up("rina@contoh.example", person="warga-17") == "same"
    sign_up("628120000001", channel="whatsapp", person="warga-17")
    assert look_up("628120000001", "whatsapp").subscriber == person


def test_a_name_joins_addresses_that_came_apart(
    sign_up: Any, look_up: Any, conn: Connection
) -> None:
    for address in ("a@contoh.example", "b@contoh.example"):
        sign_up(address)
    sign_up("a@contoh.example", person="warga-17")
    assert sign_up("b@contoh.example", person="warga-17") == "changed"
    assert look_up("a@contoh.example").subscriber == look_up("b@contoh.example").subscriber
    assert total(conn, "subscriber") == 1


def test_a_row_without_a_name_leaves_the_person_alone(sign_up: Any, look_up: Any) -> None:
    sign_up("rina@contoh.example", person="warga-17")
    person = look_up("rina@contoh.example").subscriber
    assert sign_up("rina@contoh.example", "melong") == "changed"
    assert look_up("rina@contoh.example").subscriber == person


def test_a_row_without_a_name_leaves_the_person_of_an_earlier_row_of_its_group(
    conn: Connection, vault: Vault, tree: AreaTree, look_up: Any
) -> None:
    rows = [wanted("a@contoh.example", "cibabat", person=name) for name in ("x", "y", "")]
    assert enrol(
        conn, vault, tree, [*rows, wanted("b@contoh.example", "cibabat", person="y")], NOW
    )[2:] == ["new", "new"]
    assert look_up("a@contoh.example").subscriber == look_up("b@contoh.example").subscriber


def test_two_names_for_one_unnamed_person_make_two_people(
    conn: Connection, vault: Vault, tree: AreaTree, sign_up: Any, look_up: Any
) -> None:
    sign_up("a@contoh.example", person="x")
    sign_up("b@contoh.example", person="x")
    rows = [
        wanted("a@contoh.example", "cibabat", person="y"),
        wanted("b@contoh.example", "cibabat", person="z"),
    ]
    assert enrol(conn, vault, tree, rows, NOW) == ["changed", "changed"]
    assert look_up("a@contoh.example").subscriber != look_up("b@contoh.example").subscriber
    assert total(conn, "subscriber") == 2


def test_the_last_of_a_group_counts(
    conn: Connection, vault: Vault, tree: AreaTree, look_up: Any
) -> None:
    rows = [
        wanted("a@contoh.example", "cibabat"),
        wanted("b@contoh.example", "baros"),
        wanted("a@contoh.example", "melong"),
    ]
    assert enrol(conn, vault, tree, rows, NOW) == ["repeated", "new", "new"]
    assert look_up("a@contoh.example").home == "32.77.01.1001"
    assert total(conn, "address") == 2


def test_an_alias_is_the_same_address(
    conn: Connection, vault: Vault, tree: AreaTree, sign_up: Any, look_up: Any
) -> None:
    sign_up("628120000001", channel="whatsapp")
    number = look_up("628120000001", "whatsapp").id
    add_alias(conn, vault, number, "ID.77")
    rows = [
        wanted("628120000001", "melong", channel="whatsapp"),
        wanted("ID.77", "baros", channel="whatsapp"),
    ]
    assert enrol(conn, vault, tree, rows, NOW) == ["repeated", "changed"]
    assert look_up("ID.77", "whatsapp").id == number
    assert total(conn, "address") == 1
    assert read(conn, number).areas == ("32.77.02.1001",)


def test_the_same_text_in_two_channels_is_two_addresses(sign_up: Any, conn: Connection) -> None:
    assert sign_up("628120000001", channel="whatsapp") == "new"
    assert sign_up("628120000001", channel="telegram") == "new"
    assert total(conn, "address") == 2


def test_nothing_in_nothing_out(conn: Connection, vault: Vault, tree: AreaTree) -> None:
    assert enrol(conn, vault, tree, [], NOW) == []


def test_an_unknown_area_is_refused(conn: Connection, vault: Vault, tree: AreaTree) -> None:
    with pytest.raises(KeyError):
        enrol(conn, vault, tree, [wanted("a@contoh.example", "lembang")], NOW)


def test_each_new_address_takes_the_next_slot_of_its_home(sign_up: Any, look_up: Any) -> None:
    for number, address in enumerate(("a@contoh.example", "b@contoh.example")):
        sign_up(address, "cimahi cibabat")
        row = look_up(address)
        assert row.slot == slot_of("email", "32.77.03.1002", number, row.id)


def test_an_erased_address_may_come_back_as_a_new_one(
    conn: Connection, vault: Vault, sign_up: Any, look_up: Any
) -> None:
    sign_up("rina@contoh.example")
    before = look_up("rina@contoh.example").id
    erase(conn, vault, "email", "rina@contoh.example")
    assert sign_up("rina@contoh.example") == "new"
    assert look_up("rina@contoh.example").id > before


def test_large_groups_are_taken_in_at_once(conn: Connection, vault: Vault, tree: AreaTree) -> None:
    rows = [
        wanted(f"warga{number}@contoh.example", "cibabat", person=f"p{number // 2}")
        for number in range(6_000)
    ]
    assert enrol(conn, vault, tree, rows, NOW) == ["new"] * 6_000
    assert enrol(conn, vault, tree, rows, NOW + 9) == ["same"] * 6_000
    assert (total(conn, "address"), total(conn, "subscriber")) == (6_000, 3_000)
