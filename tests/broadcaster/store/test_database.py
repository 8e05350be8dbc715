"""The database itself: its files belong to their owner alone, and bounded reads are interrupted."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from broadcaster.runtime import secret_key, settings
from broadcaster.store.database import Database, ReadTimeout


def mode(path: Path) -> int:
    """Return the permission bits of a file or folder."""
    return path.stat().st_mode & 0o777


def test_the_database_and_its_folder_are_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    database = Database(f"sqlite:///{folder}/siaran.db")
    database.write_now(lambda connection: connection.execute(text("CREATE TABLE t (a)")))
    assert mode(folder) == 0o700
    assert {path.name: mode(path) for path in folder.iterdir()} == {
        "siaran.db": 0o600,
        "siaran.db-wal": 0o600,
        "siaran.db-shm": 0o600,
    }
    database.close()


def test_a_database_that_its_operator_opened_to_a_group_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "siaran.db"
    path.touch()
    path.chmod(0o640)
    Database(f"sqlite:///{path}").close()
    assert mode(path) == 0o640


def test_the_secret_key_and_its_folder_are_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    secret_key.make(settings.Settings(data_dir=folder))
    assert (mode(folder), mode(folder / "secret.key")) == (0o700, 0o600)


ENDLESS = text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
)


@pytest.fixture
def impatient(database_url: str) -> Iterator[Database]:
    """Yield the store with bounded reads of at most 0.1 s."""
    opened = Database(database_url, bounded_seconds=0.1)
    yield opened
    opened.close()


def endless(connection: Connection) -> None:
    """Run a read that never ends by itself."""
    connection.execute(ENDLESS)


def select_one(connection: Connection) -> int:
    """Run a read that ends at once."""
    return int(connection.execute(text("SELECT 1")).scalar_one())


async def test_a_bounded_read_that_lasts_too_long_is_interrupted_and_its_connection_reads_on(
    impatient: Database,
) -> None:
    for _ in range(5):
        with pytest.raises(ReadTimeout):
            await impatient.read_bounded(endless)
        assert await impatient.read_bounded(select_one) == 1
    assert await impatient.read(select_one) == 1
    assert await impatient.write(select_one) == 1


def test_only_what_was_interrupted_is_a_timeout(impatient: Database) -> None:
    with pytest.raises(Exception, match="nowhere") as raised:
        impatient.read_bounded_now(
            lambda connection: connection.execute(text("SELECT 1 FROM nowhere"))
        )
    assert not isinstance(raised.value, ReadTimeout)


def test_a_bounded_read_cannot_write_on_sqlite(sqlite_url: str) -> None:
    opened = Database(sqlite_url)
    with pytest.raises(Exception, match="readonly"):
        opened.read_bounded_now(
            lambda connection: connection.execute(text("DELETE FROM announcement"))
        )
    opened.close()
