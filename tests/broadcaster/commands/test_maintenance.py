"""`migrate`, `token`, `channel`, `worker`, `doctor`: an operator's occasional commands."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from broadcaster.store import channels, tokens
from broadcaster.store.database import Database
from subscribers import residents
from subscribers.store import address
from support.command_data import EMAIL, database_in, migrated, on_database
from support.commanding import Program

T = TypeVar("T")


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A migrated program that can send email."""
    return migrated(tmp_path / "data", EMAIL)


def in_store(program: Program, act: Callable[[Database], T]) -> T:
    """Return the result of `act` on the program's database."""
    return on_database(database_in(program.folder), act)


def test_migrate_says_what_it_did_and_does_it_once(tmp_path: Path) -> None:
    program = Program(tmp_path / "data", {})
    assert program("migrate").ok.startswith("0001")
    assert program("migrate").ok == "Sudah terbaru.\n"


def test_the_program_lists_its_commands_and_each_has_help(program: Program) -> None:
    text = program("--help").ok
    commands = ["demo", "run", "web", "worker", "migrate", "doctor", "preview", "publish", "show"]
    groups = ["subscribers", "areas", "token", "channel"]
    assert all(name in text for name in commands + groups)
    for name in [*commands, *groups]:
        assert len(program(name, "--help").ok.splitlines()) > 3
    usage = program()
    assert "publish" in usage.out + usage.err


def test_wrong_usage_is_exit_code_2(program: Program) -> None:
    for words in (
        ("publish",),
        ("no-such-command",),
        ("show", "x", "--no-such-option"),
        ("channel", "held", "email"),
    ):
        assert program(*words).code == 2, words


# --- tokens ---------------------------------------------------------------------------------------------


def test_a_token_is_shown_once_and_has_the_scopes_it_was_given(program: Program) -> None:
    secret = program("token", "add", "--name", "simpul", "--scope", "write, publish").ok.strip()
    assert re.fullmatch(r"siaran_[\w-]{43}", secret)
    token = in_store(program, lambda database: database.read_now(tokens.find, secret))
    assert token is not None
    assert (token.name, token.scopes) == ("simpul", {"write", "publish"})
    listed = program("token", "list").ok
    assert listed == "simpul  publish write\n"
    assert secret not in listed


def test_a_revoked_token_opens_nothing_and_is_marked(program: Program) -> None:
    secret = program("token", "add", "--name", "simpul", "--scope", "read").ok.strip()
    assert program("token", "revoke", "simpul").ok == "Token simpul dicabut.\n"
    assert in_store(program, lambda database: database.read_now(tokens.find, secret)) is None
    assert program("token", "list").ok == "simpul  read  (dicabut)\n"
    again = program("token", "revoke", "simpul")
    assert (again.code, again.err) == (1, "Token 'simpul' tidak ada atau sudah dicabut.\n")


def test_a_second_token_of_the_same_name_is_refused(program: Program) -> None:
    assert program("token", "add", "--name", "simpul", "--scope", "read").ok
    again = program("token", "add", "--name", "simpul", "--scope", "read")
    assert (again.code, len(again.err.splitlines())) == (1, 1)
    assert len(program("token", "list").ok.splitlines()) == 1


# --- channels -------------------------------------------------------------------------------------------


def halt(program: Program, detail: str) -> None:
    """Halt the email channel."""
    in_store(
        program,
        lambda database: database.write_now(channels.halt_channel, "email", detail, "manual"),
    )


def test_the_list_says_which_channels_are_open(program: Program) -> None:
    lines = dict(line.split("  ", 1) for line in program("channel", "list").ok.splitlines())
    assert lines["email"].endswith(": terbuka")
    assert lines["telegram"].endswith(": belum disetel")
    assert set(lines) >= {"email", "telegram", "whatsapp"}


def test_a_halted_channel_is_listed_with_its_reason_and_resumed(program: Program) -> None:
    halt(program, "535 bad password")
    assert "berhenti (535 bad password)" in program("channel", "list").ok
    assert program("channel", "resume", "email").ok == "Kanal email dibuka lagi.\n"
    assert "email  Email: terbuka" in program("channel", "list").ok
    again = program("channel", "resume", "email")
    assert (again.code, again.err) == (1, "Kanal email tidak sedang berhenti.\n")


def test_a_channel_the_provider_asked_to_wait_is_listed_and_can_be_resumed(
    program: Program,
) -> None:
    in_store(program, lambda database: database.write_now(channels.pause_channel, "email", 600))
    assert "menunggu penyedia" in program("channel", "list").ok
    assert program("channel", "resume", "email").ok


@pytest.mark.parametrize(
    ("option", "message", "confirmed"),
    [("--apply", "26 penonaktifan diterapkan.", 4), ("--discard", "26 penonaktifan dibuang.", 30)],
)
def test_an_operator_decides_on_held_suppressions(
    program: Program, tmp_path: Path, option: str, message: str, confirmed: int
) -> None:
    rows = [f"email,w{n}@x.example,cibabat,,id,loket,2026-03-01T09:00\n" for n in range(30)]
    (tmp_path / "w.csv").write_text(
        "channel,address,areas,topics,language,consent_source,consent_at\n" + "".join(rows)
    )
    program("subscribers", "import", str(tmp_path / "w.csv"))

    def hold_suppressions(database: Database) -> None:
        ids = database.read_now(lambda c: [row.id for row in c.execute(address.select())])[:26]
        database.write_now(channels.count_results, "email", 26, 26)
        database.write_now(
            channels.suppress_or_hold, "email", dict.fromkeys(ids, "provider"), at=1.0
        )

    in_store(program, hold_suppressions)
    assert "penonaktifan alamat ditahan" in program("channel", "list").ok
    result = program("channel", "held", "email", option).ok.splitlines()
    assert result == [
        message,
        "Kanal email masih berhenti. Buka lagi: broadcaster channel resume email",
    ]
    assert (
        in_store(program, lambda database: database.read_now(residents.count))["email"]["confirmed"]
        == confirmed
    )
    assert "ditahan" not in program("channel", "list").ok
    assert program("channel", "resume", "email").ok
    assert program("channel", "held", "email", option).ok.splitlines() == [
        message.replace("26", "0")
    ]


@pytest.mark.parametrize("words", [("resume", "faks"), ("held", "faks", "--apply")])
def test_an_unknown_channel_is_one_line_with_the_known_ones(
    program: Program, words: tuple[str, ...]
) -> None:
    result = program("channel", *words)
    assert result.code == 1
    assert result.err.startswith("Kanal 'faks' tidak ada. Yang ada: email, ")


# --- the rest -------------------------------------------------------------------------------------------


def test_a_worker_of_an_unknown_lane_is_refused(program: Program) -> None:
    result = program("worker", "--lane", "cepat")
    assert (result.code, result.err) == (
        1,
        "Jalur 'cepat' tidak ada. Pilih emergency atau routine.\n",
    )


def test_bad_settings_are_reported_line_by_line(tmp_path: Path) -> None:
    result = Program(
        tmp_path, {"BROADCASTER_PORT": "x", "BROADCASTER_CHANNELS": "faks", "TELEGRAM_RATE": "-1"}
    )("migrate")
    assert result.code == 1
    assert [line.split(" ")[0] for line in result.err.splitlines()] == [
        "BROADCASTER_PORT:",
        "TELEGRAM_RATE:",
        "BROADCASTER_CHANNELS",
    ]


def test_the_demo_refuses_real_credentials_and_a_folder_with_real_data(program: Program) -> None:
    beside_real = program("demo", "--data", str(program.folder.parent / "demo"))
    assert beside_real.code == 1
    assert "EMAIL_URL" in beside_real.err
    in_real = Program(program.folder, {})("demo", "--data", str(program.folder))
    assert in_real.code == 1
    assert "data asli" in in_real.err


def test_run_refuses_a_demo_folder(tmp_path: Path) -> None:
    (tmp_path / "simulation.json").write_text(json.dumps({"BROADCASTER_SIMULATED": "true"}))
    result = Program(tmp_path, {})("run")
    assert result.code == 1
    assert "broadcaster demo" in result.err


def test_doctor_ends_with_1_where_something_is_wrong_and_says_what_mends_it(
    program: Program,
) -> None:
    result = program("doctor")
    assert result.code == 1
    lines = result.out.splitlines()
    assert lines[0].startswith("baik   Setelan terbaca")
    assert any(line.startswith("GALAT") for line in lines)
    wrong = [number for number, line in enumerate(lines) if line.startswith("GALAT")]
    assert all(lines[number + 1].startswith("       -> ") for number in wrong)
    findings = json.loads(program("doctor", "--json").out)
    assert {tuple(sorted(finding)) for finding in findings} == {("mend", "ok", "what")}
    assert [finding["what"] for finding in findings if finding["ok"] is False] == [
        lines[number][7:] for number in wrong
    ]
