"""Removal of what deleted rows leave in a database's files: freed pages, the write-ahead log, dead
rows.
"""

import time
from collections.abc import Sequence

from sqlalchemy import Table

from broadcaster.store.database import Database

TRIES, PAUSE = 25, 0.2
"""Tries to truncate a log that is being read, and seconds between them."""


def clear(database: Database, tables: Sequence[Table]) -> bool:
    """Remove what deleted rows of these tables left in the files; False if a reader still held the
    log after 5 s.

    PostgreSQL skips a table that belongs to another role, with a warning by the server.
    """
    if database.sqlite:
        return truncate_log(database)
    for table in tables:
        database.outside_transaction(f"VACUUM {table.name}")
    return True


def truncate_log(database: Database, tries: int = TRIES) -> bool:
    """Copy a SQLite file's write-ahead log into it and empty it; False while it is being read."""
    for attempt in range(tries):
        if attempt:
            time.sleep(PAUSE)
        ((busy, _pages, _copied),) = database.outside_transaction("PRAGMA wal_checkpoint(TRUNCATE)")
        if not busy:
            return True
    return False


def rebuild(database: Database) -> None:
    """Rewrite a SQLite file without free pages: those freed before secure_delete was set hold old
    rows.
    """
    database.outside_transaction("VACUUM")
