"""Markers that follow from a test's file and fixtures; only a slow test in a quick file sets its own."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

BROWSER_FIXTURES = frozenset({"chromium", "sync_chromium"})
"""Fixtures that start Chromium: see tests/e2e/conftest.py."""
POSTGRESQL = "postgresql"
"""Prefix of fixtures that start PostgreSQL, and its name among the kinds of databases."""

SLOW: Mapping[str, str] = {
    "broadcaster/commands/test_announcements.py": "runs whole commands, most of them several",
    "broadcaster/commands/test_audited_commands.py": "runs every command there is",
    "broadcaster/commands/test_doctor.py": "looks at a whole installation in each test",
    "broadcaster/commands/test_imports.py": "runs whole commands, most of them several",
    "broadcaster/commands/test_status.py": "runs whole commands, most of them several",
    "broadcaster/commands/test_subscribers.py": "imports thousands of rows",
    "broadcaster/commands/test_users.py": "hashes passwords as in life",
    "broadcaster/delivery/test_bad_recipients.py": "sends to thousands in each of 180 situations",
    "broadcaster/delivery/test_breaker.py": "sends to hundreds in each test",
    "broadcaster/delivery/test_drain.py": "sends to hundreds in each test",
    "broadcaster/delivery/test_ending.py": "sends to hundreds in each test",
    "broadcaster/delivery/test_fairness.py": "sends to thousands",
    "broadcaster/delivery/test_lanes.py": "watches real rates for seconds",
    "broadcaster/delivery/test_ledger_model.py": "plays random histories",
    "broadcaster/delivery/test_rate_limiter.py": "watches real rates for seconds",
    "broadcaster/delivery/test_slow_answers.py": "waits for slow providers",
    "broadcaster/inbound/test_inbox.py": "takes in 100,000 events",
    "broadcaster/inbound/test_inbox_floods.py": "takes in tens of thousands of events",
    "broadcaster/media/test_decoder_process.py": "decodes pictures in processes of their own",
    "broadcaster/media/test_images.py": "decodes pictures in processes of their own",
    "broadcaster/newsroom/test_notifications.py": "runs workers beside each other",
    "broadcaster/publishing/test_hold_ups.py": "runs workers beside each other",
    "broadcaster/residents/test_data_rights.py": "looks through the files of a whole city",
    "broadcaster/runtime/test_custody.py": "migrates and copies databases",
    "broadcaster/runtime/test_processes.py": "starts and ends processes",
    "broadcaster/runtime/test_secret_key.py": "starts processes and migrates databases",
    "broadcaster/runtime/test_storage_faults.py": "starts a process for each command and fault",
    "broadcaster/simulation/test_city.py": "fills the sample city in each test",
    "broadcaster/staff/test_sign_in.py": "hashes passwords as in life",
    "broadcaster/store/test_fanout.py": "fans out to tens of thousands",
    "broadcaster/store/test_migrate.py": "migrates a database in each test",
    "broadcaster/store/test_respelling.py": "migrates a database in each test",
    "broadcaster/store/test_retries.py": "fills thousands of rows",
    "broadcaster/store/test_sign_in_throttle.py": "plays crowds of guessers",
    "broadcaster/store/test_merged_addresses.py": "migrates a database in each test",
    "broadcaster/test_cli.py": "starts a process for each command",
    "broadcaster/test_startup.py": "starts a process for each command",
    "broadcaster/test_worker.py": "runs workers beside each other",
    "broadcaster/web/api/": "serves a site in each test",
    "broadcaster/web/machines/": "serves a site in each test",
    "broadcaster/web/public/": "serves a site in each test",
    "broadcaster/web/staff/": "serves a site in each test",
    "broadcaster/web/test_hostile_values.py": "sends hostile values to every form there is",
    "broadcaster/web/test_routes.py": "asks for every route there is",
    "broadcaster/web/test_server.py": "starts and ends servers",
    "e2e/": "runs whole cities",
}
"""Files, and folders with all below them, that take more than some seconds of CPU, and why:
everything else is the fast selection.
"""


def markers_of(place: str, fixtures: Collection[str], parameters: Collection[Any]) -> Iterator[str]:
    """Yield the markers of a test: its file under tests/, its fixtures, its parameters."""
    if place.startswith("faults/"):
        yield "faults"
    if place == "test_packaging.py":
        yield "packaging"
    if is_slow(place):
        yield "slow"
    if not BROWSER_FIXTURES.isdisjoint(fixtures):
        yield "browser"
    if POSTGRESQL in parameters or any(name.startswith(POSTGRESQL) for name in fixtures):
        yield "postgres"


def is_slow(place: str) -> bool:
    """True if SLOW lists the file or a folder above it."""
    return place in SLOW or place.startswith(tuple(name for name in SLOW if name.endswith("/")))


def start_rank(place: str) -> int:
    """Return the turn in which a file starts, 0 first: what takes longest, started last, would keep
    one worker busy alone.
    """
    if place.startswith(("faults/", "e2e/")) or place == "test_packaging.py":
        return 0
    return 1 if is_slow(place) else 2
