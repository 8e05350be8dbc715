"""Browsers and cities of end-to-end tests: each worker starts few browsers, each test opens
contexts of its own.

A browser lives in one event loop. Asynchronous tests and their fixtures therefore run in the loop
of the session; Playwright's synchronous half blocks every other loop of its thread, so that its
browser ends with the file.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.chromium import launch_options
from support.newsroom_city import City, opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Any]:
    """Yield Chromium for asynchronous tests of the whole session."""
    async_api = pytest.importorskip("playwright.async_api")
    options = launch_options()
    async with async_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(**options)
        yield browser
        await browser.close()


@pytest.fixture(scope="module")
def sync_chromium() -> Iterator[Any]:
    """Yield Chromium for the synchronous tests of one file."""
    sync_api = pytest.importorskip("playwright.sync_api")
    options = launch_options()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(**options)
        yield browser
        browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def city(sqlite_url: str, tmp_path: Path) -> AsyncIterator[City]:
    """Yield the city of newsroom tests, with site, workers and providers together."""
    async with opened(sqlite_url, tmp_path) as started:
        yield started
