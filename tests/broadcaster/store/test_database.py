"""The store's files on disk: addresses are sealed, but who receives what is nobody else's business either."""

from pathlib import Path

from sqlalchemy import text

from broadcaster import config, secret_key
from broadcaster.store.database import Database


def mode(path: Path) -> int:
    """The permission bits of a file or folder."""
    return path.stat().st_mode & 0o777


def test_the_database_and_its_folder_are_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    database = Database(f"sqlite:///{folder}/siaran.db")
    database.write_now(lambda connection: connection.execute(text("CREATE TABLE t (a)")))
    assert mode(folder) == 0o700
    assert {path.name: mode(path) for path in folder.iterdir()} == {
        "siaran.db": 0o600, "siaran.db-wal": 0o600, "siaran.db-shm": 0o600
    }  # fmt: skip
    database.close()


def test_a_database_that_its_operator_opened_to_a_group_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "siaran.db"
    path.touch()
    path.chmod(0o640)
    Database(f"sqlite:///{path}").close()
    assert mode(path) == 0o640


def test_the_secret_key_and_its_folder_are_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    secret_key.make(config.Settings(data_dir=folder))
    assert (mode(folder), mode(folder / "secret.key")) == (0o700, 0o600)
