"""Dates as people write them: one reader for files and the API."""

from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.moments import read_moment
from subscribers.refusals import BadValue
from support.wording import refuses, words_of

WIB = timezone(timedelta(hours=7))
NINE = 1_793_671_200.0
"""3 November 2026, 09:00 WIB."""
MIDNIGHT = 1_793_638_800.0


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-03T09:00", "2026-11-03 09:00:00", "2026-11-03T09.00", "2026-11-03 9.00", "2026-11-03T09",
        "2026-11-03T02:00Z",
        "2026-11-03T02:00:00.000000+00:00", "2026-11-03T09:00:00+0700", "2026-11-03 11:00 WIT", "2026/11/03 09:00",
        "20261103 09:00", "20261103T0900", "2026-11-03T0900", "'2026-11-03 09:00", "2026\u201111\u201103 09:00",
        "03/11/2026 09:00", "3/11/2026 09.00", "03-11-2026 9:00", "03.11.2026 09.00", "03/11/2026, 09:00",
        "03/11/2026 pukul 09.00 WIB",
        "3 Nov 2026 09:00", "3 November 2026 jam 09.00", "Selasa, 3 November 2026 09.00", "3-Nov-2026 09:00",
        "03 nopember 2026 09:00",
    ],
)  # fmt: skip
def test_a_moment_is_read_however_it_is_written(text: str) -> None:
    assert read_moment(text, WIB) == NINE


@pytest.mark.parametrize(
    "text", ["2026-11-03", "03/11/2026", "3-11-2026", "3 Nov 2026", "3 November 2026", "20261103"]
)
def test_a_day_begins_at_midnight(text: str) -> None:
    assert read_moment(text, WIB) == MIDNIGHT


@pytest.mark.parametrize(
    ("month", "words"),
    [
        (5, "Mei May"),
        (8, "Agustus Agu Agt Ags Aug"),
        (10, "Oktober Okt Oct"),
        (12, "Desember Des Dec"),
        (2, "Februari Feb Pebruari"),
    ],
)
def test_months_have_their_names_in_both_languages(month: int, words: str) -> None:
    for word in words.split():
        assert read_moment(f"3 {word} 2026", WIB) == read_moment(f"2026-{month:02}-03", WIB)


def test_seconds_and_their_fractions_are_kept() -> None:
    assert read_moment("2026-11-03T09:00:07.250001", WIB) == NINE + 7.250001
    assert read_moment("2026-11-03 09.00.07", WIB) == NINE + 7


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2027-03-04", "Persetujuan bertanggal di masa depan: 2027-03-04."),
        ("0026-11-03", "Persetujuan bertanggal sebelum tahun 2000: 0026-11-03."),
        ("1999-12-31", "Persetujuan bertanggal sebelum tahun 2000: 1999-12-31."),
        ("03/11/26", 'Tahun pada "03/11/26" ditulis dua angka: tulis empat, seperti 03/11/2026.'),
        ("26-11-03", 'Tahun pada "26-11-03" ditulis dua angka: tulis empat, seperti 03/11/2026.'),
        ("3 Nov 26", 'Tahun pada "3 Nov 26" ditulis dua angka: tulis empat, seperti 03/11/2026.'),
        ("2026-W45-2", 'Waktu "2026-W45-2" adalah nomor pekan: tulis tanggalnya, seperti 2026-11-03T09:00.'),
        ("2026W452", 'Waktu "2026W452" adalah nomor pekan: tulis tanggalnya, seperti 2026-11-03T09:00.'),
        ("46329", 'Waktu "46329" adalah angka Excel: ubah bentuk selnya menjadi tanggal, seperti 03/11/2026.'),
        ("46329.375", 'Waktu "46329.375" adalah angka Excel: ubah bentuk selnya menjadi tanggal, seperti 03/11/2026.'),
    ],
)  # fmt: skip
def test_a_slip_has_its_own_sentence(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as refused:
        read_moment(text, WIB, now=NINE + 1)
    assert words_of(refused.value) == reason


@pytest.mark.parametrize(
    "text", ["", "kemarin", "3 November", "11/25/2026", "31/02/2026", "2026-11-03T24:00", "2026-11-03T09:61",
             "2026-11-03 09:00 XYZ", "3 Foo 2026", "2026-11-03T09:00+99:00", "03/11-2026", "2026-13-01"],
)  # fmt: skip
def test_what_is_no_moment_is_refused_with_an_example(text: str) -> None:
    with refuses(BadValue, match="tidak terbaca: tulis seperti 2026-11-03T09:00"):
        read_moment(text, WIB, now=NINE)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    try:
        read_moment(text, WIB, now=NINE)
    except BadValue as refused:
        assert words_of(refused).endswith(".")
