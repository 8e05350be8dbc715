"""Markers that follow from where a test stands and what it uses; no test sets them itself."""

from collections.abc import Collection, Iterator
from typing import Any

BROWSER_FIXTURES = frozenset({"chromium", "sync_chromium"})
"""Fixtures that start Chromium: see tests/e2e/conftest.py."""
POSTGRESQL = "postgresql"
"""Begins the names of fixtures that start PostgreSQL, and names it among the kinds of databases."""


def markers_of(place: str, fixtures: Collection[str], parameters: Collection[Any]) -> Iterator[str]:
    """Yield the markers of a test: its file under tests/, its fixtures, its parameters."""
    if place.startswith("faults/"):
        yield "faults"
    if place == "test_packaging.py":
        yield "packaging"
    if not BROWSER_FIXTURES.isdisjoint(fixtures):
        yield "browser"
    if POSTGRESQL in parameters or any(name.startswith(POSTGRESQL) for name in fixtures):
        yield "postgres"
