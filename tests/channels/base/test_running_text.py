"""Lists and paragraphs on one line, and what counts as a repetition."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base.rendering import clean, plain
from channels.base.running_text import repeats, running

STEPS = "1. Pindah ke lantai dua\n2. Matikan listrik\n3. Bawa surat penting"


@pytest.mark.parametrize(
    ("markdown", "line"),
    [
        (STEPS, "1) Pindah ke lantai dua. 2) Matikan listrik. 3) Bawa surat penting."),
        ("1. Pindah!\n2. Matikan listrik.\n3. Tunggu", "1) Pindah! 2) Matikan listrik. 3) Tunggu."),
        ("Lakukan ini\n\n1. Pindah\n2. Tunggu", "Lakukan ini: 1) Pindah. 2) Tunggu."),
        ("14. Senter\n15. Jas hujan", "14) Senter. 15) Jas hujan."),
        ("1. Bawa:\n   1. KTP\n   2. KK\n2. Datang", "1) Bawa: a) KTP. b) KK. 2) Datang."),
        ("Truk menunggu di:\n\n- Kantor Kelurahan\n- Lapangan RW 05\n\nBawa ember.",
         "Truk menunggu di: Kantor Kelurahan; Lapangan RW 05. Bawa ember."),
        ("Bawa\n• KTP\n• KK", "Bawa: KTP; KK."),
        ("a. Pindah\nb. Tunggu", "a. Pindah. b. Tunggu."),
        ("Jadwal\n\nMelati: Senin\nMawar: Selasa", "Jadwal - Melati: Senin - Mawar: Selasa"),
        ("Air mati.\n\nTampung air.", "Air mati. Tampung air."),
        ("A. Yani ditutup", "A. Yani ditutup"),
        ("1. Buka https://contoh.example/a\n2. Tulis ke a@contoh.example",
         "1) Buka https://contoh.example/a 2) Tulis ke a@contoh.example"),
        ("1. Pindah ke tempat tinggi\nlewat Jl. Amir Machmud\n2. Matikan listrik",
         "1) Pindah ke tempat tinggi lewat Jl. Amir Machmud. 2) Matikan listrik."),
        ("- Cibabat\n  RW 05\n- Melong\n- Utama", "Cibabat RW 05; Melong; Utama."),
        ("1. Bawa\n   surat:\n   - KTP\n     asli\n   - KK\n     juga\n     fotokopi\n2. Datang\n   ke kantor\n\nSelesai",
         "1) Bawa surat: KTP asli; KK juga fotokopi. 2) Datang ke kantor. Selesai"),
        ("1. Bawa\n   surat\n   1. KTP\n      asli\n   2. KK\n2. Datang", "1) Bawa surat: a) KTP asli. b) KK. 2) Datang."),
        ("• KTP\nasli\n• KK\nfotokopi\nsaja", "KTP asli; KK fotokopi saja."),
        ("1. Buka\n   https://contoh.example/a\n2. Pindah!\n   Sekarang\n3. Tunggu",
         "1) Buka https://contoh.example/a 2) Pindah! Sekarang. 3) Tunggu."),
        ("- Tulis ke a@contoh.example\n- Buka www.contoh.example/a, lalu tunggu\n- Tunggu",
         "Tulis ke a@contoh.example ; Buka www.contoh.example/a, lalu tunggu; Tunggu."),
        ("", ""),
    ],
)  # fmt: skip
def test_a_text_with_lists_runs_on_one_line(markdown: str, line: str) -> None:
    assert running(plain(markdown)) == line


def test_marks_of_an_address_before_the_last_word_are_none_of_it() -> None:
    assert running(f"- {10_000 * '@'} x\n- Tunggu") == f"{10_000 * '@'} x; Tunggu."


@given(st.text(max_size=300).map(clean))
def test_a_running_text_is_one_line_with_every_word_in_its_order(text: str) -> None:
    line = running(text)
    assert line == " ".join(line.split())
    words = iter(re.findall(r"[^\W_]{2,}", line))
    assert all(word in words for word in re.findall(r"[^\W_]{2,}", text) if not word.isdecimal())


@pytest.mark.parametrize(
    ("lead", "text"),
    [
        ("Air mati. Tampung air.", "Air mati.\n\nTampung air.\n\nTruk menunggu."),
        (
            "Perumda Tirta mengganti pipa induk di Jl. Amir…",
            "Perumda Tirta mengganti pipa induk di **Jl. Amir Machmud**.",
        ),
        (
            "Truk menunggu di: Kantor; Lapangan.",
            "Truk menunggu di:\n\n- Kantor\n- Lapangan\n\nBawa ember.",
        ),
        ("1) Pindah. 2) Tunggu.", "1. Pindah\n2. Tunggu"),
        ("Pindah; Tunggu.", "1. Pindah\n2. Tunggu"),
        ("", "Air mati."),
        ("…", f"https://contoh.example/{400 * 'a'}"),
    ],
)
def test_a_lead_that_the_text_begins_with_is_repeated(lead: str, text: str) -> None:
    assert repeats(lead, [plain(text)])


@pytest.mark.parametrize(
    ("lead", "text"),
    [
        ("Tampung air.", "Air mati. Tampung air."),
        ("Tutup pukul 8", "Tutup pukul 80"),
        ("Air mati di Cibabat sampai sore", "Air mati di Cibabat"),
    ],
)
def test_a_lead_that_says_something_else_is_not(lead: str, text: str) -> None:
    assert not repeats(lead, [plain(text)])
