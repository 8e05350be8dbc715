"""The audit log on both databases: chained, append-only, one writer at a time."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from alembic import command
from sqlalchemy import Connection, delete, insert, select, text, update
from sqlalchemy.exc import DatabaseError

from broadcaster.domain.actor import NamedActor
from broadcaster.domain.audit_acts import Act
from broadcaster.store import audit, audit_tables, migrate
from broadcaster.store.audit import BEGINNING, BrokenChain, CutShort, Forgotten
from broadcaster.store.audit_guard import REFUSAL
from broadcaster.store.database import Database, is_sqlite

NOW = datetime(2026, 11, 25, 7, 43, 0, 123456, tzinfo=UTC)


def fill(connection: Connection, count: int = 4) -> None:
    """Append some acts of Rina's."""
    for number in range(count):
        audit.append(
            connection,
            NamedActor(name="rina", now=NOW),
            Act.PUBLISH,
            f"a{number}",
            z=number,
            a="é 😀",
        )


def unguard(connection: Connection) -> None:
    """Remove the database's own guard, as somebody with every right over it can."""
    if is_sqlite(connection):
        names = (
            connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
            .scalars()
            .all()
        )
        for name in names:
            connection.execute(text(f"DROP TRIGGER {name}"))
    else:
        connection.execute(text("ALTER TABLE audit DISABLE TRIGGER ALL"))
        connection.execute(text("ALTER TABLE audit_tail DISABLE TRIGGER ALL"))


def ids(database: Database) -> list[int]:
    """Return the row ids in order."""
    return list(
        database.read_now(
            lambda connection: (
                connection.execute(
                    select(audit_tables.audit.c.id).order_by(audit_tables.audit.c.id)
                )
                .scalars()
                .all()
            )
        )
    )


def test_an_untouched_log_holds(database: Database) -> None:
    database.write_now(fill)
    assert database.read_now(audit.verify) == 4


def test_an_empty_log_holds(database: Database) -> None:
    assert database.read_now(audit.verify) == 0
    assert database.read_now(audit.head) == BEGINNING.hex()


def test_each_row_names_the_one_before(database: Database) -> None:
    database.write_now(fill)
    rows = database.read_now(
        lambda connection: connection.execute(
            select(audit_tables.audit).order_by(audit_tables.audit.c.id)
        ).all()
    )
    assert [row.previous for row in rows] == [BEGINNING, *(row.digest for row in rows[:-1])]
    assert database.read_now(audit.head) == rows[-1].digest.hex()
    assert rows[0].detail == '{"a":"é 😀","z":0}'


@pytest.mark.parametrize(
    "change",
    [
        {"actor": "dewi"},
        {"act": "edit"},
        {"subject": "a9"},
        {"detail": "{}"},
        {"at": 1.0},
        {"digest": b"x" * 32},
    ],
)
def test_a_changed_row_is_found(database: Database, change: dict[str, Any]) -> None:
    database.write_now(fill)
    database.write_now(unguard)
    second = ids(database)[1]
    database.write_now(
        lambda connection: connection.execute(
            update(audit_tables.audit).where(audit_tables.audit.c.id == second).values(**change)
        )
    )
    with pytest.raises(BrokenChain) as broken:
        database.read_now(audit.verify)
    assert broken.value.id == second


def test_a_removed_row_is_noticed_at_the_next(database: Database) -> None:
    database.write_now(fill)
    database.write_now(unguard)
    _, second, third, _ = ids(database)
    database.write_now(
        lambda connection: connection.execute(
            delete(audit_tables.audit).where(audit_tables.audit.c.id == second)
        )
    )
    with pytest.raises(BrokenChain, match=str(third)):
        database.read_now(audit.verify)


def test_an_inserted_row_is_noticed(database: Database) -> None:
    database.write_now(fill)
    forged = {
        "at": 1.0,
        "actor": "x",
        "act": "y",
        "subject": "z",
        "detail": "{}",
        "previous": b"p" * 32,
        "digest": b"d" * 32,
    }
    database.write_now(
        lambda connection: connection.execute(insert(audit_tables.audit).values(**forged))
    )
    with pytest.raises(BrokenChain):
        database.read_now(audit.verify)


def remove_last_row(connection: Connection) -> None:
    """Remove the guard and the last row."""
    unguard(connection)
    connection.execute(delete(audit_tables.audit).where(audit_tables.audit.c.subject == "a3"))


def test_rows_removed_from_the_end_are_noticed(database: Database) -> None:
    database.write_now(fill)
    _, _, third, fourth = ids(database)
    database.write_now(remove_last_row)
    with pytest.raises(CutShort) as broken:
        database.read_now(audit.verify)
    assert (broken.value.id, broken.value.tail) == (third, fourth)


def test_rows_written_after_a_removal_do_not_hide_it(database: Database) -> None:
    database.write_now(fill)
    database.write_now(remove_last_row)
    database.write_now(fill, 2)
    with pytest.raises(BrokenChain) as broken:
        database.read_now(audit.verify)
    assert broken.value.id == ids(database)[3], "the first row after the gap"


def test_a_removed_tail_is_noticed(database: Database) -> None:
    database.write_now(fill)
    database.write_now(unguard)
    database.write_now(lambda connection: connection.execute(delete(audit_tables.audit_tail)))
    with pytest.raises(CutShort):
        database.read_now(audit.verify)


def test_a_log_cut_with_its_tail_is_found_by_a_head_noted_elsewhere(database: Database) -> None:
    database.write_now(fill, 3)
    early = database.read_now(audit.head)
    database.write_now(fill)
    late = database.read_now(audit.head)
    database.write_now(remove_last_row)
    last = ids(database)[-1]

    def forge(connection: Connection) -> None:
        digest = connection.execute(
            select(audit_tables.audit.c.digest).where(audit_tables.audit.c.id == last)
        ).scalar_one()
        connection.execute(update(audit_tables.audit_tail).values(last=last, digest=digest))

    database.write_now(forge)
    assert database.read_now(audit.verify) == len(ids(database)), "by itself the forged log holds"
    assert database.read_now(audit.verify, known=early)
    with pytest.raises(Forgotten):
        database.read_now(audit.verify, known=late)


def test_rows_written_past_the_tail_are_found(database: Database) -> None:
    database.write_now(fill)

    def append_past_the_tail(connection: Connection) -> None:
        before = connection.execute(
            select(audit_tables.audit).order_by(audit_tables.audit.c.id.desc()).limit(1)
        ).one()
        tail = connection.execute(select(audit_tables.audit_tail)).one()
        audit.append(connection, NamedActor(name="x", now=NOW), Act.EDIT, "z")
        unguard(connection)
        connection.execute(
            update(audit_tables.audit_tail).values(last=before.id, digest=tail.digest)
        )

    database.write_now(append_past_the_tail)
    with pytest.raises(CutShort):
        database.read_now(audit.verify)


REFUSED = [
    "UPDATE audit SET actor = 'dewi'",
    "DELETE FROM audit",
    "DELETE FROM audit_tail",
    "UPDATE audit_tail SET last = last - 1",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_the_database_refuses_to_change_or_remove_a_row(database: Database, statement: str) -> None:
    database.write_now(fill)
    with pytest.raises(DatabaseError, match=REFUSAL):
        database.write_now(lambda connection: connection.execute(text(statement)))
    assert database.read_now(audit.verify) == 4


def test_the_guard_stops_replacing_and_truncating_too(database: Database) -> None:
    database.write_now(fill)
    if database.sqlite:
        tricks = [
            "INSERT OR REPLACE INTO audit SELECT id, at, 'dewi', act, subject, detail, previous, digest FROM audit",
            "INSERT OR REPLACE INTO audit_tail VALUES (1, 1, x'00')",
            "REPLACE INTO audit_tail VALUES (2, 1, x'00')",
        ]
    else:
        tricks = ["TRUNCATE audit", "TRUNCATE audit_tail"]
    for trick in tricks:
        with pytest.raises(DatabaseError, match=REFUSAL):
            database.write_now(lambda connection, trick=trick: connection.execute(text(trick)))
    assert database.read_now(audit.verify) == 4


def _triggers(database: Database) -> dict[str, str]:
    sqlite = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    server = "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"
    return dict(
        database.read_now(
            lambda connection: connection.execute(text(sqlite if database.sqlite else server)).all()
        )
    )


def test_a_migrated_database_has_the_same_guard(
    database: Database, empty_database_url: str
) -> None:
    migrate.migrate(empty_database_url)
    migrated = Database(empty_database_url)
    try:
        assert database.sqlite != migrated.sqlite or _triggers(migrated) == _triggers(database)
        migrated.write_now(fill)
        for statement in REFUSED:
            with pytest.raises(DatabaseError, match=REFUSAL):
                migrated.write_now(
                    lambda connection, statement=statement: connection.execute(text(statement))
                )
        assert migrated.read_now(audit.verify) == 4
    finally:
        migrated.close()


def test_rows_older_than_the_tail_are_covered_by_it(empty_database_url: str) -> None:
    database = Database(empty_database_url)

    def write_without_tail(connection: Connection) -> None:
        command.upgrade(migrate._config(connection), "0007")
        row = {"at": 1.0, "actor": "rina", "act": "publish", "subject": "a", "detail": "{}"}
        digest = hashlib.sha256(BEGINNING + msgspec.json.encode(row, order="sorted")).digest()
        columns = "at, actor, act, subject, detail, previous, digest"
        values = ":at, :actor, :act, :subject, :detail, :previous, :digest"
        connection.execute(
            text(f"INSERT INTO audit ({columns}) VALUES ({values})"),
            {**row, "previous": BEGINNING, "digest": digest},
        )

    try:
        database.write_now(write_without_tail)
        migrate.migrate(empty_database_url)
        database.write_now(fill)
        assert database.read_now(audit.verify) == 5
        database.write_now(remove_last_row)
        with pytest.raises(CutShort):
            database.read_now(audit.verify)
    finally:
        database.close()


async def test_an_act_says_where_it_came_from(database: Database) -> None:
    audit.set_place("198.51.100.7")
    await database.write(fill, 1)
    await database.write(
        lambda connection: audit.append(
            connection, NamedActor(name="x", now=NOW, place="loket"), Act.EDIT, "a0"
        )
    )
    assert [entry.detail["from"] for entry in await database.read(audit.about, "a0")] == [
        "198.51.100.7",
        "loket",
    ]


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
    def append_rows(_: int) -> None:
        writer = Database(database_url)
        for _ in range(8):
            writer.write_now(fill, 1)
        writer.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append_rows, range(4)))
    reader = Database(database_url)
    assert reader.read_now(audit.verify) == 32
    reader.close()
