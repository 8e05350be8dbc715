"""`broadcaster show` and `failed`: the deliveries of an announcement, in figures and row by row;
addresses only on request.
"""

import csv
import io
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from sqlalchemy import insert, select, text

from broadcaster.app import App
from broadcaster.commands.state_words import ANNOUNCEMENT
from broadcaster.domain.lifecycle import State
from broadcaster.runtime import i18n
from broadcaster.store import channels, failed_rows, ledger
from broadcaster.store.audit_tables import audit
from broadcaster.store.channel_tables import held_suppression
from channels.base.contract import Deferred, Outcome, Receipt, Recipient, Refused, Rejected, Skipped
from channels.base.moments import WIB, full_moment_text
from support.command_data import in_app, migrated, send_notice, with_email
from support.commanding import Program
from support.fakes import FakeChannel
from support.sending import drain_all, fill, with_channels
from support.world import subscribe

PEOPLE = [f"warga{n:02}@x.example" for n in range(12)]
OUTCOMES: tuple[Outcome, ...] = (
    Rejected(code="5.7.1"), Refused(reason="address_dead", code="5.1.1"), Skipped(code="cap"), Receipt(),
    Deferred(code="4.7.28", retry_after=3600.0), Receipt(),
)  # fmt: skip


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A migrated program that can send email."""
    return with_email(tmp_path)


def answer(recipient: Recipient) -> Outcome:
    """Return the outcome of a recipient: each of OUTCOMES falls on two people."""
    return OUTCOMES[PEOPLE.index(recipient.address) % len(OUTCOMES)]


async def fan_out(app: App) -> None:
    """Fan the emergency lane out, and send nothing."""
    fill(app, "email", "emergency")


@pytest.fixture
def sent(program: Program) -> str:
    """The id of an announcement that is sent: two of each outcome."""
    return in_app(program, lambda app: send_notice(app, PEOPLE, answer))


def publish(program: Program) -> dict[str, Any]:
    """Publish an announcement; return the answer of `publish --json`."""
    text = "---\ntitle: Air PDAM mati di Cibabat\nareas: [cibabat]\n---\nTampung air sekarang.\n"
    published: dict[str, Any] = json.loads(program("publish", "-", "--json", text=text).ok)
    return published


# --- show ---------------------------------------------------------------------------------------


def test_show_answers_as_the_api_does(program: Program) -> None:
    published = publish(program)
    progress = json.loads(program("show", published["id"], "--json").ok)
    assert published == {name: progress[name] for name in published}
    assert list(progress) == [
        "id",
        "code",
        "status",
        "url",
        "sending",
        "possible_duplicates",
        "people",
        "deliveries",
        "channels",
        "waiting",
        "failures",
        "held_up",
        "causes_complete",
    ]
    assert (progress["sending"], progress["possible_duplicates"]) == ("preparing", 0)
    states = [
        "pending",
        "sending",
        "sent",
        "delivered",
        "read",
        "failed",
        "skipped",
        "cancelled",
        "expired",
        "unconfirmed",
    ]
    assert progress["deliveries"] == {"email": dict.fromkeys(states, 0)}


@pytest.mark.parametrize(
    "spelling",
    [str.upper, str.lower, lambda code: code.replace("-", ""), lambda code: f" {code[4:]} "],
)
def test_show_takes_the_code_as_people_type_it(program: Program, spelling: Any) -> None:
    published = publish(program)
    assert (
        json.loads(program("show", spelling(published["code"]), "--json").ok)["id"]
        == published["id"]
    )


def test_show_draws_tables_in_the_words_of_the_city(program: Program) -> None:
    published = publish(program)
    text = program("show", published["id"]).ok
    assert f"{published['code']}  terbit, menyiapkan: 0 dari 0 diproses (0%)" in text
    for word in (
        "Kanal",
        "Wilayah",
        "antre",
        "dikirim",
        "sampai",
        "gagal",
        "email",
        "Mungkin ganda: 0",
    ):
        assert word in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_show_says_what_failed_and_what_waits_in_words_with_the_providers_code(
    program: Program, sent: str
) -> None:
    text = program("show", sent).ok
    assert "10 dari 12 diproses (83%)" in text
    assert "email  gagal  Ditolak penyedia (kode 5.7.1)" in text
    assert "email  gagal  Alamat tidak aktif lagi (kode 5.1.1)" in text
    assert "email  dilewati  Tidak dapat dikirim ke alamat ini (kode cap)" in text
    assert "email: 2 menunggu, kode 4.7.28, coba lagi " in text


def test_publish_and_show_say_until_when_an_emergency_waits_with_date(program: Program) -> None:
    async def rest(app: App) -> float:
        await app.database.write(channels.pause_channel, "email", 10072.0)
        return (await app.database.read(channels.channel_states))["email"].paused_until

    until = full_moment_text(datetime.fromtimestamp(in_app(program, rest), UTC))
    expires = (datetime.now(WIB) + timedelta(hours=8)).isoformat()
    head = f"title: Banjir di Cibabat\nareas: [cibabat]\nlevel: emergency\nexpires: {expires}\ninstruction: Pindah.\n"
    text = f"---\n{head}---\nSungai meluap.\n"
    result = program("publish", "-", "--json", text=text)
    assert result.code == 0
    assert f"PERHATIAN, darurat tertahan: Email baru bisa menerima lagi {until}." in result.err

    async def subscribed(app: App) -> None:
        await subscribe(app, "email", [("wati@contoh.example", "cibabat")])

    in_app(program, subscribed)
    again = json.loads(
        program("publish", "-", "--json", text=text.replace("Banjir", "Air naik")).ok
    )
    in_app(program, fan_out)
    output = program("show", again["id"]).ok
    assert (
        f"PERHATIAN, darurat tertahan: Email baru bisa menerima lagi {until}: 1 pesan menunggu."
        in output
    )
    assert f"penyedia minta menunggu sampai {until}" in output


def test_show_says_what_holds_a_channel_up_and_what_to_do(program: Program, sent: str) -> None:
    async def upset(app: App) -> None:
        await app.database.write(channels.halt_channel, "email", "sandi ditolak", "manual")
        await app.database.write(channels.pause_channel, "email", 600.0)
        await app.database.write(ledger.pause, sent, "salah ketik")
        held = {"address": 1, "channel": "email", "reason": "address_dead", "at": 0}
        await app.database.write(lambda c: c.execute(insert(held_suppression).values(held)))

    in_app(program, upset)
    text = program("show", sent).ok
    assert ": dijeda: salah ketik\n" in text
    assert ": kanal berhenti (sandi ditolak); buka lagi: broadcaster channel resume email\n" in text
    assert ": penyedia minta menunggu sampai " in text
    assert ": 1 penonaktifan alamat ditahan; putuskan: broadcaster channel held email\n" in text


def test_watching_ends_when_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    program = migrated(tmp_path / "data", {})
    published = publish(program)
    assert json.loads(program("show", published["id"], "--json", "--watch").ok)["sending"] == "done"


def test_watching_ends_with_the_areas_once_it_is_stopped(program: Program, sent: str) -> None:
    async def end(app: App) -> None:
        await app.database.write(ledger.cancel, sent, "batal")
        await drain_all(with_channels(app, FakeChannel()))

    in_app(program, end)
    text = program("show", sent, "--watch").ok
    assert "Kel. Cibabat" in text
    assert "dihentikan: 12 dari 12 diproses" in text


@pytest.mark.parametrize("command", ["show", "failed"])
def test_an_unknown_announcement_is_one_line(program: Program, command: str) -> None:
    for key in ("CMH-0000-00", "nothing", ""):
        result = program(command, key)
        assert (result.code, len(result.err.splitlines())) == (1, 1)
        assert "tidak ditemukan" in result.err


# --- failed -------------------------------------------------------------------------------------


def test_each_row_that_did_not_arrive_is_listed_with_its_reason_and_without_its_address(
    program: Program, sent: str
) -> None:
    text = program("failed", sent).ok
    assert len(text.splitlines()) == 6
    assert text.count("  email  Kel. Cibabat  gagal  Ditolak penyedia (kode 5.7.1)  1x") == 2
    assert (
        text.count(
            "  email  Kel. Cibabat  dilewati  Tidak dapat dikirim ke alamat ini (kode cap)  1x"
        )
        == 2
    )
    assert "example" not in text


def test_the_list_is_csv_or_a_json_object_a_line(program: Program, sent: str) -> None:
    rows = list(csv.DictReader(io.StringIO(program("failed", sent, "--csv", "-").ok)))
    objects = [json.loads(line) for line in program("failed", sent, "--json").ok.splitlines()]
    assert [{name: str(value) for name, value in item.items()} for item in objects] == rows
    assert sorted(
        (row["state"], row["reason"], row["provider_code"], row["attempts"]) for row in rows
    ) == [
        ("failed", "address_dead", "5.1.1", "1"),
        ("failed", "address_dead", "5.1.1", "1"),
        ("failed", "rejected", "5.7.1", "1"),
        ("failed", "rejected", "5.7.1", "1"),
        ("skipped", "skipped", "cap", "1"),
        ("skipped", "skipped", "cap", "1"),
    ]
    assert all(
        row["closed_at"].endswith("+07:00") and row["area"] == "Kel. Cibabat" for row in rows
    )


def audit_acts(program: Program) -> list[str]:
    """Return the acts of the audit log, oldest first."""
    return list(
        in_app(
            program,
            lambda app: app.database.read(
                lambda c: c.execute(select(audit.c.act).order_by(audit.c.id)).scalars().all()
            ),
        )
    )


def test_addresses_are_shown_only_on_request_and_that_is_logged(
    program: Program, sent: str, tmp_path: Path
) -> None:
    assert "read-addresses" not in audit_acts(program)
    file = tmp_path / "gagal.csv"
    assert program("failed", sent, "--csv", str(file), "--addresses").ok == ""
    with file.open(encoding="utf-8", newline="") as lines:
        assert {row["address"] for row in csv.DictReader(lines)} == {
            PEOPLE[n] for n in (0, 1, 2, 6, 7, 8)
        }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert audit_acts(program).count("read-addresses") == 1
    again = program("failed", sent, "--csv", str(file), "--addresses")
    assert (again.code, again.err) == (
        1,
        f"{file} sudah ada. Pilih nama lain, atau timpa dengan --force.\n",
    )
    assert audit_acts(program).count("read-addresses") == 1, "nothing was revealed"
    assert program("failed", sent, "--csv", str(file), "--force").code == 0


def test_no_cell_of_the_list_is_a_formula(program: Program, sent: str) -> None:
    spoil = text("UPDATE delivery SET provider_code = '=HYPERLINK(1)' WHERE provider_code = 'cap'")
    in_app(
        program,
        lambda app: app.database.write(lambda connection: connection.execute(spoil) and None),
    )
    rows = list(csv.DictReader(io.StringIO(program("failed", sent, "--csv", "-").ok)))
    assert [row["provider_code"] for row in rows].count("'=HYPERLINK(1)") == 2


def test_an_erased_address_leaves_its_row_in_the_list(program: Program, sent: str) -> None:
    program("subscribers", "erase", PEOPLE[0], "--channel", "email")
    rows = list(
        csv.DictReader(io.StringIO(program("failed", sent, "--csv", "-", "--addresses").ok))
    )
    assert len(rows) == 6
    assert sorted(row["address"] for row in rows)[0] == ""


def test_the_list_is_read_in_pages(program: Program, sent: str) -> None:
    async def pages(app: App) -> list[int]:
        (part,) = await app.database.read(failed_rows.parts, sent)
        after, sizes = -1, []
        while page := await app.database.read(failed_rows.page, part, after, 4):
            after = page[-1].slot
            sizes.append(len(page))
        return sizes

    assert in_app(program, pages) == [4, 2]


def test_one_form_of_the_list_at_a_time(program: Program, sent: str) -> None:
    assert program("failed", sent, "--csv", "-", "--json").code == 2


# --- pause, resume, cancel, retry-failed --------------------------------------------------------


def test_a_sending_is_paused_resumed_and_cancelled_in_one_line_each(
    program: Program, sent: str
) -> None:
    for words, message, sending in (
        (("pause", sent, "--reason", "salah ketik"), "Pengiriman dijeda.\n", "paused"),
        (("resume", sent), "Pengiriman dilanjutkan.\n", "running"),
        (("cancel", sent), "Pengiriman dihentikan.\n", "stopped"),
    ):
        assert program(*words).ok == message
        progress = json.loads(program("show", sent, "--json").ok)
        assert progress["sending"] == sending
    assert audit_acts(program)[-3:] == ["pause", "resume", "cancel"]


def test_steering_answers_as_the_api_does(program: Program, sent: str) -> None:
    progress = json.loads(program("pause", sent, "--json").ok)
    assert (progress["sending"], progress["channels"]["email"]["why"]) == (
        "paused",
        "Dijeda lewat baris perintah.",
    )


@pytest.mark.parametrize(
    ("command", "message"),
    [("resume", "Tidak ada pengiriman yang dijeda."), ("pause", "Tidak ada pengiriman")],
)
def test_what_cannot_be_done_is_one_line(
    program: Program, sent: str, command: str, message: str
) -> None:
    program("cancel", sent)
    result = program(command, sent)
    assert (result.code, result.out, len(result.err.splitlines())) == (1, "", 1)
    assert message in result.err
    assert audit_acts(program)[-1] == "cancel"


@pytest.mark.parametrize("command", ["pause", "resume", "cancel", "retry-failed"])
def test_steering_what_does_not_exist_is_one_line(program: Program, command: str) -> None:
    result = program(command, "CMH-0000-00")
    assert (result.code, len(result.err.splitlines())) == (1, 1)


def test_sending_again_says_how_many_and_who_is_left_out(program: Program, sent: str) -> None:
    assert (
        program("retry-failed", sent).ok
        == "2 dikirim lagi.\n2 tidak ikut: alamat tidak aktif lagi.\n"
    )
    assert audit_acts(program)[-2:] == ["retry-failed", "retried"]
    again = json.loads(program("retry-failed", sent, "--json").ok)
    assert (again["retried"], again["left_out"]) == (0, {"address_dead": 2})
    assert again["deliveries"]["email"]["pending"] == 4


def test_states_of_announcements_are_worded_as_in_the_catalogue() -> None:
    states = get_args(State)
    assert {state: i18n.words("id")(f"refusal.state.{state}") for state in states} == ANNOUNCEMENT


def test_a_misspelt_setting_is_named_before_the_database_is_missed(tmp_path: Path) -> None:
    program = Program(tmp_path, {"BROADCASTER_DATABSE_URL": "sqlite:///x.db"})
    result = program("show", "CMH-2345-67")
    assert result.code == 1
    assert "Maksud Anda BROADCASTER_DATABASE_URL?" in result.err
