"""A connection in an open transaction on each database, the built-in tree, a vault, and a shortcut
to sign people up.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from broadcaster.store.database import Database
from subscribers import store
from subscribers.areas import AreaTree
from subscribers.enrolment import Outcome
from subscribers.residents import AddressRow, Subscription, find, subscribe
from subscribers.vault import Vault

NOW = 1_795_600_000.0
"""25 November 2026, epoch seconds."""

SignUp = Callable[..., Outcome]
Find = Callable[..., AddressRow]


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def shared_engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """Yield the engine of a database of each kind with this package's tables; no test leaves rows
    in it.
    """
    if request.param == "postgresql":
        url = str(request.getfixturevalue("postgresql_server"))
    else:
        url = f"sqlite:///{tmp_path_factory.mktemp('subscribers') / 'shared.db'}"
    database = Database(url)
    store.metadata.create_all(database.writer_engine)
    yield database.writer_engine
    database.close()


@pytest.fixture
def conn(shared_engine: Engine) -> Iterator[Connection]:
    """Yield a connection inside a writing transaction, rolled back in the end."""
    with shared_engine.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


@pytest.fixture(scope="session")
def tree() -> AreaTree:
    """Return the tree of Kota Cimahi."""
    return AreaTree.built_in()


@pytest.fixture(scope="session")
def vault() -> Vault:
    """Return a vault with a fixed secret."""
    return Vault(b"a secret of thirty-two bytes....")


@pytest.fixture
def sign_up(conn: Connection, vault: Vault, tree: AreaTree) -> SignUp:
    """Sign an address up: sign_up("rina@contoh.example", "cibabat melong", topics="cuaca",
    channel="email", now=NOW).
    """

    def sign_up(
        address: str,
        areas: str = "cibabat",
        *,
        channel: str = "email",
        topics: str = "",
        now: float = NOW,
        **more: Any,
    ) -> Outcome:
        wanted = {"source": "test", "consent_at": now, **more}
        row = Subscription(
            channel=channel,
            address=address,
            areas=tuple(areas.split()),
            topics=tuple(topics.split()),
            **wanted,
        )
        return subscribe(conn, vault, tree, row, now)

    return sign_up


@pytest.fixture
def look_up(conn: Connection, vault: Vault) -> Find:
    """Return a function that finds the row of an address and fails if there is none."""

    def look_up(address: str, channel: str = "email") -> AddressRow:
        row = find(conn, vault, channel, address)
        assert row is not None
        return row

    return look_up
