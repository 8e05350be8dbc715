"""Sites whose staff can be notified, for the tests of several rooms."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.telling import PostOffice, post_office


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[PostOffice]:
    """A site with a mail server and a bot, on each database in turn."""
    async with post_office(database_url, tmp_path) as started:
        yield started


@pytest.fixture
async def sqlite_office(sqlite_url: str, tmp_path: Path) -> AsyncIterator[PostOffice]:
    """The same on SQLite alone, where the database does not matter."""
    async with post_office(sqlite_url, tmp_path) as started:
        yield started
