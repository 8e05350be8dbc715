"""Refusals on pages: in the words beside the fields, never in the names of files and programs."""

from datetime import UTC, datetime
from typing import Any

import pytest

from broadcaster.domain.fields import Fields
from broadcaster.domain.refusal_codes import FieldCode, RuleCode
from broadcaster.domain.refusals import InvalidAnnouncement, Problem
from broadcaster.domain.rules import examine
from broadcaster.runtime.i18n import words
from broadcaster.runtime.settings import TOPICS
from broadcaster.web.staff import refusals
from subscribers.areas import AreaTree
from support.staffing import NOTICE, signed_in


def refusal_texts(**changes: Any) -> list[str]:
    """Return what the pages say of the notice with these changes."""
    form = {name: value for name, value in {**NOTICE, **changes}.items() if value is not None}
    try:
        examine(
            form,
            tree=AreaTree.built_in(),
            topics=TOPICS,
            channels=(),
            now=datetime(2026, 11, 25, tzinfo=UTC),
        )
    except InvalidAnnouncement as error:
        return [
            f"{problem.reason} {problem.remedy}".strip()
            for problem in refusals.worded(error.problems, words("id"))
        ]
    return []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"areas": None}, "Wilayah belum diisi."),
        ({"title": None}, "Judul belum diisi."),
        (
            {"translations": {"en": {"title": "Water off", "body": ""}}},
            "Bahasa Inggris, Isi belum diisi.",
        ),
        (
            {"image_alt": "Pipa"},
            "Alamat gambar: Ada teks alternatif tanpa gambar. Pilih gambarnya, atau kosongkan teks alternatifnya.",
        ),
        (
            {"claim": "Air beracun"},
            "Kabar yang beredar: Hanya untuk klarifikasi. Pilih jenis Klarifikasi hoaks, atau kosongkan isian klarifikasinya.",
        ),
        (
            {"level": "emergency"},
            "Petunjuk: Peringatan darurat harus memuat petunjuk. Tulis apa yang harus dilakukan warga sekarang.",
        ),
        (
            {"title": "x" * 71},
            "Judul: Kelebihan 1 karakter. Persingkat menjadi paling banyak 70 karakter.",
        ),
    ],
)
def test_a_refusal_names_the_field_as_the_page_does(changes: dict[str, Any], expected: str) -> None:
    assert refusal_texts(**changes) == [expected]


def test_every_field_that_can_be_missing_has_a_label() -> None:
    for name in ("title", "body", "areas", "reason", "publish_at"):
        (problem,) = refusals.worded(
            [Problem(field=name, code=FieldCode.MISSING, parameters={"name": name})], words("id")
        )
        assert name not in f"{problem.reason} {problem.remedy}".split()


def test_a_host_that_looks_like_a_name_is_no_name() -> None:
    hosts = {"host": "jahat.example", "hosts": ["body.example"]}
    (problem,) = refusals.worded(
        [Problem(field="body", code=RuleCode.LINK_NOT_ALLOWED, parameters=hosts)], words("id")
    )
    assert problem.remedy == (
        "Pakai tautan ke body.example, atau minta pengelola menambahkan situs ini."
    )
    assert "body" in Fields.model_fields


async def test_the_short_form_says_what_is_missing_in_its_own_words(site: Any) -> None:
    rina = await signed_in(site, "rina", "author")
    answer = await rina.post(
        "/redaksi/darurat",
        {"bahaya": "banjir", "title": "Banjir di Melong", "instruction": "1. Pindah."},
    )
    assert answer.status == 422
    assert "Wilayah belum diisi." in answer.text
    assert "areas." not in answer.text.replace('name="areas"', "")
