"""Templates approved in advance: legal values, and how the body's room is shared among them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base.contract import Site
from channels.base.meta.message_templates import (
    Definition,
    definition,
    filled,
    legal,
    values_for,
    variables,
)
from channels.base.rendering import utf16

SITE = Site(base_url="https://kota.example/", city="Kota Contoh", emergency_number="119")


def template(
    body: str = "Kabar:\n{{a}}\n{{b}}\n{{kode}} selesai", flexible: tuple[str, ...] = ("a", "b")
) -> Definition:
    """Return a template whose variables each show the context value of their name."""
    components = [{"type": "HEADER", "text": "Kota ({{topik}})"}, {"type": "BODY", "text": body}]
    names = ("topik", "a", "b", "kode")
    return Definition(
        document={"name": "contoh", "components": components},
        parameters={name: f"{{{{ {name} }}}}" for name in names},
        flexible=flexible,
    )


def values(limit: int = 200, each: int = 40, **context: Any) -> dict[str, str]:
    """Return the template's values for a context."""
    return values_for(
        template(),
        {"topik": "Air", "a": "A", "b": "B", "kode": "CMH-1", **context},
        limit=limit,
        each=each,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Air mati", "Air mati"),
        ("satu\ndua", "satu - dua"),
        ("satu\r\n\r\n\r\ndua", "satu - dua"),
        ("a\tb     c\u00a0d\u2028e", "a b c d - e"),
        ("*tebal* _miring_ ~coret~ `kode`", "*tebal* _miring_ ~coret~ `kode`"),
        ("lihat https://x.example/a_b*c dan d_e", "lihat https://x.example/a_b*c dan d_e"),
        ("gelap\u202eterbalik\x00\x07", "gelapterbalik"),
        ("", "-"),
        (" \n\t ", "-"),
        ("***", "***"),
        ("\n- \n", "-"),
        ("e\u0301", "\u00e9"),
    ],
)
def test_a_value_is_made_legal(text: str, expected: str) -> None:
    assert legal(text) == expected


@given(st.text())
def test_a_legal_value_stays_as_it_is(text: str) -> None:
    assert legal(legal(text)) == legal(text)


def test_variables_are_found_and_filled_in_order() -> None:
    assert variables("{{b}} lalu {{a}}, {{ tidak }}") == ["b", "a"]
    assert filled("{{b}} lalu {{a}}", {"a": "{{b}}", "b": "2"}) == "2 lalu {{b}}"
    with pytest.raises(KeyError):
        filled("{{a}}", {})


def test_what_fits_stays_whole() -> None:
    assert values() == {"topik": "Air", "a": "A", "b": "B", "kode": "CMH-1"}


def test_an_earlier_value_is_kept_longer_but_leaves_room_for_the_next() -> None:
    parameters = values(a="Satu kalimat. " * 50, b="Dua kalimat. " * 50, limit=400)
    assert parameters["a"].endswith("kalimat. …")
    assert parameters["b"].endswith("kalimat. …")
    assert utf16(parameters["a"]) > 200
    assert utf16(parameters["b"]) > 100


def test_a_short_later_value_gives_its_room_away() -> None:
    long = values(a="Satu kalimat. " * 50, b="Dua.", limit=400)
    assert long["b"] == "Dua."
    assert utf16(long["a"]) > 340


def test_a_value_that_is_not_flexible_is_cut_at_its_own_limit() -> None:
    assert values(kode="kata " * 30)["kode"] == "kata kata kata kata kata kata kata kata…"[:40]


def test_the_header_gets_what_fits_into_sixty() -> None:
    parameters = values(
        topik="Gangguan layanan air minum di seluruh wilayah kota dan sekitarnya", each=200
    )
    assert utf16(filled("Kota ({{topik}})", parameters)) <= 60
    assert parameters["topik"].endswith("…")


@given(st.text(max_size=600), st.text(max_size=600), st.text(max_size=600))
def test_the_filled_body_always_fits(a: str, b: str, kode: str) -> None:
    parameters = values(limit=200, each=100, a=a, b=b, kode=kode)
    assert utf16(filled(template().text("BODY"), parameters)) <= 200
    assert all(parameters.values())


def test_a_file_is_read_for_a_city_and_under_a_name() -> None:
    alert = definition("whatsapp/alert.id.yaml", "darurat", SITE)
    assert alert.document["name"] == "darurat"
    assert "Darurat: telepon 119. Periksa di kota.example/cek" in alert.text("BODY")
    assert alert.buttons[0]["url"] == "https://kota.example/p/{{1}}"
    assert alert.component("LIMITED_TIME_OFFER") == {}
    assert (
        definition("whatsapp/notice.id.yaml", "x", SITE).text("HEADER") == "Kota Contoh ({{topik}})"
    )
