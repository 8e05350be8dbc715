"""Fixtures of web tests: a fresh site for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.browsing import Running, running


@pytest.fixture
async def site(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """Serve the site as residents see it."""
    async with running(sqlite_url, tmp_path) as started:
        yield started


@pytest.fixture
async def demo(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """Serve the site in simulation mode."""
    async with running(sqlite_url, tmp_path, BROADCASTER_SIMULATED="true") as started:
        yield started
