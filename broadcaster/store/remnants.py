"""What deleting leaves behind in the files of a database: freed pages, the write-ahead log, dead
rows.
"""

import time
from collections.abc import Sequence

from sqlalchemy import Table

from broadcaster.store.database import Database

TRIES, PAUSE = 25, 0.2
"""How often, and after how many seconds again, a log is truncated that somebody still reads."""


def clear(database: Database, tables: Sequence[Table]) -> bool:
    """Remove what deleted rows of these tables left in the files; False where a reader still held
    the log after 5 s.

    PostgreSQL: a table that belongs to somebody else is passed over, with a warning of the
    server's.
    """
    if database.sqlite:
        return truncate_log(database)
    for table in tables:
        database.outside_transaction(f"VACUUM {table.name}")
    return True


def truncate_log(database: Database, tries: int = TRIES) -> bool:
    """Copy the write-ahead log of a SQLite file into it and empty the log; False while others read
    on.
    """
    for attempt in range(tries):
        if attempt:
            time.sleep(PAUSE)
        ((busy, _pages, _copied),) = database.outside_transaction("PRAGMA wal_checkpoint(TRUNCATE)")
        if not busy:
            return True
    return False


def rebuild(database: Database) -> None:
    """Write a SQLite file anew from what is in use: pages that were freed before secure_delete was
    set hold old rows.
    """
    database.outside_transaction("VACUUM")
