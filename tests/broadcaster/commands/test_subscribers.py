"""`broadcaster subscribers`: rows that an import stores, refuses or repeats; export and erase."""

import contextlib
import csv
import json
import sqlite3
import stat
from pathlib import Path

import pytest

from support.commanding import Program

HEADER = "channel,address,areas,topics,language,consent_source,consent_at,subscriber"
GOOD = [
    "email,siti@contoh.example,cibabat pasirkaliki,kesehatan,id,formulir,2026-03-01T09:00,orang-1",
    "telegram,123456,cimahi,,en,bot,2026-03-02T10:30:00+07:00,orang-1",
    "whatsapp,0812-0000-0001,kelurahan-cimahi,,id,loket,2026-04-01T08:00,",
]
BAD = [
    "email,bukan alamat,cibabat,,id,formulir,2026-03-01T09:00,",
    "email,tanpa@contoh.example,cibabat,,id,,,",
    "email,salah@contoh.example,cibabet,,id,formulir,2026-03-01T09:00,",
    "faks,022123,cibabat,,id,formulir,2026-03-01T09:00,",
]


def file_of(tmp_path: Path, *rows: str, header: str = HEADER) -> str:
    """Write rows to a CSV file and return its path."""
    path = tmp_path / "warga.csv"
    path.write_text("".join(f"{line}\n" for line in (header, *rows)), encoding="utf-8")
    return str(path)


def counts(program: Program) -> dict[str, dict[str, int]]:
    """Return the numbers of `subscribers count` by channel and state."""
    by_channel: dict[str, dict[str, int]] = json.loads(program("subscribers", "count", "--json").ok)
    return by_channel


def test_good_rows_are_kept_and_bad_ones_reported_by_line_and_reason(
    program: Program, tmp_path: Path
) -> None:
    result = program(
        "subscribers", "import", file_of(tmp_path, GOOD[0], *BAD[:2], GOOD[1], *BAD[2:], GOOD[2])
    )
    assert (result.code, result.out) == (3, "3 baru, 4 ditolak\n")
    reported = [line for line in result.err.splitlines() if line.startswith("baris ")]
    assert [line.split(":")[0] for line in reported] == ["baris 3", "baris 4", "baris 6", "baris 7"]
    assert "persetujuan" in reported[1]
    assert "cibabat" in reported[2], "the nearest name is offered"
    assert "Kanal" in reported[3]
    assert {channel: states["confirmed"] for channel, states in counts(program).items()} == {
        "email": 1,
        "telegram": 1,
        "whatsapp": 1,
    }


def test_the_same_file_again_changes_nothing(program: Program, tmp_path: Path) -> None:
    file = file_of(tmp_path, *GOOD)
    assert program("subscribers", "import", file).ok == "3 baru, 0 ditolak\n"
    before = program("subscribers", "export").ok
    assert program("subscribers", "import", file).ok == "3 sama, 0 ditolak\n"
    assert program("subscribers", "export").ok == before


def test_a_changed_row_replaces_areas_topics_and_language(program: Program, tmp_path: Path) -> None:
    program("subscribers", "import", file_of(tmp_path, *GOOD))
    changed = "email,siti@contoh.example,melong,,en,formulir,2026-03-01T09:00,orang-1"
    assert (
        program("subscribers", "import", file_of(tmp_path, changed)).ok == "1 diubah, 0 ditolak\n"
    )
    (row,) = [
        row
        for row in csv.DictReader(program("subscribers", "export").ok.splitlines())
        if row["channel"] == "email"
    ]
    assert (row["areas"], row["topics"], row["language"]) == ("32.77.01.1001", "", "en")


def test_what_was_exported_is_imported_elsewhere_as_it_was(
    program: Program, tmp_path: Path
) -> None:
    program("subscribers", "import", file_of(tmp_path, *GOOD))
    file = tmp_path / "ekspor.csv"
    assert program("subscribers", "export", str(file)).ok == ""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    other = Program(tmp_path / "lain", {})
    assert other("subscribers", "import", str(file)).ok == "3 baru, 0 ditolak\n"
    assert (
        other("subscribers", "export").ok.splitlines()
        == file.read_text(encoding="utf-8").splitlines()
    )


def test_a_number_abroad_comes_back_from_an_export_and_is_erased_as_it_stands_there(
    program: Program, tmp_path: Path
) -> None:
    abroad = "whatsapp,+65 9123 4567,cibabat,,id,loket,2026-11-03T09:00,"
    assert (
        program("subscribers", "import", file_of(tmp_path, abroad, GOOD[2])).ok
        == "2 baru, 0 ditolak\n"
    )
    exported = tmp_path / "ekspor.csv"
    program("subscribers", "export", str(exported))
    addresses = [
        row["address"] for row in csv.DictReader(exported.read_text(encoding="utf-8").splitlines())
    ]
    assert addresses == ["'+6591234567", "6281200000001"]
    assert program("subscribers", "import", str(exported)).ok == "2 sama, 0 ditolak\n"
    assert program("subscribers", "erase", "'+6591234567").ok == "Dihapus dari whatsapp.\n"


def test_an_export_overwrites_an_older_file_only_when_told_to_and_whole(
    program: Program, tmp_path: Path
) -> None:
    program("subscribers", "import", file_of(tmp_path, GOOD[0]))
    file = tmp_path / "ekspor.csv"
    file.write_text("x" * 10_000)
    file.chmod(0o644)
    refused = program("subscribers", "export", str(file))
    assert (refused.code, refused.err) == (
        1,
        f"{file} sudah ada. Pilih nama lain, atau timpa dengan --force.\n",
    )
    assert file.read_text() == "x" * 10_000
    assert program("subscribers", "export", str(file), "--force").code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, "it holds addresses now"
    assert file.read_text().splitlines()[0].startswith("channel,address")
    assert "xxx" not in file.read_text()


def test_all_bad_rows_go_into_a_file_where_one_is_named(program: Program, tmp_path: Path) -> None:
    many = [f"email,bukan alamat {n},cibabet,,id,formulir,2026-03-01T09:00," for n in range(60)]
    result = program(
        "subscribers",
        "import",
        file_of(tmp_path, GOOD[0], *many),
        "--bad-rows",
        str(tmp_path / "buruk.csv"),
    )
    assert (result.code, result.out) == (3, "1 baru, 60 ditolak\n")
    assert sum(line.startswith("baris ") for line in result.err.splitlines()) == 50
    assert "... dan 10 baris lain" in result.err
    rows = list(
        csv.DictReader((tmp_path / "buruk.csv").read_text(encoding="utf-8-sig").splitlines())
    )
    assert [row["address"] for row in rows] == [f"bukan alamat {n}" for n in range(60)]
    assert "nama@contoh.id" in rows[0]["alasan"]
    assert "cibabat?" in rows[0]["alasan"], "all its reasons"
    assert stat.S_IMODE((tmp_path / "buruk.csv").stat().st_mode) == 0o600


def test_refused_rows_are_mended_in_their_file_and_imported_from_it(
    program: Program, tmp_path: Path
) -> None:
    rows = [
        "whatsapp,'+6281200000001 x,Kel. Cibeber;Melong,,id,=loket,2026-03-01",
        'email,"siti@contoh.example,cibabat,,id,loket,2026-03-01',
        "email,dewi@contoh.example,cibabat,,id,loket,2026-03-01,,,lebih",
    ]
    first = program(
        "subscribers", "import", file_of(tmp_path, *rows), "--bad-rows", str(tmp_path / "buruk.csv")
    )
    assert (first.code, first.out) == (3, "0 baris, 3 ditolak\n")
    text = (tmp_path / "buruk.csv").read_text(encoding="utf-8-sig")
    assert not [
        cell for row in csv.reader(text.splitlines()) for cell in row if cell.startswith(("=", "+"))
    ]
    mended = (
        text.replace("0001 x", "0001")
        .replace(",lebih", "")
        .replace('"siti@contoh.example,', "siti@contoh.example,")
    )
    mended = mended.replace('loket,2026-03-01"', "loket,2026-03-01")
    (tmp_path / "baik.csv").write_text(mended, encoding="utf-8-sig")
    second = program(
        "subscribers",
        "import",
        str(tmp_path / "baik.csv"),
        "--bad-rows",
        str(tmp_path / "buruk2.csv"),
    )
    assert second.ok == "3 baru, 0 ditolak\n", second.err
    assert "=loket" in {
        row["consent_source"].lstrip("'")
        for row in csv.DictReader(program("subscribers", "export").ok.splitlines())
    }


def test_the_file_of_refused_rows_never_overwrites_another_nor_the_one_imported(
    tmp_path: Path,
) -> None:
    program = Program(tmp_path / "empty", {})
    file = file_of(tmp_path, *BAD)
    before = Path(file).read_text()
    for force in ((), ("--force",)):
        assert program("subscribers", "import", file, "--bad-rows", file, *force).code == 1
    assert Path(file).read_text() == before
    assert counts_or_none(program) is None, "nothing was begun"


def counts_or_none(program: Program) -> dict[str, dict[str, int]] | None:
    """Return the numbers of `subscribers count`; None while there is no database."""
    result = program("subscribers", "count", "--json")
    return json.loads(result.out) if result.code == 0 else None


def test_a_trial_tells_what_would_happen_and_stores_nothing(
    program: Program, tmp_path: Path
) -> None:
    program("subscribers", "import", file_of(tmp_path, GOOD[0]))
    before = program("subscribers", "export").ok
    rows = [*GOOD, BAD[0], GOOD[0].replace("cibabat", "melong")]
    result = program("subscribers", "import", file_of(tmp_path, *rows), "--dry-run")
    assert (result.code, result.out) == (3, "1 diubah, 2 baru, 1 berulang, 1 ditolak\n")
    assert "Hanya percobaan: tidak ada yang disimpan." in result.err
    assert program("subscribers", "export").ok == before
    fresh_program = Program(tmp_path / "baru", {})
    assert fresh_program("subscribers", "import", file_of(tmp_path, *GOOD), "--dry-run").code == 1
    assert not (tmp_path / "baru" / "siaran.db").exists()


def test_addresses_and_people_are_counted_once_each_however_far_apart_their_rows_are(
    program: Program, tmp_path: Path
) -> None:
    rows = [
        f"email,warga{n}@contoh.example,cibabat,,id,formulir,2026-03-01,w{n // 2}"
        for n in range(2_100)
    ]
    again = [row.replace("cibabat", "melong").replace("warga", "WARGA") for row in rows[:10]]
    for trial in (("--dry-run",), ()):
        result = program("subscribers", "import", file_of(tmp_path, *rows, *again), *trial)
        assert result.ok == "2100 baru, 10 berulang, 0 ditolak\n"
        assert "2100 alamat milik 1050 orang." in result.err
    assert counts(program)["email"]["confirmed"] == 2_100


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Berkas kosong"),
        (b"channel;address;areas;topics;language;consent_source\n", "kolom consent_at tidak ada"),
        (b"channel,umur\n", "kolom address tidak ada"),
        (b"PK\x03\x04" + b"\0\1" * 900, "berkas Excel (.xlsx)"),
        (b"%PDF-1.7\n...", "berkas PDF"),
        (b"\0\1\2\3" * 400, "berkas biner"),
        (("\ufeff" + HEADER).encode("utf-32-le"), "UTF-32"),
        (
            HEADER.encode() + b"\nemail,a@contoh.example,cibabat,,id,r\x8epublik,2026-03-01",
            "bukan UTF-8 dan bukan Windows-1252",
        ),
        (
            HEADER.encode() + b"\nemail,a@contoh.example,cibabat,,id,Jum\xd5at,2026-03-01",
            "bukan UTF-8 dan bukan Windows-1252",
        ),
    ],
)
def test_a_file_that_is_no_such_csv_is_refused_whole_with_one_line(
    program: Program, tmp_path: Path, content: bytes, message: str
) -> None:
    file = tmp_path / "warga.csv"
    file.write_bytes(content)
    result = program("subscribers", "import", str(file))
    assert result.code == 1
    assert message in result.err.splitlines()[-1]
    assert "Traceback" not in result.err


def test_an_import_of_nothing_good_says_so(program: Program, tmp_path: Path) -> None:
    result = program("subscribers", "import", file_of(tmp_path, *BAD))
    assert result.code == 3
    assert result.out == "0 baris, 4 ditolak\n"
    assert result.err.splitlines()[-1] == "Tidak ada baris yang dapat diimpor."
    assert counts(program) == {}


def test_an_erased_address_leaves_nothing_behind(program: Program, tmp_path: Path) -> None:
    program("subscribers", "import", file_of(tmp_path, *GOOD))
    assert program("subscribers", "erase", "0812 0000 0001").ok == "Dihapus dari whatsapp.\n"
    assert counts(program)["email"]["confirmed"] == 1
    assert "whatsapp" not in counts(program)
    again = program("subscribers", "erase", "0812 0000 0001")
    assert (again.code, again.err) == (1, "Alamat itu tidak terdaftar.\n")
    assert (
        program("subscribers", "erase", "siti@CONTOH.example", "--channel", "email").ok
        == "Dihapus dari email.\n"
    )


def test_erasing_one_address_tells_of_the_others_of_its_person_and_how_they_go(
    program: Program, tmp_path: Path
) -> None:
    more = "email,Siti.Lama@contoh.example,cibabat,,id,formulir,2026-03-01T09:00,orang-1"
    program("subscribers", "import", file_of(tmp_path, *GOOD, more))
    result = program("subscribers", "erase", "siti@contoh.example")
    assert result.ok == "Dihapus dari email.\n"
    assert (
        "masih terdaftar dengan 2 alamat lain: telegram ***, email Si***@contoh.example."
        in result.err
    )
    assert "--person" in result.err
    assert (
        program("subscribers", "erase", "mailto:SITI.LAMA@Contoh.example", "--person").ok
        == "Dihapus dari email, telegram.\n"
    )
    assert list(counts(program)) == ["whatsapp"]


def test_erasing_an_only_address_says_nothing_of_others(program: Program, tmp_path: Path) -> None:
    program("subscribers", "import", file_of(tmp_path, *GOOD))
    result = program("subscribers", "erase", "(0812) 0000-0001", "--person")
    assert (result.out, result.err) == ("Dihapus dari whatsapp.\n", "")


def test_erasing_while_somebody_reads_says_that_the_file_still_holds_the_rest(
    program: Program, tmp_path: Path
) -> None:
    program("subscribers", "import", file_of(tmp_path, *GOOD))
    with contextlib.closing(sqlite3.connect(program.folder / "siaran.db")) as reading:
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM address").fetchall()
        result = program("subscribers", "erase", "0812 0000 0001")
    assert (result.code, result.out) == (0, "Dihapus dari whatsapp.\n")
    assert "broadcaster migrate" in result.err
    assert program("migrate").ok == "Sudah terbaru.\n"
    log = program.folder / "siaran.db-wal"
    assert not log.exists() or log.stat().st_size == 0


def test_erasing_by_an_unknown_channel_or_an_invalid_address_says_so(
    program: Program, tmp_path: Path
) -> None:
    program("subscribers", "import", file_of(tmp_path, *GOOD))
    unknown_channel = program("subscribers", "erase", "siti@contoh.example", "--channel", "faks")
    assert (
        unknown_channel.code,
        unknown_channel.err.startswith("Kanal 'faks' tidak ada. Yang ada: email, "),
    ) == (
        1,
        True,
    )
    bad_address = program("subscribers", "erase", "bukan alamat", "--channel", "email")
    assert bad_address.code == 1
    assert len(bad_address.err.splitlines()) == 1
    assert counts(program)["email"]["confirmed"] == 1


def test_counts_are_for_people_and_for_machines(program: Program, tmp_path: Path) -> None:
    program("subscribers", "import", file_of(tmp_path, *GOOD))
    lines = program("subscribers", "count").ok.splitlines()
    assert [line.split(":")[0] for line in lines] == ["email", "telegram", "whatsapp"]
    assert lines[0] == "email: 0 menunggu konfirmasi, 1 aktif, 0 tidak terjangkau, 0 berhenti"
    assert counts(program)["email"] == {
        "unconfirmed": 0,
        "confirmed": 1,
        "address_dead": 0,
        "opted_out": 0,
    }


def test_without_a_database_there_is_nothing_to_export_and_the_next_step_is_named(
    tmp_path: Path,
) -> None:
    program = Program(tmp_path / "empty", {})
    result = program("subscribers", "export")
    assert (result.code, result.out, result.err) == (
        1,
        "",
        f"Basis data belum disiapkan: tidak ada siaran.db di folder {program.folder}. "
        "Jalankan `broadcaster migrate` dulu, "
        "atau sebut folder yang berisi siaran.db lewat BROADCASTER_DATA_DIR.\n",
    )


def test_a_thousand_rows_at_a_time_make_no_difference(program: Program, tmp_path: Path) -> None:
    rows = [
        f"email,warga{n:05}@contoh.example,cibabat,,id,formulir,2026-03-01T09:00,"
        for n in range(4_500)
    ]
    result = program(
        "subscribers", "import", file_of(tmp_path, *rows[:2_100], BAD[0], *rows[2_100:])
    )
    assert (result.code, result.out) == (3, "4500 baru, 1 ditolak\n")
    assert "baris 2102:" in result.err
    assert counts(program)["email"]["confirmed"] == 4_500


def test_the_same_commands_work_on_postgresql(empty_postgresql_url: str, tmp_path: Path) -> None:
    program = Program(tmp_path / "data", {"BROADCASTER_DATABASE_URL": empty_postgresql_url})
    refused = program("subscribers", "import", file_of(tmp_path, *GOOD))
    assert refused.code == 1, "a server's database is only made on purpose"
    assert "0001" in program("migrate").ok
    assert program("migrate").ok == "Sudah terbaru.\n"
    assert program("subscribers", "import", file_of(tmp_path, *GOOD)).ok == "3 baru, 0 ditolak\n"
    assert program("subscribers", "import", file_of(tmp_path, *GOOD)).ok == "3 sama, 0 ditolak\n"
    assert program("subscribers", "erase", "123456").ok == "Dihapus dari telegram.\n"
