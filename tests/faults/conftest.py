"""What fault runs share: one settled city of each kind of database, to be copied by each run."""

import asyncio
from collections.abc import Iterator

import pytest

from faults.city import Ground, settle
from faults.processes import Postgresql


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A settled SQLite file, and a settled database on a server that runs may shut down."""
    folder = tmp_path_factory.mktemp("kota")
    server = Postgresql()
    try:
        server.execute("CREATE DATABASE kota")
        asyncio.run(settle(server.url("kota"), folder))
        asyncio.run(settle(f"sqlite:///{folder / 'kota.db'}", folder))
        yield Ground(sqlite=folder / "kota.db", server=server)
    finally:
        server.close()
