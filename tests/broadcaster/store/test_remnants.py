"""Remnants of deleted rows in the files: there are none, or the caller is told."""

from pathlib import Path

import psycopg
import pytest
from sqlalchemy import delete, insert, make_url, select

from broadcaster.store import remnants
from broadcaster.store.database import Database
from broadcaster.store.tables import worker

NAME = "xyzzy-" * 20
"""Text searched for in the files."""


def _files(database: Database) -> bytes:
    file = Path(make_url(database.url).database or "")
    return b"".join(
        path.read_bytes()
        for path in file.parent.glob(f"{file.name}*")
        if not path.name.endswith("-shm")
    )


def _write_and_delete(database: Database) -> None:
    rows = [{"owner": f"{NAME}{number}", "lane": "routine", "seen_at": 0.0} for number in range(50)]
    database.write_now(lambda connection: connection.execute(insert(worker), rows))
    assert NAME.encode() in _files(database)
    database.write_now(lambda connection: connection.execute(delete(worker)))


@pytest.fixture
def sqlite(sqlite_url: str) -> Database:
    return Database(sqlite_url)


def test_deleted_rows_are_overwritten_in_file_and_log(sqlite: Database) -> None:
    _write_and_delete(sqlite)
    assert remnants.clear(sqlite, [worker])
    assert NAME.encode() not in _files(sqlite)
    sqlite.close()


def test_a_log_that_somebody_reads_is_not_called_cleared(sqlite: Database) -> None:
    with sqlite.reader_engine.connect() as reading:
        reading.execute(select(worker)).all()
        _write_and_delete(sqlite)
        assert not remnants.truncate_log(sqlite, tries=2)
        assert NAME.encode() in _files(sqlite)
    assert remnants.truncate_log(sqlite)
    assert NAME.encode() not in _files(sqlite)
    sqlite.close()


def test_work_goes_on_after_a_statement_outside_transactions(database: Database) -> None:
    assert remnants.clear(database, [worker])
    row = {"owner": "a", "lane": "routine", "seen_at": 0.0}
    database.write_now(lambda connection: connection.execute(insert(worker), row))
    database.write_now(lambda connection: connection.execute(delete(worker)))
    assert database.read_now(lambda connection: connection.execute(select(worker)).all()) == []


def test_dead_rows_are_vacuumed_on_postgresql(postgresql_url: str) -> None:
    opened = Database(postgresql_url)
    rows = [{"owner": f"{NAME}{number}", "lane": "routine", "seen_at": 0.0} for number in range(50)]
    opened.write_now(lambda connection: connection.execute(insert(worker), rows))
    opened.write_now(lambda connection: connection.execute(delete(worker)))
    assert remnants.clear(opened, [worker])
    opened.close()
    with psycopg.connect(postgresql_url) as server:
        assert server.execute("SELECT pg_relation_size('worker')").fetchone() == (0,), (
            "the pages of dead rows are given back"
        )
