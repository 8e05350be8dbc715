"""`broadcaster subscribers import` on files as clerks make them: every row ends as the table beside
it says.
"""

import csv
import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.commanding import Program
from support.subscriber_samples import HEADER

INDONESIAN = "Kanal;Alamat;Kelurahan;Kategori;Bahasa;Sumber Persetujuan;Tanggal Persetujuan"
NINE_WIB = "2026-11-03T02:00:00+00:00"
"""The consent time of every row: 3 November 2026, 09.00 WIB."""
MELONG, CIBEBER, CIBABAT, CIGUGUR, CITEUREUP = (
    f"32.77.{code}" for code in ("01.1001", "01.1005", "03.1002", "02.1002", "03.1003")
)


@dataclass(frozen=True, kw_only=True)
class ImportCase:
    """A file and its outcome."""

    content: bytes
    reading: str = ""
    """The note on how it was read."""
    stored: Mapping[str, str]
    """Areas by address."""
    refused: Mapping[int, str] = field(default_factory=dict)
    """Reasons by line."""


def phones(*numbers: str) -> str:
    """Return WhatsApp rows in Cibabat."""
    return "".join(f"whatsapp,{number},cibabat,,id,loket,2026-11-03 09.00\n" for number in numbers)


def mails(*addresses: str, area: str = "cibabat") -> str:
    """Return email rows."""
    return "".join(f"email,{address},{area},,id,loket,2026-11-03 09.00\n" for address in addresses)


def in_cibabat(*addresses: str) -> dict[str, str]:
    """Return what is stored of addresses in Cibabat."""
    return dict.fromkeys(addresses, CIBABAT)


FILES = {
    "semicolons and a mark, as Excel with Indonesian settings saves": ImportCase(
        content=f"\ufeff{INDONESIAN}\r\nEmail;siti@contoh.example;Kel. Cibeber;Kesehatan;Indonesia;loket;03/11/2026 09.00\r\n"
        "WhatsApp;0812-0000-0001;Cibabat;;;loket;3 November 2026 pukul 09.00\r\n;;;;;;\r\n".encode(),
        reading="dibaca sebagai UTF-8, dipisah titik koma",
        stored={"siti@contoh.example": CIBEBER, "6281200000001": CIBABAT},
    ),
    "UTF-16 with tabs, as Excel saves Unicode text": ImportCase(
        content=b"\xff\xfe" + f"{HEADER}\r\n{mails('siti@contoh.example')}".replace(",", "\t").encode("utf-16-le"),
        reading="dibaca sebagai UTF-16 LE, dipisah tab",
        stored=in_cibabat("siti@contoh.example"),
    ),
    "UTF-16 with commas and no mark": ImportCase(
        content=f"{HEADER}\n{mails('siti@contoh.example')}".encode("utf-16-be"),
        reading="dibaca sebagai UTF-16 BE, dipisah koma",
        stored=in_cibabat("siti@contoh.example"),
    ),
    "a line that declares semicolons": ImportCase(
        content=f"sep=;\n{HEADER}\n{mails('siti@contoh.example')}".replace(",", ";").encode(),
        stored=in_cibabat("siti@contoh.example"),
    ),
    "a line that declares commas, empty columns, empty rows": ImportCase(
        content=f"sep=,\n{HEADER},,\n,,,,,,,,\n{mails('siti@contoh.example')}{mails('x')}".encode(),
        stored=in_cibabat("siti@contoh.example"),
        refused={5: "nama@contoh.id"},
    ),
    "phones in nine spellings and four that are none": ImportCase(
        content=f"{HEADER}\n".encode() + phones(
            "0062 812 9000 0006", "\u202a+62 812-9000-0101\u202c", "(0812) 9000-0102", "'+6281290000103", "81290000104",
            "0812.9000.0105", "62 812 9000 0106", "+62 (0)812 9000 0107", "6281290000108.0",
            "6.28123E+12", "0812-9OOO-0109", "022-6654274", "0812",
        ).encode(),
        stored=in_cibabat("6281290000006", *(f"62812900001{n:02}" for n in range(1, 9))),
        refused={11: "dibulatkan Excel", 12: "tidak berisi huruf", 13: "bukan nomor WhatsApp", 14: "bukan nomor WhatsApp"},
    ),
    "several areas, known by their names": ImportCase(
        content=(f"{HEADER}\n" + mails("a@x.example", area="Kel. Cibeber") + mails("b@x.example", area="Cigugur Tengah")
        + mails("c@x.example", area="citereup") + mails("d@x.example", area="cibabat melong")
        + mails("e@x.example", area="Cibabat; Melong") + mails("f@x.example", area="Cibabat|Melong")
        + mails("g@x.example", area="Cibabat/Melong") + mails("h@x.example", area='"Cibabat, Melong"')
        + mails("i@x.example", area="Cimahi") + mails("j@x.example", area="Lembang")).encode(),
        stored={"a@x.example": CIBEBER, "b@x.example": CIGUGUR, "c@x.example": CITEUREUP}
        | dict.fromkeys([f"{letter}@x.example" for letter in "defgh"], f"{MELONG} {CIBABAT}"),
        refused={10: "Kota Cimahi (tulis: cimahi) atau Kel. Cimahi (tulis: kelurahan-cimahi)", 11: '"Lembang" tidak dikenal'},
    ),
    "mail addresses as they are copied, and the same one again": ImportCase(
        content=f"{HEADER}\n".encode() + mails(
            "Ibu Sari <Sari.B@Contoh.example>", "mailto:budi@contoh.example", "de\u200bwi@contoh.example", "ani@contoh.example.",
            "sari.b@contoh.example", "joko@bücher.example",
        ).encode(),
        stored=in_cibabat("Sari.B@Contoh.example".replace("C", "c"), "budi@contoh.example", "dewi@contoh.example",
                   "ani@contoh.example", "joko@xn--bcher-kva.example"),
    ),
    "letters of Windows-1252": ImportCase(
        content=f"{HEADER}\n{mails('siti@contoh.example')}".replace("loket", "Café “Jum’at”").encode("cp1252"),
        reading="dibaca sebagai Windows-1252, dipisah koma",
        stored=in_cibabat("siti@contoh.example"),
    ),
    "a cell over two lines, then a row that is wrong": ImportCase(
        content=f"{HEADER}\n{mails('siti@contoh.example')}{mails('x')}".replace("loket", '"loket\nRW 05"').encode(),
        stored=in_cibabat("siti@contoh.example"),
        refused={4: "nama@contoh.id"},
    ),
    "dates, good and impossible": ImportCase(
        content=(f"{HEADER}\n" + "".join(
            f"email,warga{number}@contoh.example,cibabat,,id,loket,{text}\n" for number, text in enumerate(
                ["2026-11-03T09.00", "03/11/2026 09:00", "03-11-2026 9.00", "3 Nov 2026 09.00", "2099-03-04", "0026-11-03",
                 "03/11/26", "2026-W45-2", "kemarin"])
        )).encode(),
        stored=in_cibabat(*(f"warga{number}@contoh.example" for number in range(4))),
        refused={6: "di masa depan", 7: "sebelum tahun 2000", 8: "dua angka", 9: "nomor pekan", 10: "tidak terbaca"},
    ),
    "line ends of old Macs, words in capitals, all reasons of a row": ImportCase(
        content=(f"{HEADER.upper()}\n" + mails("siti@contoh.example") + "EMAIL,x,Lembang,gosip,fr,,\n")
        .replace("\n", "\r").encode(),
        stored=in_cibabat("siti@contoh.example"),
        refused={3: 'nama@contoh.id Wilayah "Lembang" tidak dikenal. Lihat: broadcaster areas list. Topik "gosip"'},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_row_of_a_clerks_file_ends_as_its_table_says(name: str, tmp_path: Path) -> None:
    case, program = FILES[name], Program(tmp_path / "data", {})
    (tmp_path / "warga.csv").write_bytes(case.content)
    program("migrate")
    dry_run = program("subscribers", "import", str(tmp_path / "warga.csv"), "--dry-run")
    result = program(
        "subscribers",
        "import",
        str(tmp_path / "warga.csv"),
        "--bad-rows",
        str(tmp_path / "buruk.csv"),
    )
    assert (result.code, result.out) == (dry_run.code, dry_run.out)
    assert result.code == (3 if case.refused else 0), result.err
    assert case.reading in result.err
    reported = {
        int(line.split(":")[0].split()[1]): line
        for line in result.err.splitlines()
        if line.startswith("baris ")
    }
    assert sorted(reported) == sorted(case.refused)
    assert not [line for line, reason in case.refused.items() if reason not in reported[line]], (
        reported
    )
    rows = list(csv.DictReader(program("subscribers", "export").ok.splitlines()))
    assert {row["address"]: row["areas"] for row in rows} == case.stored
    assert {row["consent_at"] for row in rows} == {NINE_WIB}
    again = program("subscribers", "import", str(tmp_path / "warga.csv"))
    assert ("baru" in again.out, "diubah" in again.out) == (False, False)


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    program = Program(tmp_path / "data", {})
    (tmp_path / "warga.csv").write_text(f"{HEADER}\n{mails('siti@contoh.example')}")
    os.mkfifo(tmp_path / "pipa")
    writer = threading.Thread(
        target=lambda: (tmp_path / "pipa").write_bytes((tmp_path / "warga.csv").read_bytes())
    )
    writer.start()
    assert program("subscribers", "import", str(tmp_path / "pipa")).ok == "1 baru, 0 ditolak\n"
    writer.join()


def test_an_export_of_formulas_starts_none_and_is_read_back(tmp_path: Path) -> None:
    program, other = Program(tmp_path / "data", {}), Program(tmp_path / "lain", {})
    rows = '=1+1@contoh.example,cibabat,,id,"=HYPERLINK(""x"")",2026-11-03 09.00'
    (tmp_path / "warga.csv").write_text(
        f"{HEADER}\nemail,{rows}\ntelegram,-1001234,cibabat,,id,+loket,2026-11-03 09.00\n"
    )
    assert program("subscribers", "import", str(tmp_path / "warga.csv")).ok == "2 baru, 0 ditolak\n"
    text = program("subscribers", "export").ok
    cells = [cell for row in csv.reader(text.splitlines()) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert {"'=1+1@contoh.example", '\'=HYPERLINK("x")', "'-1001234", "'+loket"} <= set(cells)
    (tmp_path / "ekspor.csv").write_text(text, newline="")
    assert other("subscribers", "import", str(tmp_path / "ekspor.csv")).ok == "2 baru, 0 ditolak\n"
    assert other("subscribers", "export").ok == text
    assert json.loads(other("subscribers", "count", "--json").ok)["email"]["confirmed"] == 1
