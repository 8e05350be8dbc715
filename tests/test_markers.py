"""Markers follow from place and fixtures; nothing starts a browser or PostgreSQL without them."""

from pathlib import Path

import pytest

from support.markers import SLOW, markers_of, start_rank

TESTS = Path(__file__).parent


@pytest.mark.parametrize(
    ("place", "fixtures", "parameters", "markers"),
    [
        ("broadcaster/domain/test_rules.py", [], [], []),
        ("broadcaster/store/test_audit.py", ["database_url"], ["sqlite"], []),
        ("broadcaster/store/test_audit.py", ["database_url"], ["postgresql"], ["postgres"]),
        ("broadcaster/store/test_remnants.py", ["postgresql_url"], [], ["postgres"]),
        ("faults/test_kill.py", ["ground"], ["postgresql"], ["faults", "postgres"]),
        ("e2e/test_layar.py", ["sync_chromium"], [], ["slow", "browser"]),
        ("e2e/test_sso.py", ["chromium", "sqlite_url"], [1440], ["slow", "browser"]),
        ("test_packaging.py", ["wheel"], [], ["packaging"]),
        ("broadcaster/web/staff/test_access.py", ["site"], [], ["slow"]),
    ],
)
def test_a_marker_follows_from_place_fixtures_and_parameters(
    place: str, fixtures: list[str], parameters: list[object], markers: list[str]
) -> None:
    assert list(markers_of(place, fixtures, parameters)) == markers


def test_every_slow_file_and_folder_exists_and_says_why() -> None:
    missing = [
        place
        for place in SLOW
        if not ((TESTS / place).is_dir() if place.endswith("/") else (TESTS / place).is_file())
    ]
    assert missing == []
    assert all(SLOW.values())


@pytest.mark.parametrize(
    ("place", "rank"),
    [
        ("faults/test_kill.py", 0),
        ("e2e/test_layar.py", 0),
        ("test_packaging.py", 0),
        ("broadcaster/web/staff/test_access.py", 1),
        ("broadcaster/delivery/test_drain.py", 1),
        ("channels/test_email.py", 2),
    ],
)
def test_what_takes_long_starts_first(place: str, rank: int) -> None:
    assert start_rank(place) == rank


@pytest.mark.parametrize(
    ("call", "places"),
    [
        ("chromium.launch(", ["benchmarks/bench_composer.py", "e2e/conftest.py"]),
        ("running_postgresql(", ["benchmarks/city.py", "conftest.py", "support/postgres.py"]),
    ],
)
def test_only_marked_fixtures_start_it(call: str, places: list[str]) -> None:
    callers = [
        path.relative_to(TESTS).as_posix()
        for path in TESTS.rglob("*.py")
        if path != Path(__file__) and call in path.read_text(encoding="utf-8")
    ]
    assert sorted(callers) == places
