"""Single faults, each at a moment that is sure to hurt: each is survived, and none costs more than
it must.

FAULT_OUTAGE is how long Valkey stays away (6 s; the long form takes 60).
"""

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, make_url, text

from broadcaster.domain.deliveries import DELIVERED, READ, SENDING
from faults.city import PART, ROUTINE, WORKERS, City, Ground, concerned, founded
from faults.invariants import InvariantCheck
from faults.processes import FAKETIME, Disk, Part, wrong_clock
from support.waiting import until

LEASE = 2.0
OUTAGE = float(os.environ.get("FAULT_OUTAGE") or 6)
PATIENCE = 90.0
WINDOW = 250
"""Rows of one worker that may be marked and unsettled."""
OPENED_ENVELOPES = 4
"""Messages that the connections of a suspended worker owe to the mail server: one each."""
EVERYONE = len(concerned(PART))

both = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
sqlite = pytest.mark.parametrize("kind", ["sqlite"])
postgresql = pytest.mark.parametrize("kind", ["postgresql"])


async def taken(city: City, count: int) -> None:
    """Return once so many messages were accepted."""
    await until(lambda: city.accepted >= count, seconds=PATIENCE, what=f"{count} accepted")


@asynccontextmanager
async def sending(ground: Ground, folder: Path, *, disk: Disk | None = None) -> AsyncIterator[City]:
    """Start a city in which a notice is on its way, and a fifth has arrived."""
    async with founded(ground, folder, seed=112, lease=LEASE, disk=disk) as city:
        await city.publish("pertama", areas=PART)
        await taken(city, EVERYONE // 5)
        yield city


async def settled(city: City, *, uncertain: int = 0) -> InvariantCheck:
    """Wait for the end; nothing may be lost, and at most `uncertain` duplicates may be admitted."""
    async with asyncio.timeout(PATIENCE):
        await city.over()
    check = InvariantCheck(city, uncertain)
    assert [*check.violations(), *await check.api_violations()] == []
    return check


def pids(city: City) -> dict[str, int]:
    """Return the process id of each worker."""
    return {
        name: part.process.pid
        for name in WORKERS
        if (part := city.supervisor.parts[name]).process is not None
    }


def rows(connection: Connection, condition: str) -> int:
    """Count the delivery rows that match a condition."""
    return int(
        connection.execute(text(f"SELECT count(*) FROM delivery WHERE {condition}")).scalar_one()
    )


async def suspend(part: Part) -> None:
    """Stop a process; on return none of its threads runs, so that it goes on holding what it holds
    now.
    """
    assert part.send(signal.SIGSTOP)
    assert part.process is not None
    threads = Path(f"/proc/{part.process.pid}/task")
    await until(
        lambda: all(state_of(thread) in "TZX" for thread in threads.iterdir()),
        what="all threads to stop",
    )


def state_of(thread: Path) -> str:
    """Return the letter by which Linux says what a thread does; X for one that has ended."""
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def holds_the_database(city: City) -> bool:
    """True if a suspended worker is in the middle of a transaction: SQLite has one writer, and the
    others would wait for it.
    """
    path = make_url(city.app.database.url).database
    if not city.app.database.sqlite or path is None:
        return False
    with closing(sqlite3.connect(path, timeout=2, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return True
        connection.execute("ROLLBACK")
    return False


@both
async def test_a_worker_suspended_past_its_lease_writes_nothing_more(
    ground: Ground, tmp_path: Path
) -> None:
    async with sending(ground, tmp_path) as city:
        record = city.providers.record
        name = record.taken[-1].worker
        part = city.supervisor.parts[name]
        await suspend(part)
        while holds_the_database(city):
            part.send(signal.SIGCONT)
            await taken(city, len(record.taken) + 1)
            await suspend(part)
        async with asyncio.timeout(PATIENCE):
            await city.over()
        already = len(record.taken)
        part.send(signal.SIGCONT)
        await city.supervisor.stop_all([name])
        late = [message for message in record.taken[already:] if message.worker == name]
        await settled(city, uncertain=WINDOW)
    assert len([message for message in late if message.channel == "email"]) <= OPENED_ENVELOPES
    assert [message for message in late if message.channel != "email"] == []


@both
async def test_killing_all_workers_leaves_at_most_a_window_of_each_uncertain(
    ground: Ground, tmp_path: Path
) -> None:
    async with sending(ground, tmp_path) as city:
        parts = [city.supervisor.parts[name] for name in WORKERS]
        for part in parts:
            part.wanted = False  # a restarted worker reopens the marked rows
            part.kill()
        await until(lambda: not any(part.alive for part in parts), what="all are dead")
        marked = city.app.database.read_now(
            lambda c: c.execute(
                text(f"SELECT count(*) FROM delivery WHERE state = {SENDING}")
            ).scalar_one()
        )
        for part in parts:
            part.wanted = True
        assert marked <= WINDOW * len(ROUTINE)
        await settled(city, uncertain=marked)


@both
async def test_a_rolling_restart_loses_and_doubles_nothing(ground: Ground, tmp_path: Path) -> None:
    async with sending(ground, tmp_path) as city:
        for name in ROUTINE:
            before = pids(city)[name]
            await city.supervisor.terminate(city.supervisor.parts[name])
            await until(
                lambda name=name, before=before: pids(city)[name] != before,
                what=f"{name} starts again",
            )
            await city.ready(name)
        await settled(city)
        assert city.accepted == EVERYONE


@sqlite
async def test_workers_outlive_valkey_and_go_on_without_it(ground: Ground, tmp_path: Path) -> None:
    async with sending(ground, tmp_path) as city:
        before, already = pids(city), city.accepted
        city.valkey.kill()
        await taken(city, already + 50)
        await asyncio.sleep(OUTAGE)
        city.valkey.start()
        await settled(city)
        assert city.accepted == EVERYONE
        await city.publish("kedua", areas=PART)
        await settled(city)
        assert pids(city) == before


@sqlite
async def test_a_replaced_valkey_loses_and_doubles_nothing(ground: Ground, tmp_path: Path) -> None:
    async with sending(ground, tmp_path) as city:
        before = pids(city)
        city.valkey.kill()
        city.valkey.forget()
        city.valkey.start()
        await settled(city)
        assert city.accepted == EVERYONE
        assert pids(city) == before


@postgresql
async def test_a_database_server_that_restarts_is_waited_for(
    ground: Ground, tmp_path: Path
) -> None:
    async with sending(ground, tmp_path) as city:
        before = pids(city)
        assert city.server is not None
        await asyncio.to_thread(city.server.shut_down)
        city.server.start()
        await asyncio.to_thread(city.server.wait)
        await settled(city, uncertain=WINDOW * len(ROUTINE))
        assert pids(city) == before


@pytest.mark.skipif(
    FAKETIME is None, reason="libfaketime is not installed (Debian: apt-get install libfaketime)"
)
@postgresql
async def test_workers_whose_clocks_are_minutes_off_lose_nothing(
    ground: Ground, tmp_path: Path
) -> None:
    async with founded(ground, tmp_path, seed=112, lease=LEASE) as city:
        for name, minutes in zip(WORKERS, (-5, -6, -7), strict=True):
            part = city.supervisor.parts[name]
            part.environ = {**part.environ, **wrong_clock(minutes)}
            before = pids(city)[name]
            part.kill()
            await until(
                lambda name=name, before=before: pids(city)[name] != before,
                what=f"{name} starts again",
            )
        await city.ready()
        await city.publish("pertama", areas=PART)
        await settled(city)
        assert city.accepted == EVERYONE
        # the web process, whose clock is right, took what WhatsApp said later
        await until(
            lambda: city.app.database.read_now(rows, f"state IN ({DELIVERED}, {READ})"),
            seconds=30,
            what="receipts are applied",
        )


@sqlite
async def test_a_full_disk_is_waited_out(ground: Ground, tmp_path: Path) -> None:
    if why := Disk.why_not():
        print(f"not played here: {why}")
        return
    disk = Disk(tmp_path / "disk")
    with disk.mounted():
        async with sending(ground, tmp_path, disk=disk) as city:
            before = pids(city)
            await asyncio.to_thread(disk.fill)
            await until(
                lambda: "disk is full" in logs(city) or "ledger_not_saved" in logs(city),
                what="a worker notices",
            )
            disk.free()
            await settled(city, uncertain=WINDOW * len(ROUTINE))
            assert pids(city) == before


def logs(city: City) -> str:
    """Return the logs of the workers."""
    return "".join(city.supervisor.parts[name].log.read_text(errors="replace") for name in WORKERS)
