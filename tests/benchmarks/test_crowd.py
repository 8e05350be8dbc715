"""The crowd of the benchmarks is the one that an import of the same people makes."""

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from benchmarks.crowd import TREE, Crowd
from broadcaster.app import derive
from broadcaster.store.database import Database
from subscribers import store
from subscribers.importing import Row, import_rows, read_rows
from subscribers.vault import Vault
from support.world import SECRET

NOW = 1_795_600_000.0
VAULT = Vault(derive(base64.b64decode(SECRET), "addresses"))
COUNT = 200


def everything(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every table of subscribers, addresses opened."""
    tables = {}
    for table in store.metadata.sorted_tables:
        rows = [dict(row) for row in connection.execute(select(table)).mappings()]
        for row in rows:
            if "cipher" in row:
                row["cipher"] = VAULT.open(row["channel"], row["cipher"])
        tables[table.name] = sorted(tuple(row.values()) for row in rows)
    return tables


def taken_in(database: Database, channel: str, lines: Iterable[str]) -> dict[str, int]:
    """Import a file as the command does; returns the counts of its rows by outcome."""
    rows = [row for row in read_rows(lines, TREE, [], {channel: str}) if isinstance(row, Row)]
    return database.write_now(import_rows, VAULT, TREE, rows, NOW)


@pytest.mark.parametrize("channel", ["email", "telegram", "whatsapp"])
def test_a_crowd_is_what_its_import_makes(channel: str, database: Database, tmp_path: Path) -> None:
    crowd = Crowd(channel=channel, count=COUNT, without=("baros",))
    crowd.load(database.url, VAULT, NOW)
    imported = Database(f"sqlite:///{tmp_path / 'imported.db'}")
    store.metadata.create_all(imported.writer_engine)
    assert taken_in(imported, channel, crowd.lines()) == {"new": COUNT}
    expected = imported.read_now(everything)
    imported.close()
    assert database.read_now(everything) == expected
    assert taken_in(database, channel, crowd.lines()) == {"same": COUNT}
    header, *_rest = crowd.lines()
    newcomer = f"{channel},62811000001,baros,,id,formulir,2026-01-01\n"
    assert taken_in(database, channel, [header, newcomer]) == {"new": 1}, (
        "ids go on after the crowd's"
    )
