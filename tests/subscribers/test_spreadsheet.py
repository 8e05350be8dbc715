"""Cells that no spreadsheet takes for a formula, and that come back as they were."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base import legibility
from subscribers.spreadsheet import guarded, has_letter, plain, unguarded


@pytest.mark.parametrize(
    "text", ['=HYPERLINK("x")', "=1+1@contoh.example", "+62812", "-1001", "@x", "\tx", "\rx", "＝1"]
)
def test_no_cell_starts_a_formula(text: str) -> None:
    assert guarded(text) == f"'{text}"


def test_what_is_no_formula_stays_as_it_is() -> None:
    assert [guarded(text) for text in ("siti@contoh.example", "'Ali", "", "6281200000001")] == [
        "siti@contoh.example",
        "'Ali",
        "",
        "6281200000001",
    ]


@given(st.text(alphabet="'=+-@\t\ra1", max_size=6))
def test_the_guard_comes_off_again(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert guarded(text)[:1] not in ("=", "+", "-", "@", "\t", "\r")


@pytest.mark.parametrize("text", ['="081200000001"', '="=1+1"', "'='x"])
def test_what_a_list_keeps_as_text_by_a_formula_is_that_text_and_what_we_guarded_stays(
    text: str,
) -> None:
    assert unguarded('="081200000001"') == "081200000001"
    assert unguarded(guarded(text)) == text


def test_what_nobody_sees_is_dropped() -> None:
    assert plain("\ufeff Kel.\u200b\xa0Cibeber\n ") == "Kel. Cibeber"
    assert plain("\u2800Kel.\u3164\u2800Cibeber\uffa0\U000e0041") == "Kel. Cibeber"


def test_lists_and_channels_call_the_same_characters_invisible() -> None:
    characters = [chr(code) for code in range(0x110000)]
    dropped = [ascii(character) for character in characters if plain(f"a{character}b") == "ab"]
    assert dropped == [
        ascii(character) for character in characters if legibility.drawn(character) == ""
    ]


def test_lists_and_channels_see_the_same_letters() -> None:
    assert [
        code
        for code in range(0x110000)
        if has_letter(chr(code)) != legibility.has_letter(chr(code))
    ] == []
