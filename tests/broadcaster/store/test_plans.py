"""How the database finds rows while an edition is filled, sent and settled: by an index, never by
reading a table that grows.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from broadcaster.app import App
from broadcaster.store import hubs, people
from channels.base.contract import Receipt, Refused
from support.fakes import FakeChannel
from support.sending import drain_all, with_channels
from support.world import notice, program, publish, states, subscribe, variables

GROWING = ("delivery", "slice", "address", "subscription", "consent", "provider_message")
ALIASES = ("d", "a", "c", "newer")
"""Tables with a row per message, or per resident, and how the statements call them for short."""
PEOPLE = 40

Said = dict[str, Any]
"""Statements with parameters of one of their executions."""


@pytest.fixture
def said() -> Said:
    """What was said to the database."""
    return {}


def listen(app: App, said: Said) -> None:
    """Note every statement of the program from now on."""
    for engine in {app.database.writer_engine, app.database.reader_engine}:

        @event.listens_for(engine, "before_cursor_execute")
        def note(
            _conn: Connection,
            _cursor: Any,
            statement: str,
            parameters: Any,
            _context: Any,
            many: bool,
        ) -> None:
            if statement.lstrip().startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
                said.setdefault(statement, parameters[0] if many else parameters)


def plan(connection: Connection, statement: str, parameters: Any) -> list[str]:
    """The steps by which the database carries a statement out."""
    explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
    return [str(row[-1]) for row in connection.exec_driver_sql(explain + statement, parameters)]


def scans(steps: list[str], names: Sequence[str] = (*GROWING, *ALIASES)) -> list[str]:
    """The steps that read a growing table from end to end."""
    # SQLite says "SCAN delivery", with its alias or "USING INDEX" behind; PostgreSQL "Seq Scan on delivery d"
    places = ("SCAN ", "Seq Scan on ")
    return [
        step
        for step in steps
        for place in places
        for name in names
        if f"{place}{name} " in f"{step} "
    ]


async def test_no_statement_of_a_delivery_reads_a_growing_table_whole(
    database_url: str, tmp_path: Path, said: Said
) -> None:
    environ = variables(
        database_url, tmp_path, EMAIL_URL="smtp://127.0.0.1:1", EMAIL_FROM="info@cimahi.example"
    )
    channel = FakeChannel(
        provider=lambda r: (
            Refused(reason="address_dead") if r.address.startswith("w1@") else Receipt()
        )
    )
    async with program(environ) as opened:
        app = with_channels(opened, channel)
        await subscribe(app, "email", [(f"w{n}@contoh.example", "cibabat") for n in range(PEOPLE)])
        listen(app, said)
        await publish(app, notice())
        await drain_all(app)
        about = {
            text: given for text, given in said.items() if any(name in text for name in GROWING)
        }

        def found(connection: Connection) -> dict[str, list[str]]:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(
                    "SET enable_seqscan = off"
                )  # a table of one page is read whole by choice
            return {
                text: bad
                for text, given in about.items()
                if (bad := scans(plan(connection, text, given)))
            }

        assert len(about) > 15
        assert app.database.read_now(found) == {}
        assert states(app) == {"sent": PEOPLE - 1, "failed": 1}


async def test_no_sweep_reads_every_edition(database_url: str, tmp_path: Path, said: Said) -> None:
    environ = variables(
        database_url, tmp_path, EMAIL_URL="smtp://127.0.0.1:1", EMAIL_FROM="info@cimahi.example"
    )
    async with program(environ) as app:
        await publish(app, notice())
        now = app.clock().timestamp()
        listen(app, said)
        app.database.read_now(people.uncounted, now)
        app.database.read_now(hubs.unannounced, now + 60, settle=2.0)
        about = {text: given for text, given in said.items() if "edition.published_at >" in text}

        def found(connection: Connection) -> dict[str, list[str]]:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql(
                    "SET enable_seqscan = off"
                )  # a table of one page is read whole by choice
            return {
                text: bad
                for text, given in about.items()
                if (bad := scans(plan(connection, text, given), ["edition"]))
            }

        assert len(about) == 2
        assert app.database.read_now(found) == {}
