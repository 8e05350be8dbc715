"""Migrations: the same on both databases, all or nothing, one process at a time, and never behind the code."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select, text

from broadcaster import publishing
from broadcaster.store import announcements, tables
from broadcaster.store.database import Database
from broadcaster.store.migrating import METADATA, MIGRATIONS, _config, differences, migrate, pending
from desk import NOW, checked, press
from subscribers import store

PRESS = press()


def test_migrating_an_empty_database_gives_the_tables_the_code_declares(empty_database_url: str) -> None:
    applied = migrate(empty_database_url)
    assert applied
    assert applied[0].startswith("0001 ")
    opened = Database(empty_database_url)
    try:
        assert opened.read_now(differences) == []
    finally:
        opened.close()


def test_pending_names_what_is_missing_and_migrating_again_does_nothing(empty_database_url: str) -> None:
    missing = pending(empty_database_url)
    assert migrate(empty_database_url) == missing
    assert missing == sorted(missing)
    assert pending(empty_database_url) == []
    assert migrate(empty_database_url) == []


def test_two_processes_may_migrate_at_once(empty_database_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        applied = list(threads.map(migrate, [empty_database_url] * 4))
    assert sorted(map(bool, applied)) == [False, False, False, True]


def test_migrating_keeps_the_rows(empty_database_url: str) -> None:
    migrate(empty_database_url)
    opened = Database(empty_database_url)
    try:
        opened.write_now(
            lambda connection: connection.execute(store.slot_counter.insert(), {"channel": "x", "home": "32.77", "n": 7})
        )
        migrate(empty_database_url)
        assert opened.read_now(lambda connection: connection.execute(select(store.slot_counter.c.n)).scalar_one()) == 7
    finally:
        opened.close()


def _before(connection: Connection, name: str) -> str:
    scripts = ScriptDirectory.from_config(_config(connection)).walk_revisions()
    return next(str(script.down_revision) for script in scripts if script.doc == name)


def test_what_was_published_before_there_was_an_index_is_found_by_it_and_so_is_what_comes_after(empty_database_url: str) -> None:
    migrate(empty_database_url)
    opened = Database(empty_database_url)

    def publish(title: str) -> str:
        return opened.write_now(publishing.publish, PRESS, checked(title=title, expires=None), actor="rina", now=NOW).code

    def found(text: str) -> list[str]:
        page = opened.read_now(announcements.list_public, announcements.Filter(text=text))
        return [edition.code for edition in page.editions]

    try:
        code = publish("Posyandu balita di Melong")
        opened.write_now(
            lambda connection: command.downgrade(_config(connection), _before(connection, "an index of the public archive"))
        )
        migrate(empty_database_url)
        assert found("posyandu") == [code]
        assert found(code.lower()) == [code]
        after = publish("Posyandu lansia di Utama")
        assert sorted(found("posyandu")) == sorted([code, after])
        assert found("lansia") == [after]
    finally:
        opened.close()


def test_a_table_of_ours_that_is_missing_or_changed_is_a_difference(empty_database_url: str) -> None:
    migrate(empty_database_url)
    opened = Database(empty_database_url)
    try:
        opened.write_now(lambda connection: connection.execute(text("DROP TABLE sweeper")))
        opened.write_now(lambda connection: connection.execute(text("ALTER TABLE worker ADD COLUMN mood TEXT")))
        found = opened.read_now(differences)
    finally:
        opened.close()
    assert {str(difference[0]) for difference in found if isinstance(difference, tuple)} >= {"add_table", "remove_column"}


def test_a_migration_that_fails_leaves_nothing_half_done(empty_database_url: str) -> None:
    opened = Database(empty_database_url)
    try:
        opened.write_now(lambda connection: connection.execute(text("CREATE TABLE worker (in_the_way INTEGER)")))
        with pytest.raises(Exception, match=r"(?i)already exists"):
            migrate(empty_database_url)
        assert opened.read_now(lambda connection: inspect(connection).get_table_names()) == ["worker"]
    finally:
        opened.close()


def _without_rowid(connection: Connection) -> dict[str, tuple[int, str]]:
    rows = connection.execute(text("SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"))
    autoincrement = {
        name for (name,) in connection.execute(text("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'"))
    }
    return {name: (wr, "autoincrement" if name in autoincrement else "") for name, wr in rows}


def test_sqlite_tables_are_stored_as_the_code_declares_them(empty_sqlite_url: str, sqlite_url: str) -> None:
    migrate(empty_sqlite_url)
    stored = []
    for url in (empty_sqlite_url, sqlite_url):
        opened = Database(url)
        stored.append({name: how for name, how in opened.read_now(_without_rowid).items() if name != "alembic_version"})
        opened.close()
    assert stored[0] == stored[1]
    assert stored[0]["delivery"][0] == 1, "delivery is WITHOUT ROWID: its key is the claim order"


def test_both_packages_share_one_database_without_a_clash() -> None:
    names = [table for metadata in METADATA for table in metadata.tables]
    assert len(names) == len(set(names))
    assert {"delivery", "address"} <= set(names)
    assert "delivery" in tables.metadata.tables


def test_migrations_are_numbered_without_a_gap() -> None:
    numbers = sorted(path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("*.py"))
    assert numbers == [f"{number:04}" for number in range(1, len(numbers) + 1)]


def test_the_data_folder_need_not_exist(tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path}/new/folder/siaran.db")
    assert (tmp_path / "new" / "folder" / "siaran.db").exists()
    shutil.rmtree(tmp_path / "new")
