"""The site of web tests: fresh for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.browsing import Running, running


@pytest.fixture
async def site(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """The site as residents see it."""
    async with running(sqlite_url, tmp_path) as started:
        yield started


@pytest.fixture
async def demo(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """The site in simulation mode."""
    async with running(sqlite_url, tmp_path, BROADCASTER_SIMULATED="true") as started:
        yield started
