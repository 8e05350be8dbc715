"""Announcements written as files: read, or refused with line, reason and remedy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.domain.fields import Fields
from broadcaster.domain.front_matter import MAX_BYTES, checked, parse
from broadcaster.domain.refusals import InvalidAnnouncement
from support.desk import NOW, press
from support.wording import refuses, worded

NOTICE = """---
# written by the kelurahan office
title: "Air PDAM mati di Cibabat: Rabu 08.00-14.00"
areas: [cibabat, 32.77.03.1001]
category: gangguan-layanan
expires: 2026-11-25 14:00
translations:
  en:
    title: No tap water in Cibabat
    body: |
      Store water.

      Trucks wait at the office.
---

Perumda Tirta mengganti **pipa induk**.

---

Bawa ember.
"""


def refusal(text: str) -> str:
    """Return the only problem of a refused file, in words."""
    with pytest.raises(InvalidAnnouncement) as refused:
        parse(text)
    (problem,) = worded(refused.value)
    assert problem.reason
    assert problem.remedy
    return str(problem)


def test_a_file_gives_its_fields_and_its_body() -> None:
    values = parse(NOTICE)
    assert values["title"] == "Air PDAM mati di Cibabat: Rabu 08.00-14.00"
    assert values["areas"] == ["cibabat", "32.77.03.1001"]
    assert values["expires"] == "2026-11-25 14:00"
    assert values["translations"]["en"]["body"] == "Store water.\n\nTrucks wait at the office."
    assert values["body"] == "Perumda Tirta mengganti **pipa induk**.\n\n---\n\nBawa ember."


def test_a_file_becomes_the_fields_of_an_announcement_with_times_in_wib() -> None:
    fields = Fields.read(parse(NOTICE))
    assert fields.expires is not None
    assert fields.expires.isoformat() == "2026-11-25T14:00:00+07:00"


@pytest.mark.parametrize(
    "written", ["32.70", "14:00", "no", "2026-11-25", "0123", "1e3", "~", "null", "0x1F"]
)
def test_no_value_is_guessed_from_its_look(written: str) -> None:
    assert parse(f"---\nx: {written}\n---\n")["x"] == written


def test_windows_line_ends_a_byte_order_mark_and_leading_blank_lines_are_harmless() -> None:
    assert parse("\ufeff\r\n" + NOTICE.replace("\n", "\r\n")) == parse(NOTICE)


def test_the_body_may_stand_in_the_front_matter_but_not_twice() -> None:
    assert parse("---\nbody: Air mati.\n---\n\n")["body"] == "Air mati."
    assert refusal("---\nbody: Air mati.\n---\nLain.").startswith("body: Isi ditulis dua kali.")


@pytest.mark.parametrize(
    "text", ["", "\n\n", "Air mati.", "title: x\n---\nAir mati.", " ---\ntitle: x\n---\n"]
)
def test_a_refusal_of_a_file_without_front_matter_says_how_to_begin(text: str) -> None:
    assert "Mulai berkas dengan baris ---" in refusal(text)


def test_front_matter_that_never_ends_is_refused() -> None:
    assert "tidak ditutup" in refusal("---\ntitle: x\n\nAir mati.")


@pytest.mark.parametrize("inside", ["- a\n- b", "just words", ""])
def test_front_matter_that_is_no_mapping_is_refused(inside: str) -> None:
    assert "bukan pasangan nama dan isi" in refusal(f"---\n{inside}\n---\nAir mati.")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("---\ntitle: x\n\tareas: y\n---\n", "Baris 3: ada tab. Ganti tab dengan spasi."),
        (
            "\n---\ntitle: Air mati: Rabu\n---\n",
            "Baris 3: tidak dapat dibaca sebagai YAML. Apit isi",
        ),
        ("---\ntitle: x\nareas: [a, b\n---\n", "Baris 3: tidak dapat dibaca"),
        ("---\ntitle: x\narea: y\ntitle: z\n---\n", 'Baris 4: "title" tertulis dua kali.'),
        ("---\ntranslations: {en: {title: x, title: y}}\n---\n", '"title" tertulis dua kali.'),
        (
            "---\ntitle: Jl. Pesantren #12 ditutup\n---\n",
            "Baris 2: teks sesudah tanda # akan hilang",
        ),
        ("---\na: &x [1]\nb: *x\n---\n", "Baris 2: acuan"),
        ("---\na: b\nb: *x\n---\n", "Baris 3: acuan"),
        ("---\na: !!python/object/apply:os.system [ls]\n---\n", "Baris 2: tanda !"),
        ("---\na: !!binary aGFsbG8=\n---\n", "Baris 2: tanda !"),
        ("---\na: b\n...\n%TAG x y\n---\n", "tidak dapat dibaca"),
        ("---\na: \x01\n---\n", "Ada karakter kendali."),
        ("---\n[a]: b\n---\n", "Baris 2: "),
    ],
)
def test_what_has_no_place_in_front_matter_is_refused_with_its_line(
    text: str, message: str
) -> None:
    assert message in refusal(text)


def test_comments_are_left_out() -> None:
    values = parse(
        "---\n# one\ntitle: 'Jl. 5 #12' #two\nareas: [a] # three\nlevel: info # four\n---\n"
    )
    assert values == {"title": "Jl. 5 #12", "areas": ["a"], "level": "info"}


def test_nesting_without_end_is_refused_before_anything_is_built() -> None:
    assert "terlalu dalam" in refusal("---\na: " + "[" * 100_000 + "\n---\n")
    assert "terlalu dalam" in refusal("---\na: " + "{b: " * 50_000 + "\n---\n")


def test_a_file_beyond_its_limit_is_refused() -> None:
    assert "256 KiB" in refusal("---\ntitle: x\n---\n" + "a" * MAX_BYTES)
    assert len(parse("---\ntitle: x\n---\n" + "a" * (MAX_BYTES - 100))["body"]) == MAX_BYTES - 100


@given(st.text(max_size=300), st.booleans())
def test_any_text_is_read_or_refused_in_words(text: str, between_fences: bool) -> None:
    try:
        values = parse(f"---\n{text}\n---\nIsi" if between_fences else text)
    except InvalidAnnouncement as refused:
        assert all(problem.reason and problem.remedy for problem in worded(refused))
    else:
        assert all(isinstance(name, str) for name in values)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=200))
def test_a_body_passes_unchanged_but_for_its_edges(body: str) -> None:
    read = parse(f"---\ntitle: x\n---\n{body}").get("body", "")
    assert read == body.replace("\r\n", "\n").replace("\r", "\n").strip()


def test_all_that_is_wrong_with_a_file_is_reported_at_once() -> None:
    text = "---\ntitle: Air mati\nlevel: &x info\nareas: [cibabat]\ncategory: Rabu: siang\nwarna: biru\nexpires: kemarin\n---\n"
    with pytest.raises(InvalidAnnouncement) as refused:
        checked(text, lambda values: press().examine(values, NOW))
    problems = [f"{problem.field} {problem.reason}" for problem in worded(refused.value)]
    assert [problem.split(":")[0].strip() for problem in problems] == [
        "Baris 3",
        "Baris 5",
        "body Belum diisi.",
        "expires Bukan waktu yang dapat dibaca.",
        "warna Nama ini tidak dikenal.",
    ]


def test_a_field_whose_line_cannot_be_read_is_not_called_missing() -> None:
    with pytest.raises(InvalidAnnouncement) as refused:
        checked(
            "---\ntitle: !x Air mati\nareas: [cibabat]\n---\nTampung air.\n",
            lambda values: press().examine(values, NOW),
        )
    assert len(refused.value.problems) == 1


def test_a_file_without_front_matter_is_refused_as_ever() -> None:
    with pytest.raises(InvalidAnnouncement, match="no_front_matter"):
        checked("Air mati.", lambda values: press().examine(values, NOW))


@pytest.mark.parametrize(
    "areas",
    [
        "[Cibeber]",
        "[CIBEBER]",
        "Cibeber",
        "Kel. Cibeber",
        "[Kel. Cibeber]",
        "[Kelurahan Cibeber]",
        "[32.77.01.1005]",
    ],
)
def test_an_area_may_be_written_as_people_write_it(areas: str) -> None:
    text = f"---\ntitle: Air mati\nareas: {areas}\n---\nTampung air.\n"
    announcement = checked(text, lambda values: press().examine(values, NOW))
    assert [area.slug for area in announcement.areas] == ["cibeber"]
    assert set(announcement.fields.areas) <= {"cibeber", "32.77.01.1005"}


def test_several_areas_may_be_written_in_words_and_what_is_unsure_is_asked() -> None:
    announcement = checked(
        "---\ntitle: Air mati\nareas: [Cigugur Tengah, Kec. Cimahi Utara]\n---\nTampung air.\n",
        lambda values: press().examine(values, NOW),
    )
    assert announcement.fields.areas == ("cigugur-tengah", "cimahi-utara")
    with refuses(InvalidAnnouncement, match=r"Maksud Anda|Yang dikenal|Lihat"):
        checked(
            "---\ntitle: Air mati\nareas: [Cibeur]\n---\nTampung air.\n",
            lambda values: press().examine(values, NOW),
        )
