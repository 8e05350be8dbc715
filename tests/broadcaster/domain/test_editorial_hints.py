"""Editorial hints: what is pointed out to authors, and what is not."""

from datetime import datetime
from typing import Any

import pytest

from broadcaster.domain.editorial_hints import HintContext, advise
from broadcaster.domain.fields import Fields
from broadcaster.domain.waiting import ClosedChannel
from channels.base.moments import WIB
from support.desk import EMERGENCY, NOTICE
from support.wording import worded

MORNING = datetime(2026, 11, 25, 7, 43, tzinfo=WIB)
NIGHT = datetime(2026, 11, 25, 21, 0, tzinfo=WIB)


def hinted(
    raw: dict[str, Any], *, now: datetime = MORNING, known: HintContext | None = None
) -> list[str]:
    """Return the fields that have a hint."""
    hints = worded(advise(Fields.read(raw), now=now, known=known or HintContext()))
    assert all(hint.reason.endswith(".") and hint.remedy.endswith(".") for hint in hints)
    return [hint.field for hint in hints]


def test_a_plain_notice_in_the_morning_needs_no_advice() -> None:
    assert hinted(NOTICE) == []


@pytest.mark.parametrize(("hour", "night"), [(4, True), (5, False), (20, False), (21, True)])
def test_nights_are_pointed_out_but_not_for_emergencies(hour: int, night: bool) -> None:
    assert (hinted(NOTICE, now=MORNING.replace(hour=hour)) == ["publish_at"]) is night
    assert hinted(EMERGENCY, now=MORNING.replace(hour=hour)) == []


def test_a_schedule_is_looked_at_not_the_hour_of_writing() -> None:
    assert hinted({**NOTICE, "publish_at": "2026-11-26 08:00"}, now=NIGHT) == []
    assert hinted({**NOTICE, "publish_at": "2026-11-25 23:00"}) == ["publish_at"]


def test_the_same_title_within_a_day_is_pointed_out() -> None:
    assert hinted(NOTICE, known=HintContext(same_title=True)) == ["title"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Besok air mati.", True),
        ("Besok, Kamis 26 November, air mati.", False),
        ("Air mati besok 26/11.", False),
        ("Air mati hari ini.", True),
        ("Besokan itu nama jalan.", False),
        ("Pukul 08.00 air mati besok.", True),
    ],
)
def test_words_like_tomorrow_need_a_date(body: str, expected: bool) -> None:
    assert (hinted({**NOTICE, "title": "Air mati", "body": body}) == ["body"]) is expected


@pytest.mark.parametrize(
    ("title", "expected"),
    [("AIR MATI DI CIBABAT", True), ("PDAM: air mati", False), ("BPBD 112", False)],
)
def test_a_title_in_capitals_is_pointed_out(title: str, expected: bool) -> None:
    assert (hinted({**NOTICE, "title": title}) == ["title"]) is expected


@pytest.mark.parametrize(
    "target",
    [
        "jadwal.pdf",
        "//contoh.example/a",
        "#lokasi",
        "www.contoh.example",
        "ftp://contoh.example/a",
        "x/y",
    ],
)
def test_links_that_nobody_can_follow_are_pointed_out(target: str) -> None:
    text = f"Lihat [denah]({target}) pada 25/11."
    assert hinted({**NOTICE, "body": text}) == ["body"]
    assert hinted({**NOTICE, "translations": {"en": {"title": "x", "body": text}}}) == [
        "translations.en.body"
    ]
    assert hinted({**NOTICE, "overrides": {"whatsapp": {"body": text}}}) == [
        "overrides.whatsapp.body"
    ]
    [problem] = worded(
        advise(Fields.read({**NOTICE, "body": text}), now=MORNING, known=HintContext())
    )
    assert f'"{target}"' in problem.reason


def test_a_path_of_our_own_site_is_hinted_to_be_completed() -> None:
    fields = Fields.read({**NOTICE, "body": "Lihat [denah](/media/denah.pdf)."})
    [problem] = worded(advise(fields, now=MORNING, known=HintContext()))
    assert problem.reason == 'Tautan "/media/denah.pdf" dilengkapi dengan alamat situs ini.'


@pytest.mark.parametrize(
    "target", ["https://contoh.example/a", "mailto:info@contoh.example", "tel:112"]
)
def test_whole_addresses_need_no_advice(target: str) -> None:
    assert hinted({**NOTICE, "body": f"Lihat [denah]({target})."}) == []


def test_a_channel_that_stands_still_is_named() -> None:
    assert hinted(
        NOTICE, known=HintContext(shut=[ClosedChannel(label="WhatsApp", cause="halted")])
    ) == ["channels"]


def test_telephone_numbers_are_held_against_the_citys_own() -> None:
    body = {**NOTICE, "body": "Telepon 022 6631 234 atau +62 812-3456-7890."}
    assert hinted(body) == []
    assert hinted(body, known=HintContext(phones=["0226631234", "0812 3456 7890"])) == []
    assert hinted(body, known=HintContext(phones=["0226631234"])) == ["body"]
    assert (
        hinted(
            {**NOTICE, "body": "Darurat? Telepon 112."}, known=HintContext(phones=["0226631234"])
        )
        == []
    )
