"""Every command: what changes or reveals data leaves its row in the audit log, or does not happen."""

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

from broadcaster.cli import program as commands
from broadcaster.store import channels as channel_store
from broadcaster.store import custody
from broadcaster.store.database import Database
from subscribers.store import address
from support.commanding import Program

EMAIL = {
    "EMAIL_URL": "smtp://127.0.0.1:1",
    "EMAIL_FROM": "info@cimahi.example",
    "BROADCASTER_DOMAIN": "cimahi.example",
}
HEADER = "channel,address,areas,topics,language,consent_source,consent_at\n"
RESIDENT = "wati@contoh.example"
PASSWORD = "sebuah kata sandi yang panjang"


@dataclass(frozen=True, kw_only=True)
class City:
    """A program with one resident, one announcement on its way, one of each thing that commands act
    on.
    """

    run: Program
    folder: Path
    announcement: str

    @property
    def words(self) -> dict[str, str]:
        """What stands in place of names in a command."""
        return {
            "ID": self.announcement,
            **{path.stem.upper(): str(path) for path in self.folder.iterdir() if path.is_file()},
        }

    def __call__(self, *words: str) -> tuple[int, str]:
        """Run a command; its exit code and what it said on standard output. An error of the
        database is exit code 1.
        """
        with contextlib.suppress(DatabaseError):
            said = self.run(*(self.words.get(word, word) for word in words), text=PASSWORD + "\n")
            return said.code, said.out
        return 1, ""

    def store(self, act: Callable[[Connection], Any]) -> Any:
        """One act on the database."""
        database = Database(f"sqlite:///{self.run.folder / 'siaran.db'}")
        try:
            return database.write_now(act)
        finally:
            database.close()

    def audit(self) -> list[Any]:
        """Every row of the log."""
        return list(self.store(lambda c: c.execute(text("SELECT * FROM audit ORDER BY id")).all()))

    def everything(self) -> dict[str, list[Any]]:
        """Every row of every table."""

        def read(connection: Connection) -> dict[str, list[Any]]:
            names = inspect(connection).get_table_names()
            return {
                name: list(connection.exec_driver_sql(f'SELECT * FROM "{name}"').all())
                for name in names
            }

        found: dict[str, list[Any]] = self.store(read)
        return found


@pytest.fixture
def city(tmp_path: Path) -> City:
    files = tmp_path / "files"
    files.mkdir()
    (files / "people.csv").write_text(f"{HEADER}email,{RESIDENT},cibabat,,id,formulir,2026-01-02\n")
    (files / "more.csv").write_text(
        f"{HEADER}email,asep@contoh.example,cibabat,,id,formulir,2026-01-02\n"
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
    run = Program(tmp_path / "data", EMAIL).migrated()
    assert run("subscribers", "import", str(files / "people.csv")).code == 0
    done = json.loads(run("publish", str(files / "notice.md"), "--json").ok)
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
    return City(run=run, folder=files, announcement=done["id"])


# --- commands -------------------------------------------------------------------------------------------


def halt(connection: Connection) -> None:
    channel_store.halt_channel(connection, "email", "535 bad password", "manual")


def hold(connection: Connection) -> None:
    channel_store.ensure(connection, "email")
    channel_store._hold(connection, "email", connection.execute(address.select()).first().id, 1.0)  # type: ignore[union-attr]


def away(connection: Connection) -> None:
    """The database woke elsewhere."""
    custody.hold(connection, "moved", 1.0)


def fail(connection: Connection) -> None:
    """One message that did not arrive."""
    row = connection.execute(text("SELECT edition FROM run WHERE channel = 'email'")).scalar_one()
    place = {"edition": row, "channel": "email"}
    connection.execute(text("UPDATE run SET sealed = 1, state = 'running' WHERE channel = 'email'"))
    connection.execute(
        text(
            "INSERT INTO slice (edition, channel, number, lane, after_slot, last_slot, open, due_at, epoch,"
            " possible_duplicates, n_pending, n_sending, n_sent, n_delivered, n_read, n_failed, n_skipped, n_cancelled, n_expired,"
            " n_unconfirmed) VALUES (:edition, :channel, 1, 'routine', -1, 9223372036854775807, 0, 0, 1, 0, 0,0,0,0,0,1,0,0,0,0)"
        ),
        place,
    )
    connection.execute(
        text(
            "INSERT INTO delivery (edition, channel, slot, address, area, state, attempt, spent, uncertain,"
            " due_at, reason) SELECT :edition, :channel, slot, id, home, 5, 1, 1, 0, 0, 'rejected' FROM address"
        ),
        place,
    )


def nothing(_connection: Connection) -> None:
    """Nothing needs to be there."""


@dataclass(frozen=True, kw_only=True)
class Act:
    """A command that changes or reveals: how it is run, what must be there, and what the log says
    afterwards.
    """

    words: tuple[str, ...]
    acts: tuple[str, ...]
    before: Callable[[Connection], None] = nothing
    first: tuple[str, ...] = field(default=())
    """A command that must have run."""


CHANGES = {
    "publish": Act(words=("publish", "NOTICE", "--again"), acts=("publish",)),
    "pause": Act(words=("pause", "ID"), acts=("pause",)),
    "resume": Act(words=("resume", "ID"), acts=("resume",), first=("pause", "ID")),
    "cancel": Act(words=("cancel", "ID"), acts=("cancel",)),
    "retry-failed": Act(
        words=("retry-failed", "ID"), acts=("retry-failed", "retried"), before=fail
    ),
    "subscribers import": Act(
        words=("subscribers", "import", "MORE"), acts=("subscribers_import",)
    ),
    "subscribers erase": Act(words=("subscribers", "erase", RESIDENT), acts=("subscriber_erase",)),
    "areas import": Act(words=("areas", "import", "OUTLINES"), acts=("areas_outline",)),
    "token add": Act(
        words=("token", "add", "--name", "simpul", "--scope", "write"), acts=("token_add",)
    ),
    "token revoke": Act(words=("token", "revoke", "situs"), acts=("token_revoke",)),
    "channel resume": Act(
        words=("channel", "resume", "email"), acts=("channel_resume",), before=halt
    ),
    "channel held": Act(
        words=("channel", "held", "email", "--apply"), acts=("held_decided",), before=hold
    ),
    "adopt": Act(words=("adopt", "--waiting", "send"), acts=("adopt",), before=away),
    "user add": Act(
        words=("user", "add", "budi", "--full-name", "Budi", "--role", "author", "--ask"),
        acts=("account_add",),
    ),
    "user disable": Act(words=("user", "disable", "dewi"), acts=("account_disable",)),
    "user enable": Act(
        words=("user", "enable", "dewi"),
        acts=("account_enable",),
        first=("user", "disable", "dewi"),
    ),
    "user password": Act(words=("user", "password", "dewi", "--ask"), acts=("password_reset",)),
}
REVEALS = {
    "preview": Act(
        words=("preview", "NOTICE", "--channel", "email", "--to", RESIDENT),
        acts=("read-addresses",),
    ),
    "failed": Act(words=("failed", "ID", "--addresses"), acts=("read-addresses",), before=fail),
    "show": Act(words=("show", "ID", "--trace", RESIDENT), acts=("read-addresses",), before=fail),
    "subscribers export": Act(words=("subscribers", "export"), acts=("subscribers_export",)),
    "audit export": Act(words=("audit", "export"), acts=("audit_export",)),
}
NEITHER = {
    "demo", "run", "web", "worker", "providers",  # processes: what they do is noted where it is done
    "migrate", "doctor", "subscribers count", "areas list", "token list", "channel list", "audit verify",
    "user list",  # names and roles of staff, which every pengelola sees
}  # fmt: skip


def names(group: Any, before: tuple[str, ...] = ()) -> Iterator[str]:
    """Every command of the program, as it is typed."""
    if hasattr(group, "commands"):
        for name, command in group.commands.items():
            yield from names(command, (*before, name))
    else:
        yield " ".join(before)


def test_every_command_is_known_to_change_to_reveal_or_to_do_neither() -> None:
    known = [*CHANGES, *REVEALS, *NEITHER]
    assert sorted(names(typer.main.get_command(commands))) == sorted(known)


def prepare(city: City, act: Act) -> None:
    city.store(act.before)
    if act.first:
        assert city(*act.first)[0] == 0


@pytest.mark.parametrize("name", [*CHANGES, *REVEALS])
def test_a_command_that_changes_or_reveals_leaves_its_row(city: City, name: str) -> None:
    act = {**CHANGES, **REVEALS}[name]
    prepare(city, act)
    before = city.audit()
    code, _out = city(*act.words)
    assert code == 0
    rows = city.audit()[len(before) :]
    assert tuple(row.act for row in rows) == act.acts
    assert {row.actor for row in rows} == {"cli"}
    assert all("@" in json.loads(row.detail)["from"] for row in rows), (
        "which person on which machine"
    )
    assert RESIDENT not in str(rows)
    assert "wati" not in str(rows)
    assert city("audit", "verify")[0] == 0


@pytest.mark.parametrize("name", [*CHANGES, *REVEALS])
def test_what_cannot_be_written_down_does_not_happen(city: City, name: str) -> None:
    act = {**CHANGES, **REVEALS}[name]
    prepare(city, act)
    city.store(
        lambda c: c.execute(
            text(
                "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            )
        )
    )
    before = city.everything()
    code, out = city(*act.words)
    assert (code, out) == (1, "")
    assert city.everything() == before


def test_each_chunk_of_an_import_has_its_row_with_the_files_digest_and_lines(city: City) -> None:
    many = "".join(
        f"email,warga{number}@contoh.example,cibabat,,id,formulir,2026-01-02\n"
        for number in range(2_500)
    )
    file = city.folder / "many.csv"
    file.write_text(HEADER + many + "email,bukan alamat,cibabat,,id,formulir,2026-01-02\n")
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
    said = city.run("subscribers", "export")
    assert said.code == 1
    assert RESIDENT in said.out
    assert "1 alamat tidak dapat dibuka" in said.err
    assert "email 2" in said.err
