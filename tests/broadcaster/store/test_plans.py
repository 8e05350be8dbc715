"""Query plans while an edition is filled, sent and settled: always an index, never a scan of a
table that grows.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from broadcaster.app import App
from broadcaster.store import hubs, people
from channels.base.contract import Receipt, Refused
from support.email_program import email_program
from support.fakes import FakeChannel
from support.query_plans import plan
from support.sending import drain_all, with_channels
from support.world import notice, publish, states, subscribe

GROWING = ("delivery", "slice", "address", "subscription", "consent", "provider_message")
ALIASES = ("d", "a", "c", "newer")
"""Tables with a row for each message or resident, and their aliases in the statements."""
PEOPLE = 40

Statements = dict[str, Any]
"""SQL -> the parameters of one execution."""


@pytest.fixture
def statements() -> Statements:
    """Return the statements recorded so far: none."""
    return {}


def record_statements(app: App, statements: Statements) -> None:
    """Record every statement of the program from now on."""
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
                statements.setdefault(statement, parameters[0] if many else parameters)


def scans(steps: list[str], names: Sequence[str]) -> list[str]:
    """Return the steps that read a growing table from end to end."""
    # SQLite says "SCAN delivery", with its alias or "USING INDEX" behind; PostgreSQL "Seq Scan on delivery d"
    places = ("SCAN ", "Seq Scan on ")
    return [
        step
        for step in steps
        for place in places
        for name in names
        if f"{place}{name} " in f"{step} "
    ]


def whole_reads(
    connection: Connection, statements: Statements, names: Sequence[str] = (*GROWING, *ALIASES)
) -> dict[str, list[str]]:
    """Return the steps of each statement that reads a growing table from end to end."""
    if connection.dialect.name == "postgresql":
        # By choice it would scan a table of one page.
        connection.exec_driver_sql("SET enable_seqscan = off")
    return {
        text: steps
        for text, parameters in statements.items()
        if (steps := scans(plan(connection, text, parameters), names))
    }


async def test_no_statement_of_a_delivery_reads_a_growing_table_whole(
    database_url: str, tmp_path: Path, statements: Statements
) -> None:
    channel = FakeChannel(
        provider=lambda r: (
            Refused(reason="address_dead") if r.address.startswith("w1@") else Receipt()
        )
    )
    async with email_program(database_url, tmp_path) as opened:
        app = with_channels(opened, channel)
        await subscribe(app, "email", [(f"w{n}@contoh.example", "cibabat") for n in range(PEOPLE)])
        record_statements(app, statements)
        await publish(app, notice())
        await drain_all(app)
        relevant = {
            text: parameters
            for text, parameters in statements.items()
            if any(name in text for name in GROWING)
        }
        assert len(relevant) > 15
        assert app.database.read_now(whole_reads, relevant) == {}
        assert states(app) == {"sent": PEOPLE - 1, "failed": 1}


async def test_no_sweep_reads_every_edition(
    database_url: str, tmp_path: Path, statements: Statements
) -> None:
    async with email_program(database_url, tmp_path) as app:
        await publish(app, notice())
        now = app.clock().timestamp()
        record_statements(app, statements)
        app.database.read_now(people.uncounted, now)
        app.database.read_now(hubs.unannounced, now + 60, settle=2.0)
        relevant = {
            text: parameters
            for text, parameters in statements.items()
            if "edition.published_at >" in text
        }
        assert len(relevant) == 2
        assert app.database.read_now(whole_reads, relevant, ["edition"]) == {}
