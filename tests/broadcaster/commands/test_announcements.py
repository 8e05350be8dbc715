"""`broadcaster preview` and `publish`: from a file to its readers; what is wrong is one clear line
and nothing is stored.
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
from support.commanding import Program, Said

NOTICE = """---
title: Air PDAM mati di Cibabat
areas: [cibabat]
category: gangguan-layanan
---
Tampung air sekarang. Truk tangki menunggu di **kantor kelurahan** sampai sore.
"""
EMAIL = {
    "EMAIL_URL": "smtp://127.0.0.1:1",
    "EMAIL_FROM": "Info <info@cimahi.example>",
    "BROADCASTER_DOMAIN": "cimahi.example",
}
TABLES = ("announcement", "edition", "run", "audit")


@pytest.fixture
def program(tmp_path: Path) -> Program:
    made = Program(tmp_path / "data", EMAIL)
    made("migrate")
    return made


def stored(program: Program) -> dict[str, int]:
    """How many rows each table holds."""
    with sqlite3.connect(program.folder / "siaran.db") as connection:
        found = {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            for name in TABLES
        }
    connection.close()
    return found


def file_of(tmp_path: Path, text: str = NOTICE) -> str:
    path = tmp_path / "pengumuman.md"
    path.write_text(text, encoding="utf-8")
    return str(path)


def fields(**changes: str) -> str:
    """A notice whose front matter has these fields too."""
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
    assert stored(program) == {"announcement": 1, "edition": 1, "run": 1, "audit": 1}


def test_publish_reads_standard_input_and_answers_in_json(program: Program) -> None:
    done = program("publish", "-", "--json", text=NOTICE)
    answer = json.loads(done.ok)
    assert set(answer) == {"id", "code", "status", "url"}
    assert answer["status"] == "published"
    assert done.err == ""


def test_an_announcement_with_a_time_is_scheduled(program: Program) -> None:
    soon = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    answer = json.loads(program("publish", "-", "--json", text=fields(publish_at=soon)).ok)
    assert answer["status"] == "scheduled"
    assert stored(program)["edition"] == 0


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
    assert stored(program)["announcement"] == 1
    assert identity not in program("publish", file, "--again").ok
    assert stored(program) == {"announcement": 2, "edition": 2, "run": 2, "audit": 2}


def test_the_same_content_by_standard_input_is_told_in_json(
    program: Program, tmp_path: Path
) -> None:
    first = json.loads(program("publish", "-", "--json", text=NOTICE).ok)
    refused = program("publish", "-", "--json", text=NOTICE)
    said = json.loads(refused.out)
    assert refused.code == 1
    assert (said["id"], said["code"], said["status"]) == (first["id"], first["code"], "duplicate")
    assert datetime.fromisoformat(said["published_at"]).utcoffset() == timedelta(hours=7)
    assert program("publish", file_of(tmp_path)).code == 1, (
        "a file with the same words is the same content"
    )
    assert program("publish", "-", text=fields(agency="Perumda Tirta")).ok


def test_the_same_content_at_once_from_two_processes_is_published_once(
    program: Program, tmp_path: Path
) -> None:
    words = [sys.executable, "-m", "broadcaster", "publish", file_of(tmp_path), "--json"]
    environ = {**os.environ, **EMAIL, "BROADCASTER_DATA_DIR": str(program.folder)}
    pair = [
        subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _process in range(2)
    ]
    said = [json.loads(process.communicate(timeout=120)[0]) for process in pair]
    assert sorted(process.returncode for process in pair) == [0, 1]
    assert said[0]["id"] == said[1]["id"]
    assert stored(program)["announcement"] == 1


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
    program = Program(tmp_path / "data", {})
    program("migrate")
    done = program("publish", "-", "--json", text=NOTICE)
    assert json.loads(done.ok)["status"] == "published"
    assert done.err.splitlines() == [
        "Belum ada kanal kirim yang disetel: hanya umpan dan layar yang memuatnya. Lihat broadcaster doctor."
    ]
    assert stored(program) == {"announcement": 1, "edition": 1, "run": 0, "audit": 1}


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


@pytest.mark.parametrize(("text", "begins"), WRONG)
def test_what_is_wrong_is_told_by_field_and_nothing_is_stored(
    program: Program, text: str, begins: str
) -> None:
    done = program("publish", "-", text=text)
    assert (done.code, done.out) == (1, "")
    assert any(line.startswith(begins) for line in done.err.splitlines()), done.err
    assert "Traceback" not in done.err
    assert stored(program) == dict.fromkeys(TABLES, 0)


@pytest.mark.parametrize(
    "title",
    ["Air PDAM mati di (wilayah), (hari)", "Rapat RW .. Cibabat", "Air mati sampai pukul …"],
)
def test_a_file_with_a_blank_of_a_template_is_not_published(program: Program, title: str) -> None:
    said = program("publish", "-", text=NOTICE.replace("Air PDAM mati di Cibabat", f'"{title}"'))
    assert (said.code, "Masih ada isian kosong" in said.err) == (1, True)
    assert stored(program)["announcement"] == 0


def test_every_problem_of_a_file_is_told_at_once(program: Program) -> None:
    done = program(
        "publish",
        "-",
        text=fields(expires="kapan-kapan", kind="berita").replace("cibabat", "atlantis"),
    )
    assert len(done.err.splitlines()) == 3


def test_a_file_that_cannot_be_read_is_one_line(program: Program, tmp_path: Path) -> None:
    latin = tmp_path / "latin.md"
    latin.write_bytes(NOTICE.replace("sore", "soré").encode("latin-1"))
    for name in (str(tmp_path / "tidak-ada.md"), str(latin), str(tmp_path)):
        done = program("publish", name)
        assert (done.code, len(done.err.splitlines())) == (1, 1)


@pytest.mark.parametrize("words", [("publish", "-"), ("show", "CMH-7K4Q-2M")], ids=" ".join)
def test_without_a_database_the_folder_and_the_way_on_are_told_and_nothing_is_made(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    done = Program(tmp_path / "data", EMAIL)(*words, text=NOTICE)
    assert (done.code, done.err) == (
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
    done = Program(tmp_path, EMAIL)(*words, text=NOTICE)
    assert (done.code, done.err) == (
        1,
        "Basis data belum disiapkan. Jalankan `broadcaster migrate` dulu.\n",
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://x@y/z", "postgresql://"),
        ("postgresql://nobody@127.0.0.1:1/none", "Basis data tidak dapat dipakai"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_line_without_the_password(
    tmp_path: Path, url: str, said: str
) -> None:
    done = Program(
        tmp_path, {"BROADCASTER_DATABASE_URL": url.replace("nobody@", "nobody:rahasia@")}
    )("publish", "-", text=NOTICE)
    assert done.code == 1
    assert said in done.err
    assert len(done.err.splitlines()) == 1
    assert "rahasia" not in done.err


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "siaran.db").write_bytes(b"this is no database " * 100)
    done = Program(tmp_path, EMAIL)("publish", "-", text=NOTICE)
    assert done.code == 1
    assert done.err.startswith("Basis data tidak dapat dipakai: ")
    assert len(done.err.splitlines()) == 1


# --- preview --------------------------------------------------------------------------------------------

CHANNELS = sorted(config.channel_modules())


def preview(program: Program, channel: str, *words: str, text: str = NOTICE) -> Said:
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
    shown = preview(Program(tmp_path, {}), channel, "--lang", "en", text=text).ok
    assert "No water in Cibabat" in shown


def test_a_preview_for_a_subscriber_has_their_area_and_their_own_links(
    program: Program, tmp_path: Path
) -> None:
    people = tmp_path / "warga.csv"
    people.write_text(
        "channel,address,areas,topics,language,consent_source,consent_at\n"
        "email,siti@contoh.example,cimahi-utara,,id,loket,2026-11-03T09:00\n"
    )
    program("subscribers", "import", str(people))
    known = json.loads(preview(program, "email", "--to", "siti@contoh.example", "--json").ok)
    stranger = json.loads(preview(program, "email", "--to", "budi@contoh.example", "--json").ok)
    assert "Anda mendaftar untuk Kecamatan Cimahi Utara pada 3 Nov 2026." in known["text"]
    links = [re.search(r"/berhenti/(\w+)", parts["text"]) for parts in (known, stranger)]
    assert links[0] is not None
    assert links[1] is not None
    assert links[0][1] != links[1][1]
    assert links[1][1] == "a" * 32


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--channel", "faks"), "Kanal 'faks' tidak ada. Yang ada: "),
        (("--channel", "email", "--lang", "nl"), "Bahasa 'nl' tidak ada. Yang ada: id, en, su."),
        (("--channel", "email", "--to", "bukan alamat"), ""),
        (("--channel", "whatsapp", "--to", "12"), ""),
        (("--channel", "telegram", "--to", "x"), ""),
    ],
)
def test_what_cannot_be_previewed_is_one_line(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    done = Program(tmp_path, {})("preview", "-", *words, text=NOTICE)
    assert (done.code, done.out, len(done.err.splitlines())) == (1, "", 1)
    assert said in done.err


def test_a_preview_follows_the_rules_of_publishing(tmp_path: Path) -> None:
    done = preview(Program(tmp_path, {}), "email", text=NOTICE.replace("cibabat", "atlantis"))
    assert done.code == 1
    assert done.err.startswith("areas: ")


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
    """A program whose WhatsApp may write to so many different people a day, with confirmed
    subscribers in Cibabat.
    """
    program = Program(tmp_path / "data", {**WHATSAPP, "WHATSAPP_TIER": str(tier)})
    program("migrate")
    lines = ["channel,address,areas,topics,language,consent_source,consent_at"]
    lines += [
        f"whatsapp,62812000000{n:02},cibabat,,id,contoh,2026-01-01T00:00:00+07:00"
        for n in range(count)
    ]
    (tmp_path / "people.csv").write_text("\n".join(lines) + "\n")
    assert program("subscribers", "import", str(tmp_path / "people.csv")).code == 0
    with sqlite3.connect(
        program.folder / "siaran.db"
    ) as connection:  # who comes in the second of publishing comes too late
        connection.execute("UPDATE address SET confirmed_at = confirmed_at - 60")
    connection.close()
    return program


def test_publish_and_preview_tell_how_many_must_wait_for_the_providers_day(tmp_path: Path) -> None:
    program = with_people(tmp_path, tier=10)
    told = "WhatsApp: perlu 12 orang, tersisa 8 hari ini; 4 menunggu.\n"
    previewed = program("preview", file_of(tmp_path), "--channel", "whatsapp")
    assert (previewed.code, told in previewed.err) == (0, True), previewed.err
    published = program("publish", file_of(tmp_path))
    assert (published.code, told in published.err) == (0, True), published.err


@pytest.mark.parametrize("tier", [0, 15])
def test_nothing_is_said_where_everybody_has_room(tmp_path: Path, tier: int) -> None:
    program = with_people(tmp_path, tier=tier)
    assert "menunggu" not in program("preview", file_of(tmp_path), "--channel", "whatsapp").err
    assert "menunggu" not in program("publish", file_of(tmp_path)).err
