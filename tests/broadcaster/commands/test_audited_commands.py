"""Commands that change or reveal data: each leaves its row in the audit log, or does nothing."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DatabaseError

from broadcaster import cli
from broadcaster.domain.deliveries import FAILED
from broadcaster.store import channels, custody
from subscribers.store import address
from support.command_data import EMAIL, database_in, migrated, write_to
from support.commanding import Program
from support.subscriber_samples import HEADER

RESIDENT = "wati@contoh.example"
PASSWORD = "sebuah kata sandi yang panjang"


@dataclass(frozen=True, kw_only=True)
class City:
    """A program with one resident, one announcement on its way, and one of each thing that commands
    act on.
    """

    run: Program
    folder: Path
    announcement: str

    @property
    def words(self) -> dict[str, str]:
        """Values for the names in capitals in a command."""
        return {
            "ID": self.announcement,
            **{path.stem.upper(): str(path) for path in self.folder.iterdir() if path.is_file()},
        }

    def __call__(self, *words: str) -> tuple[int, str]:
        """Return exit code and standard output of a command; a database error is exit code 1."""
        with contextlib.suppress(DatabaseError):
            result = self.run(*(self.words.get(word, word) for word in words), text=PASSWORD + "\n")
            return result.code, result.out
        return 1, ""

    def store(self, act: Callable[[Connection], Any]) -> Any:
        """Return the result of `act` in a write transaction."""
        return write_to(database_in(self.run.folder), act)

    def audit(self) -> list[Any]:
        """Return every row of the audit log."""
        return list(self.store(lambda c: c.execute(text("SELECT * FROM audit ORDER BY id")).all()))

    def everything(self) -> dict[str, list[Any]]:
        """Return every row of every table."""

        def read(connection: Connection) -> dict[str, list[Any]]:
            table_names = inspect(connection).get_table_names()
            return {
                name: list(connection.exec_driver_sql(f'SELECT * FROM "{name}"').all())
                for name in table_names
            }

        tables: dict[str, list[Any]] = self.store(read)
        return tables


@pytest.fixture
def city(tmp_path: Path) -> City:
    """A city in a fresh data folder."""
    files = tmp_path / "files"
    files.mkdir()
    (files / "people.csv").write_text(
        f"{HEADER}\nemail,{RESIDENT},cibabat,,id,formulir,2026-01-02\n"
    )
    (files / "more.csv").write_text(
        f"{HEADER}\nemail,asep@contoh.example,cibabat,,id,formulir,2026-01-02\n"
    )
    (files / "notice.md").write_text(
        "---\ntitle: Air mati di Cibabat\nareas: [cibabat]\ncategory: gangguan-layanan\n---\nTampung air.\n"
    )
    shape = {
        "type": "Polygon",
        "coordinates": [[[107.5, -6.8], [107.6, -6.8], [107.6, -6.9], [107.5, -6.8]]],
    }
    feature = {"type": "Feature", "properties": {"code": "32.77.03.1002"}, "geometry": shape}
    (files / "outlines.json").write_text(
        json.dumps({"type": "FeatureCollection", "features": [feature]})
    )
    run = migrated(tmp_path / "data", EMAIL)
    assert run("subscribers", "import", str(files / "people.csv")).code == 0
    announcement = json.loads(run("publish", str(files / "notice.md"), "--json").ok)
    assert run("token", "add", "--name", "situs", "--scope", "read").code == 0
    for name in ("rina", "dewi"):
        assert (
            run(
                "user",
                "add",
                name,
                "--full-name",
                name.title(),
                "--role",
                "admin",
                "--ask",
                text=PASSWORD + "\n",
            ).code
            == 0
        )
    return City(run=run, folder=files, announcement=announcement["id"])


# --- commands -------------------------------------------------------------------------------------------


def halt(connection: Connection) -> None:
    """Halt the email channel."""
    channels.halt_channel(connection, "email", "535 bad password", "manual")


def hold(connection: Connection) -> None:
    """Hold back the suppression of the first address."""
    channels.ensure(connection, "email")
    channels._hold(connection, "email", connection.execute(address.select()).first().id, 1.0)  # type: ignore[union-attr]


def move(connection: Connection) -> None:
    """Mark the database as moved to another machine."""
    custody.hold(connection, "moved", 1.0)


def fail(connection: Connection) -> None:
    """Record one failed message."""
    edition = connection.execute(
        text("SELECT edition FROM run WHERE channel = 'email'")
    ).scalar_one()
    run = {"edition": edition, "channel": "email"}
    connection.execute(text("UPDATE run SET sealed = 1, state = 'running' WHERE channel = 'email'"))
    connection.execute(
        text(
            "INSERT INTO slice (edition, channel, number, lane, after_slot, last_slot, open, due_at, epoch,"
            " possible_duplicates, n_pending, n_sending, n_sent, n_delivered, n_read, n_failed, n_skipped, n_cancelled, n_expired,"
            " n_unconfirmed) VALUES (:edition, :channel, 1, 'routine', -1, 9223372036854775807, 0, 0, 1, 0, 0,0,0,0,0,1,0,0,0,0)"
        ),
        run,
    )
    connection.execute(
        text(
            "INSERT INTO delivery (edition, channel, slot, address, area, state, attempt, spent, uncertain,"
            " due_at, reason) SELECT :edition, :channel, slot, id, home, :failed, 1, 1, 0, 0, 'rejected' FROM address"
        ),
        {**run, "failed": FAILED},
    )


def nothing(_connection: Connection) -> None:
    """Prepare nothing."""


@dataclass(frozen=True, kw_only=True)
class AuditedCommand:
    """A command that changes or reveals data, and the acts of its rows in the audit log."""

    words: tuple[str, ...]
    acts: tuple[str, ...]
    before: Callable[[Connection], None] = nothing
    """Prepares the database."""
    first: tuple[str, ...] = field(default=())
    """A command that must have run."""


CHANGES = {
    "publish": AuditedCommand(words=("publish", "NOTICE", "--again"), acts=("publish",)),
    "pause": AuditedCommand(words=("pause", "ID"), acts=("pause",)),
    "resume": AuditedCommand(words=("resume", "ID"), acts=("resume",), first=("pause", "ID")),
    "cancel": AuditedCommand(words=("cancel", "ID"), acts=("cancel",)),
    "retry-failed": AuditedCommand(
        words=("retry-failed", "ID"), acts=("retry-failed", "retried"), before=fail
    ),
    "subscribers import": AuditedCommand(
        words=("subscribers", "import", "MORE"), acts=("subscribers_import",)
    ),
    "subscribers erase": AuditedCommand(
        words=("subscribers", "erase", RESIDENT), acts=("subscriber_erase",)
    ),
    "areas import": AuditedCommand(words=("areas", "import", "OUTLINES"), acts=("areas_outline",)),
    "token add": AuditedCommand(
        words=("token", "add", "--name", "simpul", "--scope", "write"), acts=("token_add",)
    ),
    "token revoke": AuditedCommand(words=("token", "revoke", "situs"), acts=("token_revoke",)),
    "channel resume": AuditedCommand(
        words=("channel", "resume", "email"), acts=("channel_resume",), before=halt
    ),
    "channel held": AuditedCommand(
        words=("channel", "held", "email", "--apply"), acts=("held_decided",), before=hold
    ),
    "adopt": AuditedCommand(words=("adopt", "--waiting", "send"), acts=("adopt",), before=move),
    "user add": AuditedCommand(
        words=("user", "add", "budi", "--full-name", "Budi", "--role", "author", "--ask"),
        acts=("account_add",),
    ),
    "user disable": AuditedCommand(words=("user", "disable", "dewi"), acts=("account_disable",)),
    "user enable": AuditedCommand(
        words=("user", "enable", "dewi"),
        acts=("account_enable",),
        first=("user", "disable", "dewi"),
    ),
    "user password": AuditedCommand(
        words=("user", "password", "dewi", "--ask"), acts=("password_reset",)
    ),
}
REVEALS = {
    "preview": AuditedCommand(
        words=("preview", "NOTICE", "--channel", "email", "--to", RESIDENT),
        acts=("read-addresses",),
    ),
    "failed": AuditedCommand(
        words=("failed", "ID", "--addresses"), acts=("read-addresses",), before=fail
    ),
    "show": AuditedCommand(
        words=("show", "ID", "--trace", RESIDENT), acts=("read-addresses",), before=fail
    ),
    "subscribers export": AuditedCommand(
        words=("subscribers", "export"), acts=("subscribers_export",)
    ),
    "audit export": AuditedCommand(words=("audit", "export"), acts=("audit_export",)),
}
NEITHER = {
    "demo", "run", "web", "worker", "providers",  # processes: their acts are logged where they happen
    "migrate", "doctor", "subscribers count", "areas list", "token list", "channel list", "audit verify",
    "user list",  # names and roles of staff, which every administrator sees
}  # fmt: skip


def command_names(group: Any, prefix: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield every command below a group, as it is typed."""
    if hasattr(group, "commands"):
        for name, command in group.commands.items():
            yield from command_names(command, (*prefix, name))
    else:
        yield " ".join(prefix)


def test_every_command_is_known_to_change_to_reveal_or_to_do_neither() -> None:
    classified = [*CHANGES, *REVEALS, *NEITHER]
    assert sorted(command_names(typer.main.get_command(cli.program))) == sorted(classified)


def prepare(city: City, command: AuditedCommand) -> None:
    """Bring the city into the state that the command needs."""
    city.store(command.before)
    if command.first:
        assert city(*command.first)[0] == 0


@pytest.mark.parametrize("name", [*CHANGES, *REVEALS])
def test_a_command_that_changes_or_reveals_leaves_its_row(city: City, name: str) -> None:
    command = {**CHANGES, **REVEALS}[name]
    prepare(city, command)
    before = city.audit()
    code, _out = city(*command.words)
    assert code == 0
    rows = city.audit()[len(before) :]
    assert tuple(row.act for row in rows) == command.acts
    assert {row.actor for row in rows} == {"cli"}
    assert all("@" in json.loads(row.detail)["from"] for row in rows), "person@machine"
    assert RESIDENT not in str(rows)
    assert "wati" not in str(rows)
    assert city("audit", "verify")[0] == 0


@pytest.mark.parametrize("name", [*CHANGES, *REVEALS])
def test_what_cannot_be_logged_does_not_happen(city: City, name: str) -> None:
    command = {**CHANGES, **REVEALS}[name]
    prepare(city, command)
    city.store(
        lambda c: c.execute(
            text(
                "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            )
        )
    )
    before = city.everything()
    code, out = city(*command.words)
    assert (code, out) == (1, "")
    assert city.everything() == before


def test_each_chunk_of_an_import_has_its_row_with_the_files_digest_and_lines(city: City) -> None:
    many = "".join(
        f"email,warga{number}@contoh.example,cibabat,,id,formulir,2026-01-02\n"
        for number in range(2_500)
    )
    file = city.folder / "many.csv"
    file.write_text(f"{HEADER}\n" + many + "email,bukan alamat,cibabat,,id,formulir,2026-01-02\n")
    city("subscribers", "import", "MANY")
    rows = [json.loads(row.detail) for row in city.audit() if row.act == "subscribers_import"][-2:]
    assert [(row["lines"], row["new"]) for row in rows] == [("2-2001", 2_000), ("2002-2501", 500)]
    assert {row["file"] for row in rows} == {hashlib.sha256(file.read_bytes()).hexdigest()}


def test_an_erased_address_is_a_number_in_the_log(city: City) -> None:
    identity = city.store(lambda c: c.execute(address.select()).first().id)  # type: ignore[union-attr]
    city("subscribers", "erase", RESIDENT)
    row = city.audit()[-1]
    assert (row.act, row.subject, json.loads(row.detail)["channel"]) == (
        "subscriber_erase",
        f"address:{identity}",
        "email",
    )


def test_an_export_passes_over_what_cannot_be_opened_and_says_so(city: City) -> None:
    city("subscribers", "import", "MORE")
    city.store(
        lambda c: c.execute(
            text("UPDATE address SET cipher = :junk WHERE id = 2"), {"junk": b"\x01spoilt"}
        )
    )
    result = city.run("subscribers", "export")
    assert result.code == 1
    assert RESIDENT in result.out
    assert "1 alamat tidak dapat dibuka" in result.err
    assert "email 2" in result.err
