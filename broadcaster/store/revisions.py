"""Check of a database's schema version at every start, without importing Alembic."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from broadcaster.store.database import Database

MIGRATIONS = Path(__file__).resolve().parent / "migrations"


def newest() -> str:
    """Return the number of the newest migration in the package, e.g. "0001"."""
    return max(path.stem.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def is_current(url: str) -> bool:
    """True if every migration has been applied. Raises OperationalError when the database does not
    answer.
    """
    opened = Database(url)
    try:
        return opened.read_now(has_newest)
    finally:
        opened.close()


def has_newest(connection: Connection) -> bool:
    """True if every migration has been applied to this database."""
    return _applied(connection) == newest()


def _applied(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")
