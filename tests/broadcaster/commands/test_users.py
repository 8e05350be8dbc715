"""`broadcaster user` and `broadcaster audit`: accounts without the web, and the log proven, cut,
forged and written out.
"""

import csv
import io
import json
import os
import pty
import re
import stat
import subprocess
import sys
from datetime import UTC, datetime
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, text

from broadcaster.commands.session import operator
from broadcaster.domain import credentials
from broadcaster.domain.accounts import Account
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.audit_acts import Act
from broadcaster.store import accounts, audit
from broadcaster.store.database import Database
from support.commanding import Program

ANI = ("user", "add", "Ani", "--full-name", "Ani Suryani", "--role", "admin")
NOW = datetime(2026, 11, 25, 7, 43, tzinfo=UTC)
MADE = re.compile(r"sekali pakai \(hanya tampil kali ini\): (\S+)\n$")


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path / "data", {}).migrated()


def stored(program: Program) -> Database:
    return Database(
        program.environ.get("BROADCASTER_DATABASE_URL") or f"sqlite:///{program.folder}/siaran.db"
    )


def found(program: Program, name: str) -> Account:
    database = stored(program)
    try:
        one = database.read_now(accounts.find, name)
    finally:
        database.close()
    assert one is not None
    return one


def fits(program: Program, name: str, password: str) -> bool:
    database = stored(program)
    try:
        kept = database.read_now(accounts.secrets_of, found(program, name).id)[0]
    finally:
        database.close()
    return credentials.password_fits(kept, password)


def run_sql(program: Program, *statements: str) -> None:
    database = stored(program)
    try:
        for statement in statements:
            database.write_now(lambda connection, said=statement: connection.execute(text(said)))
    finally:
        database.close()


# --- accounts -------------------------------------------------------------------------------------------


def test_the_first_account_is_made_with_a_password_that_is_printed_once(program: Program) -> None:
    said = program(
        *ANI,
        "--area",
        "cimahi-utara",
        "--area",
        "cibabat",
        "--agency",
        " BPBD ",
        "--mail",
        "ani@contoh.example",
    ).ok
    password = MADE.search(said)
    assert said.startswith("Akun ani dibuat.\n")
    assert password
    ani = found(program, "ani")
    assert (ani.full_name, ani.roles, ani.agencies, ani.areas) == (
        "Ani Suryani",
        ("admin",),
        ("BPBD",),
        ("32.77.03",),
    )
    assert (ani.email, ani.must_change) == ("ani@contoh.example", True)
    assert fits(program, "ani", password[1])


def test_passwords_made_are_never_alike(program: Program) -> None:
    made = {credentials.new_password() for _ in range(50)}
    assert len(made) == 50
    assert all(credentials.check_password(password) == password for password in made)


def test_a_password_may_be_sent_by_standard_input_and_is_not_printed(program: Program) -> None:
    said = program(*ANI, "--ask", text="lima kata acak sekali\n").ok
    assert said == "Akun ani dibuat.\n"
    assert fits(program, "ani", "lima kata acak sekali")
    weak = program("user", "password", "ani", "--ask", text="pendek\n")
    assert weak.code == 1
    assert weak.err.startswith("Kata sandi paling sedikit 10 karakter.")


def test_a_password_is_asked_twice_before_a_screen_and_never_shown(program: Program) -> None:
    program(*ANI)
    for again, code in (("lima kata acak lagi", 0), ("salah ketik ini", 1)):
        outer, inner = pty.openpty()
        line = [sys.executable, "-m", "broadcaster", "user", "password", "ani", "--ask"]
        environ = {**os.environ, "BROADCASTER_DATA_DIR": str(program.folder)}
        with subprocess.Popen(
            line, stdin=inner, stdout=inner, stderr=inner, env=environ, start_new_session=True
        ) as running:
            os.close(inner)
            shown = b""
            for prompt, answer in (
                (b"Kata sandi: ", "lima kata acak lagi"),
                (b"Sekali lagi: ", again),
            ):
                while prompt not in shown:
                    shown += os.read(outer, 1000)
                os.write(outer, f"{answer}\n".encode())
            while running.poll() is None:
                try:
                    shown += os.read(outer, 1000)
                except OSError:  # Linux: nobody has the other end any more
                    break
            running.wait()
        os.close(outer)
        assert running.returncode == code, shown
        assert b"acak" not in shown
    assert fits(program, "ani", "lima kata acak lagi")


def test_nobody_is_added_under_the_full_name_of_another(program: Program) -> None:
    program(*ANI)
    refused = program("user", "add", "lain", "--full-name", "ani suryanl", "--role", "approver")
    assert refused.code == 1
    assert "terlalu mirip dengan, akun ani (Ani Suryani)" in refused.err


def test_accounts_are_listed_for_people_and_machines(program: Program) -> None:
    program(*ANI)
    program("user", "add", "rina", "--full-name", "Rina", "--role", "author", "--role", "approver")
    program("user", "disable", "rina")
    assert program("user", "list").ok.splitlines() == [
        "ani  Ani Suryani  pengelola  (harus ganti kata sandi)",
        "rina  Rina  penyusun penyetuju  (nonaktif, harus ganti kata sandi)",
    ]
    ani, rina = json.loads(program("user", "list", "--json").ok)
    assert (ani["name"], ani["roles"], ani["active"]) == ("ani", ["admin"], True)
    assert rina["active"] is False


def test_who_is_shut_out_can_be_let_in_again(program: Program) -> None:
    program(*ANI)
    program("user", "add", "rina", "--full-name", "Rina", "--role", "author")
    assert program("user", "disable", " RINA ").ok == "Akun rina dinonaktifkan.\n"
    assert found(program, "rina").disabled_at is not None
    assert program("user", "enable", "rina").ok == "Akun rina aktif.\n"
    assert found(program, "rina").disabled_at is None


def test_a_forgotten_password_is_replaced(program: Program) -> None:
    first = MADE.search(program(*ANI).ok)
    second = MADE.search(program("user", "password", "ani").ok)
    assert first
    assert second
    assert not fits(program, "ani", first[1])
    assert fits(program, "ani", second[1])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("user", "disable", "ani"), "pengelola terakhir"),
        (("user", "disable", "siapa"), "Akun 'siapa' tidak ada."),
        (ANI, "Akun ani sudah ada."),
        (("user", "add", "a b", "--full-name", "A", "--role", "author"), "Nama pengguna berisi"),
        (("user", "add", "x", "--full-name", "  ", "--role", "author"), "nama lengkap"),
        (("user", "add", "x", "--full-name", "X", "--role", "raja"), "Peran raja tidak dikenal."),
        (
            ("user", "add", "x", "--full-name", "X", "--role", "author", "--area", "bandung"),
            '"bandung" tidak dikenal',
        ),
        (
            ("user", "add", "x", "--full-name", "X", "--role", "author", "--mail", "bukan"),
            "Alamat email",
        ),
        (
            ("user", "add", "x", "--full-name", "X", "--role", "author", "--agency", "y" * 81),
            "perangkat daerah",
        ),
    ],
)
def test_what_cannot_be_is_one_line(program: Program, words: tuple[str, ...], said: str) -> None:
    program(*ANI)
    done = program(*words)
    assert done.code == 1
    assert said in done.err
    assert len(done.err.splitlines()) == 1


def test_a_password_is_no_argument(program: Program) -> None:
    assert program("user", "password", "ani", "rahasia").code == 2
    assert "--password" not in program("user", "add", "--help").out


def test_every_act_is_in_the_log_with_who_ran_it_where(program: Program) -> None:
    program(*ANI)
    program("user", "password", "ani")
    rows = [json.loads(line) for line in program("audit", "export").ok.splitlines()]
    assert [row["act"] for row in rows] == ["account_add", "password_reset", "audit_export"]
    assert {row["actor"] for row in rows} == {"cli"}
    assert {row["detail"]["from"] for row in rows} == {operator()}
    assert rows[0]["detail"]["after"]["roles"] == ["admin"]


def test_the_same_on_postgresql(empty_postgresql_url: str, tmp_path: Path) -> None:
    program = Program(tmp_path / "data", {"BROADCASTER_DATABASE_URL": empty_postgresql_url})
    program("migrate")
    assert program(*ANI).ok.startswith("Akun ani dibuat.")
    assert "pengelola terakhir" in program("user", "disable", "ani").err
    assert program("audit", "verify").ok.startswith("Utuh: 1 catatan.")
    run_sql(program, "ALTER TABLE audit DISABLE TRIGGER ALL", "UPDATE audit SET actor = 'lain'")
    assert program("audit", "verify").code == 1


# --- the log --------------------------------------------------------------------------------------------


def filled(program: Program) -> None:
    """Four acts."""
    program(*ANI)
    for name in ("rina", "dewi", "budi"):
        program("user", "add", name, "--full-name", name.title(), "--role", "author")


def test_a_whole_log_is_proven_and_its_head_is_told(program: Program) -> None:
    filled(program)
    said = re.fullmatch(
        r"Utuh: 4 catatan\.\nKepala rantai: ([0-9a-f]{64})\n", program("audit", "verify").ok
    )
    assert said
    program("user", "disable", "rina")
    assert program("audit", "verify", "--head", said[1].upper()).ok.startswith("Utuh: 5 catatan.")
    told = json.loads(program("audit", "verify", "--json").ok)
    assert (told["holds"], told["rows"]) == (True, 5)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE audit SET actor = 'dewi' WHERE id = 2", "Rantai putus di catatan 2:"),
        ("DELETE FROM audit WHERE id = 2", "Rantai putus di catatan 3:"),
        (
            "DELETE FROM audit WHERE id = 4",
            "catatan terakhir seharusnya 4, tetapi yang ada hanya sampai 3.",
        ),
    ],
)
def test_a_log_that_was_tampered_with_is_told_with_the_row(
    program: Program, statement: str, said: str
) -> None:
    filled(program)
    run_sql(program, "DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete", statement)
    done = program("audit", "verify")
    assert done.code == 1
    assert said in done.err
    assert len(done.err.splitlines()) == 1
    told = json.loads(program("audit", "verify", "--json").out)
    assert told["holds"] is False


def test_a_log_that_was_rewritten_is_found_by_the_head_noted_before(
    program: Program, tmp_path: Path
) -> None:
    filled(program)
    noted = json.loads(program("audit", "verify", "--json").ok)["head"]
    other = Program(tmp_path / "lain", {})
    filled(other)
    done = other("audit", "verify", "--head", noted)
    assert done.code == 1
    assert "tidak ada di antara 4 catatan" in done.err
    assert other("audit", "verify", "--head", "bukan").code == 2


def test_an_export_carries_what_the_chain_needs(program: Program) -> None:
    filled(program)
    rows = [json.loads(line) for line in program("audit", "export").ok.splitlines()]
    assert [row["id"] for row in rows] == [1, 2, 3, 4, 5]
    assert rows[0]["previous"] == "0" * 64
    for before, row in pairwise(rows):
        assert row["previous"] == before["digest"]
        written = {name: row[name] for name in ("at", "actor", "act", "subject")}
        written["detail"] = msgspec.json.encode(row["detail"], order="sorted").decode()
        content = bytes.fromhex(row["previous"]) + msgspec.json.encode(written, order="sorted")
        assert sha256(content).hexdigest() == row["digest"]


def test_an_export_may_be_narrowed_and_written_to_a_file_for_its_owner_alone(
    program: Program, tmp_path: Path
) -> None:
    filled(program)
    file = tmp_path / "audit.csv"
    assert (
        program(
            "audit",
            "export",
            str(file),
            "--csv",
            "--about",
            "staff:dewi",
            "--act",
            "account_add",
            "--who",
            "cli",
        ).ok
        == ""
    )
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (row,) = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))
    assert (row["subject"], row["act"], row["from"]) == ("staff:dewi", "account_add", operator())
    assert json.loads(row["after"])["full_name"] == "Dewi"
    kept = file.read_text(encoding="utf-8")
    assert program("audit", "export", str(file)).code == 1
    assert file.read_text(encoding="utf-8") == kept, "it is overwritten only with --force"
    assert program("audit", "export", str(file), "--force").code == 0
    assert program("audit", "export", "--until", "2001-01-01").ok == ""
    assert len(program("audit", "export", "--since", "2001-01-01").ok.splitlines()) == 8
    assert program("audit", "export", "--since", "kemarin").code == 2


def test_a_long_log_is_written_out_whole(program: Program) -> None:
    program("migrate")
    database = stored(program)

    def fill(connection: Connection) -> None:
        for number in range(1_203):
            audit.append(connection, NamedActor(name="x", now=NOW), Act.EDIT, str(number))

    database.write_now(fill)
    database.close()
    assert len(program("audit", "export").ok.splitlines()) == 1_204
