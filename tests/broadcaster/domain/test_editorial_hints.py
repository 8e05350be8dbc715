"""What is pointed out, and what is not."""

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


def said(
    raw: dict[str, Any], *, now: datetime = MORNING, known: HintContext | None = None
) -> list[str]:
    """The fields that something is said of."""
    found = worded(advise(Fields.read(raw), now=now, known=known or HintContext()))
    assert all(one.reason.endswith(".") and one.remedy.endswith(".") for one in found)
    return [one.field for one in found]


def test_a_plain_notice_in_the_morning_needs_no_advice() -> None:
    assert said(NOTICE) == []


@pytest.mark.parametrize(("hour", "night"), [(4, True), (5, False), (20, False), (21, True)])
def test_nights_are_pointed_out_but_not_for_emergencies(hour: int, night: bool) -> None:
    assert (said(NOTICE, now=MORNING.replace(hour=hour)) == ["publish_at"]) is night
    assert said(EMERGENCY, now=MORNING.replace(hour=hour)) == []


def test_a_schedule_is_looked_at_not_the_hour_of_writing() -> None:
    assert said({**NOTICE, "publish_at": "2026-11-26 08:00"}, now=NIGHT) == []
    assert said({**NOTICE, "publish_at": "2026-11-25 23:00"}) == ["publish_at"]


def test_the_same_title_within_a_day() -> None:
    assert said(NOTICE, known=HintContext(same_title=True)) == ["title"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("Besok air mati.", True),
        ("Besok, Kamis 26 November, air mati.", False),
        ("Air mati besok 26/11.", False),
        ("Air mati hari ini.", True),
        ("Besokan itu nama jalan.", False),
        ("Pukul 08.00 air mati besok.", True),
    ],
)
def test_words_like_tomorrow_need_a_date(body: str, told: bool) -> None:
    assert (said({**NOTICE, "title": "Air mati", "body": body}) == ["body"]) is told


@pytest.mark.parametrize(
    ("title", "told"),
    [("AIR MATI DI CIBABAT", True), ("PDAM: air mati", False), ("BPBD 112", False)],
)
def test_shouting(title: str, told: bool) -> None:
    assert (said({**NOTICE, "title": title}) == ["title"]) is told


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
    assert said({**NOTICE, "body": text}) == ["body"]
    assert said({**NOTICE, "translations": {"en": {"title": "x", "body": text}}}) == [
        "translations.en.body"
    ]
    assert said({**NOTICE, "overrides": {"whatsapp": {"body": text}}}) == [
        "overrides.whatsapp.body"
    ]
    [problem] = worded(
        advise(Fields.read({**NOTICE, "body": text}), now=MORNING, known=HintContext())
    )
    assert f'"{target}"' in problem.reason


def test_a_path_of_our_own_site_is_said_to_be_completed() -> None:
    fields = Fields.read({**NOTICE, "body": "Lihat [denah](/media/denah.pdf)."})
    [problem] = worded(advise(fields, now=MORNING, known=HintContext()))
    assert problem.reason == 'Tautan "/media/denah.pdf" dilengkapi dengan alamat situs ini.'


@pytest.mark.parametrize(
    "target", ["https://contoh.example/a", "mailto:info@contoh.example", "tel:112"]
)
def test_whole_addresses_need_no_advice(target: str) -> None:
    assert said({**NOTICE, "body": f"Lihat [denah]({target})."}) == []


def test_a_channel_that_stands_still_is_named() -> None:
    assert said(
        NOTICE, known=HintContext(shut=[ClosedChannel(label="WhatsApp", cause="halted")])
    ) == ["channels"]


def test_telephone_numbers_are_held_against_the_citys_own() -> None:
    body = {**NOTICE, "body": "Telepon 022 6631 234 atau +62 812-3456-7890."}
    assert said(body) == []
    assert said(body, known=HintContext(phones=["0226631234", "0812 3456 7890"])) == []
    assert said(body, known=HintContext(phones=["0226631234"])) == ["body"]
    assert (
        said({**NOTICE, "body": "Darurat? Telepon 112."}, known=HintContext(phones=["0226631234"]))
        == []
    )
