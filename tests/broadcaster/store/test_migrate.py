"""Migrations: the same on both databases, all or nothing, one process at a time, and never behind
the code.
"""

import contextlib
import io
import shutil
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, inspect, make_url, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex

from broadcaster.domain.accounts import Account
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.independence import Control
from broadcaster.publishing import publications
from broadcaster.simulation.graph_api import wamid
from broadcaster.store import accounts, archive, audit, controls, migrate, tables
from broadcaster.store.database import Database
from broadcaster.store.migrate import METADATA, MIGRATIONS, differences, pending
from subscribers import store
from support.desk import NOW, checked, press
from support.postgres import cluster_files
from support.traces import Traces

PRESS = press()


def test_migrating_an_empty_database_gives_the_tables_the_code_declares(
    empty_database_url: str,
) -> None:
    applied = migrate.migrate(empty_database_url)
    assert applied
    assert applied[0].startswith("0001 ")
    opened = Database(empty_database_url)
    try:
        assert opened.read_now(differences) == []
    finally:
        opened.close()


def test_pending_names_what_is_missing_and_migrating_again_does_nothing(
    empty_database_url: str,
) -> None:
    missing = pending(empty_database_url)
    assert migrate.migrate(empty_database_url) == missing
    assert missing == sorted(missing)
    assert pending(empty_database_url) == []
    assert migrate.migrate(empty_database_url) == []


def test_two_processes_may_migrate_at_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        applied = list(threads.map(migrate.migrate, [empty_database_url] * 4))
    assert sorted(map(bool, applied)) == [False, False, False, True]


def test_migrating_keeps_the_rows(empty_database_url: str) -> None:
    migrate.migrate(empty_database_url)
    opened = Database(empty_database_url)
    try:
        opened.write_now(
            lambda connection: connection.execute(
                store.slot_counter.insert(), {"channel": "x", "home": "32.77", "n": 7}
            )
        )
        migrate.migrate(empty_database_url)
        assert (
            opened.read_now(
                lambda connection: connection.execute(select(store.slot_counter.c.n)).scalar_one()
            )
            == 7
        )
    finally:
        opened.close()


def test_what_administrators_did_before_the_upgrade_binds_after_it(empty_database_url: str) -> None:
    migrate.migrate(empty_database_url)
    opened = Database(empty_database_url)
    names = ("ani", "budi", "dewi")
    try:
        people = [
            opened.write_now(
                accounts.add, Account(id=0, name=name, full_name=name, roles=("admin",)), at=1.0
            )
            for name in names
        ]
        acts = (
            (Act.ACCOUNT_ADD, "budi"),
            (Act.ACCOUNT_DISABLE, "dewi"),
            (Act.PASSWORD_RESET, "ani"),
        )
        for number, (act, subject) in enumerate(acts):
            ani = NamedActor(name="staff:ani", now=datetime.fromtimestamp(100.0 + number, UTC))
            opened.write_now(audit.append, ani, act, f"staff:{subject}")
        opened.write_now(
            lambda c: command.downgrade(
                migrate._config(c), migration_named(c, "who controls an account").down_revision
            )
        )
        opened.write_now(lambda c: command.upgrade(migrate._config(c), "head"))
        assert opened.read_now(controls.since, 0.0) == [
            Control(account=people[1].id, maker=people[0].id, at=100.0)
        ]
        assert opened.read_now(differences) == []
    finally:
        opened.close()


def migration_named(connection: Connection, words: str) -> Script:
    """Return the migration with these words in its title."""
    scripts = ScriptDirectory.from_config(migrate._config(connection)).walk_revisions()
    return next(script for script in scripts if words in script.doc)


def test_what_was_published_before_there_was_an_index_is_found_by_it_and_so_is_what_comes_after(
    empty_database_url: str,
) -> None:
    migrate.migrate(empty_database_url)
    opened = Database(empty_database_url)

    def publish(title: str) -> str:
        return opened.write_now(
            publications.publish,
            PRESS,
            checked(title=title, expires=None),
            actor=NamedActor(name="rina", now=NOW),
        ).code

    def search(text: str) -> list[str]:
        page = opened.read_now(archive.list_public, archive.ArchiveFilter(text=text))
        return [edition.code for edition in page.editions]

    try:
        code = publish("Posyandu balita di Melong")
        opened.write_now(
            lambda c: command.downgrade(
                migrate._config(c),
                migration_named(c, "an index of the public archive").down_revision,
            )
        )
        migrate.migrate(empty_database_url)
        assert search("posyandu") == [code]
        assert search(code.lower()) == [code]
        after = publish("Posyandu lansia di Utama")
        assert sorted(search("posyandu")) == sorted([code, after])
        assert search("lansia") == [after]
    finally:
        opened.close()


def test_a_table_of_ours_that_is_missing_or_changed_is_a_difference(
    empty_database_url: str,
) -> None:
    migrate.migrate(empty_database_url)
    opened = Database(empty_database_url)
    try:
        opened.write_now(lambda connection: connection.execute(text("DROP TABLE sweeper")))
        opened.write_now(
            lambda connection: connection.execute(text("ALTER TABLE worker ADD COLUMN mood TEXT"))
        )
        changes = opened.read_now(differences)
    finally:
        opened.close()
    assert {str(difference[0]) for difference in changes if isinstance(difference, tuple)} >= {
        "add_table",
        "remove_column",
    }


def test_a_migration_that_fails_leaves_nothing_half_done(empty_database_url: str) -> None:
    opened = Database(empty_database_url)
    try:
        opened.write_now(
            lambda connection: connection.execute(text("CREATE TABLE worker (in_the_way INTEGER)"))
        )
        with pytest.raises(Exception, match=r"(?i)already exists"):
            migrate.migrate(empty_database_url)
        assert opened.read_now(lambda connection: inspect(connection).get_table_names()) == [
            "worker"
        ]
    finally:
        opened.close()


def test_an_inbox_with_events_gets_priorities_what_may_be_a_stop_first(
    empty_database_url: str,
) -> None:
    opened = Database(empty_database_url)
    rows = [
        {"dedupe": b"fresh", "received_at": 5.0, "due_at": 0.0, "tries": 0, "applied_at": None},
        {"dedupe": b"again", "received_at": 6.0, "due_at": 9.0, "tries": 3, "applied_at": None},
        {"dedupe": b"done", "received_at": 7.0, "due_at": 0.0, "tries": 0, "applied_at": 8.0},
    ]
    old = text(
        "INSERT INTO receipt (channel, dedupe, body, received_at, due_at, tries, applied_at)"
        " VALUES ('email', :dedupe, :dedupe, :received_at, :due_at, :tries, :applied_at)"
    )

    def upgrade_with_events(connection: Connection) -> None:
        command.upgrade(migrate._config(connection), "0009")
        connection.execute(old, rows)
        command.upgrade(migrate._config(connection), "0010")

    try:
        opened.write_now(upgrade_with_events)
        columns = (tables.receipt.c.priority, tables.receipt.c.due_at)
        events = opened.read_now(
            lambda c: [
                tuple(row) for row in c.execute(select(*columns).order_by(tables.receipt.c.id))
            ]
        )
        assert events == [(0, 5.0), (3, 9.0), (None, 0.0)]
        opened.write_now(lambda connection: command.downgrade(migrate._config(connection), "0009"))
    finally:
        opened.close()


def _without_rowid(connection: Connection) -> dict[str, tuple[int, str]]:
    rows = connection.execute(
        text("SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
    )
    autoincrement = {
        name
        for (name,) in connection.execute(
            text("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'")
        )
    }
    return {name: (wr, "autoincrement" if name in autoincrement else "") for name, wr in rows}


def test_sqlite_tables_are_stored_as_the_code_declares_them(
    empty_sqlite_url: str, sqlite_url: str
) -> None:
    migrate.migrate(empty_sqlite_url)
    stored = []
    for url in (empty_sqlite_url, sqlite_url):
        opened = Database(url)
        stored.append(
            {
                name: storage
                for name, storage in opened.read_now(_without_rowid).items()
                if name != "alembic_version"
            }
        )
        opened.close()
    assert stored[0] == stored[1]
    assert stored[0]["delivery"][0] == 1, "delivery is WITHOUT ROWID: its key is the claim order"


def test_a_partial_index_is_partial_on_both_databases() -> None:
    (turn,) = (index for index in tables.receipt.indexes if index.name == "receipt_turn")
    for dialect in (sqlite.dialect(), postgresql.dialect()):
        assert str(CreateIndex(turn).compile(dialect=dialect)).endswith(
            "(priority, due_at, id) WHERE priority IS NOT NULL"
        )


def test_both_packages_share_one_database_without_a_clash() -> None:
    names = [table for metadata in METADATA for table in metadata.tables]
    assert len(names) == len(set(names))
    assert {"delivery", "address"} <= set(names)
    assert "delivery" in tables.metadata.tables


def test_migrations_are_numbered_without_a_gap() -> None:
    numbers = sorted(path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("*.py"))
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def test_the_data_folder_need_not_exist(tmp_path: Path) -> None:
    migrate.migrate(f"sqlite:///{tmp_path}/new/folder/siaran.db")
    assert (tmp_path / "new" / "folder" / "siaran.db").exists()
    shutil.rmtree(tmp_path / "new")


# --- what an older version left in clear ---------------------------------------------------------

PHONES = ("6281273918465", "6285729641873", "6287736284195")
OLD_ROWS = (
    "INSERT INTO delivery (edition, channel, slot, address, area, state, attempt, spent, uncertain, due_at, provider_id)"
    " VALUES (1, '{channel}', {slot}, {slot}, '32.77', 2, 1, 0, 0, 0, '{name}')",
    "INSERT INTO provider_message (channel, provider_id, edition, slot) VALUES ('{channel}', '{name}', 1, {slot})",
)


def _migrate_to(url: str, revision: str) -> None:
    """Bring a database to an earlier version."""

    def upgrade(connection: Connection) -> None:
        config = Config(stdout=io.StringIO())
        config.set_main_option("script_location", str(MIGRATIONS))
        config.set_main_option("path_separator", "os")
        config.attributes.update(connection=connection, metadata=METADATA)
        command.upgrade(config, revision)

    opened = Database(url)
    try:
        opened.write_now(upgrade)
    finally:
        opened.close()


def _fill_as_before(url: str) -> None:
    """Write rows as the version before did, freed pages included: a third of the messages is
    deleted again.
    """
    whatsapp = [
        {"channel": "whatsapp", "slot": slot, "name": wamid(PHONES[slot % 3], str(slot))}
        for slot in range(300)
    ]
    other_channels = [
        {"channel": "telegram", "slot": 1, "name": "4711"},
        {"channel": "email", "slot": 1, "name": "x@y"},
    ]
    statements = [
        statement.format(**row) for row in (*whatsapp, *other_channels) for statement in OLD_ROWS
    ]
    statements += [
        "DELETE FROM provider_message WHERE slot % 3 = 0",
        "DELETE FROM delivery WHERE slot % 3 = 0",
    ]
    statements += [
        "INSERT INTO held_domain (channel, domain, until) VALUES ('email', 'rw07.example', 9999999999)"
    ]
    binary = "x'{}'" if url.startswith("sqlite") else "decode('{}', 'hex')"
    for number, applied in ((1, "NULL"), (2, "1.0")):
        dedupe = binary.format(f"{number:064x}")
        statements.append(
            "INSERT INTO receipt (channel, dedupe, body, received_at, due_at, tries, applied_at)"
            f" VALUES ('whatsapp', {dedupe}, {binary.format('00')}, 1, 1, 0, {applied})"
        )
    if url.startswith("sqlite"):
        with (
            contextlib.closing(sqlite3.connect(make_url(url).database or "")) as connection,
            connection,
        ):
            connection.executescript(";".join(statements))
    else:
        with psycopg.connect(url) as server:
            server.execute(";".join(statements))


def _files(url: str) -> Iterator[tuple[str, bytes]]:
    if url.startswith("sqlite"):
        file = Path(make_url(url).database or "")
        yield from ((path.name, path.read_bytes()) for path in file.parent.glob(f"{file.name}*"))
    else:
        yield from cluster_files(url)


def test_what_an_older_version_left_in_clear_is_gone_from_the_files(
    empty_database_url: str,
) -> None:
    _migrate_to(empty_database_url, "0009")
    _fill_as_before(empty_database_url)
    traces = Traces([*PHONES, "rw07.example"])
    before = set().union(*(traces.within(data) for _name, data in _files(empty_database_url)))
    assert before == {*PHONES, "rw07.example"}, "the search sees what stood there"
    migrate.migrate(empty_database_url)
    assert {
        name: traces.within(data)
        for name, data in _files(empty_database_url)
        if traces.within(data)
    } == {}


def test_rows_of_an_older_version_keep_what_is_no_address(empty_database_url: str) -> None:
    _migrate_to(empty_database_url, "0009")
    _fill_as_before(empty_database_url)
    migrate.migrate(empty_database_url)
    opened = Database(empty_database_url)
    try:
        rows = opened.read_now(
            lambda c: c.execute(select(tables.delivery).where(tables.delivery.c.edition == 1)).all()
        )
        waiting = opened.read_now(lambda c: c.execute(select(tables.receipt)).all())
        assert opened.read_now(differences) == []
    finally:
        opened.close()
    assert len(rows) == 202
    assert {row.provider_key for row in rows} == {None}
    assert {row.channel: row.message_number for row in rows} == {
        "whatsapp": None,
        "telegram": 4711,
        "email": None,
    }
    assert [(bytes(row.body), len(row.dedupe), row.applied_at) for row in waiting] == [
        (b"\0", 16, None)
    ]


def test_what_was_corrected_to_other_areas_before_stands_again_where_it_stood(
    empty_database_url: str,
) -> None:
    _migrate_to(empty_database_url, "0017")
    opened = Database(empty_database_url)
    edition = (
        "INSERT INTO edition (id, announcement, number, document, signature, key_id, level, topic, channels, published_at,"
        " first_published_at, newest, withdrawn)"
        " VALUES (:id, 'a', :id, '', '', '', 'info', 'acara', '', 0, 0, :newest, :withdrawn)"
    )
    area = "INSERT INTO edition_area (edition, area) VALUES (:edition, :area)"

    def fill(connection: Connection) -> None:
        announcement = (
            "INSERT INTO announcement (id, code, state, fields, created_at, updated_at, created_by, training, note, form,"
            " version, bound, submitted_by, approved_by, blanks, title, words, level, topic, agency)"
            " VALUES ('a', 'CMH-1', 'published', '{}', 0, 0, 'x', false, '', '', 0, '', '', '', '', '', '', 'info', '', '')"
        )
        connection.execute(text(announcement))
        for number in (1, 2, 3):
            connection.execute(
                text(edition), {"id": number, "newest": number == 3, "withdrawn": number == 3}
            )
        for number, code in (
            (1, "32.77"),
            (1, "32.77.01"),
            (2, "32.77"),
            (2, "32.77.02"),
            (3, "32.77"),
            (3, "32.77.02"),
        ):
            connection.execute(text(area), {"edition": number, "area": code})

    columns = (tables.edition_area.c.edition, tables.edition_area.c.area)
    former = select(*columns).where(tables.edition_area.c.former).order_by(*columns)
    try:
        opened.write_now(fill)
        migrate.migrate(empty_database_url)
        assert [tuple(row) for row in opened.read_now(lambda c: c.execute(former).all())] == [
            (2, "32.77.01"),
            (3, "32.77.01"),
        ]
        opened.write_now(lambda connection: command.downgrade(migrate._config(connection), "0017"))
        assert (
            opened.read_now(lambda c: c.execute(text("SELECT count(*) FROM edition_area")).scalar())
            == 6
        )
    finally:
        opened.close()
