"""PostgreSQL databases for tests, each used by one test at a time and emptied for the next.

Copying the template and dropping the copy costs a server 200 ms of CPU, emptying the few tables
that a test wrote to about 10.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import psycopg
from sqlalchemy import make_url

_numbers = count(1)

SCHEMA = """
SELECT md5(string_agg(item, ' ' ORDER BY item)) FROM (
  SELECT relname || oid FROM pg_class WHERE relnamespace = 'public'::regnamespace
  UNION ALL
  SELECT attname || attrelid || attnum || a.xmin
  FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid
  WHERE relnamespace = 'public'::regnamespace AND attnum > 0
  UNION ALL
  SELECT tgname || t.oid || t.xmin FROM pg_trigger t
  UNION ALL
  SELECT conname || oid || xmin FROM pg_constraint WHERE connamespace = 'public'::regnamespace
  UNION ALL
  SELECT proname || oid || xmin FROM pg_proc WHERE pronamespace = 'public'::regnamespace
  UNION ALL
  SELECT unnest(setconfig) FROM pg_db_role_setting
) AS items(item)
"""
"""Digest of everything that a test might change besides rows."""
USED_TABLES = """
SELECT oid::regclass::text FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
"""
USED_SEQUENCES = """
SELECT format('%I', sequencename) FROM pg_sequences
WHERE schemaname = 'public' AND last_value IS NOT NULL
"""
END_OTHERS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def database_address(server: str, name: str) -> str:
    """Return the URL of a database of the same server."""
    url = make_url(server).set(drivername="postgresql", database=name)
    return url.render_as_string(hide_password=False)


@contextmanager
def copied(server: str, template: str) -> Iterator[str]:
    """Copy one of the server's databases and drop the copy afterwards; yields its URL."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield database_address(server, name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class DatabasePool:
    """Copies of one template without rows."""

    def __init__(self, server: str, template: str) -> None:
        self._server = server
        self._template = template
        self._idle: list[PooledDatabase] = []

    @contextmanager
    def database(self) -> Iterator[str]:
        """Lend an empty database; yields its URL."""
        database = self._idle.pop() if self._idle else self._create()
        yield database.url
        if database.reset():
            self._idle.append(database)
        else:
            self._drop(database)

    def close(self) -> None:
        """Close the connections; the databases end with their server."""
        for database in self._idle:
            database.connection.close()

    def _create(self) -> "PooledDatabase":
        name = f"pooled_{next(_numbers)}"
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {self._template}")
        return PooledDatabase(name, database_address(self._server, name))

    def _drop(self, database: "PooledDatabase") -> None:
        database.connection.close()
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {database.name} WITH (FORCE)")


class PooledDatabase:
    """A database and the connection that empties it."""

    def __init__(self, name: str, url: str) -> None:
        self.name = name
        self.url = url
        self.connection = psycopg.connect(url, autocommit=True)
        self.connection.execute("SET session_replication_role = replica")  # the audit log refuses
        self._schema = self._column(SCHEMA)
        if rows := self._column(USED_TABLES):
            raise RuntimeError(f"The template of tests holds rows: {rows}")

    def reset(self) -> bool:
        """Remove all rows and end all other connections; False if the schema has changed."""
        self.connection.execute(END_OTHERS)
        if self._column(SCHEMA) != self._schema:
            return False
        if tables := self._column(USED_TABLES):
            self.connection.execute(f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE")
        for sequence in self._column(USED_SEQUENCES):
            self.connection.execute(f"ALTER SEQUENCE {sequence} RESTART")
        return True

    def _column(self, query: str) -> list[str]:
        return [value for (value,) in self.connection.execute(query)]
