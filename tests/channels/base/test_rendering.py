"""Words: cut by sentence, Markdown as plain text and safe HTML, cleaning, times as people write
them.
"""

import re
import time
import unicodedata
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import jinja2
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base.contract import Claim
from channels.base.moments import WIB, clock, day, moment_text, span_text, utc
from channels.base.rendering import (
    area_names,
    clean,
    environment,
    fill,
    html,
    one_line,
    plain,
    scrubbed,
    template_name,
    utf16,
    verdict_text,
)
from channels.base.truncation import ELLIPSIS, cut, shortened
from support import samples

# --- cut ------------------------------------------------------------------------------------------

PIPES = (
    "Perumda Tirta mengganti pipa di Jl. Amir Machmud No. 12 pukul 08.00 s.d. 14.00 WIB. Hubungi H. Ahmad, S.Sos. di kantor. "
    "Bawa ember, jeriken, dsb. dari rumah! (Gratis untuk warga.) Terima kasih."
)
SENTENCES = [
    "Perumda Tirta mengganti pipa di Jl. Amir Machmud No. 12 pukul 08.00 s.d. 14.00 WIB.",
    "Hubungi H. Ahmad, S.Sos. di kantor.",
    "Bawa ember, jeriken, dsb. dari rumah!",
    "(Gratis untuk warga.)",
    "Terima kasih.",
]


def test_a_text_that_fits_is_not_touched() -> None:
    assert cut("  Air mati.  ", 9) == "Air mati."


@pytest.mark.parametrize("limit", range(1, len(PIPES)))
def test_a_cut_keeps_whole_sentences_or_marks_the_gap(limit: int) -> None:
    short = cut(PIPES, limit)
    assert len(short) <= limit
    whole = [" ".join(SENTENCES[: n + 1]) for n in range(len(SENTENCES))]
    assert short in whole or short.endswith(ELLIPSIS)
    if short.endswith(ELLIPSIS):
        beginning = short.removesuffix(ELLIPSIS)
        assert PIPES.startswith(beginning)
        assert not beginning or not PIPES[len(beginning)].isalnum()


@pytest.mark.parametrize(
    "text",
    [
        "Jl. Amir Machmud ditutup",
        "No. 12 di ujung",
        "Kel. Cibabat dan Kec. Cimahi Utara",
        "pukul 08.00 sampai 14.00",
        "Rp1.250.000 per orang",
        "tanggal 25 Nov. 2026 nanti",
        "H. Ahmad dan Dr. Siti",
        "A. Yani sampai selesai",
        "S.Sos. dan M.Si. hadir",
        "a.n. Wali Kota",
        "air, listrik, dsb. akan padam",
        "jl. pesantren no. 3",
        "Gg. Mawar (Jl. Melati)",
        "lihat info.cimahi.example untuk rincian",
        "1. Pindah",
        "1. Pindah ke atas\n2. Matikan listrik",
    ],
)
def test_these_full_stops_end_no_sentence(text: str) -> None:
    for limit in range(1, len(text)):
        assert cut(text, limit).endswith(ELLIPSIS)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Air mati di Cibabat. Tampung air sekarang juga ya.", "Air mati di Cibabat."),
        (
            'Kata beliau: "Tetap tenang!" Lalu beliau pergi dari sini.',
            'Kata beliau: "Tetap tenang!"',
        ),
        ("Buka pukul 08.00. Bawa KTP asli dan fotokopi, ya.", "Buka pukul 08.00."),
        ("Sudah aman? Tetap di tempat sampai ada kabar lain.", "Sudah aman?"),
        ("Lokasi di RW 05. Bawa ember sendiri dari rumah masing-masing.", "Lokasi di RW 05."),
        ("**Segera mengungsi!** Air naik terus sampai dua meter lebih.", "**Segera mengungsi!**"),
        ("Air mati hari ini\n\nTampung air sekarang juga, besok mati lagi", "Air mati hari ini"),
        ("Tunggu kabar… Nanti kami umumkan lagi lewat kanal ini.", "Tunggu kabar…"),
    ],
)
def test_these_do_end_a_sentence(text: str, first: str) -> None:
    assert cut(text, len(first) + 10) == first


def test_a_list_is_not_cut_after_the_line_that_announces_it() -> None:
    text = "Truk menunggu di:\n\n- Kantor Kelurahan Cibabat\n- Lapangan RW 05"
    assert cut(text, 30) == f"Truk menunggu di:\n\n- Kantor{ELLIPSIS}"
    assert cut(text, 22) == f"Truk menunggu di{ELLIPSIS}"


def test_a_numbered_list_is_cut_between_its_items() -> None:
    text = "1. Pindah ke tempat tinggi.\n2. Matikan listrik.\n3. Jangan menyeberangi arus."
    assert cut(text, 60) == "1. Pindah ke tempat tinggi.\n2. Matikan listrik."


@pytest.mark.parametrize(
    ("text", "limit", "short"),
    [
        (
            "Bawa: - 13. Senter. - 14. Peluit. - 15. Jas hujan",
            42,
            "Bawa: - 13. Senter. - 14. Peluit.",
        ),
        (
            "1) Pindah ke atas. 2) Matikan listrik. 3) Tunggu",
            41,
            "1) Pindah ke atas. 2) Matikan listrik.",
        ),
        (
            "Siapkan dokumen asli dan salinannya; 2) tunggu di rumah",
            39,
            f"Siapkan dokumen asli dan salinannya{ELLIPSIS}",
        ),
        (
            "Ditutup mulai pukul 22.00 malam ini sampai pukul 04.00",
            46,
            f"Ditutup mulai pukul 22.00 malam ini sampai{ELLIPSIS}",
        ),
        ("Pengungsian di lapangan Jl. Pesantren raya", 28, f"Pengungsian di lapangan{ELLIPSIS}"),
        ("Pengungsian di rumah warga No. 12 dan 14", 31, f"Pengungsian di rumah warga{ELLIPSIS}"),
        ("Bantuan sebesar Rp 1.500.000 untuk tiap keluarga", 21, f"Bantuan sebesar{ELLIPSIS}"),
        (
            "Air mati di Kel. Cibabat RT 03 RW 05 sampai sore",
            31,
            f"Air mati di Kel. Cibabat RT 03{ELLIPSIS}",
        ),
    ],
)
def test_nothing_that_leads_on_stands_last(text: str, limit: int, short: str) -> None:
    assert cut(text, limit) == short


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (
            "Kumpul di rumah Jl. Pesantren No. 12. Bawa ember sendiri dari rumah",
            "Kumpul di rumah Jl. Pesantren No. 12.",
        ),
        (
            "Terjebak air? Telepon: 112. Petugas menjemput Anda di rumah",
            "Terjebak air? Telepon: 112.",
        ),
        (
            "Truk menunggu di lapangan RW 05. Bawa ember sendiri dari rumah",
            "Truk menunggu di lapangan RW 05.",
        ),
    ],
)
def test_a_number_that_says_something_may_stand_last(text: str, first: str) -> None:
    assert cut(text, len(first) + 12) == first


@pytest.mark.parametrize(
    "unit", ["1. ", "999) \n", "; 1. ", "Jl. ", "(No. ", "RT RW ", "Rp. ", "pukul ", "kelurahan. "]
)
def test_what_leads_on_is_left_out_a_thousand_times(unit: str) -> None:
    text = "Air mati di sini\n" + 10_000 // len(unit) * unit + 30 * "x"
    assert cut(text, len(text) - 1) == f"Air mati di sini{ELLIPSIS}"


@pytest.mark.parametrize(
    "opener",
    [
        "Jl.",
        "Komp.",
        "Prov.",
        "Telp.",
        "(kelurahan.",
        "*Kecamatan.",
        "/tanggal.",
        "\n999)",
        "\n- z.",
    ],
)
def test_what_leads_on_is_left_out_behind_a_long_text(opener: str) -> None:
    text = 2_000 * "kata " + f"{opener} " + 30 * "x"
    assert cut(text, len(text) - 1) == f"{(2_000 * 'kata ').strip()}{ELLIPSIS}"


_PIECES = st.sampled_from(
    [
        "Pindah ke atas.",
        "Matikan listrik",
        "Jl. Melati No. 3",
        "pukul 08.00",
        "Rp 50.000",
        "- 14.",
        "15.",
        "2)",
        "\n3.",
        "RW 05",
        "di",
    ]
)


@given(pieces=st.lists(_PIECES, min_size=2, max_size=20), limit=st.integers(1, 160))
def test_no_cut_ends_with_the_number_of_a_step_or_a_word_that_leads_on(
    pieces: list[str], limit: int
) -> None:
    text = " ".join(pieces)
    short = cut(text, limit)
    if short != text.strip():
        assert not re.search(
            r"(?:^|[.!?…;\n-]\s)\d{1,3}[.)]…?$|(?i:\b(?:Jl\.|No\.|pukul|Rp|RW)…?$)", short
        ), short


@given(st.text(max_size=90))
def test_what_fits_is_never_cut(text: str) -> None:
    assert cut(text, 90) == text.strip()


@pytest.mark.parametrize("limit", range(len(PIPES) + 2))
def test_a_shortened_text_says_that_more_was_left_out(limit: int) -> None:
    short = shortened(PIPES, limit)
    assert len(short) <= limit
    assert short == PIPES or short.endswith(ELLIPSIS) or limit < len(ELLIPSIS)


def test_a_short_first_sentence_does_not_cost_the_rest() -> None:
    assert cut("Halo! " + "kata " * 40, 100).endswith(f"kata{ELLIPSIS}")


def test_no_mark_dangles_before_the_ellipsis() -> None:
    assert (
        cut("Bawa ember, jeriken (bersih), dan tutupnya", 30)
        == f"Bawa ember, jeriken (bersih){ELLIPSIS}"
    )
    assert cut("Bawa ember (dan tutup yang panjang sekali)", 14) == f"Bawa ember{ELLIPSIS}"


def test_a_word_that_does_not_fit_is_left_out_whole() -> None:
    assert cut("a" * 50, 20) == ELLIPSIS
    assert cut("a" * 50, 0) == ""


def test_the_measure_is_the_platforms_own() -> None:
    waves = "\U0001f30a \U0001f30a \U0001f30a \U0001f30a"
    assert cut(waves, 6, utf16) == f"\U0001f30a \U0001f30a{ELLIPSIS}"
    assert cut(waves, 5, utf16) == f"\U0001f30a{ELLIPSIS}"
    assert utf16(waves) == 11
    assert len(cut("é " * 50, 40, lambda text: len(text.encode())).encode()) <= 40


@given(text=st.text(max_size=300), limit=st.integers(0, 120))
def test_whatever_is_cut_fits_and_is_a_beginning(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert len(short) <= limit
    assert text.strip().startswith(short.removesuffix(ELLIPSIS)) or short == text.strip()


@given(
    words=st.lists(
        st.text(alphabet="abcdefg.,!?-", min_size=1, max_size=9), min_size=2, max_size=40
    ),
    limit=st.integers(2, 200),
)
def test_a_cut_never_splits_a_word(words: list[str], limit: int) -> None:
    text = " ".join(words)
    beginning = cut(text, limit).removesuffix(ELLIPSIS)
    rest = text[len(beginning) :]
    assert not rest or not beginning or rest[0].isspace() or not rest[0].isalnum()


@pytest.mark.parametrize(
    "unit",
    [".", "\n", " ", "\n-", "- ", "(", "a. ", "1.\n", "! ", "**", "\n\n", '."', "&", "[x](", "<b>"],
)
def test_no_text_is_slow_to_cut_or_to_read(unit: str) -> None:
    text = unit * (20_000 // len(unit)) + "x"
    began = time.process_time()
    cut(text, 10_000)
    plain(text)
    html(text)
    assert time.process_time() - began < 3


# --- cleaning -------------------------------------------------------------------------------------


def test_line_ends_of_every_kind_become_newlines() -> None:
    assert clean("a\r\nb\rc\x0bd\x0ce\x85f\u2028g\u2029h") == "a\nb\nc\nd\ne\nf\ng\nh"


def test_what_could_deceive_or_break_is_gone() -> None:
    hostile = "a\x00\x1b\x7f\x9f\u202e\u2066\u200f\u061c\ufeff\ufffe\uffff\ud800b"
    assert clean(hostile) == "ab"
    assert clean("e\u0301 \U0001f468\u200d\U0001f469 \t") == "é \U0001f468\u200d\U0001f469 \t"


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    once = clean(text)
    assert clean(once) == once
    assert unicodedata.is_normalized("NFC", once)
    once.encode()


def test_one_line_is_one_line() -> None:
    assert one_line(" a\r\n\tb \u2028 c ") == "a b c"


def test_a_scrubbed_edition_keeps_lines_in_markdown_only() -> None:
    words = msgspec.structs.replace(
        samples.notice().wording("id"),
        title="Air\nmati\x00",
        summary="a\tb",
        body="satu\r\n\r\ndua\u202e",
    )
    edition = samples.clarification(
        wordings={"id": words},
        agency="Dinas\nSosial",
        claim=Claim(claim="a\nb", verdict="Hoaks", fact="c\x07", evidence=("x\ny",)),
    )
    scrub = scrubbed(edition)
    assert (scrub.wording("id").title, scrub.wording("id").summary, scrub.wording("id").body) == (
        "Air mati",
        "a b",
        "satu\n\ndua",
    )
    assert scrub.agency == "Dinas Sosial"
    assert scrub.claim == Claim(claim="a b", verdict="Hoaks", fact="c", evidence=("x y",))
    assert scrub.published_at == edition.published_at
    assert scrubbed(samples.notice()) == samples.notice()


# --- Markdown -------------------------------------------------------------------------------------

MARKDOWN = "**Tebal** dan *miring*, [tautan](https://contoh.example/a?b=1&c=2).\n\n- satu\n- dua\n\n3. tiga\n4. empat\n\nakhir"


def test_markdown_becomes_plain_text_that_reads_well() -> None:
    assert plain(MARKDOWN) == (
        "Tebal dan miring, tautan (https://contoh.example/a?b=1&c=2).\n\n- satu\n- dua\n\n3. tiga\n4. empat\n\nakhir"
    )


@pytest.mark.parametrize(
    ("markdown", "text"),
    [
        ("- a\n  - b\n- c", "- a\n  - b\n- c"),
        ("- a\n\n- b", "- a\n- b"),
        ("satu\ndua", "satu\ndua"),
        ("<https://contoh.example>", "https://contoh.example"),
        ("[https://contoh.example](https://contoh.example)", "https://contoh.example"),
        ("tulis ke <info@contoh.example>", "tulis ke info@contoh.example"),
        ("[info@contoh.example](mailto:info@contoh.example)", "info@contoh.example"),
        ("[112](tel:112)", "112"),
        ("<script>x</script> & <b>", "<script>x</script> & <b>"),
        ("&lt;b&gt; &amp;", "&lt;b&gt; &amp;"),
        ("# bukan judul", "# bukan judul"),
        ("![gambar](https://contoh.example/a.png)", "!gambar (https://contoh.example/a.png)"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("5 * 3 = 15 \\*bintang\\*", "5 * 3 = 15 \\*bintang\\*"),
        ("", ""),
    ],
)
def test_markdown_as_plain_text(markdown: str, text: str) -> None:
    assert plain(markdown) == text


class Tags(HTMLParser):
    """Parser that notes tags and link targets, and asserts that tags close in order."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.targets: list[str] = []
        self.open: list[str] = []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.targets += [value or "" for name, value in attrs if name == "href"]
        assert {name for name, _ in attrs} <= {"href", "rel", "start"}
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_markdown_becomes_safe_html() -> None:
    markup = html(MARKDOWN)
    assert Tags(markup).names == {"p", "strong", "em", "a", "ul", "ol", "li"}
    assert (
        '<a href="https://contoh.example/a?b=1&amp;c=2" rel="noopener nofollow">tautan</a>'
        in markup
    )
    assert '<ol start="3">' in markup


@given(
    st.text(alphabet=st.sampled_from("abc <>&\"'[]()*_`#-1.\n!:/\\javscript:http"), max_size=200)
)
def test_no_markdown_leads_out_of_the_allowed_tags_and_links(markdown: str) -> None:
    tags = Tags(html(markdown))
    assert tags.names <= {"p", "br", "strong", "em", "a", "ul", "ol", "li", "blockquote"}
    assert not tags.open
    assert all(re.match(r"(?:https?|mailto|tel):|[^:]*$", target) for target in tags.targets)


# --- times and names ------------------------------------------------------------------------------


def test_times_are_written_in_wib_as_people_here_write_them() -> None:
    moment = datetime(2026, 11, 25, 0, 42, tzinfo=UTC)
    assert clock(moment) == "07.42"
    assert day(moment) == "Rabu, 25 November 2026"
    assert day(moment, "en") == "Wednesday, 25 November 2026"
    assert moment_text(moment) == "25 Nov 2026 07.42 WIB"


@pytest.mark.parametrize(
    ("hours", "lang", "text"),
    [
        (6, "id", "25 Nov 2026 08.00-14.00 WIB"),
        (6, "en", "25 Nov 2026 08.00-14.00 WIB"),
        (30, "id", "25 Nov 2026 08.00 WIB - 26 Nov 2026 14.00 WIB"),
        (None, "id", "mulai 25 Nov 2026 08.00 WIB"),
        (None, "en", "from 25 Nov 2026 08.00 WIB"),
        (None, "su", "mulai 25 Nov 2026 08.00 WIB"),
    ],
)
def test_a_span_says_from_when_to_when(hours: int | None, lang: str, text: str) -> None:
    end = samples.WATER_OFF + timedelta(hours=hours) if hours else None
    assert span_text(samples.WATER_OFF, end, lang) == text


def test_a_span_over_midnight_in_utc_is_one_day_here() -> None:
    start = datetime(2026, 11, 24, 23, 30, tzinfo=UTC)
    assert span_text(start, start + timedelta(hours=2)) == "25 Nov 2026 06.30-08.30 WIB"


def test_may_and_august_are_written_in_indonesian() -> None:
    assert moment_text(datetime(2026, 5, 1, tzinfo=WIB)) == "1 Mei 2026 00.00 WIB"
    assert moment_text(datetime(2026, 8, 17, tzinfo=WIB), "en") == "17 Aug 2026 00.00 WIB"


def test_a_time_without_a_zone_is_refused() -> None:
    assert utc(samples.NOW) == datetime(2026, 11, 25, 0, 43, tzinfo=UTC)
    with pytest.raises(ValueError, match="zone"):
        utc(datetime(2026, 11, 25))  # noqa: DTZ001 # reason: the very thing that is refused


def test_the_city_and_the_kelurahan_cimahi_are_never_confused() -> None:
    edition = samples.notice(areas=(samples.CITY, samples.KELURAHAN_CIMAHI, samples.CIMAHI_UTARA))
    assert area_names(edition) == "Kota Cimahi, Kel. Cimahi, Kec. Cimahi Utara"


@pytest.mark.parametrize(
    ("verdict", "hoax_type", "lang", "text"),
    [
        ("Hoaks", "konten palsu", "id", "Hoaks (konten palsu)"),
        ("Hoaks", "konten palsu", "en", "Hoax (fabricated content)"),
        ("Benar", "", "en", "True"),
        ("Sebagian benar", "", "en", "Sebagian benar"),
    ],
)
def test_a_verdict_stands_beside_its_type(
    verdict: str, hoax_type: str, lang: str, text: str
) -> None:
    assert (
        verdict_text(Claim(claim="x", verdict=verdict, fact="y", hoax_type=hoax_type), lang) == text
    )


# --- templates ------------------------------------------------------------------------------------


def test_html_templates_escape_and_text_templates_do_not() -> None:
    values = {"x": "<b> & 'x'"}
    page = environment().from_string("{{ x }}").render(values)
    assert page == "<b> & 'x'"
    autoescape = environment().autoescape
    assert callable(autoescape)
    assert autoescape("email/notice.id.html") and autoescape("cap/alert.xml")
    assert not autoescape("email/notice.id.txt") and not autoescape(None)


def test_an_unknown_name_in_a_template_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        fill("email/notice.id.txt", {})


def test_a_language_without_a_template_falls_back_to_indonesian() -> None:
    assert template_name("email", samples.notice(), "en", "txt") == "email/notice.en.txt"
    assert template_name("email", samples.notice(), "su", "txt") == "email/notice.id.txt"
