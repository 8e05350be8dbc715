"""Schema migration: Alembic from inside the package, one transaction, one process at a time."""

import io
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, MetaData, text

from broadcaster.store import database, remnants, staff_tables
from broadcaster.store.tables import PARTIAL
from subscribers import store

MIGRATIONS = Path(__file__).resolve().parent / "migrations"
ADVISORY_LOCK = 5_277_032_026
"""Key of the PostgreSQL lock under which a single process migrates."""


def _with_conditions(*declared: MetaData) -> tuple[MetaData, ...]:
    """Give the conditions of partial indexes to the dialects, for CREATE INDEX."""
    tables = (table for metadata in declared for table in metadata.sorted_tables)
    for index in (index for table in tables for index in table.indexes):
        if PARTIAL in index.info:
            for dialect in ("sqlite", "postgresql"):
                index.dialect_kwargs[f"{dialect}_where"] = index.info[PARTIAL]
    return declared


METADATA = _with_conditions(staff_tables.metadata, store.metadata)
"""The tables of both packages live in one database; staff_tables knows all of ours."""


def migrate(url: str) -> list[str]:
    """Apply every missing migration, all or none; return their names, oldest first."""
    opened = database.Database(url)
    try:
        if opened.sqlite and opened.read_now(_needs_rebuild):
            remnants.rebuild(opened)
        applied = opened.write_now(_apply)
        if opened.sqlite:
            remnants.truncate_log(opened, tries=1)  # otherwise the next start truncates it
        return applied
    finally:
        opened.close()


def pending(url: str) -> list[str]:
    """Return the names of the missing migrations, oldest first."""
    opened = database.Database(url)
    try:
        return opened.read_now(_missing)
    finally:
        opened.close()


def differences(connection: Connection) -> list[object]:
    """List the differences between the database's tables and those declared in code."""
    context = MigrationContext.configure(
        connection, opts={"target_metadata": METADATA, "compare_type": True}
    )
    # Alembic takes several, its type only one
    return list(compare_metadata(context, METADATA))  # type: ignore[arg-type]


def _apply(connection: Connection) -> list[str]:
    if not database.is_sqlite(connection):
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
    missing = _missing(connection)
    if missing:
        command.upgrade(_config(connection), "head")
    return missing


def _missing(connection: Connection) -> list[str]:
    return [f"{script.revision} {script.doc}" for script in _newer(connection)][::-1]


def _newer(connection: Connection) -> list[Script]:
    """Return the missing migrations, newest first."""
    scripts = ScriptDirectory.from_config(_config(connection))
    return list(scripts.iterate_revisions("heads", _present(connection) or "base"))


def _present(connection: Connection) -> tuple[str, ...]:
    return MigrationContext.configure(connection).get_current_heads()


def _needs_rebuild(connection: Connection) -> bool:
    """True if a missing migration asks for it; a new database has nothing to drop."""
    marked = any(getattr(script.module, "VACUUM_FIRST", False) for script in _newer(connection))
    return marked and bool(_present(connection))


def _config(connection: Connection) -> Config:
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    config.attributes["metadata"] = METADATA
    return config


def write_revision(message: str) -> str:
    """Write the migration to the tables now declared (for developers); return its file name."""
    with tempfile.TemporaryDirectory() as folder:
        opened = database.Database(f"sqlite:///{folder}/scratch.db")
        try:
            opened.write_now(_apply)
            return opened.write_now(_write, message)
        finally:
            opened.close()


def _write(connection: Connection, message: str) -> str:
    config = _config(connection)
    number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
    script = command.revision(config, message, autogenerate=True, rev_id=f"{number:04}")
    return Path(script.path).name if script and not isinstance(script, list) else ""


if __name__ == "__main__":
    sys.stdout.write(write_revision(" ".join(sys.argv[1:])) + "\n")
