"""Editions frozen from announcements, and withdrawals."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.domain.editions import default_summary, freeze, withdrawal
from broadcaster.domain.signatures import canonical, decode
from channels.base.contract import Edition, Site, Topic
from channels.base.moments import WIB
from support import desk, samples

SITE = Site()


def frozen(raw: dict[str, object] = desk.NOTICE, **changes: object) -> Edition:
    """Return the edition of an announcement published now."""
    return freeze(
        desk.checked(raw, **changes),
        site=SITE,
        announcement="a" * 32,
        code="CMH-7K4Q-2M",
        at=desk.NOW,
    )


def test_links_to_our_own_paths_are_whole_in_every_wording_and_in_summaries_cut_from_them() -> None:
    body = "Lihat [denah](/media/d_1.pdf)."
    edition = frozen(
        body=body,
        instruction=body,
        translations={"en": {"title": "x", "body": body}},
        overrides={"feed": {"body": f"Baca. {body}"}},
    )
    whole = f"Lihat [denah]({SITE.base_url}/media/d_1.pdf)."
    assert {words.body for words in edition.wordings.values()} == {whole}
    assert edition.overrides["feed"].body == f"Baca. {whole}"
    assert edition.wording("id").instruction == whole
    assert edition.wording("id").summary == f"Lihat denah ({SITE.base_url}/media/d_1.pdf)."


def test_nothing_is_left_to_default() -> None:
    edition = frozen(expires=None)
    assert edition.agency == "Kota Cimahi"
    assert edition.topic.label("en") == "Service disruption"
    assert (
        edition.published_at
        == edition.first_published_at
        == edition.effective
        == datetime(2026, 11, 25, 0, 43, 12, tzinfo=UTC)
    )
    assert (edition.number, edition.change, edition.kind, edition.level) == (
        1,
        "original",
        "notice",
        "info",
    )
    assert (edition.expires, edition.link, edition.image, edition.claim) == (None, None, None, None)


def test_the_city_is_named_so_that_it_cannot_be_mistaken() -> None:
    assert [area.label for area in frozen(areas=["cimahi"]).areas] == ["Kota Cimahi"]
    assert [area.label for area in frozen(areas=["kelurahan-cimahi", "cimahi-utara"]).areas] == [
        "Kel. Cimahi",
        "Kec. Cimahi Utara",
    ]


def test_every_field_that_is_filled_in_stands_in_the_edition() -> None:
    edition = frozen(
        desk.CLARIFICATION,
        agency="Dinas Sosial",
        effective="2026-11-24 06:00",
        image="https://a.example/x.png",
        image_alt="Poster",
    )
    assert edition.agency == "Dinas Sosial"
    assert edition.effective == datetime(2026, 11, 24, 6, tzinfo=WIB)
    assert edition.image is not None
    assert edition.image.alt == "Poster"
    assert edition.claim is not None
    assert edition.claim.evidence == ("https://info.cimahi.example/bukti",)
    assert edition.wording("en").title == "Register only at your kelurahan"
    assert edition.wording("en").summary == "The link steals data."
    assert edition.wording("su").title == edition.wording("id").title


def test_the_summary_is_the_first_sentences_that_fit() -> None:
    assert (
        frozen().wording("id").summary
        == "Tampung air sekarang. Truk tangki menunggu di kantor kelurahan sampai sore."
    )
    longer = "Tampung air **sekarang** untuk satu hari. Truk tangki menunggu di kantor kelurahan sampai sore, di dekat pasar."
    assert default_summary(longer) == "Tampung air sekarang untuk satu hari."
    assert frozen(summary="Tampung air.").wording("id").summary == "Tampung air."


@pytest.mark.parametrize(
    ("body", "summary"),
    [
        ("Air mati.\n\nTampung air.\n\n- Cibabat\n- Melong", "Air mati. Tampung air. Cibabat; Melong."),
        ("Bawa:\n\n1. KTP\n2. KK", "Bawa: 1) KTP. 2) KK."),
        ("Jl. Gatot Subroto ditutup untuk pelapisan aspal pada Senin 30 November 2026 pukul 22.00 sampai pukul 04.00 WIB.",
         "Jl. Gatot Subroto ditutup untuk pelapisan aspal pada Senin 30 November 2026 pukul 22.00…"),
        ("Siapkan barang ini sebelum berangkat ke posko:\n\n14. Senter dan baterai cadangan\n15. Jas hujan\n16. Peluit",
         "Siapkan barang ini sebelum berangkat ke posko: 14) Senter dan baterai cadangan."),
    ],
)  # fmt: skip
def test_a_summary_out_of_paragraphs_and_lists_reads_as_one_line(body: str, summary: str) -> None:
    assert default_summary(body) == summary


@given(st.text(alphabet="abc .", max_size=90))
def test_a_body_that_fits_is_its_own_summary(body: str) -> None:
    assert default_summary(body) == " ".join(body.split())


@given(st.text(max_size=400))
def test_a_summary_always_fits_a_screen(body: str) -> None:
    assert len(default_summary(body)) <= 90


@pytest.mark.parametrize("raw", [desk.NOTICE, desk.EMERGENCY, desk.CLARIFICATION])
def test_an_edition_survives_its_canonical_form(raw: dict[str, object]) -> None:
    assert decode(canonical(frozen(raw))) == frozen(raw)


@pytest.mark.parametrize("raw", [desk.NOTICE, desk.EMERGENCY, desk.CLARIFICATION])
def test_a_withdrawal_keeps_nothing_of_the_old_text(raw: dict[str, object]) -> None:
    original = frozen(raw)
    withdrawn = withdrawal(original, reason="Salah kelurahan.", at=desk.later(hours=1))
    document = canonical(withdrawn).decode()
    for wording in original.wordings.values():
        for text in (wording.title, wording.summary, wording.body, wording.instruction):
            assert not text or text not in document
    assert "bukti" not in document
    assert (withdrawn.claim, withdrawn.link, withdrawn.image, withdrawn.expires) == (
        None,
        None,
        None,
        None,
    )


def test_a_withdrawal_says_what_why_and_since_when() -> None:
    original = frozen()
    withdrawn = withdrawal(
        original, reason="Pekerjaan pipa ditunda. Air tetap mengalir.", at=desk.later(hours=1)
    )
    assert (withdrawn.number, withdrawn.change, withdrawn.code) == (
        2,
        "withdrawal",
        original.code,
    )
    assert withdrawn.first_published_at == original.first_published_at
    assert withdrawn.published_at == original.published_at + timedelta(hours=1)
    assert withdrawn.areas == original.areas
    indonesian, english = withdrawn.wording("id"), withdrawn.wording("en")
    assert indonesian.title == "Gangguan layanan: pengumuman 25 Nov 2026 07.43 WIB"
    assert english.title == "Service disruption: notice of 25 Nov 2026 07.43 WIB"
    assert indonesian.summary == "Pekerjaan pipa ditunda. Air tetap mengalir."
    assert original.code in indonesian.body


def test_a_withdrawn_warning_is_the_sample_that_channels_are_shown() -> None:
    assert (
        withdrawal(samples.alert(), reason=samples.withdrawn_alert().reason, at=samples.WITHDRAWN)
        == samples.withdrawn_alert()
    )


@pytest.mark.parametrize("raw", [desk.NOTICE, desk.EMERGENCY, desk.CLARIFICATION])
@pytest.mark.parametrize(
    "label", ["Cuaca", "Pelayanan administrasi kependudukan dan catatan sipil", "x" * 100]
)
def test_the_title_of_a_withdrawal_always_fits(raw: dict[str, object], label: str) -> None:
    topic = Topic(slug="panjang", labels={"id": label, "en": label})
    original = freeze(
        desk.checked(raw), site=SITE, announcement="a", code="CMH-7K4Q-2M", at=desk.NOW
    )
    edition = withdrawal(
        Edition(**{**fields_of(original), "topic": topic}), reason="Salah. " * 40, at=desk.NOW
    )
    for wording in edition.wordings.values():
        assert len(wording.title) <= 70
        assert len(wording.summary) <= 90
        assert "…" not in wording.title


def fields_of(edition: Edition) -> dict[str, object]:
    """Return the edition's values by field."""
    return {name: getattr(edition, name) for name in edition.__struct_fields__}
