"""Figures of the ledger: sums, lag, breakers."""

from typing import Any

import pytest
from sqlalchemy import Connection, insert

from broadcaster.store import figures
from broadcaster.store.database import Database
from broadcaster.store.tables import STATES, announcement, channel_state, edition, edition_area, run, slice_

NOW = 1_800_000_000.0


def add_run(connection: Connection, number: int, **changes: Any) -> None:
    """A run of the email channel, published ten minutes ago."""
    values = {
        "edition": number,
        "channel": "email",
        "lane": "routine",
        "state": "running",
        "sealed": True,
        "published_at": NOW - 600,
    }
    connection.execute(insert(run).values({**values, **changes}))


def add_slice(connection: Connection, number: int, piece: int, **changes: Any) -> None:
    """A slice of it with five open deliveries."""
    values = {
        "edition": number,
        "channel": "email",
        "number": piece,
        "lane": "routine",
        "after_slot": -1,
        "last_slot": 9,
        "open": 5,
    }
    counts = {f"n_{state}": 0 for state in STATES} | {"n_pending": 5}
    connection.execute(insert(slice_).values({**values, **counts, **changes}))


@pytest.fixture
async def read(database: Database) -> Any:
    """Reads the figures at NOW."""

    async def reading() -> figures.Figures:
        return await database.read(figures.read, NOW)

    return reading


async def test_an_empty_ledger_has_no_lag(read: Any) -> None:
    found = await read()
    assert found.deliveries == []
    assert found.lag == {"emergency": 0.0, "routine": 0.0}
    assert found.halted == {}


async def test_deliveries_are_summed_over_slices_and_editions(database: Database, read: Any) -> None:
    def fill(connection: Connection) -> None:
        for number in (1, 2):
            add_run(connection, number)
            add_slice(connection, number, 0, n_sent=3, possible_duplicates=1)
            add_slice(connection, number, 1, n_failed=2)

    await database.write(fill)
    found = await read()
    assert {(channel, state): n for channel, state, n in found.deliveries if n} == {
        ("email", "pending"): 20, ("email", "sent"): 6, ("email", "failed"): 4,
    }  # fmt: skip
    assert found.possible_duplicates == {"email": 2}


@pytest.mark.parametrize(
    ("changed_run", "changed_slice", "lag"),
    [
        ({}, {}, 600.0),
        ({}, {"due_at": NOW - 30}, 30.0),
        ({}, {"due_at": NOW + 30}, 0.0),
        ({}, {"open": 0}, 0.0),
        ({"state": "paused"}, {}, 0.0),
        ({"state": "done"}, {}, 0.0),
        ({"state": "preparing", "sealed": False}, {"open": 0}, 600.0),
    ],
)
async def test_the_lag_is_how_long_the_oldest_due_work_has_waited(
    database: Database, read: Any, changed_run: dict[str, Any], changed_slice: dict[str, Any], lag: float
) -> None:
    def fill(connection: Connection) -> None:
        add_run(connection, 1, **changed_run)
        add_slice(connection, 1, 0, **changed_slice)

    await database.write(fill)
    assert (await read()).lag["routine"] == pytest.approx(lag)


async def test_an_open_breaker_is_told(database: Database, read: Any) -> None:
    def fill(connection: Connection) -> None:
        connection.execute(
            insert(channel_state), [{"channel": "email", "halted": "manual"}, {"channel": "telegram", "halted": ""}]
        )

    await database.write(fill)
    assert (await read()).halted == {"email": 1, "telegram": 0}


async def test_only_newest_unexpired_unwithdrawn_editions_are_in_force(database: Database) -> None:
    def fill(connection: Connection) -> None:
        cases = [
            {"newest": True},
            {"newest": False},
            {"newest": True, "withdrawn": True},
            {"newest": True, "expires_at": NOW},
            {"newest": True, "expires_at": NOW + 1},
        ]
        for number, changes in enumerate(cases):
            own = {"id": str(number), "code": str(number), "state": "published", "fields": "{}", "created_by": "x"}
            connection.execute(insert(announcement).values(own | {"created_at": 0, "updated_at": 0}))
            signed = {"document": "{}", "signature": "", "key_id": "", "level": "info", "topic": "acara"}
            values = {
                "id": number,
                "announcement": str(number),
                "number": 1,
                "published_at": 0,
                "first_published_at": 0,
                **signed,
            }
            connection.execute(insert(edition).values(values | changes))
            connection.execute(insert(edition_area).values(edition=number, area="32.77"))

    await database.write(fill)
    assert await database.read(figures.in_force_by_area, NOW) == {"32.77": 2}
