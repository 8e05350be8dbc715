"""Fixtures of the API's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.browsing import Running, running


@pytest.fixture
async def either(database_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """Serve the site on SQLite and on PostgreSQL in turn."""
    async with running(database_url, tmp_path) as started:
        yield started
