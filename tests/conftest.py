"""Fixtures of all tests: a fresh database of each kind and a real Valkey; no test sees data of
another.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
import redis
from sqlalchemy import Engine

from broadcaster.runtime import valkey
from broadcaster.store.database import Database
from broadcaster.store.migrate import METADATA
from support.database_pool import DatabasePool, copied, database_address
from support.markers import markers_of, start_rank
from support.postgres import running_postgresql

# Compile each module once, not in each of hundreds of processes, whatever the environment says.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

hypothesis.settings.register_profile(
    "ours",
    deadline=None,  # a busy machine is no failure
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize=True,  # the same examples each time: what fails once fails again
    database=None,
)
hypothesis.settings.load_profile("ours")

_TESTS = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by its place and fixtures, before `-m` selects; slow files come first."""
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        callspec = getattr(item, "callspec", None)
        parameters = list(callspec.params.values()) if callspec else []
        for name in markers_of(_place(item), item.fixturenames, parameters):
            item.add_marker(name)
    items.sort(key=lambda item: start_rank(_place(item)))


def _place(item: pytest.Item) -> str:
    return item.path.relative_to(_TESTS).as_posix()


def create_tables(url: str) -> None:
    """Create every table of both packages in an empty database."""
    database = Database(url)
    try:
        for metadata in METADATA:
            metadata.create_all(database.writer_engine)
    finally:
        database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SQLite file with all tables and no rows, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    create_tables(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of a PostgreSQL server of our own; skips with the reason if it cannot run."""
    with running_postgresql(tmp_path_factory.mktemp("postgresql")) as url:
        yield url


@pytest.fixture(scope="session")
def postgresql_pool(postgresql_server: str) -> Iterator[DatabasePool]:
    """Yield databases with all tables and no rows."""
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE template_of_tests")
    create_tables(database_address(postgresql_server, "template_of_tests"))
    pool = DatabasePool(postgresql_server, "template_of_tests")
    yield pool
    pool.close()


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """Return the URL of a fresh SQLite file with all tables."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'siaran.db')}"


@pytest.fixture
def postgresql_url(postgresql_pool: DatabasePool) -> Iterator[str]:
    """Yield the URL of a PostgreSQL database with all tables and no rows."""
    with postgresql_pool.database() as url:
        yield url


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """Return the URL of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'empty.db'}"


@pytest.fixture
def empty_postgresql_url(postgresql_server: str) -> Iterator[str]:
    """Yield the URL of a fresh PostgreSQL database without any table."""
    with copied(postgresql_server, "template0") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a database without any table, of each kind in turn."""
    return str(request.getfixturevalue(f"empty_{request.param}_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a fresh database with all tables, of each kind in turn."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """Yield the store on a fresh database, of each kind in turn."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def engine(database: Database) -> Engine:
    """Return the writing engine of `database`, for tests that need only SQL."""
    return database.writer_engine


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the URL of one embedded Valkey for all tests."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        running = valkey.valkey(tmp_path_factory.mktemp("valkey"))
        yield runner.run(running.__aenter__())
        runner.run(running.__aexit__(None, None, None))


@pytest.fixture
def valkey_url(valkey_server: str) -> str:
    """Return the URL of an empty Valkey."""
    with redis.Redis.from_url(valkey_server) as client:
        client.flushall()
    return valkey_server
