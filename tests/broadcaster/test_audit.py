"""The audit log: chained, append-only, one writer at a time, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from broadcaster.store import audit
from broadcaster.store.audit import BEGINNING, BrokenChain
from broadcaster.store.database import Database
from broadcaster.store.tables import audit as table

NOW = datetime(2026, 11, 25, 7, 43, 0, 123456, tzinfo=UTC)


def fill(connection: Connection, count: int = 4) -> None:
    """Some acts of Rina's."""
    for number in range(count):
        audit.append(connection, at=NOW, actor="rina", act="publish", subject=f"a{number}", detail={"z": number, "a": "é 😀"})


def ids(database: Database) -> list[int]:
    """The rows' ids, first to last."""
    return list(database.read_now(lambda connection: connection.execute(select(table.c.id).order_by(table.c.id)).scalars().all()))


def test_an_untouched_log_holds(database: Database) -> None:
    database.write_now(fill)
    assert database.read_now(audit.verify) == 4


def test_an_empty_log_holds(database: Database) -> None:
    assert database.read_now(audit.verify) == 0
    assert database.read_now(audit.head) == BEGINNING.hex()


def test_each_row_names_the_one_before(database: Database) -> None:
    database.write_now(fill)
    rows = database.read_now(lambda connection: connection.execute(select(table).order_by(table.c.id)).all())
    assert [row.previous for row in rows] == [BEGINNING, *(row.digest for row in rows[:-1])]
    assert database.read_now(audit.head) == rows[-1].digest.hex()
    assert rows[0].detail == '{"a":"é 😀","z":0}'


@pytest.mark.parametrize(
    "change", [{"actor": "dewi"}, {"act": "edit"}, {"subject": "a9"}, {"detail": "{}"}, {"at": 1.0}, {"digest": b"x" * 32}]
)
def test_a_changed_row_is_found(database: Database, change: dict[str, Any]) -> None:
    database.write_now(fill)
    second = ids(database)[1]
    database.write_now(lambda connection: connection.execute(update(table).where(table.c.id == second).values(**change)))
    with pytest.raises(BrokenChain) as broken:
        database.read_now(audit.verify)
    assert broken.value.id == second


def test_a_row_taken_out_is_found_at_the_next(database: Database) -> None:
    database.write_now(fill)
    _, second, third, _ = ids(database)
    database.write_now(lambda connection: connection.execute(delete(table).where(table.c.id == second)))
    with pytest.raises(BrokenChain, match=str(third)):
        database.read_now(audit.verify)


def test_a_row_slipped_in_is_found(database: Database) -> None:
    database.write_now(fill)
    forged = {"at": 1.0, "actor": "x", "act": "y", "subject": "z", "detail": "{}", "previous": b"p" * 32, "digest": b"d" * 32}
    database.write_now(lambda connection: connection.execute(insert(table).values(**forged)))
    with pytest.raises(BrokenChain):
        database.read_now(audit.verify)


def test_rows_taken_from_the_end_show_in_the_head(database: Database) -> None:
    database.write_now(fill)
    noted = database.read_now(audit.head)
    database.write_now(lambda connection: connection.execute(delete(table).where(table.c.subject == "a3")))
    assert database.read_now(audit.verify) == 3
    assert database.read_now(audit.head) != noted


def test_a_rolled_back_act_leaves_no_row_and_no_gap(database: Database) -> None:
    def fail(connection: Connection) -> None:
        fill(connection, 1)
        raise RuntimeError("the act itself failed")

    database.write_now(fill)
    with pytest.raises(RuntimeError):
        database.write_now(fail)
    database.write_now(fill)
    assert database.read_now(audit.verify) == 8


def test_many_writers_make_one_chain(database_url: str) -> None:
    def write(_: int) -> None:
        writer = Database(database_url)
        for _ in range(8):
            writer.write_now(fill, 1)
        writer.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    reader = Database(database_url)
    assert reader.read_now(audit.verify) == 32
    reader.close()
