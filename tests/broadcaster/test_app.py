"""The clock that all processes share: the database's."""

from datetime import UTC, datetime
from pathlib import Path

from broadcaster.app import SharedClock
from support.world import program, variables


async def test_a_process_follows_the_clock_of_the_database(
    database_url: str, tmp_path: Path
) -> None:
    async with program(variables(database_url, tmp_path)) as app:
        clock = SharedClock()
        clock._ahead = 420.0  # as if this machine's clock had been corrected meanwhile
        await clock.follow(app.database)
        assert abs((clock() - datetime.now(UTC)).total_seconds()) < 60
        assert isinstance(app.clock, SharedClock)
