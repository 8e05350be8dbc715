"""The words of residents, in their spelling, and the answers to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.inbound.dialogue import answer, staff_code, understand
from channels.base.contract import Site
from channels.base.meta.message_templates import STOP

SITE = Site(emergency_number="112")


@pytest.mark.parametrize(
    "text",
    [
        "BERHENTI", "berhenti", " Berhenti. ", "*BERHENTI*", "/berhenti", "/berhenti@InfoCimahiBot", "Stop!", "STOP kirim pesan",
        "keluar",
        "unsub", "Unsubscribe", "brenti dong", "bérhenti", "ＳＴＯＰ", 
        "tolong berhenti", "Mohon stop ya", "berhenti\nterima kasih",
    ],
)  # fmt: skip
def test_stop_is_understood_in_many_spellings(text: str) -> None:
    assert understand(text) == "stop"


@pytest.mark.parametrize(
    "text",
    [
        "saya tidak mau berhenti",
        "stopkontak rusak",
        "kapan berhenti?",
        "",
        "   ",
        "👍",
        "info",
        "daftar cibabat",
    ],
)
def test_what_only_mentions_stopping_stops_nothing(text: str) -> None:
    assert understand(text) == "unknown"


@pytest.mark.parametrize(
    "text",
    [
        "ada KEBAKARAN di RW 05",
        "tolong",
        "Tolong! banjir",
        "kecelakaan di jalan raya",
        "tolong kebakaran",
    ],
)
def test_a_cry_for_help_is_understood_as_danger(text: str) -> None:
    assert understand(text) == "danger"


def test_a_pressed_button_counts_before_the_words_on_it() -> None:
    assert understand("Berhenti", STOP) == "stop"
    assert understand("apa saja", STOP) == "stop"
    assert understand("berhenti", "lain") == "stop", (
        "an unknown button does not hide what was written"
    )


@given(st.text(max_size=4000), st.text(max_size=300))
def test_whatever_arrives_is_understood_as_something(text: str, payload: str) -> None:
    meaning = understand(text, payload)
    for lang in ("id", "en", "su", "xx"):
        assert answer(meaning, SITE, lang)


@pytest.mark.parametrize("meaning", ["stop", "danger", "unknown"])
def test_each_answer_is_short_plain_and_in_the_language_chosen(meaning: str) -> None:
    indonesian, english, sundanese = (answer(meaning, SITE, lang) for lang in ("id", "en", "su"))  # type: ignore[arg-type]
    assert indonesian == sundanese != english
    assert max(len(indonesian), len(english)) < 160
    assert "—" not in indonesian + english


def test_the_answers_name_the_citys_own_emergency_number() -> None:
    site = Site(emergency_number="119")
    assert "Telepon *119* sekarang" in answer("danger", site, "id")
    assert "119" in answer("unknown", site, "en")
    assert "112" not in answer("danger", site, "id") + answer("unknown", site, "id")


def test_the_answer_to_stop_asks_for_nothing_and_offers_nothing() -> None:
    assert (
        answer("stop", SITE, "id") == "Anda berhenti. Kami tidak akan mengirim pesan lagi ke sini."
    )
    assert answer("stop", SITE, "en").startswith("You have stopped.")


CODE = "0123456789abcdef" * 2


@pytest.mark.parametrize("text", [f"/start staf-{CODE}", f" /start@InfoCimahiBot  staf-{CODE}\n"])
def test_a_code_of_staff_is_understood_as_one(text: str) -> None:
    assert understand(text) == "link"
    assert staff_code(text) == CODE


@pytest.mark.parametrize(
    "text",
    [
        f"staf-{CODE}",
        f"/start staf-{CODE[1:]}",
        f"/start staf-{CODE}0",
        f"/start staf-{CODE.upper()}",
        "/start",
        "/start cibabat",
    ],
)
def test_what_only_looks_like_a_code_is_none(text: str) -> None:
    assert staff_code(text) == ""
    assert understand(text) == "unknown"


def test_staff_are_answered_in_words_whatever_the_residents_language() -> None:
    assert answer("linked", SITE, "en") == answer("linked", SITE, "id")
    assert answer("linked", SITE, "id").startswith("Tersambung.")
    assert "10 menit" in answer("link", SITE, "id")
