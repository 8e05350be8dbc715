"""The standing of an edition, and what differs between two."""

import re
import time
from datetime import datetime, timedelta

import msgspec
import pytest

from broadcaster.web.base.edition_view import differences, history, standing, start_text, view
from broadcaster.web.base.text_diff import marked
from channels.base.contract import Edition, Image
from support import samples


@pytest.mark.parametrize(
    ("edition", "at", "expected"),
    [
        (samples.notice(), samples.NOW, "upcoming"),
        (samples.notice(), samples.WATER_OFF - timedelta(microseconds=1), "upcoming"),
        (samples.notice(), samples.WATER_OFF, "valid"),
        (samples.alert(), samples.NOW, "valid"),
        (samples.notice(), samples.WATER_BACK - timedelta(microseconds=1), "valid"),
        (samples.notice(), samples.WATER_BACK, "ended"),
        (samples.notice(expires=None), samples.WATER_BACK + timedelta(days=400), "valid"),
        (samples.correction(), samples.CORRECTED, "corrected"),
        (samples.correction(), samples.WATER_BACK_LATE, "ended"),
        (samples.withdrawal(), samples.WITHDRAWN, "withdrawn"),
        (samples.withdrawal(), samples.WATER_BACK_LATE + timedelta(days=9), "withdrawn"),
    ],
)
def test_an_edition_has_one_of_five_standings(
    edition: Edition, at: datetime, expected: str
) -> None:
    assert standing(edition, at) == expected


@pytest.mark.parametrize(
    ("later", "lang", "text"),
    [
        (timedelta(minutes=17), "id", "hari ini 08.00"),
        (timedelta(days=1, minutes=17), "id", "besok 08.00"),
        (timedelta(days=1, minutes=17), "en", "tomorrow 08.00"),
        (timedelta(days=2, minutes=17), "id", "27 Nov 08.00"),
        (timedelta(days=6, minutes=17), "id", "1 Des 08.00"),
        (timedelta(days=6, minutes=17), "en", "1 Dec 08.00"),
        (timedelta(days=40, minutes=17), "id", "4 Jan 2027 08.00"),
        (timedelta(hours=16, minutes=17), "id", "besok 00.00"),
    ],
)
def test_a_start_is_named_as_people_say_it(later: timedelta, lang: str, text: str) -> None:
    assert start_text(samples.NOW + later, samples.NOW, lang) == text


@pytest.mark.parametrize(
    ("edition", "starts"),
    [
        (samples.notice(), "hari ini 08.00"),
        (samples.alert(), ""),
        (
            msgspec.structs.replace(
                samples.correction(), effective=samples.NOW + timedelta(days=1, minutes=17)
            ),
            "besok 08.00",
        ),
        (
            msgspec.structs.replace(
                samples.withdrawal(), effective=samples.NOW + timedelta(days=1)
            ),
            "",
        ),
    ],
)
def test_a_view_says_when_it_starts_until_it_does(edition: Edition, starts: str) -> None:
    assert view(edition, now=samples.NOW, lang="id", base_url="https://x").starts == starts


def test_a_view_that_starts_later_is_current() -> None:
    assert view(samples.notice(), now=samples.NOW, lang="id", base_url="https://x").current


def test_a_lead_is_shown_unless_the_text_begins_with_it() -> None:
    words = msgspec.structs.replace(
        samples.notice().wording("id"),
        summary="Air mati. Tampung air.",
        body="Air mati.\n\nTampung air.",
    )
    leads = [
        view(edition, now=samples.NOW, lang="id", base_url="https://x").lead
        for edition in (samples.notice(wordings={"id": words}), samples.notice())
    ]
    assert leads == ["", samples.notice().wording("id").summary]


def test_a_view_says_which_language_its_words_are_in() -> None:
    edition = samples.notice()
    indonesian = samples.notice(wordings={"id": edition.wordings["id"]})
    languages = [
        view(item, now=samples.NOW, lang="en", base_url="https://x").lang
        for item in (edition, indonesian)
    ]
    assert languages == ["en", "id"]


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://info.cimahi.example/static/a.png", True),
        ("https://info.cimahi.example.jahat.example/a.png", False),
        ("https://info.cimahi.example", False),
        ("https://lain.example/a.png", False),
    ],
)
def test_only_pictures_below_our_own_address_are_ours(url: str, own: bool) -> None:
    edition = samples.notice(image=Image(url=url, alt="Peta"))
    assert (
        view(edition, now=samples.NOW, lang="id", base_url="https://info.cimahi.example").own_image
        is own
    )


def test_a_link_to_a_path_of_our_own_leads_there_from_any_copy_of_the_page() -> None:
    words = msgspec.structs.replace(
        samples.notice().wording("id"), body="[denah](/media/denah_1.pdf)"
    )
    edition_view = view(
        samples.notice(wordings={"id": words}),
        now=samples.NOW,
        lang="id",
        base_url="https://info.cimahi.example",
    )
    assert (
        edition_view.edition.wording("id").body
        == "[denah](https://info.cimahi.example/media/denah_1.pdf)"
    )


def test_the_history_tells_titles_and_summaries_as_they_were_typed() -> None:
    before, after = (
        msgspec.structs.replace(
            samples.notice().wording("id"),
            title=f"Tekan *{number}*",
            summary=f"- {number} _berkas_",
        )
        for number in (1, 2)
    )
    changes = differences(
        samples.notice(wordings={"id": before}), samples.notice(wordings={"id": after}), "id"
    )
    assert {
        change.field: re.sub("<del>.*?</del>|</?ins>", "", change.marked) for change in changes
    } == {
        "title": "Tekan *2*",
        "summary": "- 2 _berkas_",
    }


def test_the_history_is_newest_first_with_what_each_correction_changed() -> None:
    versions = history([samples.notice(), samples.correction()], "id")
    assert [version.number for version in versions] == [2, 1]
    assert [change.field for change in versions[0].changes] == ["title", "span", "body"]
    assert versions[1].changes == ()


def test_a_withdrawal_repeats_nothing_of_what_it_takes_back() -> None:
    assert history([samples.notice(), samples.withdrawal()], "id")[0].changes == ()


def test_changed_words_are_marked_and_the_rest_is_left() -> None:
    text = str(marked("Air kembali pukul 14.00 hari ini", "Air kembali pukul 16.00 hari ini"))
    assert text == "Air kembali pukul <del>14.00</del><ins>16.00</ins> hari ini"


def test_marking_escapes_every_word() -> None:
    text = str(marked("<b>lama</b>", '<script>alert("baru")</script>'))
    assert "<b>" not in text
    assert "<script>" not in text
    assert text.startswith("<del>&lt;b&gt;")


def test_far_apart_changes_of_a_long_text_leave_what_lies_between() -> None:
    between = "".join(
        f"Baris {number}: air mengalir lagi di RW {number % 20}.\n" for number in range(300)
    )
    text = str(marked(f"Pukul 14.00\n{between}Kantor lama", f"Pukul 16.00\n{between}Kantor baru"))
    assert (
        text
        == f"Pukul <del>14.00</del><ins>16.00</ins>\n{between}Kantor <del>lama</del><ins>baru</ins>"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a " * 5_000, "b a " * 2_500),
        ("a b " * 2_500, "b a c " * 1_666),
        ("a\n" * 5_000, "b\na\n" * 2_500),
        (
            "".join("a " * 60 + f"x{n}\n" for n in range(80)),
            "".join("b a " * 30 + f"y{n}\nz{n}\n" for n in range(80)),
        ),
    ],
)
def test_no_two_texts_are_slow_to_compare(old: str, new: str) -> None:
    began = time.process_time()
    text = str(marked(f"Mulai {old} selesai", f"Mulai {new} selesai"))
    assert time.process_time() - began < 1
    assert text.startswith("Mulai ")
    assert text.endswith(" selesai")
    assert re.sub("<ins>.*?</ins>|</?del>", "", text, flags=re.DOTALL) == f"Mulai {old} selesai"
    assert re.sub("<del>.*?</del>|</?ins>", "", text, flags=re.DOTALL) == f"Mulai {new} selesai"


def test_areas_and_times_are_compared_as_people_read_them() -> None:
    before = samples.notice()
    after = msgspec.structs.replace(before, areas=(samples.CIBABAT,), expires=None)
    changes = {change.field: str(change.marked) for change in differences(before, after, "id")}
    assert changes.keys() == {"areas", "span"}
    assert "<del>" in changes["areas"]
    assert "Pasirkaliki" in changes["areas"]


def test_words_are_compared_in_one_language() -> None:
    before, after = samples.notice(), samples.correction()
    indonesian = msgspec.structs.replace(after, wordings={"id": after.wordings["id"]})
    assert "Air PDAM mati" in str(differences(before, indonesian, "en")[0].marked)
    assert "No tap water" in str(differences(before, after, "en")[0].marked)


def test_two_editions_that_read_the_same_have_no_differences() -> None:
    assert differences(samples.notice(), samples.notice(number=2), "id") == []
