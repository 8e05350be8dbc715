"""Finding, joining, moving, erasing, exporting and counting addresses."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Connection, func, select

from broadcaster.store.database import Database
from subscribers import consent, residents, store
from subscribers.areas import AreaTree
from subscribers.export import export_rows
from subscribers.importing import COLUMNS, Row, import_rows, read_rows
from subscribers.residents import (
    Joined,
    Subscription,
    add_alias,
    add_aliases,
    channel_of,
    count,
    erase,
    find,
    get,
    move,
    other_addresses,
    remaining_id,
)
from subscribers.subscriptions import read
from subscribers.vault import Vault

NOW = 1_795_600_000.0
NOBODY = 10**9
TABLES = ("subscriber", "address", "subscription", "alias", "consent", "strike")


def totals(conn: Connection) -> dict[str, int]:
    """Count the rows of each table about people."""
    return {
        name: conn.execute(
            select(func.count()).select_from(store.metadata.tables[name])
        ).scalar_one()
        for name in TABLES
    }


def test_an_address_is_found_by_its_text_and_by_its_id(
    conn: Connection, vault: Vault, sign_up: Any
) -> None:
    sign_up("rina@contoh.example")
    row = find(conn, vault, "email", "rina@contoh.example")
    assert row is not None
    assert get(conn, row.id) == row
    assert channel_of(conn, row.id) == "email"
    assert find(conn, vault, "telegram", "rina@contoh.example") is None


def test_an_unknown_address_is_not_found(conn: Connection, vault: Vault) -> None:
    assert find(conn, vault, "email", "rina@contoh.example") is None
    assert (get(conn, NOBODY), channel_of(conn, NOBODY), list(other_addresses(conn, NOBODY))) == (
        None,
        None,
        [],
    )


def test_an_alias_finds_the_address(
    conn: Connection, vault: Vault, sign_up: Any, look_up: Any
) -> None:
    sign_up("628120000001", channel="whatsapp")
    row = look_up("628120000001", "whatsapp")
    for _ in range(2):
        add_alias(conn, vault, row.id, "ID.77")
    assert look_up("ID.77", "whatsapp") == row
    assert totals(conn)["alias"] == 1


def test_many_aliases_at_once_have_the_effect_of_one_by_one(
    conn: Connection, vault: Vault, sign_up: Any, look_up: Any
) -> None:
    for number in range(4):
        sign_up(f"62812000000{number}", channel="whatsapp")
    ids = [look_up(f"62812000000{number}", "whatsapp").id for number in range(4)]
    for _ in range(2):
        add_aliases(
            conn, vault, "whatsapp", [(ids[0], "ID.0"), (ids[1], "ID.1"), (ids[0], "628120000000")]
        )
    assert totals(conn)["alias"] == 2
    assert [look_up(f"ID.{number}", "whatsapp").id for number in range(2)] == ids[:2]
    add_aliases(conn, vault, "whatsapp", [(ids[2], "628120000003")])
    assert look_up("628120000003", "whatsapp").id == ids[2]
    assert totals(conn)["address"] == 3
    add_aliases(conn, vault, "whatsapp", [])
    add_aliases(conn, vault, "whatsapp", [(NOBODY, "ID.99")])
    assert find(conn, vault, "whatsapp", "ID.99") is None


def test_an_alias_of_an_unknown_address_is_dropped(conn: Connection, vault: Vault) -> None:
    add_alias(conn, vault, NOBODY, "ID.77")
    assert find(conn, vault, "whatsapp", "ID.77") is None


def test_an_id_that_is_the_address_itself_is_no_alias(
    conn: Connection, vault: Vault, sign_up: Any, look_up: Any
) -> None:
    sign_up("628120000001", channel="whatsapp")
    add_alias(conn, vault, look_up("628120000001", "whatsapp").id, "628120000001")
    assert totals(conn)["alias"] == 0


def test_an_alias_that_was_an_address_is_merged(
    conn: Connection, vault: Vault, sign_up: Any, look_up: Any
) -> None:
    sign_up("628120000001", "cibabat", channel="whatsapp", topics="cuaca")
    sign_up("ID.77", "melong", channel="whatsapp", topics="bansos")
    number = look_up("628120000001", "whatsapp").id
    add_alias(conn, vault, number, "ID.77")
    assert look_up("ID.77", "whatsapp").id == number
    assert (read(conn, number).areas, read(conn, number).topics) == (
        ("32.77.01.1001", "32.77.03.1002"),
        ("bansos", "cuaca"),
    )
    assert look_up("628120000001", "whatsapp").home == "32.77.01.1001"
    assert totals(conn) == {
        "subscriber": 1,
        "address": 1,
        "subscription": 2,
        "alias": 1,
        "consent": 2,
        "strike": 0,
    }


def test_an_opt_out_of_either_holds_after_a_merge(
    conn: Connection, vault: Vault, sign_up: Any, look_up: Any
) -> None:
    sign_up("628120000001", channel="whatsapp")
    sign_up("ID.77", channel="whatsapp")
    consent.stop(conn, look_up("ID.77", "whatsapp").id, source="whatsapp", at=NOW)
    add_alias(conn, vault, look_up("628120000001", "whatsapp").id, "ID.77")
    assert look_up("ID.77", "whatsapp").reason == "opted_out"


def test_a_confirmed_address_outlives_a_dead_one_in_a_merge(
    conn: Connection, vault: Vault, sign_up: Any, look_up: Any
) -> None:
    sign_up("628120000001", channel="whatsapp")
    sign_up("ID.77", channel="whatsapp")
    consent.suppress(
        conn, look_up("628120000001", "whatsapp").id, "address_dead", source="provider", at=NOW
    )
    add_alias(conn, vault, look_up("628120000001", "whatsapp").id, "ID.77")
    assert look_up("ID.77", "whatsapp").confirmed


def test_no_topics_stays_no_topics_in_a_merge(
    conn: Connection, vault: Vault, sign_up: Any, look_up: Any
) -> None:
    sign_up("628120000001", channel="whatsapp", topics="cuaca")
    sign_up("ID.77", channel="whatsapp")
    add_alias(conn, vault, look_up("628120000001", "whatsapp").id, "ID.77")
    assert look_up("ID.77", "whatsapp").topics == ""


def test_a_migrated_chat_keeps_its_place_under_its_new_id(
    conn: Connection, vault: Vault, sign_up: Any, look_up: Any
) -> None:
    sign_up("-500", channel="telegram")
    before = look_up("-500", "telegram")
    assert move(conn, vault, before.id, "-100500") == []
    after = look_up("-100500", "telegram")
    assert (after.id, after.slot) == (before.id, before.slot)
    assert vault.open("telegram", after.cipher) == "-100500"
    assert look_up("-500", "telegram") == after


def test_moving_twice_changes_nothing_more(
    conn: Connection, vault: Vault, sign_up: Any, look_up: Any
) -> None:
    sign_up("-500", channel="telegram")
    number = look_up("-500", "telegram").id
    for _ in range(2):
        assert move(conn, vault, number, "-100500") == []
    assert totals(conn)["alias"] == 1


def test_moving_to_an_alias_makes_it_the_main_id(
    conn: Connection, vault: Vault, sign_up: Any, look_up: Any
) -> None:
    sign_up("628120000001", channel="whatsapp")
    number = look_up("628120000001", "whatsapp").id
    add_alias(conn, vault, number, "ID.77")
    assert move(conn, vault, number, "ID.77") == []
    assert vault.open("whatsapp", look_up("628120000001", "whatsapp").cipher) == "ID.77"
    assert totals(conn)["alias"] == 1


def test_moving_onto_another_address_leaves_that_one(
    conn: Connection, vault: Vault, sign_up: Any, look_up: Any
) -> None:
    sign_up("-500", "cibabat", channel="telegram")
    sign_up("-100500", "melong", channel="telegram")
    before, new = look_up("-500", "telegram"), look_up("-100500", "telegram").id
    add_alias(conn, vault, before.id, "-4")
    (joined,) = move(conn, vault, before.id, "-100500")
    assert joined == Joined(keep=new, gone=before.id, channel="telegram", slot=before.slot)
    assert remaining_id(conn, before.id) == new, (
        "a link that names the one that is gone still works"
    )
    assert {look_up(text, "telegram").id for text in ("-500", "-100500", "-4")} == {new}
    assert read(conn, new).areas == ("32.77.01.1001", "32.77.03.1002")
    assert totals(conn)["address"] == 1


def test_moving_nobody_is_no_error(conn: Connection, vault: Vault) -> None:
    assert move(conn, vault, NOBODY, "-100500") == []


def test_a_message_may_fall_back_to_the_newest_other_address(
    conn: Connection, sign_up: Any, look_up: Any
) -> None:
    sign_up("rina@contoh.example", person="rina", now=NOW)
    sign_up("628120000001", channel="whatsapp", person="rina", now=NOW + 1)
    sign_up("77", channel="telegram", person="rina", now=NOW + 2)
    sign_up("dewi@contoh.example", person="dewi", now=NOW + 3)
    others = other_addresses(conn, look_up("628120000001", "whatsapp").id)
    assert [row.channel for row in others] == ["telegram", "email"]
    consent.stop(conn, look_up("77", "telegram").id, source="telegram", at=NOW)
    assert [
        row.channel for row in other_addresses(conn, look_up("628120000001", "whatsapp").id)
    ] == ["email"]


def test_erasing_leaves_nothing_of_the_address(
    conn: Connection, vault: Vault, sign_up: Any, look_up: Any
) -> None:
    sign_up("628120000001", "cibabat melong", channel="whatsapp", person="rina")
    number = look_up("628120000001", "whatsapp").id
    add_alias(conn, vault, number, "ID.77")
    consent.strike(conn, number, "2026-11-01", 5)
    assert erase(conn, vault, "whatsapp", "ID.77")
    assert totals(conn) == dict.fromkeys(TABLES, 0)
    assert not erase(conn, vault, "whatsapp", "628120000001")


def test_erasing_one_address_leaves_the_persons_others(
    conn: Connection, vault: Vault, sign_up: Any, look_up: Any
) -> None:
    sign_up("rina@contoh.example", person="rina")
    sign_up("77", channel="telegram", person="rina")
    assert erase(conn, vault, "email", "rina@contoh.example")
    assert look_up("77", "telegram").confirmed
    assert totals(conn)["subscriber"] == 1


def test_addresses_are_counted_by_channel_and_state(
    conn: Connection, sign_up: Any, look_up: Any
) -> None:
    for number in range(4):
        sign_up(f"warga{number}@contoh.example", confirmed=number > 0)
    sign_up("77", channel="telegram")
    consent.stop(conn, look_up("warga1@contoh.example").id, source="web", at=NOW)
    consent.suppress(
        conn, look_up("warga2@contoh.example").id, "address_dead", source="provider", at=NOW
    )
    assert count(conn) == {
        "email": {"unconfirmed": 1, "confirmed": 1, "address_dead": 1, "opted_out": 1},
        "telegram": {"unconfirmed": 0, "confirmed": 1, "address_dead": 0, "opted_out": 0},
    }


def test_an_empty_vault_counts_and_exports_nothing(conn: Connection, vault: Vault) -> None:
    assert count(conn) == {}
    assert list(export_rows(conn, vault)) == []


def test_the_export_holds_the_address_its_wishes_and_its_proof(
    conn: Connection, vault: Vault, sign_up: Any
) -> None:
    sign_up(
        "rina@contoh.example",
        "cibabat cimahi",
        topics="cuaca bansos",
        source="formulir",
        consent_at=NOW,
        language="en",
        person="r",
    )
    (row,) = export_rows(conn, vault)
    assert row == {
        "channel": "email",
        "address": "rina@contoh.example",
        "areas": "32.77 32.77.03.1002",
        "topics": "bansos cuaca",
        "language": "en",
        "consent_source": "formulir",
        "consent_at": "2026-11-25T09:46:40+00:00",
        "subscriber": vault.reference("r"),
        "state": "confirmed",
    }
    assert set(row) == set(COLUMNS)


def export_lines(conn: Connection, vault: Vault) -> list[str]:
    """Return the export as lines of CSV."""
    return [
        ",".join(COLUMNS),
        *(",".join(row[name] for name in COLUMNS) for row in export_rows(conn, vault)),
    ]


def import_lines(
    conn: Connection, vault: Vault, tree: AreaTree, lines: list[str]
) -> dict[str, int]:
    """Import lines of CSV and count the outcomes."""
    rows = [
        row
        for row in read_rows(lines, tree, ["cuaca"], {"email": str, "telegram": str})
        if isinstance(row, Row)
    ]
    return import_rows(conn, vault, tree, rows, NOW + 9)


def test_an_export_comes_back_unchanged(
    conn: Connection, vault: Vault, tree: AreaTree, sign_up: Any, look_up: Any
) -> None:
    for number in range(20):
        sign_up(
            f"warga{number}@contoh.example",
            "cibabat melong",
            topics="cuaca",
            person=f"p{number // 2}",
        )
    sign_up("77", channel="telegram", confirmed=False)
    consent.stop(conn, look_up("warga3@contoh.example").id, source="web", at=NOW)
    assert import_lines(conn, vault, tree, export_lines(conn, vault)) == {
        "same": 19,
        "suppressed": 1,
    }


def test_an_export_moves_to_another_machine_with_its_opt_outs(
    conn: Connection, vault: Vault, tree: AreaTree, sign_up: Any, look_up: Any
) -> None:
    sign_up("rina@contoh.example", person="r")
    sign_up("dewi@contoh.example", person="r")
    consent.stop(conn, look_up("dewi@contoh.example").id, source="web", at=NOW)
    lines = export_lines(conn, vault)
    for name in ("rina", "dewi"):
        erase(conn, vault, "email", f"{name}@contoh.example")
    assert import_lines(conn, vault, tree, lines) == {"new": 2}
    assert look_up("rina@contoh.example").confirmed
    assert look_up("dewi@contoh.example").reason == "opted_out"
    assert look_up("rina@contoh.example").subscriber == look_up("dewi@contoh.example").subscriber


def test_a_long_export_is_read_in_parts(conn: Connection, vault: Vault, tree: AreaTree) -> None:
    lines = [
        ",".join(COLUMNS),
        *(f"email,w{n}@contoh.example,cibabat,,id,test,2026-11-01,," for n in range(4_500)),
    ]
    assert import_lines(conn, vault, tree, lines) == {"new": 4_500}
    assert len({row["address"] for row in export_rows(conn, vault)}) == 4_500


def test_four_sign_ups_of_one_address_at_once_make_one_address(
    postgresql_url: str, vault: Vault, tree: AreaTree
) -> None:
    database = Database(postgresql_url)
    wanted = Subscription(
        channel="email",
        address="rina@contoh.example",
        areas=("cibabat",),
        source="test",
        consent_at=NOW,
    )
    ready = threading.Barrier(4)

    def sign_up(_: int) -> str:
        ready.wait(timeout=30)
        return database.write_now(residents.subscribe, vault, tree, wanted, NOW)

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(sign_up, range(4))) == ["new", "same", "same", "same"]
    database.close()
