"""Refusals in words, on every path: texts without a letter, letters under piles of marks, times
that cannot be meant.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from broadcaster.domain import accounts
from broadcaster.domain.accounts import BadAccount
from broadcaster.domain.editorial_hints import HintContext, advise
from broadcaster.domain.fields import Fields, restored
from broadcaster.domain.rules import InvalidAnnouncement
from broadcaster.newsroom import templates
from broadcaster.publishing import reasons
from broadcaster.store import tokens
from broadcaster.store.announcements import Announcement
from broadcaster.store.database import Database
from broadcaster.store.tokens import BadToken
from support.desk import CLARIFICATION, EMERGENCY, NOTICE, NOW, checked, press
from support.wording import worded

UNSEEN = (
    "\u3164",
    "\u1160\u115f",
    "\u200b\ufeff",
    "\u0301\u0301",
    " \u034f\u0301",
    "\u2800\u2800",
    "\uffa0 \u00ad",
    "\U000e0041",
    "…",
    "🚨",
    "\u3000",
)
PILED = "Banjir" + "\u0301\u0316" * 20


def refusals(raw: dict[str, Any], **changes: Any) -> dict[str, str]:
    """Return the refusals of an announcement by field."""
    try:
        checked(raw, **changes)
    except InvalidAnnouncement as invalid:
        return {problem.field: f"{problem.reason} {problem.remedy}" for problem in worded(invalid)}
    return {}


@pytest.mark.parametrize("text", UNSEEN, ids=ascii)
@pytest.mark.parametrize("field", ["title", "body"])
def test_a_title_or_body_without_a_letter_is_refused(field: str, text: str) -> None:
    assert field in refusals(NOTICE, **{field: text})
    assert f"translations.en.{field}" in refusals(
        NOTICE, translations={"en": {"title": "Water", "body": "Store it.", field: text}}
    )


@pytest.mark.parametrize("text", UNSEEN, ids=ascii)
def test_an_instruction_without_a_letter_is_no_instruction(text: str) -> None:
    assert "instruction" in refusals(EMERGENCY, instruction=text)


@pytest.mark.parametrize("field", ["claim", "fact"])
@pytest.mark.parametrize("text", UNSEEN, ids=ascii)
def test_the_required_texts_of_a_clarification_need_a_letter(field: str, text: str) -> None:
    assert field in refusals(CLARIFICATION, **{field: text})


@pytest.mark.parametrize("field", ["summary", "agency", "image_alt", "seen_at", "hoax_type"])
def test_an_optional_text_is_not_filled_with_signs(field: str) -> None:
    raw = {**CLARIFICATION, "image": "https://info.cimahi.example/a.jpg", "image_alt": "Peta."}
    assert refusals(raw) == {}
    assert refusals(raw, **{field: "\u0301\u2800—"}) == {
        field: "Tidak ada huruf yang terbaca. Tulis dengan kata-kata."
    }


def test_characters_that_nobody_sees_are_not_stored_but_what_shapes_a_word_is() -> None:
    fields = checked(title="Air\u3164 \u00admati\u200b di\u2060 Cibabat ❤️ 👨‍👩‍👧").fields
    assert fields.title == "Air mati di Cibabat ❤️ 👨‍👩‍👧"
    assert checked(body="می‌خواهم کتاب‌ها را ببینم").fields.body == "می‌خواهم کتاب‌ها را ببینم"


@pytest.mark.parametrize("field", ["title", "summary", "body", "instruction", "agency"])
def test_a_letter_under_a_pile_of_marks_is_named(field: str) -> None:
    assert 'Huruf "r" memuat lebih dari 3 tanda' in refusals(NOTICE, **{field: PILED})[field]


def test_a_letter_under_a_pile_of_marks_is_named_within_a_translation_too() -> None:
    refused = refusals(
        NOTICE,
        translations={"en": {"title": PILED, "body": "Store water."}},
        overrides={"email": {"title": PILED}},
    )
    assert set(refused) == {"translations.en.title", "overrides.email.title"}


def test_letters_of_other_languages_are_taken() -> None:
    title = "Nguyễn Thị Hường, السَّلَامُ, น้ำ"
    assert checked(title=title).fields.title == title


def test_what_was_stored_before_still_opens() -> None:
    assert restored('{"title":"\u3164","body":"Isi.","areas":["cibabat"]}').title == "-"
    assert restored(f'{{"title":"{PILED}","body":"Isi.","areas":["cibabat"]}}').title.startswith(
        "Banji"
    )


READERS: dict[str, tuple[Callable[[str], object], type[Exception]]] = {
    "reason": (reasons.read, InvalidAnnouncement),
    "template": (templates.read_name, InvalidAnnouncement),
    "person": (accounts.read_full_name, BadAccount),
    "agency": (lambda text: accounts.read_agency_names([text, "Dinas Kesehatan"]), BadAccount),
}


@pytest.mark.parametrize("text", [PILED, "\u0301", "\u2800", "—"], ids=ascii)
@pytest.mark.parametrize("name", READERS)
def test_reasons_and_names_need_letters_that_can_be_read(name: str, text: str) -> None:
    reader, refusal = READERS[name]
    with pytest.raises(refusal):
        reader(text)


@pytest.mark.parametrize("name", ["reason", "template", "person"])
def test_a_name_of_fillers_is_refused(name: str) -> None:
    reader, refusal = READERS[name]
    with pytest.raises(refusal):
        reader("\u3164\u200b\uffa0")


def test_a_name_is_kept_without_what_nobody_sees() -> None:
    assert accounts.read_full_name("Budi\u3164 San\u00adtoso\u200b") == "Budi Santoso"
    assert templates.read_name("Posyandu\u200b \u3164bulanan") == "Posyandu bulanan"
    assert accounts.read_agency_names(["\u200bDinas  Sosial", "Dinas Sosial", "\u3164"]) == (
        "Dinas Sosial",
    )


def test_a_token_without_a_readable_name_is_refused(database: Database) -> None:
    for name in ("\u3164", "\u200b", "\u2800", "—"):
        with pytest.raises(BadToken, match="token_name_missing"):
            database.write_now(tokens.add, name, ["read"])


# --- times --------------------------------------------------------------------------------------------------

ALERT = {**NOTICE, "kind": "alert"}


@pytest.mark.parametrize("raw", [ALERT, EMERGENCY], ids=["alert", "emergency"])
@pytest.mark.parametrize(
    ("field", "moment"),
    [
        ("effective", "2026-05-27 08:00"),
        ("effective", "2026-10-26 07:00"),
        ("effective", "2028-11-25 08:00"),
        ("expires", "2028-01-02 08:00"),
    ],
)
def test_a_warning_of_another_year_is_refused(raw: dict[str, Any], field: str, moment: str) -> None:
    assert set(refusals(raw, **{field: moment})) >= {field}


def test_a_warning_that_began_within_a_month_is_taken() -> None:
    assert refusals(ALERT, effective="2026-10-27 08:00") == {}
    assert refusals(ALERT, effective=None, expires="2027-12-20 08:00") == {}


def test_an_unlikely_time_of_any_other_announcement_is_only_pointed_out() -> None:
    for field, moment in (
        ("effective", "2026-05-27 08:00"),
        ("effective", "2028-11-25 08:00"),
        ("expires", "2029-01-02 08:00"),
    ):
        fields = checked({**NOTICE, "expires": None}, **{field: moment}).fields
        assert [problem.field for problem in advise(fields, now=NOW, known=HintContext())] == [
            field
        ]


@pytest.mark.parametrize(
    "moment", ["0026-11-25 08:00", "2026-13-01 08:00", "9999-12-31 23:59", "2026-11-25"]
)
@pytest.mark.parametrize("field", ["effective", "expires", "publish_at"])
def test_a_time_outside_the_calendar_or_our_century_is_refused(field: str, moment: str) -> None:
    assert field in refusals(NOTICE, **{field: moment})


def test_a_schedule_years_ahead_is_refused() -> None:
    assert (
        "lebih dari 400 hari lagi"
        in refusals(NOTICE, publish_at="2028-11-25 08:00", expires="2028-11-26 08:00")["publish_at"]
    )


@pytest.mark.parametrize(
    "seen_at",
    [
        "WhatsApp, 26 November 2026",
        "Facebook 2027-01-02",
        "TikTok, 3/12/2026",
        "grup RW, 30 Des 2026",
    ],
)
def test_a_claim_seen_on_a_future_day_is_refused(seen_at: str) -> None:
    assert "belum tiba" in refusals(CLARIFICATION, seen_at=seen_at)["seen_at"]


@pytest.mark.parametrize(
    "seen_at",
    ["WhatsApp, 25 November 2026", "Facebook 2026-01-02", "grup RT 03/12", "TikTok", "45/13/2027"],
)
def test_a_claim_that_was_seen_is_taken(seen_at: str) -> None:
    assert refusals(CLARIFICATION, seen_at=seen_at) == {}


def test_a_warning_published_long_ago_can_be_corrected() -> None:
    raw = {**ALERT, "effective": "2026-05-27 08:00"}
    fields = Fields.read(raw)
    began = (NOW - timedelta(days=180)).timestamp()
    row = Announcement(
        id="1",
        code="CMH-2345-67",
        state="published",
        fields=fields,
        created_at=began,
        updated_at=began,
        publish_at=None,
        published_at=began,
        created_by="staff:rina",
        note="",
    )
    assert (
        press().examine({**raw, "title": "Air mati di Melong"}, NOW, corrected=row).fields.effective
        == fields.effective
    )
    with pytest.raises(InvalidAnnouncement):
        press().examine({**raw, "effective": "2026-03-01 08:00"}, NOW, corrected=row)
