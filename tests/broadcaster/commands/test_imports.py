"""`broadcaster subscribers import`: twelve files as clerks make them; every row ends as the table
beside it says.
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

HEADER = "channel,address,areas,topics,language,consent_source,consent_at"
INDONESIAN = "Kanal;Alamat;Kelurahan;Kategori;Bahasa;Sumber Persetujuan;Tanggal Persetujuan"
NINE = "2026-11-03T02:00:00+00:00"
MELONG, CIBEBER, CIBABAT, CIGUGUR, CITEUREUP = (
    f"32.77.{code}" for code in ("01.1001", "01.1005", "03.1002", "02.1002", "03.1003")
)


@dataclass(frozen=True, kw_only=True)
class File:
    """A file, what is said of how it was read, the addresses that are stored of it with their
    areas, refusals by line.
    """

    content: bytes
    said: str = ""
    stored: Mapping[str, str]
    refused: Mapping[int, str] = field(default_factory=dict)


def phones(*numbers: str) -> str:
    return "".join(f"whatsapp,{number},cibabat,,id,loket,2026-11-03 09.00\n" for number in numbers)


def mails(*addresses: str, area: str = "cibabat") -> str:
    return "".join(f"email,{address},{area},,id,loket,2026-11-03 09.00\n" for address in addresses)


def one(*pairs: str) -> dict[str, str]:
    return dict.fromkeys(pairs, CIBABAT)


FILES = {
    "semicolons and a mark, as Excel with Indonesian settings saves": File(
        content=f"\ufeff{INDONESIAN}\r\nEmail;siti@contoh.example;Kel. Cibeber;Kesehatan;Indonesia;loket;03/11/2026 09.00\r\n"
        "WhatsApp;0812-0000-0001;Cibabat;;;loket;3 November 2026 pukul 09.00\r\n;;;;;;\r\n".encode(),
        said="dibaca sebagai UTF-8, dipisah titik koma",
        stored={"siti@contoh.example": CIBEBER, "6281200000001": CIBABAT},
    ),
    "UTF-16 with tabs, as Excel saves Unicode text": File(
        content=b"\xff\xfe" + f"{HEADER}\r\n{mails('siti@contoh.example')}".replace(",", "\t").encode("utf-16-le"),
        said="dibaca sebagai UTF-16 LE, dipisah tab",
        stored=one("siti@contoh.example"),
    ),
    "UTF-16 with commas and no mark": File(
        content=f"{HEADER}\n{mails('siti@contoh.example')}".encode("utf-16-be"),
        said="dibaca sebagai UTF-16 BE, dipisah koma",
        stored=one("siti@contoh.example"),
    ),
    "a line that declares semicolons": File(
        content=f"sep=;\n{HEADER}\n{mails('siti@contoh.example')}".replace(",", ";").encode(),
        stored=one("siti@contoh.example"),
    ),
    "a line that declares commas, empty columns, empty rows": File(
        content=f"sep=,\n{HEADER},,\n,,,,,,,,\n{mails('siti@contoh.example')}{mails('x')}".encode(),
        stored=one("siti@contoh.example"),
        refused={5: "nama@contoh.id"},
    ),
    "phones in nine spellings and four that are none": File(
        content=f"{HEADER}\n".encode() + phones(
            "0062 812 9000 0006", "\u202a+62 812-9000-0101\u202c", "(0812) 9000-0102", "'+6281290000103", "81290000104",
            "0812.9000.0105", "62 812 9000 0106", "+62 (0)812 9000 0107", "6281290000108.0",
            "6.28123E+12", "0812-9OOO-0109", "022-6654274", "0812",
        ).encode(),
        stored=one("6281290000006", *(f"62812900001{n:02}" for n in range(1, 9))),
        refused={11: "dibulatkan Excel", 12: "tidak berisi huruf", 13: "bukan nomor WhatsApp", 14: "bukan nomor WhatsApp"},
    ),
    "several areas, known by their names": File(
        content=(f"{HEADER}\n" + mails("a@x.example", area="Kel. Cibeber") + mails("b@x.example", area="Cigugur Tengah")
        + mails("c@x.example", area="citereup") + mails("d@x.example", area="cibabat melong")
        + mails("e@x.example", area="Cibabat; Melong") + mails("f@x.example", area="Cibabat|Melong")
        + mails("g@x.example", area="Cibabat/Melong") + mails("h@x.example", area='"Cibabat, Melong"')
        + mails("i@x.example", area="Cimahi") + mails("j@x.example", area="Lembang")).encode(),
        stored={"a@x.example": CIBEBER, "b@x.example": CIGUGUR, "c@x.example": CITEUREUP}
        | dict.fromkeys([f"{letter}@x.example" for letter in "defgh"], f"{MELONG} {CIBABAT}"),
        refused={10: "Kota Cimahi (tulis: cimahi) atau Kel. Cimahi (tulis: kelurahan-cimahi)", 11: '"Lembang" tidak dikenal'},
    ),
    "mail addresses as they are copied, and the same one again": File(
        content=f"{HEADER}\n".encode() + mails(
            "Ibu Sari <Sari.B@Contoh.example>", "mailto:budi@contoh.example", "de\u200bwi@contoh.example", "ani@contoh.example.",
            "sari.b@contoh.example", "joko@bücher.example",
        ).encode(),
        stored=one("Sari.B@Contoh.example".replace("C", "c"), "budi@contoh.example", "dewi@contoh.example",
                   "ani@contoh.example", "joko@xn--bcher-kva.example"),
    ),
    "letters of Windows-1252": File(
        content=f"{HEADER}\n{mails('siti@contoh.example')}".replace("loket", "Café “Jum’at”").encode("cp1252"),
        said="dibaca sebagai Windows-1252, dipisah koma",
        stored=one("siti@contoh.example"),
    ),
    "a cell over two lines, then a row that is wrong": File(
        content=f"{HEADER}\n{mails('siti@contoh.example')}{mails('x')}".replace("loket", '"loket\nRW 05"').encode(),
        stored=one("siti@contoh.example"),
        refused={4: "nama@contoh.id"},
    ),
    "dates, good and impossible": File(
        content=(f"{HEADER}\n" + "".join(
            f"email,warga{number}@contoh.example,cibabat,,id,loket,{text}\n" for number, text in enumerate(
                ["2026-11-03T09.00", "03/11/2026 09:00", "03-11-2026 9.00", "3 Nov 2026 09.00", "2099-03-04", "0026-11-03",
                 "03/11/26", "2026-W45-2", "kemarin"])
        )).encode(),
        stored=one(*(f"warga{number}@contoh.example" for number in range(4))),
        refused={6: "di masa depan", 7: "sebelum tahun 2000", 8: "dua angka", 9: "nomor pekan", 10: "tidak terbaca"},
    ),
    "line ends of old Macs, words in capitals, all reasons of a row": File(
        content=(f"{HEADER.upper()}\n" + mails("siti@contoh.example") + "EMAIL,x,Lembang,gosip,fr,,\n")
        .replace("\n", "\r").encode(),
        stored=one("siti@contoh.example"),
        refused={3: 'nama@contoh.id Wilayah "Lembang" tidak dikenal. Lihat: broadcaster areas list. Topik "gosip"'},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_every_row_of_a_clerks_file_ends_as_its_table_says(name: str, tmp_path: Path) -> None:
    given, program = FILES[name], Program(tmp_path / "data", {}).migrated()
    (tmp_path / "warga.csv").write_bytes(given.content)
    tried = program("subscribers", "import", str(tmp_path / "warga.csv"), "--dry-run")
    done = program(
        "subscribers",
        "import",
        str(tmp_path / "warga.csv"),
        "--bad-rows",
        str(tmp_path / "buruk.csv"),
    )
    assert (done.code, done.out) == (tried.code, tried.out)
    assert done.code == (3 if given.refused else 0), done.err
    assert given.said in done.err
    told = {
        int(line.split(":")[0].split()[1]): line
        for line in done.err.splitlines()
        if line.startswith("baris ")
    }
    assert sorted(told) == sorted(given.refused)
    assert not [line for line, reason in given.refused.items() if reason not in told[line]], told
    rows = list(csv.DictReader(program("subscribers", "export").ok.splitlines()))
    assert {row["address"]: row["areas"] for row in rows} == given.stored
    assert {row["consent_at"] for row in rows} == {NINE}
    again = program("subscribers", "import", str(tmp_path / "warga.csv"))
    assert ("baru" in again.out, "diubah" in again.out) == (False, False)


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    program = Program(tmp_path / "data", {})
    (tmp_path / "warga.csv").write_text(f"{HEADER}\n{mails('siti@contoh.example')}")
    os.mkfifo(tmp_path / "pipa")
    writing = threading.Thread(
        target=lambda: (tmp_path / "pipa").write_bytes((tmp_path / "warga.csv").read_bytes())
    )
    writing.start()
    assert program("subscribers", "import", str(tmp_path / "pipa")).ok == "1 baru, 0 ditolak\n"
    writing.join()


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
