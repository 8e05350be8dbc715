"""The secret key: one for each database, never a new one beside data; a wrong one is reported at
once.
"""

import base64
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, delete, text, update

from broadcaster.runtime import config, secret_key
from broadcaster.runtime.config import BadSettings
from broadcaster.runtime.secret_key import WrongKey
from broadcaster.runtime.settings import Settings
from broadcaster.simulation.ports import free_port
from broadcaster.store.migrate import _config, migrate, pending
from broadcaster.store.tables import key_binding, token
from subscribers.store import address
from subscribers.vault import Vault
from support import command_data
from support.command_data import database_in, migrated, on_database, write_to
from support.commanding import Program
from support.world import SECRET, notice, program, publish, subscribe, variables

KEY = bytes(range(32))
OTHER = base64.b64encode(b"another key of thirty-two bytes.").decode()
EMAIL = {**command_data.EMAIL, "BROADCASTER_PORT": str(free_port())}
CSV = "channel,address,areas,topics,language,consent_source,consent_at\nemail,wati@contoh.example,cibabat,,id,formulir,2026-01-02\n"


def settings(url: str, folder: Path, key: str = "") -> Settings:
    """Return the settings of one machine."""
    return Settings(database_url=url, data_dir=folder, secret_key=key)


def starting_key(machine: Settings) -> bytes:
    """Return the key with which a process starts on a database that has its tables."""
    return write_to(machine.database, secret_key.bind, machine)


# --- reading and making ---------------------------------------------------------------------------------


def test_a_key_is_made_once_readable_by_its_owner_alone_and_kept(tmp_path: Path) -> None:
    machine = Settings(data_dir=tmp_path / "data")
    first = secret_key.make(machine)
    assert len(first) == 32
    assert secret_key.make(machine) == secret_key.read(machine) == first
    assert secret_key.make(Settings(data_dir=tmp_path / "other")) != first
    file = tmp_path / "data" / "secret.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert list(file.parent.iterdir()) == [file]


def test_a_key_that_is_set_is_used_and_none_is_made(tmp_path: Path) -> None:
    machine = Settings(data_dir=tmp_path, secret_key=base64.b64encode(KEY).decode())
    assert secret_key.read(machine) == KEY
    assert secret_key.prepare(machine)
    assert not (tmp_path / "secret.key").exists()


@pytest.mark.parametrize(
    "key", ["short", base64.b64encode(b"x" * 31).decode(), "!" * 44, "kunci é", "0f" * 31]
)
def test_an_invalid_key_is_refused_without_quoting_it(tmp_path: Path, key: str) -> None:
    with pytest.raises(
        BadSettings, match="BROADCASTER_SECRET_KEY: harus 32 byte dalam base64"
    ) as error:
        secret_key.read(Settings(data_dir=tmp_path, secret_key=key))
    assert key not in str(error.value)
    (tmp_path / "secret.key").write_text("spoilt")
    with pytest.raises(BadSettings, match=r"secret\.key: harus 32 byte"):
        secret_key.read(Settings(data_dir=tmp_path))


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    code = (
        "import sys; from broadcaster.runtime.config import Settings; from broadcaster.runtime.secret_key import *; "
        "mine = Settings(data_dir=sys.argv[1]); prepare(mine); print(read(mine).hex())"
    )
    root = Path(__file__).resolve().parents[3]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "data")], cwd=root, stdout=subprocess.PIPE
        )
        for _ in range(4)
    ]
    keys = {process.communicate()[0] for process in processes}
    assert len(keys) == 1
    assert len(keys.pop().strip()) == 64


@pytest.mark.parametrize(
    "spelling",
    [
        base64.b64encode(KEY).decode(),
        base64.b64encode(KEY).decode().rstrip("="),
        f"  {base64.b64encode(KEY).decode()}\r\n",
        base64.urlsafe_b64encode(KEY).decode(),
        KEY.hex(),
        KEY.hex().upper() + "\n",
        "\n".join(KEY.hex()[start : start + 16] for start in range(0, 64, 16)),
    ],
)
def test_a_key_is_the_same_however_it_is_spelt(tmp_path: Path, spelling: str) -> None:
    assert secret_key.read(Settings(data_dir=tmp_path, secret_key=spelling)) == KEY
    (tmp_path / "secret.key").write_text(spelling, newline="")
    assert secret_key.read(Settings(data_dir=tmp_path)) == KEY
    (tmp_path / "secret.key").write_text("\ufeff" + spelling)
    assert secret_key.read(Settings(data_dir=tmp_path)) == KEY


def test_characters_of_both_alphabets_of_base64_are_understood(tmp_path: Path) -> None:
    key = b"\xfb\xff\xfe" * 10 + b"\xff\xfe"
    for spelling in (base64.b64encode(key), base64.urlsafe_b64encode(key)):
        assert secret_key.read(Settings(data_dir=tmp_path, secret_key=spelling.decode())) == key


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe" * 16, b"\0" * 32])
def test_an_empty_or_spoilt_key_file_is_an_error_and_stays_as_it_is(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "secret.key").write_bytes(content)
    result = Program(tmp_path, {})("migrate")
    assert result.code == 1
    assert str(tmp_path / "secret.key") in result.err
    assert len(result.err.splitlines()) == 1
    assert (tmp_path / "secret.key").read_bytes() == content


def test_a_key_file_that_cannot_be_read_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "secret.key").mkdir()  # permissions do not stop root
    result = Program(tmp_path, {})("migrate")
    assert (result.code, len(result.err.splitlines())) == (1, 1)
    assert "tidak dapat dibaca" in result.err


# --- one key, one database ------------------------------------------------------------------------------


@pytest.fixture
def filled_program(tmp_path: Path) -> Program:
    """A data folder with one subscriber."""
    program = migrated(tmp_path / "data", EMAIL)
    (tmp_path / "people.csv").write_text(CSV)
    assert program("subscribers", "import", str(tmp_path / "people.csv")).code == 0
    return program


COMMANDS = (
    ("migrate",),
    ("web",),
    ("worker", "--lane", "routine"),
    ("run",),
    ("show", "x", "--trace", "wati@contoh.example"),
    ("failed", "x"),
    ("pause", "x"),
    ("subscribers", "export"),
    ("subscribers", "count"),
    ("subscribers", "erase", "wati@contoh.example"),
    ("areas", "list"),
    ("token", "list"),
    ("channel", "list"),
    ("user", "list"),
    ("audit", "verify"),
)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_process_starts_without_the_key_of_the_data(
    filled_program: Program, words: tuple[str, ...]
) -> None:
    (filled_program.folder / "secret.key").unlink()
    result = filled_program(*words)
    assert (result.code, result.out, len(result.err.splitlines())) == (1, "", 1)
    assert "Kunci rahasia tidak ada" in result.err
    assert "BROADCASTER_SECRET_KEY" in result.err
    assert str(filled_program.folder / "secret.key") in result.err
    assert not (filled_program.folder / "secret.key").exists()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_process_starts_with_another_key(
    filled_program: Program, words: tuple[str, ...]
) -> None:
    other = Program(filled_program.folder, {**EMAIL, "BROADCASTER_SECRET_KEY": OTHER})
    result = other(*words)
    assert (result.code, result.out, len(result.err.splitlines())) == (1, "", 1)
    assert "Kunci rahasia dari BROADCASTER_SECRET_KEY bukan kunci basis data ini" in result.err
    assert OTHER not in result.err


def test_what_shows_figures_alone_needs_no_key(filled_program: Program) -> None:
    (filled_program.folder / "secret.key").unlink()
    result = filled_program("show", "x")
    assert (result.code, result.out) == (1, "")
    assert "Pengumuman x tidak ditemukan" in result.err
    assert not (filled_program.folder / "secret.key").exists()


def test_the_key_that_was_put_back_opens_everything_again(filled_program: Program) -> None:
    file = filled_program.folder / "secret.key"
    key = file.read_text()
    file.write_text(OTHER)
    assert filled_program("subscribers", "export").code == 1
    file.write_text(key)
    assert "wati@contoh.example" in filled_program("subscribers", "export").ok


def test_a_deliberate_new_beginning_is_an_empty_folder(
    filled_program: Program, tmp_path: Path
) -> None:
    assert Program(tmp_path / "anew", EMAIL)("migrate").code == 0
    assert (tmp_path / "anew" / "secret.key").exists()


def test_a_data_folder_whose_database_went_keeps_its_key(filled_program: Program) -> None:
    key = (filled_program.folder / "secret.key").read_text()
    for file in filled_program.folder.glob("siaran.db*"):
        file.unlink()
    assert filled_program("migrate").code == 0
    assert (filled_program.folder / "secret.key").read_text() == key


async def test_a_second_machine_without_the_key_is_refused_and_makes_none(
    empty_database_url: str, tmp_path: Path
) -> None:
    first, second = (settings(empty_database_url, tmp_path / name) for name in ("one", "two"))
    secret_key.prepare(first)
    with pytest.raises(WrongKey, match="semua mesin memakai kunci yang sama"):
        secret_key.prepare(second)
    assert not (tmp_path / "two" / "secret.key").exists()
    with pytest.raises(WrongKey):
        async with program(
            {**variables(empty_database_url, tmp_path / "two"), "BROADCASTER_SECRET_KEY": ""}
        ):
            pass
    assert not (tmp_path / "two" / "secret.key").exists()


def test_of_machines_that_start_at_once_one_makes_the_key(
    empty_database_url: str, tmp_path: Path
) -> None:
    machines = [settings(empty_database_url, tmp_path / str(number)) for number in range(4)]

    def start(machine: Settings) -> bool:
        try:
            secret_key.prepare(machine)
        except WrongKey:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        started = list(threads.map(start, machines))
    assert sorted(started) == [False, False, False, True]
    assert [(machine.data_dir / "secret.key").exists() for machine in machines] == started


# --- databases of earlier versions ----------------------------------------------------------------------


async def make_older_database(database_url: str, tmp_path: Path) -> None:
    """Store a resident and an edition in a database that is bound to no key."""
    async with program(variables(database_url, tmp_path, **EMAIL)) as app:
        await subscribe(app, "email", [("wati@contoh.example", "cibabat")])
        await publish(app, notice())
        await app.database.write(lambda connection: connection.execute(delete(key_binding)))


async def test_an_older_database_is_bound_to_the_key_that_opens_it(
    database_url: str, tmp_path: Path
) -> None:
    await make_older_database(database_url, tmp_path)
    with pytest.raises(WrongKey, match="bukan kunci"):
        async with program({**variables(database_url, tmp_path), "BROADCASTER_SECRET_KEY": OTHER}):
            pass
    async with program(variables(database_url, tmp_path)) as app:
        bound = await app.database.read(secret_key.bound, app.settings)
    assert bound == base64.b64decode(SECRET)


async def test_an_older_database_gets_no_key_of_its_own(database_url: str, tmp_path: Path) -> None:
    await make_older_database(database_url, tmp_path)
    with pytest.raises(WrongKey, match="tidak ada"):
        starting_key(settings(database_url, tmp_path / "two"))
    assert not (tmp_path / "two" / "secret.key").exists()


def test_the_fingerprint_counts_whatever_became_of_the_rows(filled_program: Program) -> None:
    spoil = text("UPDATE address SET cipher = :junk")
    write_to(
        database_in(filled_program.folder),
        lambda connection: connection.execute(spoil, {"junk": b"\x01spoilt"}),
    )
    assert filled_program("migrate").ok == "Sudah terbaru.\n"
    assert filled_program("subscribers", "count").code == 0


@pytest.mark.parametrize("sealed", ["addresses", "editions"])
async def test_each_thing_that_the_key_made_proves_it(
    database_url: str, tmp_path: Path, sealed: str
) -> None:
    await make_older_database(database_url, tmp_path)
    emptied_tables = (
        ("delivery", "run", "edition")
        if sealed == "addresses"
        else ("subscription", "consent", "address")
    )

    def forget(connection: object) -> None:
        for name in emptied_tables:
            connection.execute(text(f"DELETE FROM {name}"))  # type: ignore[attr-defined]

    write_to(database_url, forget)
    with pytest.raises(WrongKey):
        starting_key(settings(database_url, tmp_path, OTHER))
    starting_key(settings(database_url, tmp_path, SECRET))


async def test_one_damaged_row_does_not_make_the_right_key_a_wrong_one(
    database_url: str, tmp_path: Path
) -> None:
    await make_older_database(database_url, tmp_path)
    async with program(variables(database_url, tmp_path, **EMAIL)) as app:
        await subscribe(
            app, "email", [(f"warga{number}@contoh.example", "cibabat") for number in range(5)]
        )
        spoil = update(address).where(address.c.id == 1).values(cipher=b"\x01spoilt")
        await app.database.write(
            lambda connection: (connection.execute(spoil), connection.execute(delete(key_binding)))
        )
    starting_key(settings(database_url, tmp_path, SECRET))


def test_tables_of_the_first_version_are_examined_as_they_are(
    empty_sqlite_url: str, tmp_path: Path
) -> None:
    migrate(empty_sqlite_url)
    write_to(
        empty_sqlite_url, lambda connection: connection.execute(text("DROP TABLE key_binding"))
    )
    write_to(empty_sqlite_url, lambda connection: connection.execute(text("DROP TABLE account")))
    write_to(
        empty_sqlite_url,
        lambda connection: connection.execute(
            token.insert().values(name="x", digest=b"x", scopes="read", created_at=0.0)
        ),
    )
    machine = settings(empty_sqlite_url, tmp_path / "data")
    with pytest.raises(WrongKey, match="tidak ada"):
        on_database(
            empty_sqlite_url, lambda database: database.read_now(secret_key.verified, machine)
        )


def test_a_database_of_the_version_before_is_migrated_with_its_key_alone(
    empty_database_url: str, tmp_path: Path
) -> None:
    vault = Vault(secret_key.derive(base64.b64decode(SECRET), "addresses"))
    insert = text(
        "INSERT INTO receipt (channel, dedupe, body, received_at, due_at, tries) VALUES ('email', :key, :body, 1, 0, 0)"
    )

    def older(connection: Connection) -> None:
        command.upgrade(_config(connection), "0009")
        connection.execute(insert, {"key": b"x", "body": vault.seal("receipt.email", "{}")})

    write_to(empty_database_url, older)
    missing = pending(empty_database_url)
    assert missing
    for machine in (
        settings(empty_database_url, tmp_path / "two"),
        settings(empty_database_url, tmp_path, OTHER),
    ):
        with pytest.raises(WrongKey):
            secret_key.prepare(machine)
        assert pending(empty_database_url) == missing
    assert secret_key.prepare(settings(empty_database_url, tmp_path, SECRET)) == missing
    assert secret_key.prepare(settings(empty_database_url, tmp_path, SECRET)) == []


def test_the_fingerprint_reveals_nothing_of_the_key(database_url: str, tmp_path: Path) -> None:
    starting_key(settings(database_url, tmp_path, SECRET))
    query = text("SELECT fingerprint FROM key_binding")
    fingerprint = bytes(
        on_database(
            database_url,
            lambda database: database.read_now(lambda c: c.execute(query).scalar_one()),
        )
    )
    key = base64.b64decode(SECRET)
    assert fingerprint == secret_key.derive(key, "fingerprint")
    assert fingerprint not in {
        secret_key.derive(key, purpose) for purpose in ("addresses", "editions")
    }
    assert key not in fingerprint


def test_a_demo_keeps_its_own_key_whatever_the_shell_says(tmp_path: Path) -> None:
    from broadcaster.commands.processes import _prepare

    tmp_path.joinpath("data").mkdir()
    _prepare(8000, tmp_path / "data")
    environ = {
        "BROADCASTER_DATA_DIR": str(tmp_path / "data"),
        "BROADCASTER_SECRET_KEY": OTHER,
        "PATH": os.environ["PATH"],
    }
    assert config.read(environ).settings.secret_key == ""
