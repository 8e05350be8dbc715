"""Files of rows as clerks make them: delimiters, header words, multi-line cells, empty rows and
columns.
"""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.table import Record, Table, record_of
from support.subscriber_samples import GOOD, HEADER
from support.wording import problem_of

CELLS = tuple(GOOD.split(","))


def table(*lines: str) -> Table:
    """Return the table of these lines, with or without their own line ends."""
    return Table(io.StringIO("\n".join(lines) + "\n", newline=""))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("declared", [True, False])
def test_the_delimiter_is_found_or_declared(delimiter: str, declared: bool) -> None:
    lines = [text.replace(",", delimiter) for text in (HEADER, GOOD)]
    rows = table(*([f"sep={delimiter}"] if declared else []), *lines)
    assert rows.delimiter == delimiter
    assert [(record.line, record.cells) for record in rows] == [(2 + declared, CELLS)]


@pytest.mark.parametrize("first", ['"sep=;"', "SEP=;", "\ufeffsep=;", "sep=;;;;;;;"])
def test_the_line_that_declares_a_delimiter_may_look_odd(first: str) -> None:
    assert [
        record.cells for record in table(first, HEADER.replace(",", ";"), GOOD.replace(",", ";"))
    ] == [CELLS]


def test_a_declared_delimiter_that_is_wrong_does_not_count() -> None:
    assert [
        record.cells for record in table("sep=,", HEADER.replace(",", ";"), GOOD.replace(",", ";"))
    ] == [CELLS]


@pytest.mark.parametrize(
    "header",
    [
        "Kanal,Alamat,Wilayah,Topik,Bahasa,Sumber Persetujuan,Tanggal Persetujuan",
        "KANAL,ALAMAT,KELURAHAN,KATEGORI,BAHASA,SUMBER_PERSETUJUAN,WAKTU_PERSETUJUAN",
        "saluran, alamat ,area,topik,bahasa,sumber-persetujuan,tanggal  persetujuan",
        "Channel,Address,Areas,Topics,Language,Consent Source,Consent At",
        "\ufeffchannel,\u200baddress,areas,topics,language,consent_source,CONSENT_AT",
        '"channel","address","areas","topics","language","consent_source","consent_at"',
    ],
)
def test_header_words_may_be_indonesian_and_spelt_with_spaces(header: str) -> None:
    assert ",".join(table(header, GOOD).columns) == HEADER


def test_blank_rows_and_empty_columns_are_passed_over() -> None:
    rows = table(HEADER + ",,,", ",,,,,,", GOOD + ",,,", "", ' , ,"",,, ,', "\xa0", ";;;;;;", GOOD)
    assert [(record.line, record.cells, problem_of(record)) for record in rows] == [
        (3, CELLS, ""),
        (8, CELLS, ""),
    ]


def test_optional_columns_may_be_missing_at_the_end_as_excel_leaves_them_out() -> None:
    (record,) = table(HEADER + ",pelanggan,state", GOOD)
    assert (record.cells, problem_of(record)) == ((*CELLS, "", ""), "")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_cell_over_several_lines_is_one_record_and_lines_are_still_counted_right(
    end: str,
) -> None:
    lines = [HEADER, 'email,rina@contoh.example,cibabat,,id,"formulir', 'RW 05",2026-11-03', GOOD]
    rows = Table(io.StringIO(end.join(lines) + end, newline=""))
    assert [(record.line, problem_of(record)) for record in rows] == [(2, ""), (4, "")]


def test_a_forgotten_quotation_mark_spoils_one_row() -> None:
    records = list(
        table(
            HEADER,
            GOOD.replace("rina", '"rina'),
            GOOD,
            GOOD.replace("cibabat", '"cibabat\nmelong"'),
            GOOD,
        )
    )
    assert [(record.line, problem_of(record)) for record in records] == [
        (2, "Tanda kutip tidak berpasangan."),
        (3, ""),
        (4, ""),
        (6, ""),
    ]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("email,rina@contoh.example", "Ada 2 kolom, seharusnya 7."),
        (GOOD + ",lebih", "Ada 8 kolom, seharusnya 7."),
        (GOOD.replace("formulir", "formulir, RW 05"), "Ada 8 kolom, seharusnya 7."),
        (GOOD.replace("rina", "r\0na"), "Baris ini berisi karakter NUL."),
        (
            GOOD.replace("rina", "r\ufffdna"),
            "Baris ini rusak: ada huruf yang tidak terbaca. Tulis ulang hurufnya.",
        ),
        (GOOD.replace("rina", "r\udce9na"), "Baris ini bukan UTF-8."),
        (GOOD.replace("rina", "r" * 70_000), "Baris lebih dari 64 KiB."),
    ],
)
def test_a_row_that_cannot_be_read_has_its_own_sentence(row: str, problem: str) -> None:
    assert [problem_of(record) for record in table(HEADER, row, GOOD)] == [problem, ""]


@given(st.lists(st.text(alphabet="a,;\"'\n= ", max_size=12), max_size=30))
def test_no_junk_of_quotation_marks_stops_the_file(junk: list[str]) -> None:
    records = list(table(HEADER, *junk, *["x"] * 25, GOOD))
    assert records[-1].cells == CELLS


def test_numbers_kept_as_text_by_a_formula_are_those_numbers() -> None:
    header = HEADER.replace(",", ";")
    rows = table(
        header,
        'whatsapp;="0812";cibabat;;id;loket;2026-11-03',
        'whatsapp;"=""0812""";cibabat;;id;loket;2026-11-03',
    )
    assert [record.cells[1] for record in rows] == ["0812", "0812"]


def test_cells_from_no_file_are_refused_for_what_a_file_may_not_hold() -> None:
    assert problem_of(record_of(["email", "x" * 70_000])) == "Baris lebih dari 64 KiB."
    assert "rusak" in problem_of(record_of(["email", "x\ufffd"]))
    assert record_of(["email", "a\nb", "'=x"]) == Record(line=1, cells=("email", "a\nb", "=x"))
