"""Markers that follow from a test's file and fixtures, so that no test sets them."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

BROWSER_FIXTURES = frozenset({"chromium", "sync_chromium"})
"""Fixtures that start Chromium: see tests/e2e/conftest.py."""
POSTGRESQL = "postgresql"
"""Prefix of fixtures that start PostgreSQL, and its name among the kinds of databases."""

SLOW: Mapping[str, str] = {
    "broadcaster/commands/test_announcements.py": "migrates a database of its own for each test",
    "broadcaster/commands/test_audited_commands.py": "migrates a database of its own for each test",
    "broadcaster/commands/test_status.py": "migrates a database of its own for each test",
    "broadcaster/commands/test_subscribers.py": "migrates a database of its own for each test",
    "broadcaster/commands/test_users.py": "migrates a database and hashes passwords as in life",
    "broadcaster/delivery/test_bad_recipients.py": "sends to thousands in each of 180 situations",
    "broadcaster/inbound/test_inbox.py": "takes in 100,000 events",
    "broadcaster/media/test_images.py": "decodes pictures in processes of their own",
    "broadcaster/publishing/test_hold_ups.py": "runs workers beside each other",
    "broadcaster/runtime/test_secret_key.py": "starts processes and migrates databases",
    "broadcaster/runtime/test_storage_faults.py": "starts a process for each command and fault",
    "broadcaster/store/test_fanout.py": "fans out to tens of thousands",
    "broadcaster/web/public/test_media.py": "decodes pictures in processes of their own",
    "broadcaster/web/staff/test_access.py": "asks for every route with every role",
    "broadcaster/web/staff/test_account.py": "hashes passwords as in life",
    "broadcaster/web/staff/test_forms.py": "opens a site for every form there is",
    "broadcaster/web/staff/test_sessions.py": "hashes passwords as in life",
}
"""Files that take more than some seconds of CPU, and why: everything else is the fast selection."""


def markers_of(place: str, fixtures: Collection[str], parameters: Collection[Any]) -> Iterator[str]:
    """Yield the markers of a test: its file under tests/, its fixtures, its parameters."""
    if place.startswith("faults/"):
        yield "faults"
    if place == "test_packaging.py":
        yield "packaging"
    if place in SLOW:
        yield "slow"
    if not BROWSER_FIXTURES.isdisjoint(fixtures):
        yield "browser"
    if POSTGRESQL in parameters or any(name.startswith(POSTGRESQL) for name in fixtures):
        yield "postgres"


def starts_early(place: str) -> bool:
    """True if a file takes long: begun last, it would keep one worker busy alone."""
    return place.startswith(("faults/", "e2e/")) or place == "test_packaging.py" or place in SLOW
