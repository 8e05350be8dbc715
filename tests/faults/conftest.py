"""Settled city of each kind of database, made on demand, to be copied by each fault run."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.city import Ground, settle
from faults.fork_server import ForkServer
from faults.processes import Postgresql


@pytest.fixture(scope="session")
def settled_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SQLite file with all residents."""
    path = tmp_path_factory.mktemp("kota") / "kota.db"
    asyncio.run(settle(f"sqlite:///{path}", path.parent))
    return path


@pytest.fixture(scope="session")
def settled_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgresql]:
    """Yield a server of our own with all residents in its database `kota`; skips with the reason if
    PostgreSQL cannot run.
    """
    server = Postgresql()
    try:
        server.execute("CREATE DATABASE kota")
        asyncio.run(settle(server.url("kota"), tmp_path_factory.mktemp("kota")))
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer | None]:
    """Yield the server that starts the parts of cities; None where there can be none."""
    if sys.platform != "linux":
        yield None
        return
    with ForkServer() as server:
        yield server


@pytest.fixture
def ground(kind: str, fork_server: ForkServer | None, request: pytest.FixtureRequest) -> Ground:
    """Return the ground for a city on a database of this kind, sqlite or postgresql."""
    if kind == "sqlite":
        file = request.getfixturevalue("settled_file")
        return Ground(kind=kind, fork_server=fork_server, file=file)
    server = request.getfixturevalue("settled_server")
    return Ground(kind=kind, fork_server=fork_server, server=server)
