"""Placeholders left in a text: their shapes, and ordinary writing that only looks like one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcaster.domain import placeholders
from broadcaster.domain.fields import Fields
from broadcaster.domain.refusals import InvalidAnnouncement
from broadcaster.domain.rules import check
from broadcaster.runtime.settings import TOPICS
from broadcaster.simulation.staff import TEMPLATES
from subscribers.areas import AreaTree
from support.desk import CLARIFICATION, EMERGENCY, NOTICE, NOW
from support.wording import worded

BLANKS = [
    "(wilayah)", "(hari)", "(hari, tanggal)", "(Hari/Tanggal)", "（wilayah）", "**(hari)**", "(ha\u200bri)", "&#40;hari&#41;",
    "(nama lengkap)", "(jam mulai)", "[(hari)](https://info.cimahi.example)", "((nama warga))", "[nama]", "[Nama]",
    "[nama warga]",
    "{{nama}}", "{ nama }", "<nama>", "( )", "[ ]", "(...)", "[…]", "____", r"\_\_\_\_", "_ _ _ _", "pukul xx.xx", "RW ..",
    "RW..", "di ...", "di …", "di...", "di ⋯",
    "pukul … WIB", "Jl. ...", "sampai ....", "Nama.... alamat", "........", "……", "(poé)", "(place, time)",
]  # fmt: skip
MORE_BLANKS = [
    "(. . .)", "(. . . .)", "(nama_jalan)", "(_wilayah_)", "(jenis_kegiatan)", "(nama_program)", "【wilayah】", "「nama warga」",
    "〔NAMA PROGRAM〕", "⦅hari⦆", "❴nama❵", "[NAMA PROGRAM]", "[JENIS BANTUAN]", "<JENIS BANTUAN>", "[Nomor 1]", "{1}",
    "{{ NAMA }}", "{x}", "Jl. XX", "jl. xx", "di XX", "RW XX", "RT 0X", "No. XX",
    "tanggal XX Januari", "RW (XX)", "pukul XX.XX", "XX.XX", "XX:XX", "08.XX", "tanggal /12/2026", "xx.00",
    "pukul 08.00-XX.XX", "XX/XX/2026", "xx-xx-20xx", "20XX", "X" * 4, "Rp XX.000", "Rpxx", "dd/mm/yyyy",
    "DD-MM-YYYY", "hh/bb/tttt", "tgl/bln/thn", "jj.mm", "hh:mm", "dd/mm/2026", "tanggal dd", "yyyy", "hari ? pukul ?", "hari ?",
    "di ???", "di ?", "RW ?", "Jl. ?", "di?", "(?)", "[???]", "di __", "di _", "RT _/RW _", "jam _._", "_ _", "__/__/2026",
    "tanggal /  / 2026", "tanggal / /", "/ / 2026", "12/ /2026", "- - 2026", "pukul . WIB", "pukul : WIB",
    "di ….", "di . .", "di . . .", "di —", "di -", "di ‥", "di ․․․", "di ···", "di •••", "RW □", "□□□",
    "[—]", "( -- )", "[TBA]", "(tbd)", "«isi»", "«nama jalan»", "{…}", "((…))",
    "[Daftar](nama tautan)", "[Daftar](https://info.cimahi.example/{slug})",
]  # fmt: skip
"""Shapes that are recognised without a template."""
ORDINARY = [
    "(lihat denah)", "(RT/RW)", "(RW 05)", "(WIB)", "(gratis)", "(jam kerja)", "(hari libur)", "(0265) 112",
    "(lihat: nama jalan)", "Tunggu kabar…", "Tunggu kabar...", "Tunggu kabar....", "kabar…. Nanti", "Datang saja... gratis",
    "[tautan](https://info.cimahi.example/a_(b))",
    "***penting***", "___penting___", "nama_berkas_panjang", "[PENTING] air mati", "0812-xxxx-1234", "PON XX", "a < b dan c > d",
    "Rp50.000,00", "https://info.cimahi.example/a..b", "08.00 s.d. 10.00.", "Rukun Warga (RW) 05",
]  # fmt: skip
SENTENCES = [
    "Posko ada di balai warga (lihat denah).",
    "Air mati di Cibabat (RT 03/RW 05) sampai sore.",
    "Rapat besok (Jumat) pukul 19.00 WIB.",
    "Rapat Jumat (27/11/2026) pukul 19.00-21.00 WIB.",
    "Pelatihan dua kali: Kamis (hari 1) dan Jumat (hari 2).",
    "Tiap RW mengirim dua orang (maks. 3 titik).",
    "Kirab PON XX lewat Jalan Ring XX, lalu ke XX Mall.",
    "HUT ke-XX kampung kami di XXI Cimahi Mall.",
    f"Abad XX, Pasal XX, dan bab {'X' * 3} tetap berlaku.",
    "Bawa fotokopi KTP (1 lembar) dan KK (asli).",
    "Hubungi (022) 6654274 atau 0812-xxxx-1234 (WhatsApp).",
    "Golongan darah O(-) dan AB(+) paling dibutuhkan.",
    "Timbang BB/TB balita, lalu suntik TT.",
    "Hujan 50 mm/jam, angin 30 km/jam.",
    "Berlaku 01/12/2026 sampai 31-12-2026, Senin/Selasa.",
    "Nomor 045/12/Kominfo/2026 tanggal 5/12/2026.",
    "Sampai kapan air mati? Sampai pukul 14.00.",
    "Libur berapa hari? Dua hari. Di mana? Di Cibabat.",
    "Benarkah bansos cair bulan ini??? Tidak.",
    "Benarkah bansos cair ? Tidak.",
    "Isi kolom hari/tanggal/jam di formulir.",
    "Surel nama_warga@cimahi.example dan akun @info_cimahi (info_cimahi).",
    "Unduh berkas daftar__warga.pdf di laman __resmi__.",
    "Buka https://info.cimahi.example//2026/__a__/dd/mm.",
    "Baca [pengumuman lengkap](https://info.cimahi.example/p/(1)).",
    "[PENTING] Jalan Amir Machmud ditutup [HARI INI].",
    "Suhu > 35 dan < 40 derajat; Drs. Asep, SS., MM.",
    "Tarif Rp2.000/kg - Rp3.000/kg. Darurat: 112.",
    "Ketua RW X dan RW V hadir. Mal XX-nya belum buka.",
    "Kalau banjir... segera pindah. Tunggu kabar…",
    "Sampai pukul 08.00: jalan ditutup - 2026 dibuka.",
]
"""Sentences that may stand in an announcement as they are."""
EVERYWHERE = (
    "title", "summary", "body", "agency", "image_alt", "translations.en.title", "translations.en.body", "translations.en.summary",
    "translations.en.instruction", "overrides.email.title", "overrides.email.body", "overrides.email.summary", "instruction",
)  # fmt: skip


def refused_fields(raw: dict[str, Any]) -> set[str]:
    """Return the fields that are refused."""
    try:
        check(
            Fields.read(raw), tree=AreaTree.built_in(), topics=TOPICS, channels=("email",), now=NOW
        )
    except InvalidAnnouncement as error:
        return {problem.field for problem in error.problems}
    return set()


def with_text(field: str, text: str) -> dict[str, Any]:
    """Return an emergency with this text in a field; a dot in its path leads into a nested one."""
    english = {"title": "Water is off", "body": "Store water.", "instruction": "Store water."}
    raw: dict[str, Any] = {
        **EMERGENCY,
        "image": "https://info.cimahi.example/a.jpg",
        "image_alt": "Peta.",
        "translations": {"en": dict(english)},
        "overrides": {"email": {}},
    }
    *path, name = field.split(".")
    parent = raw
    for step in path:
        parent = parent[step]
    parent[name] = text
    return raw


@pytest.mark.parametrize("blank", [*BLANKS, *MORE_BLANKS])
def test_every_shape_of_a_blank_is_found(blank: str) -> None:
    assert placeholders.in_text(f"Air mati {blank}, tampung air.")
    assert placeholders.in_text(blank)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_writing_is_no_blank(text: str) -> None:
    assert placeholders.in_text(f"Warga tahu: {text}") == []
    assert placeholders.in_text(text, title=True) == []


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_for_residents_has_no_blank(sentence: str) -> None:
    assert placeholders.in_text(sentence) == []
    assert (
        placeholders.in_text(f"Kabar untuk warga.\n\n- {sentence}\n\nTerima kasih.", title=False)
        == []
    )


@pytest.mark.parametrize(
    "dots",
    [
        "...",
        "…",
        "⋯",
        "....",
        ". . .",
        "‥",
        "___",
        "xxx",
        "[...]",
        "((...))",
        "{...}",
        "<isi>",
        "···",
    ],
)
def test_a_warning_whose_place_is_still_dots_is_refused_however_they_are_typed(dots: str) -> None:
    for title in (f"Kebakaran di {dots}, jauhi lokasi", f"{dots} banjir", f"Banjir {dots} pindah"):
        assert refused_fields({**EMERGENCY, "title": title}) == {"title"}


@pytest.mark.parametrize(
    "gap",
    [
        "di …jauhi",
        "di Jalan...ditutup",
        "Cibabat --- pindah",
        "di –– pindah",
        "- - - pindah",
        "di TBA",
    ],
)
def test_a_title_leaves_nothing_open_where_a_sentence_may(gap: str) -> None:
    assert refused_fields({**EMERGENCY, "title": f"Kebakaran {gap}"}) == {"title"}


@pytest.mark.parametrize(
    "title",
    [
        "Air mati: Cibabat-Melong",
        "Buka 08.00 - 14.00",
        "HUT ke-80 -- lomba",
        "Bersih-bersih #CimahiBersih",
    ],
)
def test_dashes_and_signs_between_words_leave_nothing_open(title: str) -> None:
    assert refused_fields({**NOTICE, "title": title}) == set()


@pytest.mark.parametrize("field", EVERYWHERE)
def test_a_blank_is_refused_in_every_text_that_residents_may_read(field: str) -> None:
    assert refused_fields(with_text(field, "Kabar untuk warga.")) == set()
    assert refused_fields(with_text(field, "Kabar untuk (wilayah).")) == {field}


@pytest.mark.parametrize("field", ["claim", "seen_at", "hoax_type", "fact"])
def test_a_blank_is_refused_in_a_clarification_too(field: str) -> None:
    assert refused_fields({**CLARIFICATION, field: "WhatsApp, (tanggal)"}) == {field}


def test_a_quoted_claim_may_be_shortened() -> None:
    assert refused_fields({**CLARIFICATION, "claim": "Bansos [...] lewat tautan"}) == set()
    assert refused_fields({**CLARIFICATION, "fact": "Bansos [...] lewat kantor"}) == {"fact"}


def test_a_refusal_names_the_blanks_and_what_to_do() -> None:
    with pytest.raises(InvalidAnnouncement) as refused:
        check(
            Fields.read({**NOTICE, "title": "Air PDAM mati di (wilayah), (hari)"}),
            tree=AreaTree.built_in(),
            topics=TOPICS,
            channels=(),
            now=NOW,
        )
    (problem,) = worded(refused.value)
    assert str(problem) == (
        'title: Masih ada isian kosong: "(wilayah)", "(hari)". Ganti dengan isinya. '
        "Bila memang begitu bunyinya, tulis tanpa tanda itu."
    )


WORDS = st.lists(
    st.sampled_from(["air", "balai", "warga", "nama", "posko", "pukul", "ketua"]),
    min_size=1,
    max_size=4,
)


@given(
    words=WORDS,
    before=st.sampled_from(["", "Air mati di ", "**", "- "]),
    after=st.sampled_from(["", ", besok", "**", ".\n\nBaris"]),
)
def test_whatever_a_template_leaves_open_in_brackets_is_a_blank_everywhere(
    words: list[str], before: str, after: str
) -> None:
    text = f"{before}({' '.join(words)}){after}"
    known = placeholders.of_form({"title": "Rapat", "translations": {"en": {"body": text}}})
    assert known == {" ".join(words)}
    assert placeholders.in_text(f"Rapat ({'  '.join(words).upper()}) besok", known)
    assert placeholders.in_text("Rapat (lihat denah) besok", known) == []


PLACEHOLDERS = st.recursive(
    st.text(st.sampled_from("AbZé19 .,:;/'?!&%-"), min_size=1, max_size=90).filter(
        lambda words: any(map(str.isalnum, words))
    ),
    lambda inner: st.tuples(
        st.sampled_from(["()", "[]", "{}", "<>"]), inner, st.sampled_from(["", " B", " 2"])
    ).map(lambda parts: f"{parts[0][0]}{parts[1]}{parts[0][1]}{parts[2]}"),
    max_leaves=3,
)


@given(
    words=PLACEHOLDERS,
    brackets=st.sampled_from(["()", "[]", "{}", "<>", "【】", "（）"]),
    around=st.sampled_from(["", "(", ") ", "[", "} ", "> ", "1) "]),
)
def test_a_bracket_of_a_template_is_a_blank_in_any_case_with_figures_and_brackets_in_it(
    words: str, brackets: str, around: str
) -> None:
    blank = f"{brackets[0]}a{words}{brackets[1]}"
    known = placeholders.of_form({"title": f"Rapat di {blank}."})
    assert placeholders.in_text(f"Besok {around}pindah ke {blank}, jam 9", known)
    assert placeholders.in_text(f"Besok {around}pindah ke {blank.upper()}, jam 9", known)


@pytest.mark.parametrize(
    "blank", ["(NAMA PROGRAM)", "(JENIS BANTUAN)", "(maks. 3 titik)", "(hari 1)", "(RW 05)", "(1)", "[HARI INI]", "<b>",
              "(wilayah (RT/RW) terdampak)", f"({'tulis alamat lengkap beserta patokannya ' * 3})"],
)  # fmt: skip
def test_a_bracket_is_a_blank_where_a_template_has_it_and_only_there(blank: str) -> None:
    known = placeholders.of_form(
        {"title": "Rapat", "overrides": {"email": {"body": f"**{blank}** besok"}}}
    )
    (match, *_inner) = placeholders.in_text(f"Datang ke {blank}.", known)
    assert match == " ".join(blank.split())
    assert placeholders.in_text("Datang ke balai (lihat denah) [PENTING].", known) == []
    assert placeholders.in_text(f"Datang ke {blank}.") == []


def test_a_template_leaves_open_no_hour_no_sign_no_address_and_no_area_code() -> None:
    form = {
        "title": "Posyandu (RW 05), 08.00 (WIB), O(-), (nama kader)",
        "link": "https://a.example/(x)",
        "body": "Hubungi (022) 6654274, <kader@cimahi.example> atau [denah](https://a.example/(x)).",
    }
    assert placeholders.of_form(form) == {"rw 05", "nama kader"}


def test_question_marks_in_a_quoted_claim_are_no_blank() -> None:
    assert refused_fields({**CLARIFICATION, "claim": "Bansos (?) cair tanggal ???"}) == set()
    assert refused_fields({**CLARIFICATION, "fact": "Bansos (?) cair tanggal ???"}) == {"fact"}


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_demos_templates_have_blanks_that_are_found(name: str) -> None:
    assert refused_fields({**TEMPLATES[name]}) >= {"title", "body"}
