"""`broadcaster preview` and `publish`: from a file to its readers. An error is one clear line, and
nothing is stored.
"""

import json
import os
import re
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broadcaster.runtime import config
from support.command_data import EMAIL, migrated
from support.commanding import CommandResult, Program

NOTICE = """---
title: Air PDAM mati di Cibabat
areas: [cibabat]
category: gangguan-layanan
---
Tampung air sekarang. Truk tangki menunggu di **kantor kelurahan** sampai sore.
"""
NAMED_SENDER = {**EMAIL, "EMAIL_FROM": "Info <info@cimahi.example>"}
TABLES = ("announcement", "edition", "run", "audit")


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A migrated program that can send email."""
    return migrated(tmp_path / "data", NAMED_SENDER)


def row_counts(program: Program) -> dict[str, int]:
    """Return the number of rows of each table."""
    with sqlite3.connect(program.folder / "siaran.db") as connection:
        counts = {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for name in TABLES
        }
    connection.close()
    return counts


def file_of(tmp_path: Path, text: str = NOTICE) -> str:
    """Write an announcement to a file and return its path."""
    path = tmp_path / "pengumuman.md"
    path.write_text(text, encoding="utf-8")
    return str(path)


def fields(**changes: str) -> str:
    """Return the notice with these fields added to its front matter."""
    return NOTICE.replace(
        "---\nTampung",
        "".join(f"{name}: {value}\n" for name, value in changes.items()) + "---\nTampung",
    )


# --- publish --------------------------------------------------------------------------------------------


def test_publish_prints_id_code_and_address_once_it_is_stored(
    program: Program, tmp_path: Path
) -> None:
    lines = program("publish", file_of(tmp_path)).ok.splitlines()
    assert [line.split()[0] for line in lines] == ["id", "kode", "url"]
    identity, code, url = (line.split()[1] for line in lines)
    assert re.fullmatch(r"[0-9a-f]{32}", identity)
    assert re.fullmatch(r"CMH-[A-Z0-9]{4}-[A-Z0-9]{2}", code)
    assert url == f"http://127.0.0.1:8000/p/{code}"
    assert row_counts(program) == {"announcement": 1, "edition": 1, "run": 1, "audit": 1}


def test_publish_reads_standard_input_and_answers_in_json(program: Program) -> None:
    result = program("publish", "-", "--json", text=NOTICE)
    answer = json.loads(result.ok)
    assert set(answer) == {"id", "code", "status", "url"}
    assert answer["status"] == "published"
    assert result.err == ""


def test_an_announcement_with_a_time_is_scheduled(program: Program) -> None:
    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    answer = json.loads(program("publish", "-", "--json", text=fields(publish_at=soon)).ok)
    assert answer["status"] == "scheduled"
    assert row_counts(program)["edition"] == 0


def test_the_same_content_within_a_day_is_published_again_only_when_asked_to(
    program: Program, tmp_path: Path
) -> None:
    file = file_of(tmp_path)
    identity = program("publish", file).ok.split()[1]
    refused = program("publish", file)
    assert (refused.code, refused.out) == (1, "")
    assert f"id {identity}" in refused.err
    assert re.search(r"sudah diterbitkan \d{1,2} \w{3} \d{4} \d\d\.\d\d WIB", refused.err)
    assert "--again" in refused.err
    assert row_counts(program)["announcement"] == 1
    assert identity not in program("publish", file, "--again").ok
    assert row_counts(program) == {"announcement": 2, "edition": 2, "run": 2, "audit": 2}


def test_the_same_content_by_standard_input_is_reported_in_json(
    program: Program, tmp_path: Path
) -> None:
    first = json.loads(program("publish", "-", "--json", text=NOTICE).ok)
    refused = program("publish", "-", "--json", text=NOTICE)
    duplicate = json.loads(refused.out)
    assert refused.code == 1
    assert (duplicate["id"], duplicate["code"], duplicate["status"]) == (
        first["id"],
        first["code"],
        "duplicate",
    )
    assert datetime.fromisoformat(duplicate["published_at"]).utcoffset() == timedelta(hours=7)
    assert program("publish", file_of(tmp_path)).code == 1, (
        "a file with the same words is the same content"
    )
    assert program("publish", "-", text=fields(agency="Perumda Tirta")).ok


def test_the_same_content_at_once_from_two_processes_is_published_once(
    program: Program, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "broadcaster", "publish", file_of(tmp_path), "--json"]
    environ = {**os.environ, **NAMED_SENDER, "BROADCASTER_DATA_DIR": str(program.folder)}
    processes = [
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _process in range(2)
    ]
    answers = [json.loads(process.communicate(timeout=120)[0]) for process in processes]
    assert sorted(process.returncode for process in processes) == [0, 1]
    assert answers[0]["id"] == answers[1]["id"]
    assert row_counts(program)["announcement"] == 1


def test_the_same_content_a_day_later_is_published(program: Program, tmp_path: Path) -> None:
    file = file_of(tmp_path)
    assert program("publish", file).ok
    with sqlite3.connect(program.folder / "siaran.db") as connection:
        connection.execute("UPDATE form_act SET at = at - 86401")
    connection.close()
    assert program("publish", file).ok


def test_without_any_push_channel_one_line_says_that_only_feeds_and_screens_carry_it(
    tmp_path: Path,
) -> None:
    program = migrated(tmp_path / "data", {})
    result = program("publish", "-", "--json", text=NOTICE)
    assert json.loads(result.ok)["status"] == "published"
    assert result.err.splitlines() == [
        "Belum ada kanal kirim yang disetel: hanya umpan dan layar yang memuatnya. Lihat broadcaster doctor."
    ]
    assert row_counts(program) == {"announcement": 1, "edition": 1, "run": 0, "audit": 1}


WRONG: list[tuple[str, str]] = [
    (NOTICE.replace("[cibabat]", "[]"), "areas: "),
    (NOTICE.replace("cibabat", "cibabet"), "areas: "),
    (NOTICE.replace("areas: [cibabat]\n", ""), "areas: "),
    (fields(expires="2020-01-01 10:00"), "expires: "),
    (fields(title="x" * 71).replace("title: Air PDAM mati di Cibabat\n", "", 1), "title: "),
    (fields(channels="[email, faks]"), "channels: "),
    (fields(channels="[telegram]"), "channels: "),
    (fields(level="emergency"), "instruction: "),
    (fields(kind="berita"), "kind: "),
    (fields(judul="x"), "judul: "),
    ("---\ntitle: [\n---\nx", "Baris "),
    ("", "Berkas tidak dimulai"),
    ("---\ntitle: x\n", "Front matter tidak ditutup"),
]


@pytest.mark.parametrize(("text", "prefix"), WRONG)
def test_what_is_wrong_is_reported_by_field_and_nothing_is_stored(
    program: Program, text: str, prefix: str
) -> None:
    result = program("publish", "-", text=text)
    assert (result.code, result.out) == (1, "")
    assert any(line.startswith(prefix) for line in result.err.splitlines()), result.err
    assert "Traceback" not in result.err
    assert row_counts(program) == dict.fromkeys(TABLES, 0)


@pytest.mark.parametrize(
    "title",
    ["Air PDAM mati di (wilayah), (hari)", "Rapat RW .. Cibabat", "Air mati sampai pukul …"],
)
def test_a_file_with_a_blank_of_a_template_is_not_published(program: Program, title: str) -> None:
    result = program("publish", "-", text=NOTICE.replace("Air PDAM mati di Cibabat", f'"{title}"'))
    assert (result.code, "Masih ada isian kosong" in result.err) == (1, True)
    assert row_counts(program)["announcement"] == 0


def test_every_problem_of_a_file_is_reported_at_once(program: Program) -> None:
    result = program(
        "publish",
        "-",
        text=fields(expires="kapan-kapan", kind="berita").replace("cibabat", "atlantis"),
    )
    assert len(result.err.splitlines()) == 3


def test_a_file_that_cannot_be_read_is_one_line(program: Program, tmp_path: Path) -> None:
    latin = tmp_path / "latin.md"
    latin.write_bytes(NOTICE.replace("sore", "soré").encode("latin-1"))
    for name in (str(tmp_path / "tidak-ada.md"), str(latin), str(tmp_path)):
        result = program("publish", name)
        assert (result.code, len(result.err.splitlines())) == (1, 1)


@pytest.mark.parametrize("words", [("publish", "-"), ("show", "CMH-7K4Q-2M")], ids=" ".join)
def test_without_a_database_the_folder_and_the_next_step_are_named_and_nothing_is_made(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    result = Program(tmp_path / "data", NAMED_SENDER)(*words, text=NOTICE)
    assert (result.code, result.err) == (
        1,
        f"Basis data belum disiapkan: tidak ada siaran.db di folder {tmp_path / 'data'}. "
        "Jalankan `broadcaster migrate` dulu, "
        "atau sebut folder yang berisi siaran.db lewat BROADCASTER_DATA_DIR.\n",
    )
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("words", [("publish", "-"), ("show", "CMH-7K4Q-2M")], ids=" ".join)
def test_a_database_without_tables_is_to_be_migrated(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "siaran.db").touch()
    result = Program(tmp_path, NAMED_SENDER)(*words, text=NOTICE)
    assert (result.code, result.err) == (
        1,
        "Basis data belum disiapkan. Jalankan `broadcaster migrate` dulu.\n",
    )


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://x@y/z", "postgresql://"),
        ("postgresql://nobody@127.0.0.1:1/none", "Basis data tidak dapat dipakai"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_line_without_the_password(
    tmp_path: Path, url: str, message: str
) -> None:
    result = Program(
        tmp_path, {"BROADCASTER_DATABASE_URL": url.replace("nobody@", "nobody:rahasia@")}
    )("publish", "-", text=NOTICE)
    assert result.code == 1
    assert message in result.err
    assert len(result.err.splitlines()) == 1
    assert "rahasia" not in result.err


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "siaran.db").write_bytes(b"this is no database " * 100)
    result = Program(tmp_path, NAMED_SENDER)("publish", "-", text=NOTICE)
    assert result.code == 1
    assert result.err.startswith("Basis data tidak dapat dipakai: ")
    assert len(result.err.splitlines()) == 1


# --- preview --------------------------------------------------------------------------------------------

CHANNELS = sorted(config.channel_modules())


def preview(program: Program, channel: str, *words: str, text: str = NOTICE) -> CommandResult:
    """Run `preview` for a channel."""
    return program("preview", "-", "--channel", channel, *words, text=text)


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_channel_shows_what_it_will_say_and_nothing_is_stored(
    tmp_path: Path, channel: str
) -> None:
    program = Program(tmp_path / "data", {})
    plain = preview(program, channel).ok
    assert plain.startswith("--- ")
    assert "Air PDAM mati di Cibabat" in plain
    parts = json.loads(preview(program, channel, "--json").ok)
    assert all(isinstance(text, str) for text in parts.values())
    assert "Air PDAM mati di Cibabat" in "".join(parts.values())
    assert not (tmp_path / "data").exists(), "a preview makes nothing"


@pytest.mark.parametrize("channel", [name for name in CHANNELS if name != "display"])
def test_a_preview_speaks_the_language_asked_for(tmp_path: Path, channel: str) -> None:
    text = fields(translations="{en: {title: No water in Cibabat, body: Store water now.}}")
    output = preview(Program(tmp_path, {}), channel, "--lang", "en", text=text).ok
    assert "No water in Cibabat" in output


def test_a_preview_for_a_subscriber_has_their_area_and_their_own_links(
    program: Program, tmp_path: Path
) -> None:
    people = tmp_path / "warga.csv"
    people.write_text(
        "channel,address,areas,topics,language,consent_source,consent_at\n"
        "email,siti@contoh.example,cimahi-utara,,id,loket,2026-11-03T09:00\n"
    )
    program("subscribers", "import", str(people))
    subscriber = json.loads(preview(program, "email", "--to", "siti@contoh.example", "--json").ok)
    stranger = json.loads(preview(program, "email", "--to", "budi@contoh.example", "--json").ok)
    assert "Anda mendaftar untuk Kecamatan Cimahi Utara pada 3 Nov 2026." in subscriber["text"]
    links = [re.search(r"/berhenti/(\w+)", parts["text"]) for parts in (subscriber, stranger)]
    assert links[0] is not None
    assert links[1] is not None
    assert links[0][1] != links[1][1]
    assert links[1][1] == "a" * 32


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--channel", "faks"), "Kanal 'faks' tidak ada. Yang ada: "),
        (("--channel", "email", "--lang", "nl"), "Bahasa 'nl' tidak ada. Yang ada: id, en, su."),
        (("--channel", "email", "--to", "bukan alamat"), ""),
        (("--channel", "whatsapp", "--to", "12"), ""),
        (("--channel", "telegram", "--to", "x"), ""),
    ],
)
def test_what_cannot_be_previewed_is_one_line(
    tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    result = Program(tmp_path, {})("preview", "-", *words, text=NOTICE)
    assert (result.code, result.out, len(result.err.splitlines())) == (1, "", 1)
    assert message in result.err


def test_a_preview_follows_the_rules_of_publishing(tmp_path: Path) -> None:
    result = preview(Program(tmp_path, {}), "email", text=NOTICE.replace("cibabat", "atlantis"))
    assert result.code == 1
    assert result.err.startswith("areas: ")


def test_an_emergency_is_previewed_with_its_instruction(tmp_path: Path) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
    text = fields(level="emergency", expires=soon, instruction='"1. Pindah ke tempat tinggi."')
    for channel in ("email", "telegram", "whatsapp", "feed"):
        assert "Pindah ke tempat tinggi" in preview(Program(tmp_path, {}), channel, text=text).ok, (
            channel
        )


# --- the provider's day ---------------------------------------------------------------------------------

WHATSAPP = {
    "WHATSAPP_TOKEN": "t", "WHATSAPP_PHONE_ID": "1", "WHATSAPP_APP_SECRET": "s", "WHATSAPP_VERIFY_TOKEN": "v",
    "WHATSAPP_API_URL": "http://127.0.0.1:1", "BROADCASTER_DOMAIN": "cimahi.example",
}  # fmt: skip


def with_people(tmp_path: Path, *, tier: int, count: int = 12) -> Program:
    """Return a program with confirmed WhatsApp subscribers in Cibabat; `tier` is the number of
    different people that WhatsApp lets us write to in a day.
    """
    program = migrated(tmp_path / "data", {**WHATSAPP, "WHATSAPP_TIER": str(tier)})
    lines = ["channel,address,areas,topics,language,consent_source,consent_at"]
    lines += [
        f"whatsapp,62812000000{n:02},cibabat,,id,contoh,2026-01-01T00:00:00+07:00"
        for n in range(count)
    ]
    (tmp_path / "people.csv").write_text("\n".join(lines) + "\n")
    assert program("subscribers", "import", str(tmp_path / "people.csv")).code == 0
    with sqlite3.connect(program.folder / "siaran.db") as connection:
        # Whoever is confirmed in the very second of publishing comes too late for it.
        connection.execute("UPDATE address SET confirmed_at = confirmed_at - 60")
    connection.close()
    return program


def test_publish_and_preview_say_how_many_must_wait_for_the_providers_day(tmp_path: Path) -> None:
    program = with_people(tmp_path, tier=10)
    warning = "WhatsApp: perlu 12 orang, tersisa 8 hari ini; 4 menunggu.\n"
    preview_result = program("preview", file_of(tmp_path), "--channel", "whatsapp")
    assert (preview_result.code, warning in preview_result.err) == (0, True), preview_result.err
    publish_result = program("publish", file_of(tmp_path))
    assert (publish_result.code, warning in publish_result.err) == (0, True), publish_result.err


@pytest.mark.parametrize("tier", [0, 15])
def test_no_warning_is_printed_where_everybody_has_room(tmp_path: Path, tier: int) -> None:
    program = with_people(tmp_path, tier=tier)
    assert "menunggu" not in program("preview", file_of(tmp_path), "--channel", "whatsapp").err
    assert "menunggu" not in program("publish", file_of(tmp_path)).err
