"""Fixtures of the newsroom's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.browsing import Running, running
from support.staff_rows import Stage, staged


@pytest.fixture
async def stage(site: Running) -> Stage:
    """Serve the site with rina and dewi."""
    return await staged(site)


@pytest.fixture
async def own_stage(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """Serve a site for one test, where one person alone may publish an emergency."""
    async with running(sqlite_url, tmp_path, BROADCASTER_BREAK_GLASS="true") as site:
        yield await staged(site)
