"""Ledger figures: sums, lag, breakers."""

from typing import Any

import pytest
from sqlalchemy import Connection, case, insert, update

from broadcaster.domain.deliveries import STATES
from broadcaster.store import metrics
from broadcaster.store.channel_tables import channel_state, held_suppression
from broadcaster.store.database import Database
from broadcaster.store.tables import announcement, edition, edition_area, run, slice_

NOW = 1_800_000_000.0


def add_run(connection: Connection, number: int, **changes: Any) -> None:
    """Insert a run of the email channel, published ten minutes ago."""
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
    """Insert a slice of it with five open deliveries."""
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
async def read_figures(database: Database) -> Any:
    """Return a function that reads the figures at NOW."""

    async def read_at_now() -> metrics.Figures:
        return await database.read(metrics.read, NOW)

    return read_at_now


async def test_an_empty_ledger_has_no_lag(read_figures: Any) -> None:
    figures = await read_figures()
    assert figures.deliveries == []
    assert figures.lag == {"emergency": 0.0, "routine": 0.0}
    assert figures.halted == {}


async def test_deliveries_are_summed_over_slices_and_editions(
    database: Database, read_figures: Any
) -> None:
    def fill(connection: Connection) -> None:
        for number in (1, 2):
            add_run(connection, number)
            add_slice(connection, number, 0, n_sent=3, possible_duplicates=1)
            add_slice(connection, number, 1, n_failed=2)

    await database.write(fill)
    figures = await read_figures()
    assert {(channel, state): n for channel, state, n in figures.deliveries if n} == {
        ("email", "pending"): 20,
        ("email", "sent"): 6,
        ("email", "failed"): 4,
    }
    assert figures.possible_duplicates == {"email": 2}


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
    database: Database,
    read_figures: Any,
    changed_run: dict[str, Any],
    changed_slice: dict[str, Any],
    lag: float,
) -> None:
    def fill(connection: Connection) -> None:
        add_run(connection, 1, **changed_run)
        add_slice(connection, 1, 0, **changed_slice)

    await database.write(fill)
    assert (await read_figures()).lag["routine"] == pytest.approx(lag)


async def test_an_open_breaker_is_reported(database: Database, read_figures: Any) -> None:
    def fill(connection: Connection) -> None:
        connection.execute(
            insert(channel_state),
            [{"channel": "email", "halted": "manual"}, {"channel": "telegram", "halted": ""}],
        )

    await database.write(fill)
    assert (await read_figures()).halted == {"email": 1, "telegram": 0}


async def test_what_waits_for_the_provider_or_an_operator_is_reported(
    database: Database, read_figures: Any
) -> None:
    def fill(connection: Connection) -> None:
        add_run(connection, 1, state="paused")
        connection.execute(insert(channel_state).values(channel="email", paused_until=NOW + 90))
        connection.execute(insert(channel_state).values(channel="telegram", paused_until=NOW - 90))
        for address in (1, 2):
            connection.execute(
                insert(held_suppression).values(
                    address=address, channel="email", reason="address_dead", at=0
                )
            )

    await database.write(fill)
    figures = await read_figures()
    assert figures.paused == {"email": 90.0, "telegram": 0.0}
    assert figures.held == {"email": 2}
    assert figures.runs_paused == {"email": 1}


class Ledger:
    """Runs with one slice each, read with one memory of the finished ones."""

    def __init__(self, database: Database, slices: int = 20_000) -> None:
        self.database, self.counts = database, metrics.Counts(slices=slices)

    def add(self, number: int, *, days: float | None) -> None:
        """Insert a run that ended so many days ago (None: still going) with one sent delivery."""
        ended = None if days is None else NOW - days * 86_400

        def fill(connection: Connection) -> None:
            add_run(
                connection,
                number,
                finished_at=ended,
                state="running" if ended is None else "done",
                total=1_000,
            )
            add_slice(connection, number, 0, n_sent=1, n_pending=0)

        self.database.write_now(fill)

    def receive(self, number: int) -> None:
        """Record a late receipt: its delivery was read."""
        own_slices = update(slice_).where(slice_.c.edition == number)
        self.database.write_now(lambda c: c.execute(own_slices.values(n_sent=0, n_read=1)))

    def read(self, later: float = 0.0) -> dict[str, int]:
        """Return the counts by state that are not 0."""
        figures = self.database.read_now(metrics.read, NOW + later, self.counts)
        return {state: count for _channel, state, count in figures.deliveries if count}


def test_counts_follow_a_run_that_goes_on_and_one_that_is_just_over(database: Database) -> None:
    ledger = Ledger(database)
    ledger.add(1, days=None)
    ledger.add(2, days=0.5)
    assert ledger.read() == {"sent": 2}
    ledger.receive(1)
    ledger.receive(2)
    assert ledger.read(1) == {"read": 2}


def test_a_run_that_ends_or_is_opened_again_is_counted_once(database: Database) -> None:
    ledger = Ledger(database)
    ledger.add(1, days=None)
    ledger.add(2, days=20)
    assert ledger.read() == {"sent": 2}
    database.write_now(
        lambda c: c.execute(
            update(run).values(finished_at=case((run.c.edition == 1, NOW), else_=None))
        )
    )
    assert ledger.read(1) == {"sent": 2}


def test_late_receipts_are_seen_in_turn_where_there_is_much_to_read(database: Database) -> None:
    ledger = Ledger(database, slices=1)
    for number in range(4):
        ledger.add(number, days=number)
    assert ledger.read() == {"sent": 4}, "the first reading reads everything"
    for number in range(4):
        ledger.receive(number)
    readings = [ledger.read(later).get("read", 0) for later in range(1, 6)]
    assert readings == [1, 2, 3, 4, 4]


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
            own = {
                "id": str(number),
                "code": str(number),
                "state": "published",
                "fields": "{}",
                "created_by": "x",
            }
            connection.execute(
                insert(announcement).values(own | {"created_at": 0, "updated_at": 0})
            )
            signed = {
                "document": "{}",
                "signature": "",
                "key_id": "",
                "level": "info",
                "topic": "acara",
            }
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
    assert await database.read(metrics.in_force_by_area, NOW) == {"32.77": 2}
