"""The API's tests use the same site; where the database matters, on each kind in turn."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.browsing import Running, running


@pytest.fixture
async def either(database_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """The site on SQLite and on PostgreSQL."""
    async with running(database_url, tmp_path) as started:
        yield started
