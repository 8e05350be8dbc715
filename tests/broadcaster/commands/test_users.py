"""`broadcaster user` and `broadcaster audit`: accounts without the web; the audit log verified,
tampered with and exported.
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
from support.command_data import database_in, on_database, write_to
from support.commanding import Program

ANI = ("user", "add", "Ani", "--full-name", "Ani Suryani", "--role", "admin")
NOW = datetime(2026, 11, 25, 7, 43, tzinfo=UTC)
ONE_TIME_PASSWORD = re.compile(r"sekali pakai \(hanya tampil kali ini\): (\S+)\n$")


def url_of(program: Program) -> str:
    """Return the URL of the program's database."""
    return program.environ.get("BROADCASTER_DATABASE_URL") or database_in(program.folder)


def account_of(program: Program, name: str) -> Account:
    """Return the account of this name."""
    account = on_database(url_of(program), lambda database: database.read_now(accounts.find, name))
    assert account is not None
    return account


def fits(program: Program, name: str, password: str) -> bool:
    """Tell whether the account's stored hash fits the password."""
    identity = account_of(program, name).id
    stored_hash = on_database(
        url_of(program), lambda database: database.read_now(accounts.secrets_of, identity)[0]
    )
    return credentials.password_fits(stored_hash, password)


def run_sql(program: Program, *statements: str) -> None:
    """Run each statement in a transaction of its own."""
    for statement in statements:
        write_to(url_of(program), lambda connection, sql=statement: connection.execute(text(sql)))


# --- accounts -------------------------------------------------------------------------------------------


def test_the_first_account_is_made_with_a_password_that_is_printed_once(program: Program) -> None:
    output = program(
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
    password = ONE_TIME_PASSWORD.search(output)
    assert output.startswith("Akun ani dibuat.\n")
    assert password
    ani = account_of(program, "ani")
    assert (ani.full_name, ani.roles, ani.agencies, ani.areas) == (
        "Ani Suryani",
        ("admin",),
        ("BPBD",),
        ("32.77.03",),
    )
    assert (ani.email, ani.must_change) == ("ani@contoh.example", True)
    assert fits(program, "ani", password[1])


def test_passwords_made_are_never_alike(program: Program) -> None:
    passwords = {credentials.new_password() for _ in range(50)}
    assert len(passwords) == 50
    assert all(credentials.check_password(password) == password for password in passwords)


def test_a_password_may_be_sent_by_standard_input_and_is_not_printed(program: Program) -> None:
    output = program(*ANI, "--ask", text="lima kata acak sekali\n").ok
    assert output == "Akun ani dibuat.\n"
    assert fits(program, "ani", "lima kata acak sekali")
    weak = program("user", "password", "ani", "--ask", text="pendek\n")
    assert weak.code == 1
    assert weak.err.startswith("Kata sandi paling sedikit 10 karakter.")


def test_a_password_is_asked_twice_before_a_screen_and_never_shown(program: Program) -> None:
    program(*ANI)
    for again, code in (("lima kata acak lagi", 0), ("salah ketik ini", 1)):
        terminal, terminal_end = pty.openpty()
        command = [sys.executable, "-m", "broadcaster", "user", "password", "ani", "--ask"]
        environ = {**os.environ, "BROADCASTER_DATA_DIR": str(program.folder)}
        with subprocess.Popen(
            command,
            stdin=terminal_end,
            stdout=terminal_end,
            stderr=terminal_end,
            env=environ,
            start_new_session=True,
        ) as process:
            os.close(terminal_end)
            screen = b""
            for prompt, answer in (
                (b"Kata sandi: ", "lima kata acak lagi"),
                (b"Sekali lagi: ", again),
            ):
                while prompt not in screen:
                    screen += os.read(terminal, 1000)
                os.write(terminal, f"{answer}\n".encode())
            while process.poll() is None:
                try:
                    screen += os.read(terminal, 1000)
                except OSError:  # Linux: nobody has the other end any more
                    break
            process.wait()
        os.close(terminal)
        assert process.returncode == code, screen
        assert b"acak" not in screen
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
    assert account_of(program, "rina").disabled_at is not None
    assert program("user", "enable", "rina").ok == "Akun rina aktif.\n"
    assert account_of(program, "rina").disabled_at is None


def test_a_forgotten_password_is_replaced(program: Program) -> None:
    first = ONE_TIME_PASSWORD.search(program(*ANI).ok)
    second = ONE_TIME_PASSWORD.search(program("user", "password", "ani").ok)
    assert first
    assert second
    assert not fits(program, "ani", first[1])
    assert fits(program, "ani", second[1])


@pytest.mark.parametrize(
    ("words", "message"),
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
def test_what_is_refused_is_one_line(
    program: Program, words: tuple[str, ...], message: str
) -> None:
    program(*ANI)
    result = program(*words)
    assert result.code == 1
    assert message in result.err
    assert len(result.err.splitlines()) == 1


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


def add_accounts(program: Program) -> None:
    """Leave four acts in the log."""
    program(*ANI)
    for name in ("rina", "dewi", "budi"):
        program("user", "add", name, "--full-name", name.title(), "--role", "author")


def test_an_intact_log_is_proven_and_its_head_is_printed(program: Program) -> None:
    add_accounts(program)
    match = re.fullmatch(
        r"Utuh: 4 catatan\.\nKepala rantai: ([0-9a-f]{64})\n", program("audit", "verify").ok
    )
    assert match
    program("user", "disable", "rina")
    assert program("audit", "verify", "--head", match[1].upper()).ok.startswith("Utuh: 5 catatan.")
    verification = json.loads(program("audit", "verify", "--json").ok)
    assert (verification["holds"], verification["rows"]) == (True, 5)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE audit SET actor = 'dewi' WHERE id = 2", "Rantai putus di catatan 2:"),
        ("DELETE FROM audit WHERE id = 2", "Rantai putus di catatan 3:"),
        (
            "DELETE FROM audit WHERE id = 4",
            "catatan terakhir seharusnya 4, tetapi yang ada hanya sampai 3.",
        ),
    ],
)
def test_a_log_that_was_tampered_with_is_reported_with_the_row(
    program: Program, statement: str, message: str
) -> None:
    add_accounts(program)
    run_sql(program, "DROP TRIGGER audit_no_update", "DROP TRIGGER audit_no_delete", statement)
    result = program("audit", "verify")
    assert result.code == 1
    assert message in result.err
    assert len(result.err.splitlines()) == 1
    verification = json.loads(program("audit", "verify", "--json").out)
    assert verification["holds"] is False


def test_a_log_that_was_rewritten_is_found_by_the_head_noted_before(
    program: Program, tmp_path: Path
) -> None:
    add_accounts(program)
    head = json.loads(program("audit", "verify", "--json").ok)["head"]
    other = Program(tmp_path / "lain", {})
    add_accounts(other)
    result = other("audit", "verify", "--head", head)
    assert result.code == 1
    assert "tidak ada di antara 4 catatan" in result.err
    assert other("audit", "verify", "--head", "bukan").code == 2


def test_an_export_carries_what_the_chain_needs(program: Program) -> None:
    add_accounts(program)
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
    add_accounts(program)
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
    exported = file.read_text(encoding="utf-8")
    assert program("audit", "export", str(file)).code == 1
    assert file.read_text(encoding="utf-8") == exported, "it is overwritten only with --force"
    assert program("audit", "export", str(file), "--force").code == 0
    assert program("audit", "export", "--until", "2001-01-01").ok == ""
    assert len(program("audit", "export", "--since", "2001-01-01").ok.splitlines()) == 8
    assert program("audit", "export", "--since", "kemarin").code == 2


def test_a_long_log_is_written_out_whole(program: Program) -> None:
    def fill(connection: Connection) -> None:
        for number in range(1_203):
            audit.append(connection, NamedActor(name="x", now=NOW), Act.EDIT, str(number))

    write_to(url_of(program), fill)
    assert len(program("audit", "export").ok.splitlines()) == 1_204
