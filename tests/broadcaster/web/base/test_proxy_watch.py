"""Warnings of a proxy that is not trusted or names no client: in the log and by doctor, without a
flood.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from broadcaster.runtime import proxies
from broadcaster.runtime.proxies import INTERNET, peer_of
from broadcaster.store.staff_tables import proxy_sighting
from support.browsing import Running, running
from support.peers import from_address
from support.sending import table
from support.waiting import until

HOST = "info.cimahi.example"


@contextmanager
def captured_log() -> Iterator[list[dict[str, Any]]]:
    """Capture what is logged within the block."""
    with structlog.testing.capture_logs() as entries:
        yield entries  # type: ignore[misc]  # the log's own mappings


async def doctor(site: Running) -> list[tuple[str, str]]:
    """Return what doctor reports of proxies; every finding is red."""
    findings = [finding async for finding in proxies.findings(site.app.settings)]
    assert all(finding.ok is False for finding in findings)
    return [(finding.what, finding.mend) for finding in findings]


@pytest.fixture
async def site(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """Serve the site at the real time: doctor is another process."""
    async with running(sqlite_url, tmp_path) as started:
        started.clock.now = datetime.now(UTC)
        yield started


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
async def test_a_proxy_that_is_not_trusted_is_reported_in_the_log_and_by_doctor(
    site: Running, header: str
) -> None:
    with captured_log() as entries:
        async with from_address(site, "127.0.0.66") as proxy:
            for number in range(5):
                assert (
                    await proxy.ask("/healthz", headers={header: f"203.0.113.{number}"})
                ).status == 200
        await until(lambda: table(site.app, proxy_sighting))
    errors = [entry for entry in entries if entry["event"] == "proxy_untrusted"]
    assert [(entry["log_level"], entry["peer"]) for entry in errors] == [("error", "127.0.0.66")], (
        "once, not for each request"
    )
    assert "203.0.113" not in json.dumps(entries)
    ((problem, remedy),) = await doctor(site)
    assert "127.0.0.66 mengirim X-Forwarded-For tetapi tidak dipercaya" in problem
    assert "atau seseorang mengirim tajuk itu sendiri" in problem
    assert "tambahkan 127.0.0.66 ke BROADCASTER_TRUSTED_PROXIES" in remedy


async def test_it_is_logged_once_an_hour_and_doctor_forgets_what_was_repaired(
    site: Running,
) -> None:
    with captured_log() as entries:
        async with from_address(site, "127.0.0.66") as proxy:
            for _ in range(4):
                await proxy.ask("/healthz", headers={"X-Forwarded-For": "203.0.113.7"})
                site.clock.now += timedelta(minutes=25)
    assert [entry["event"] for entry in entries].count("proxy_untrusted") == 2
    await until(lambda: table(site.app, proxy_sighting))
    settings = site.app.settings.model_copy(update={"trusted_proxies": ("127.0.0.0/24",)})
    assert [finding async for finding in proxies.findings(settings)] == []


async def test_a_trusted_proxy_that_names_its_client_is_as_it_should_be(site: Running) -> None:
    with captured_log() as entries:
        assert (
            await site.ask("/healthz", headers={"X-Forwarded-For": "203.0.113.7"})
        ).status == 200
        async with from_address(site, "127.0.0.66") as visitor:
            assert (await visitor.ask("/healthz")).status == 200
    assert not [entry for entry in entries if entry["event"].startswith("proxy_")]
    assert await doctor(site) == []


async def test_a_trusted_proxy_that_names_nobody_is_reported_too_and_a_local_probe_is_not(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with running(sqlite_url, tmp_path, BROADCASTER_BASE_URL=f"https://{HOST}") as site:
        site.clock.now = datetime.now(UTC)
        await site.ask("/healthz")
        await site.ask("/healthz", headers={"Host": HOST, "X-Forwarded-For": "203.0.113.7"})
        assert await doctor(site) == []
        await site.ask("/healthz", headers={"Host": HOST, "X-Real-IP": "203.0.113.7"})
        await until(lambda: table(site.app, proxy_sighting))
        ((problem, remedy),) = await doctor(site)
        assert problem.startswith("Proksi 127.0.0.1 tidak mengirim X-Forwarded-For")
        assert remedy == "Setel proksi itu agar mengirim X-Forwarded-For."


async def test_many_peers_are_distinguished_up_to_a_bound(site: Running) -> None:
    for number in range(20):
        async with from_address(site, f"127.0.1.{number + 1}") as peer:
            await peer.ask("/healthz", headers={"X-Forwarded-For": "203.0.113.7"})
    await until(lambda: len(table(site.app, proxy_sighting)) == 17)
    assert INTERNET in {row.peer for row in table(site.app, proxy_sighting)}


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("10.0.0.5", "10.0.0.5"),
        ("172.18.0.1", "172.18.0.1"),
        ("fd00::1", "fd00::1"),
        ("8.8.8.8", INTERNET),
        ("unix:", INTERNET),
    ],
)
def test_public_addresses_are_never_recorded(address: str, name: str) -> None:
    assert peer_of(address) == name
