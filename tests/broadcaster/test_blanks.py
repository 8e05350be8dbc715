"""Blanks of a text: every shape in which one is left, and ordinary writing that only looks like one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster import blanks
from broadcaster.announcements import check
from broadcaster.config import TOPICS
from broadcaster.fields import Fields, InvalidAnnouncement
from broadcaster.simulation.staff import TEMPLATES
from desk import CLARIFICATION, EMERGENCY, NOTICE, NOW
from subscribers.areas import AreaTree

LEFT = [
    "(wilayah)", "(hari)", "(hari, tanggal)", "(Hari/Tanggal)", "（wilayah）", "**(hari)**", "(ha\u200bri)", "&#40;hari&#41;",
    "(nama lengkap)", "(jam mulai)", "[(hari)](https://info.cimahi.example)", "((nama warga))", "[nama]", "[Nama]",
    "[nama warga]",
    "{{nama}}", "{ nama }", "<nama>", "( )", "[ ]", "(...)", "[…]", "____", r"\_\_\_\_", "_ _ _ _", "pukul xx.xx", "RW ..",
    "RW..", "di ...", "di …", "di...", "di ⋯",
    "pukul … WIB", "Jl. ...", "sampai ....", "Nama.... alamat", "........", "……", "(poé)", "(place, time)",
]  # fmt: skip
ORDINARY = [
    "(lihat denah)", "(RT/RW)", "(RW 05)", "(WIB)", "(gratis)", "(jam kerja)", "(hari libur)", "(0265) 112",
    "(lihat: nama jalan)", "Tunggu kabar…", "Tunggu kabar...", "Tunggu kabar....", "kabar…. Nanti", "Datang saja... gratis",
    "[tautan](https://info.cimahi.example/a_(b))",
    "***penting***", "___penting___", "nama_berkas_panjang", "[PENTING] air mati", "0812-xxxx-1234", "PON XX", "a < b dan c > d",
    "Rp50.000,00", "https://info.cimahi.example/a..b", "08.00 s.d. 10.00.", "Rukun Warga (RW) 05",
]  # fmt: skip
EVERYWHERE = (
    "title", "summary", "body", "agency", "image_alt", "translations.en.title", "translations.en.body", "translations.en.summary",
    "translations.en.instruction", "overrides.email.title", "overrides.email.body", "overrides.email.summary", "instruction",
)  # fmt: skip


def refused(raw: dict[str, Any]) -> set[str]:
    """The fields that are refused."""
    try:
        check(Fields.read(raw), tree=AreaTree.built_in(), topics=TOPICS, channels=("email",), now=NOW)
    except InvalidAnnouncement as invalid:
        return {problem.field for problem in invalid.problems}
    return set()


def with_text(field: str, text: str) -> dict[str, Any]:
    """A notice with this text in a field, which may lie within another."""
    english = {"title": "Water is off", "body": "Store water.", "instruction": "Store water."}
    raw: dict[str, Any] = {
        **EMERGENCY, "image": "https://info.cimahi.example/a.jpg", "image_alt": "Peta.", "translations": {"en": dict(english)},
        "overrides": {"email": {}},
    }  # fmt: skip
    *path, name = field.split(".")
    place = raw
    for step in path:
        place = place[step]
    place[name] = text
    return raw


@pytest.mark.parametrize("blank", LEFT)
def test_every_shape_of_a_blank_is_found(blank: str) -> None:
    assert blanks.in_text(f"Air mati {blank}, tampung air.")
    assert blanks.in_text(blank)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_writing_is_no_blank(text: str) -> None:
    assert blanks.in_text(f"Warga tahu: {text}") == []
    assert blanks.in_text(text, title=True) == []


@pytest.mark.parametrize("dots", ["...", "…", "⋯", "...."])
def test_a_warning_whose_place_is_still_dots_is_refused_however_they_are_typed(dots: str) -> None:
    for title in (f"Kebakaran di {dots}, jauhi lokasi", f"{dots} banjir", f"Banjir {dots} pindah"):
        assert refused({**EMERGENCY, "title": title}) == {"title"}


@pytest.mark.parametrize("field", EVERYWHERE)
def test_a_blank_is_refused_in_every_text_that_residents_may_read(field: str) -> None:
    assert refused(with_text(field, "Kabar untuk warga.")) == set()
    assert refused(with_text(field, "Kabar untuk (wilayah).")) == {field}


@pytest.mark.parametrize("field", ["claim", "seen_at", "hoax_type", "fact"])
def test_a_blank_is_refused_in_a_clarification_too(field: str) -> None:
    assert refused({**CLARIFICATION, field: "WhatsApp, (tanggal)"}) == {field}


def test_what_somebody_else_said_may_be_shortened() -> None:
    assert refused({**CLARIFICATION, "claim": "Bansos [...] lewat tautan"}) == set()
    assert refused({**CLARIFICATION, "fact": "Bansos [...] lewat kantor"}) == {"fact"}


def test_a_refusal_names_the_blanks_and_what_to_do() -> None:
    with pytest.raises(InvalidAnnouncement) as invalid:
        check(
            Fields.read({**NOTICE, "title": "Air PDAM mati di (wilayah), (hari)"}),
            tree=AreaTree.built_in(), topics=TOPICS, channels=(), now=NOW,
        )  # fmt: skip
    (problem,) = invalid.value.problems
    assert str(problem) == (
        'title: Masih ada isian kosong: "(wilayah)", "(hari)". Ganti dengan isinya. '
        "Bila memang begitu bunyinya, tulis tanpa tanda itu."
    )


WORDS = st.lists(st.sampled_from(["air", "balai", "warga", "nama", "posko", "pukul", "ketua"]), min_size=1, max_size=4)


@given(
    words=WORDS,
    before=st.sampled_from(["", "Air mati di ", "**", "- "]),
    after=st.sampled_from(["", ", besok", "**", ".\n\nBaris"]),
)
def test_whatever_a_template_leaves_open_in_brackets_is_a_blank_everywhere(words: list[str], before: str, after: str) -> None:
    text = f"{before}({' '.join(words)}){after}"
    known = blanks.of_form({"title": "Rapat", "translations": {"en": {"body": text}}})
    assert known == {" ".join(words)}
    assert blanks.in_text(f"Rapat ({'  '.join(words).upper()}) besok", known)
    assert blanks.in_text("Rapat (lihat denah) besok", known) == []


def test_a_template_leaves_open_neither_abbreviations_nor_numbers() -> None:
    assert blanks.of_form({"title": "Posyandu (RW 05), (WIB), (nama kader)", "link": "https://a.example/(x)"}) == {"nama kader"}


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_demos_templates_have_blanks_that_are_found(name: str) -> None:
    assert refused({**TEMPLATES[name]}) >= {"title", "body"}
