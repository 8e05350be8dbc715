"""What tests share: a fresh database of each kind and a real Valkey; nothing of one test is seen by
another.
"""

import asyncio
import shutil
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
from support.markers import markers_of, starts_early
from support.postgres import running_postgresql

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
    """Mark each test by its place and fixtures, before `-m` selects; what takes long comes first."""
    for item in items:
        if not isinstance(item, pytest.Function):
            continue
        callspec = getattr(item, "callspec", None)
        parameters = list(callspec.params.values()) if callspec else []
        for name in markers_of(_place(item), item.fixturenames, parameters):
            item.add_marker(name)
    items.sort(key=lambda item: not starts_early(_place(item)))


def _place(item: pytest.Item) -> str:
    return item.path.relative_to(_TESTS).as_posix()


def create_tables(url: str) -> None:
    """Make every table of both packages in an empty database."""
    database = Database(url)
    try:
        for metadata in METADATA:
            metadata.create_all(database.writer_engine)
    finally:
        database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables and no rows, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    create_tables(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a PostgreSQL server of our own; skips with the reason where there is none."""
    with running_postgresql(tmp_path_factory.mktemp("postgresql")) as url:
        yield url


@pytest.fixture(scope="session")
def postgresql_pool(postgresql_server: str) -> Iterator[DatabasePool]:
    """Databases with all tables and no rows."""
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE template_of_tests")
    create_tables(database_address(postgresql_server, "template_of_tests"))
    pool = DatabasePool(postgresql_server, "template_of_tests")
    yield pool
    pool.close()


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """URL of a fresh SQLite file with all tables."""
    return f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'siaran.db')}"


@pytest.fixture
def postgresql_url(postgresql_pool: DatabasePool) -> Iterator[str]:
    """URL of a PostgreSQL database with all tables and no rows."""
    with postgresql_pool.database() as url:
        yield url


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    """URL of a SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'empty.db'}"


@pytest.fixture
def empty_postgresql_url(postgresql_server: str) -> Iterator[str]:
    """URL of a fresh PostgreSQL database without any table."""
    with copied(postgresql_server, "template0") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """URL of a database without any table, of each kind in turn."""
    return str(request.getfixturevalue(f"empty_{request.param}_url"))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of a fresh database with all tables, of each kind in turn."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The store on a fresh database, of each kind in turn."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def engine(database: Database) -> Engine:
    """The writing engine of `database`, for what needs no more than SQL."""
    return database.writer_engine


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of one embedded Valkey for all tests."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        running = valkey.valkey(tmp_path_factory.mktemp("valkey"))
        yield runner.run(running.__aenter__())
        runner.run(running.__aexit__(None, None, None))


@pytest.fixture
def valkey_url(valkey_server: str) -> str:
    """URL of an empty Valkey."""
    with redis.Redis.from_url(valkey_server) as client:
        client.flushall()
    return valkey_server
