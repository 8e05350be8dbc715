"""Legible text: invisible characters are no letters, marks do not pile up, real languages and emoji
lose nothing.
"""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base import rendering
from channels.base.legibility import MARKS_AT_MOST, capped, has_letter, overloaded, visible

UNSEEN = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2060\u2064"
    "\u206f\u3164\ufe00\ufe0f\ufeff\uffa0\ufff0\U0001bca0\U0001d173\U000e0001\U000e0020\U000e007f\U000e0100\U000e01ef\U000e0fff"
)
BLANK = (
    "\u2800\u00a0\u1680\u2000\u2007\u2009\u200a\u2028\u202f\u205f\u3000\U00013441\U0001d159\t\n "
)
LANGUAGES = (
    "Nguyễn Thị Hường, Phường Cẩm Lệ", "السَّلَامُ عَلَيْكُمْ وَرَحْمَةُ ٱللَّٰهِ", "می‌خواهم کتاب‌ها را ببینم", "ห้ามเข้าพื้นที่น้ำท่วม",
    "क्‍ष और र्‍य", "ᮞᮥᮔ᮪ᮓ", "ꦧꦱꦗꦮ", "บันทึกนี้", "שָׁלוֹם", "Ségal, Çimahi, Łódź, Poé", "葛󠄀城市",
)  # fmt: skip
EMOJI = ("❤️", "❤️‍🔥", "👨‍👩‍👧‍👦", "🕵🏽‍♂️", "1️⃣", "#️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🏳️‍🌈", "⚠️", "🙂‍↔️", "👩🏾‍🚒", "‼️", "©️")


@pytest.mark.parametrize("character", UNSEEN, ids=lambda character: f"U+{ord(character):04X}")
def test_what_is_drawn_as_nothing_is_no_letter_and_is_dropped(character: str) -> None:
    assert not has_letter(character * 3)
    assert rendering.clean(f"Air{character}mati") == "Airmati"
    assert rendering.one_line(character * 3) == ""


@pytest.mark.parametrize("character", BLANK, ids=lambda character: f"U+{ord(character):04X}")
def test_blank_space_is_no_letter(character: str) -> None:
    assert not has_letter(f"{character} . {character}")


@pytest.mark.parametrize(
    "text", ["", "\u0301\u0301", " \u0301", "🚨🚨", "...", "— — —", "\u20dd", "\ufe0f"]
)
def test_signs_and_marks_alone_are_no_letters(text: str) -> None:
    assert not has_letter(text)


@pytest.mark.parametrize("text", [*LANGUAGES, "7", "a", "٣", "Ⅳ"])
def test_letters_and_digits_of_every_script_are_seen(text: str) -> None:
    assert has_letter(text)


@pytest.mark.parametrize("text", [*LANGUAGES, *EMOJI])
def test_languages_and_emoji_lose_nothing(text: str) -> None:
    whole = unicodedata.normalize("NFC", text)
    assert rendering.clean(text) == whole
    assert not list(overloaded(text))


def test_a_letter_keeps_three_marks_and_the_rest_is_dropped() -> None:
    piled = "B" + "\u0301\u0316" * 20 + "anjir" + "\u0336" * 40
    clean = rendering.clean(piled)
    decomposed = unicodedata.normalize("NFD", clean)
    # marks below a letter come first in normal form
    assert [decomposed.count(mark) for mark in "\u0316\u0301\u0336"] == [3, 0, 3]
    assert list(overloaded(piled)) == ["B", "r"]
    assert list(overloaded("\u0301" * 9)) == [""]


def test_marks_within_a_letter_count() -> None:
    assert (
        len(unicodedata.normalize("NFD", rendering.clean("ễ" + "\u0301" * 40))) == 1 + MARKS_AT_MOST
    )
    assert list(overloaded("ễ" + "\u0301" * 2)) == ["e"]


@given(st.text(st.sampled_from("ae\u0301\u0316\u20dd\ufe0f\u200d\u3164❤️1 \n") | st.characters()))
def test_no_clean_text_holds_what_covers_or_hides(text: str) -> None:
    clean = rendering.clean(text)
    assert rendering.clean(clean) == clean
    assert not list(overloaded(clean))
    assert has_letter(clean) == has_letter(text)
    assert capped(visible(clean)) == clean
