"""SIGKILL of a worker, or an emptied Valkey, in the middle of sending: nothing is lost, and
duplicates are admitted. Real processes.
"""

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis

from broadcaster.app import App
from broadcaster.simulation.smtp import SmtpStandIn
from broadcaster.store import ledger
from broadcaster.store.ledger import Progress
from broadcaster.store.migrate import migrate
from support.world import notice, program, publish, states, subscribe, variables

City = tuple[App, SmtpStandIn, dict[str, str]]
PEOPLE = 2_000
PATIENCE = 60.0
"""Seconds after which a run that is not done has lost something."""
LEASE = "2"
"""Seconds: short, so that recovery on PostgreSQL (no file locks there) fits a test."""


@asynccontextmanager
async def worker(environ: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a routine worker in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "broadcaster",
        "worker",
        "--lane",
        "routine",
        env={**os.environ, **environ},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            await asyncio.wait_for(process.wait(), 20)


async def finished(app: App, announcement: str) -> Progress:
    """Return the progress once nothing is open; raises TimeoutError with the counts if that takes
    too long.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + PATIENCE
    while (progress := await app.database.read(ledger.progress, announcement)).sending != "done":
        if clock() > until:
            raise TimeoutError(f"rows are still open: {dict(progress.deliveries)}")
        await asyncio.sleep(0.1)
    return progress


async def accepted(server: SmtpStandIn, count: int) -> None:
    """Return once the server has accepted so many messages."""
    clock = asyncio.get_running_loop().time
    until = clock() + PATIENCE
    while len(server.accepted) < count:
        if clock() > until:
            raise TimeoutError(f"only {len(server.accepted)} accepted")
        await asyncio.sleep(0.005)


@pytest.fixture
async def city(empty_database_url: str, valkey_url: str, tmp_path: Path) -> AsyncIterator[City]:
    """Yield a city of email subscribers, a recording mail server, and the environment of its
    workers.
    """
    server = SmtpStandIn(record=True)
    migrate(empty_database_url)
    async with server.running() as smtp_url:
        environ = variables(
            empty_database_url,
            tmp_path,
            EMAIL_URL=smtp_url,
            EMAIL_FROM="info@cimahi.example",
            BROADCASTER_REDIS_URL=valkey_url,
            BROADCASTER_LEASE=LEASE,
        )
        async with program(environ, redis_url=valkey_url) as app:
            await subscribe(
                app, "email", [(f"warga{n:04}@contoh.example", "cibabat") for n in range(PEOPLE)]
            )
            yield app, server, environ


def check(app: App, server: SmtpStandIn, progress: Progress) -> None:
    """Check that nothing is lost, that duplicates are at most those that the ledger admits, and
    that the counts are the rows.
    """
    copies = Counter(to for to, _id in server.accepted)
    assert len(copies) == PEOPLE
    doubled = sum(copies.values()) - PEOPLE
    assert doubled <= progress.possible_duplicates
    assert states(app) == {"sent": PEOPLE}
    assert progress.deliveries["email"]["sent"] == PEOPLE
    by_address: dict[str, set[str]] = {}
    for to, message_id in server.accepted:
        by_address.setdefault(to, set()).add(message_id)
    assert {len(ids) for ids in by_address.values()} == {1}, (
        "a repeated message keeps its Message-ID"
    )


async def test_a_worker_killed_mid_send_loses_nothing(city: City) -> None:
    app, server, environ = city
    seed = random.randrange(2**32)
    at = random.Random(seed).randrange(50, PEOPLE - 200)
    print(f"seed {seed}: SIGKILL after {at} accepted")
    async with worker(environ) as first:
        stored = await publish(app, notice())
        await accepted(server, at)
        first.send_signal(signal.SIGKILL)
        await first.wait()
    async with worker(environ):
        progress = await finished(app, stored.id)
    check(app, server, progress)
    assert progress.possible_duplicates <= 250


async def test_emptying_valkey_mid_send_loses_nothing(city: City, valkey_url: str) -> None:
    app, server, environ = city
    async with worker(environ):
        stored = await publish(app, notice())
        for at in (100, 700, 1300):
            await accepted(server, at)
            with redis.Redis.from_url(valkey_url) as client:
                client.flushall()
        progress = await finished(app, stored.id)
    check(app, server, progress)
    assert progress.possible_duplicates == 0
    assert len(server.accepted) == PEOPLE


async def test_a_worker_asked_to_end_hands_back_and_doubles_nothing(city: City) -> None:
    app, server, environ = city
    async with worker(environ) as first:
        stored = await publish(app, notice())
        await accepted(server, 300)
        first.terminate()
        await asyncio.wait_for(first.wait(), 10)
        assert first.returncode == 0
    assert set(states(app)) <= {"sent", "pending"}
    async with worker(environ):
        progress = await finished(app, stored.id)
    check(app, server, progress)
    assert progress.possible_duplicates == 0
    assert len(server.accepted) == PEOPLE


async def test_a_lost_ring_is_found_by_the_sweeper(city: City, valkey_url: str) -> None:
    app, server, environ = city
    stored = await publish(app, notice())
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
    async with worker(environ):
        progress = await finished(app, stored.id)
    check(app, server, progress)


async def test_without_redis_at_all_the_worker_drains_by_itself(city: City) -> None:
    app, server, environ = city
    stored = await publish(app, notice())
    async with worker({**environ, "BROADCASTER_REDIS_URL": "redis://127.0.0.1:1/0"}):
        progress = await finished(app, stored.id)
    check(app, server, progress)
