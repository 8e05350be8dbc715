"""Consent: which addresses are open, and the proof that remains."""

from typing import Any

import pytest
from sqlalchemy import Connection, select

from subscribers import consent, residents, store
from subscribers.areas import AreaTree
from subscribers.vault import Vault

NOW = 1_795_600_000.0
NOBODY = 10**9


def acts(conn: Connection, address_id: int) -> list[Any]:
    """Return the acts in an address's history, in order."""
    return [entry["act"] for entry in consent.history(conn, address_id)]


@pytest.fixture
def rina(sign_up: Any, look_up: Any) -> int:
    """Return the id of a confirmed address."""
    sign_up("rina@contoh.example", source="formulir RW 05", now=NOW)
    return int(look_up("rina@contoh.example").id)


@pytest.fixture
def dewi(sign_up: Any, look_up: Any) -> int:
    """Return the id of an address that somebody typed in and nobody confirmed."""
    sign_up("dewi@contoh.example", confirmed=False, now=NOW)
    return int(look_up("dewi@contoh.example").id)


def test_an_address_is_open_only_once_confirmed(conn: Connection, dewi: int) -> None:
    assert not consent.is_open(conn, dewi)
    assert consent.confirm(conn, dewi, source="email", text_version="2", at=NOW + 5)
    assert consent.is_open(conn, dewi)


def test_the_proof_holds_source_text_and_time(conn: Connection, dewi: int) -> None:
    consent.confirm(conn, dewi, source="email", text_version="2", at=NOW + 5)
    assert consent.history(conn, dewi) == [
        {"act": "granted", "source": "email", "text_version": "2", "at": NOW + 5}
    ]


def test_confirming_twice_changes_nothing(conn: Connection, dewi: int, look_up: Any) -> None:
    consent.confirm(conn, dewi, source="email", text_version="2", at=NOW + 5)
    assert not consent.confirm(conn, dewi, source="email", text_version="2", at=NOW + 9)
    assert look_up("dewi@contoh.example").confirmed_at == NOW + 5
    assert acts(conn, dewi) == ["granted"]


def test_an_unknown_address_is_neither_confirmed_nor_stopped(conn: Connection) -> None:
    assert not consent.confirm(conn, NOBODY, source="email", text_version="", at=NOW)
    assert not consent.stop(conn, NOBODY, source="web", at=NOW)
    assert not consent.revive(conn, NOBODY, source="web", at=NOW)
    assert not consent.is_open(conn, NOBODY)


def test_stopping_closes_at_once_and_only_once(conn: Connection, rina: int, look_up: Any) -> None:
    assert consent.stop(conn, rina, source="one-click", at=NOW + 5)
    assert not consent.stop(conn, rina, source="web", at=NOW + 9)
    row = look_up("rina@contoh.example")
    assert (row.confirmed, row.reason, row.suppressed_at) == (False, "opted_out", NOW + 5)
    assert acts(conn, rina) == ["granted", "withdrawn"]


def test_a_dead_address_is_closed_and_noted(conn: Connection, rina: int, look_up: Any) -> None:
    assert consent.suppress(conn, rina, "address_dead", at=NOW + 5, source="provider")
    assert not consent.suppress(conn, rina, "address_dead", at=NOW + 6, source="provider")
    assert look_up("rina@contoh.example").reason == "address_dead"
    assert acts(conn, rina) == ["granted", "dead"]


def test_an_opt_out_outranks_a_dead_address_whatever_came_first(
    conn: Connection, rina: int, look_up: Any
) -> None:
    consent.suppress(conn, rina, "address_dead", at=NOW + 5, source="provider")
    assert consent.stop(conn, rina, source="web", at=NOW + 6)
    assert not consent.suppress(conn, rina, "address_dead", at=NOW + 7, source="provider")
    assert look_up("rina@contoh.example").reason == "opted_out"


def test_any_message_brings_a_dead_address_back(conn: Connection, rina: int, look_up: Any) -> None:
    consent.suppress(conn, rina, "address_dead", at=NOW + 5, source="provider")
    assert consent.revive(conn, rina, source="whatsapp", at=NOW + 6)
    row = look_up("rina@contoh.example")
    assert (row.confirmed, row.reason, row.suppressed_at, row.confirmed_at) == (True, "", None, NOW)
    assert acts(conn, rina) == ["granted", "dead", "revived"]


def test_an_address_that_was_never_confirmed_comes_back_unconfirmed(
    conn: Connection, dewi: int
) -> None:
    consent.suppress(conn, dewi, "address_dead", at=NOW + 5, source="provider")
    assert consent.revive(conn, dewi, source="email", at=NOW + 6)
    assert not consent.is_open(conn, dewi)


def test_a_message_alone_does_not_undo_an_opt_out(conn: Connection, rina: int) -> None:
    consent.stop(conn, rina, source="web", at=NOW + 5)
    assert not consent.revive(conn, rina, source="whatsapp", at=NOW + 6)
    assert not consent.is_open(conn, rina)


def test_a_new_opt_in_undoes_an_opt_out(conn: Connection, rina: int, look_up: Any) -> None:
    consent.stop(conn, rina, source="web", at=NOW + 5)
    assert consent.revive(conn, rina, source="whatsapp", at=NOW + 6, opt_in=True, text_version="3")
    row = look_up("rina@contoh.example")
    assert (row.confirmed, row.reason, row.confirmed_at, row.suppressed_at) == (
        True,
        "",
        NOW + 6,
        None,
    )
    assert acts(conn, rina) == ["granted", "withdrawn", "granted"]


def test_a_message_from_a_living_address_changes_nothing(conn: Connection, rina: int) -> None:
    assert not consent.revive(conn, rina, source="whatsapp", at=NOW + 6)
    assert acts(conn, rina) == ["granted"]


def test_soft_bounces_of_different_days_make_an_address_dead(conn: Connection, rina: int) -> None:
    assert [
        consent.strike(conn, rina, day, 3)
        for day in ("2026-11-01", "2026-11-01", "2026-11-02", "2026-11-05")
    ] == [
        False,
        False,
        False,
        True,
    ]


def test_a_success_between_forgets_the_bounces(conn: Connection, rina: int) -> None:
    consent.strike(conn, rina, "2026-11-01", 2)
    consent.clear_strikes(conn, rina)
    assert not consent.strike(conn, rina, "2026-11-02", 2)
    assert consent.strike(conn, rina, "2026-11-03", 2)


def test_many_successes_are_noted_at_once(conn: Connection, rina: int, dewi: int) -> None:
    for address_id in (rina, dewi):
        consent.strike(conn, address_id, "2026-11-01", 2)
    consent.clear_strikes(conn, [rina, dewi])
    consent.clear_strikes(conn, [])
    assert not any(consent.strike(conn, address_id, "2026-11-02", 2) for address_id in (rina, dewi))


def test_coming_back_forgets_the_bounces(conn: Connection, rina: int) -> None:
    consent.strike(conn, rina, "2026-11-01", 2)
    consent.suppress(conn, rina, "address_dead", at=NOW + 5, source="provider")
    consent.revive(conn, rina, source="email", at=NOW + 6)
    assert not consent.strike(conn, rina, "2026-11-09", 2)


def test_what_an_address_asked_for_survives_its_stop(
    conn: Connection, rina: int, tree: AreaTree, look_up: Any
) -> None:
    consent.stop(conn, rina, source="web", at=NOW + 5)
    assert look_up("rina@contoh.example").home == tree["cibabat"].code


def agreed(conn: Connection, address_id: int) -> float | None:
    """Return the date of consent that every message to an address reads."""
    agreed_at: float | None = conn.execute(
        select(store.address.c.agreed_at).where(store.address.c.id == address_id)
    ).scalar()
    return agreed_at


def test_the_date_of_consent_follows_every_proof(
    conn: Connection, dewi: int, rina: int, sign_up: Any
) -> None:
    assert agreed(conn, dewi) is None
    consent.confirm(conn, dewi, source="email", text_version="2", at=NOW + 5)
    consent.stop(conn, dewi, source="web", at=NOW + 6)
    assert agreed(conn, dewi) == NOW + 5
    consent.revive(conn, dewi, source="email", at=NOW + 9, opt_in=True)
    sign_up("rina@contoh.example", "melong", now=NOW + 7)
    for number, at in ((dewi, NOW + 9), (rina, NOW + 7)):
        assert agreed(conn, number) == consent.given_at(conn, number) == at


def test_merged_addresses_keep_the_newest_date_of_consent(
    conn: Connection, vault: Vault, sign_up: Any, look_up: Any
) -> None:
    sign_up("628120000001", channel="whatsapp", now=NOW)
    sign_up("ID.77", channel="whatsapp", now=NOW + 50)
    remaining = look_up("628120000001", "whatsapp").id
    residents.add_alias(conn, vault, remaining, "ID.77")
    assert agreed(conn, remaining) == consent.given_at(conn, remaining) == NOW + 50


def test_an_address_erased_while_a_message_was_under_way_takes_no_strike(conn: Connection) -> None:
    assert not consent.strike(conn, NOBODY, "2026-11-01", 1)
    assert conn.execute(select(store.strike)).all() == []
