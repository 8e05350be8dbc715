"""The worker of a lane: rings, the sweeper, work without Redis and after its return. On SQLite,
with a real Valkey.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import redis
from sqlalchemy import select, text, update
from structlog.testing import capture_logs

from broadcaster.app import App, open_app
from broadcaster.domain.actor import NamedActor
from broadcaster.inbound import inbox, replies
from broadcaster.publishing import publications
from broadcaster.publishing.press import Press
from broadcaster.runtime import locks, valkey
from broadcaster.runtime.config import read
from broadcaster.runtime.locks import WorkerLock
from broadcaster.store import channels, ledger, tables
from broadcaster.store.channel_tables import channel_state
from broadcaster.store.leases import Holder, new_owner, take_sweeper
from broadcaster.store.tables import announcement, slice_, sweeper
from broadcaster.worker import LaneWorker, run
from channels.base.contract import InboundEvent, Outcome, Receipt, Recipient
from subscribers import residents
from support.fakes import FakeChannel
from support.sending import table, with_channels
from support.waiting import until
from support.world import emergency, notice, publish, states, subscribe, variables

NOWHERE = "redis://127.0.0.1:1/0"
PEOPLE = [(f"warga{n:02}@x.example", "cibabat") for n in range(40)]


@dataclass
class Installation:
    """An installation on one machine: a database, a data folder, a Redis. Each of its processes
    opens a program of its own.
    """

    environ: dict[str, str]
    redis_url: str
    stack: AsyncExitStack

    async def app(self, *channels: FakeChannel, redis_url: str | None = None) -> App:
        """Open the program of one more process."""
        url = self.redis_url if redis_url is None else redis_url
        return with_channels(
            await self.stack.enter_async_context(open_app(read(self.environ), redis_url=url)),
            *channels,
        )


@pytest.fixture
async def machine(sqlite_url: str, valkey_url: str, tmp_path: Path) -> AsyncIterator[Installation]:
    """An installation with forty subscribers."""
    environ = variables(
        sqlite_url, tmp_path, EMAIL_URL="smtp://127.0.0.1:1", EMAIL_FROM="info@cimahi.example"
    )
    async with AsyncExitStack() as stack:
        installation = Installation(environ=environ, redis_url=valkey_url, stack=stack)
        await subscribe(await installation.app(), "email", PEOPLE)
        yield installation


@asynccontextmanager
async def running_worker(app: App, lane: str = "routine") -> AsyncIterator[LaneWorker]:
    """Run a worker until the block ends."""
    worker = LaneWorker(app, lane)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(task, 15)


def is_done(app: App, key: str) -> bool:
    """Tell whether all of an announcement is sent."""
    return app.database.read_now(ledger.progress, key).sending == "done"


async def until_sent(app: App, key: str) -> None:
    """Wait until all of an announcement is sent."""
    await until(lambda: is_done(app, key), what="the announcement is done")


# --- rings ----------------------------------------------------------------------------------------------


async def test_a_ring_wakes_the_worker_at_once(machine: Installation) -> None:
    channel = FakeChannel()
    app = await machine.app(channel)
    async with running_worker(app) as worker:
        await until(lambda: worker._sweeps, what="the worker is up")
        clock = asyncio.get_running_loop().time
        began = clock()
        stored = await publish(app, notice())
        await until(lambda: channel.accepted)
        assert clock() - began < 1.5, "sooner than any sweep need be"
        await until_sent(app, stored.id)
    assert sorted(channel.accepted) == [address for address, _areas in PEOPLE]
    assert set(channel.accepted.values()) == {1}


async def test_each_lane_has_a_worker_that_leaves_the_other_lane_alone(
    machine: Installation,
) -> None:
    urgent, calm = FakeChannel(), FakeChannel()
    routine = await publish(await machine.app(calm), notice())
    alarm = await publish(await machine.app(urgent), emergency())
    app = await machine.app(urgent)
    async with running_worker(app, "emergency"):
        await until_sent(app, alarm.id)
        assert not is_done(app, routine.id)
    assert {recipient.delivery.split(".")[0] for recipient in urgent.order} == {str(alarm.edition)}
    async with running_worker(await machine.app(calm), "routine"):
        await until_sent(app, routine.id)
    assert {recipient.delivery.split(".")[0] for recipient in calm.order} == {str(routine.edition)}


async def test_an_unknown_lane_is_refused(machine: Installation) -> None:
    with pytest.raises(ValueError, match="unknown lane 'fast': emergency or routine"):
        LaneWorker(await machine.app(), "fast")


async def test_rings_that_mean_nothing_break_nothing(machine: Installation) -> None:
    channel = FakeChannel()
    app = await machine.app(channel)
    async with running_worker(app):
        await app.queue.ring("no such channel", "routine")
        pool = await app.queue.redis()
        await pool.enqueue_job("no such job", _queue_name="siaran:queue:routine")
        stored = await publish(app, notice())
        await until_sent(app, stored.id)
    assert len(channel.accepted) == len(PEOPLE)


async def test_run_ends_when_asked_and_gives_its_lock_back(machine: Installation) -> None:
    app = await machine.app()
    stop = asyncio.Event()
    task = asyncio.create_task(run(app, "routine", stop))
    folder = app.settings.data_dir / "workers"
    await until(lambda: list(folder.glob("*.lock")))
    (lock,) = folder.glob("*.lock")
    assert not locks.is_dead(folder, lock.stem)
    stop.set()
    await asyncio.wait_for(task, 10)
    assert list(folder.glob("*.lock")) == []


async def test_locks_of_the_dead_are_cleared_at_the_start(machine: Installation) -> None:
    app = await machine.app()
    folder = app.settings.data_dir / "workers"
    folder.mkdir(parents=True)
    (folder / "gone-1-2.lock").touch()
    async with running_worker(app):
        assert [path.stem for path in folder.glob("*.lock")] != ["gone-1-2"]
        assert len(list(folder.glob("*.lock"))) == 1


# --- the sweeper ----------------------------------------------------------------------------------------


async def test_one_process_at_a_time_is_the_sweeper_and_another_follows(
    machine: Installation,
) -> None:
    async with running_worker(await machine.app()) as first:
        await until(lambda: first._sweeps)
        async with running_worker(await machine.app(), "emergency") as second:
            workers = len(table(await machine.app(), tables.worker))
            await until(lambda: workers and second.deliverer.workers)
            app = await machine.app()
            await until(lambda: len(table(app, tables.worker)) == 2)
            assert not second._sweeps
            app.database.write_now(lambda c: c.execute(update(sweeper).values(owner=None)))
            app.database.write_now(take_sweeper, second.deliverer.holder, 10)
            await until(
                lambda: second._sweeps and not first._sweeps, what="the other has taken over"
            )


async def test_a_ring_that_was_lost_is_found_by_the_sweeper(
    machine: Installation, valkey_url: str
) -> None:
    channel = FakeChannel()
    app = await machine.app(channel)
    stored = await publish(app, notice())
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
    async with running_worker(app):
        await until_sent(app, stored.id)
    assert len(channel.accepted) == len(PEOPLE)


async def test_at_most_two_rings_a_worker_wait_however_much_is_due(machine: Installation) -> None:
    app = await machine.app(FakeChannel())
    worker = LaneWorker(app, "emergency")
    await publish(app, notice())
    await app.queue.redis()
    for _sweep in range(5):
        await worker._take_turn()
        await worker._ring_for_work()
    assert await app.queue.waiting("routine") == 2
    assert worker._lock is not None
    worker._lock.release()


async def test_a_schedule_is_published_when_its_time_has_come(machine: Installation) -> None:
    channel = FakeChannel()
    app = await machine.app(channel)
    soon = datetime.now(UTC) + timedelta(hours=1)
    checked = Press.of(app).examine(notice(publish_at=soon.isoformat()), app.clock())
    stored = await publications.publish_now(
        app, checked, actor=NamedActor(name="test", now=app.clock())
    )
    assert stored.status == "scheduled"
    async with running_worker(
        replace(app, clock=lambda: datetime.now(UTC) + timedelta(hours=1, seconds=5))
    ):
        await until(lambda: len(channel.accepted) == len(PEOPLE))
        await until_sent(app, stored.id)


async def test_an_announcement_whose_time_is_over_ends(machine: Installation) -> None:
    app = await machine.app(FakeChannel())
    stored = await publish(app, emergency())
    async with running_worker(
        replace(app, clock=lambda: datetime.now(UTC) + timedelta(hours=4)), "emergency"
    ):
        query = select(announcement.c.state).where(announcement.c.id == stored.id)
        await until(lambda: app.database.read_now(lambda c: c.execute(query).scalar()) == "ended")


async def halt(app: App, resume: str) -> None:
    """Halt the email channel, its next probe due."""
    app.database.write_now(channels.halt_channel, "email", "maintenance", resume)
    app.database.write_now(lambda c: c.execute(update(channel_state).values(next_probe=1.0)))


async def test_a_probe_that_succeeds_opens_the_channel_again(machine: Installation) -> None:
    channel = FakeChannel()
    app = await machine.app(channel)
    await halt(app, "probe")
    stored = await publish(app, notice())
    async with running_worker(app):
        await until_sent(app, stored.id)
    assert app.database.read_now(channels.channel_states)["email"].halted == ""


@dataclass
class FailingProbe(FakeChannel):
    """A channel whose probe raises an unforeseen error; `probes` counts the attempts."""

    probes: int = 0

    async def probe(self) -> bool:
        """Raise an error that no channel should."""
        self.probes += 1
        raise ValueError("no answer for 0812-3456-7890")


async def test_a_probe_that_breaks_keeps_the_channel_shut_and_everything_else_going(
    machine: Installation,
) -> None:
    channel = FailingProbe()
    app = await machine.app(channel)
    await halt(app, "probe")
    with capture_logs() as entries:
        async with running_worker(app) as worker:
            await until(lambda: channel.probes)
            sweeps = worker.deliverer.workers
            assert sweeps == 1
            await until(lambda: any(entry["event"] == "probe_failed" for entry in entries))
    assert app.database.read_now(channels.channel_states)["email"].halted == "probe"
    assert "0812" not in str(entries), "no message of an unforeseen error is logged"
    assert "test_worker" not in str(entries)


async def test_a_channel_that_waits_for_an_operator_is_not_probed(machine: Installation) -> None:
    channel = FailingProbe()
    app = await machine.app(channel)
    await halt(app, "manual")
    async with running_worker(app) as worker:
        await until(lambda: worker._sweeps)
        await worker._run_due_work()
    assert channel.probes == 0


async def test_what_providers_and_residents_say_is_applied_by_the_worker(
    machine: Installation,
) -> None:
    channel = FakeChannel()
    app = await machine.app(channel)
    await inbox.accept(
        app, "email", [InboundEvent(dedupe="1", address=PEOPLE[0][0], text="berhenti")]
    )
    async with running_worker(app, "emergency"):
        await until(lambda: channel.answers)
    assert channel.answers[0][0] == PEOPLE[0][0]


@dataclass
class NeverAnswers(FakeChannel):
    """A channel whose provider never accepts an answer; `asked` counts the attempts."""

    asked: int = 0

    async def answer(self, address: str, text: str) -> Outcome:
        """Hang."""
        self.asked += 1
        return await asyncio.get_running_loop().create_future()


def stopped(app: App) -> list[str]:
    """Return the addresses whose subscription has ended."""
    rows = [
        (address, app.database.read_now(residents.find, app.vault, "email", address))
        for address, _areas in PEOPLE
    ]
    return [address for address, row in rows if row is not None and not row.confirmed]


async def test_stops_are_applied_while_no_resident_can_be_answered(machine: Installation) -> None:
    channel = NeverAnswers()
    app = await machine.app(channel)
    words = [
        InboundEvent(dedupe=address, address=address, text="halo") for address, _areas in PEOPLE
    ]
    async with running_worker(app) as worker:
        await inbox.accept(app, "email", words)
        await until(lambda: channel.asked == replies.ANSWERS_AT_ONCE, what="the provider hangs")
        await inbox.accept(
            app, "email", [InboundEvent(dedupe="stop", address=PEOPLE[0][0], text="berhenti")]
        )
        await until(lambda: stopped(app) == [PEOPLE[0][0]], what="the stop is applied")
        assert channel.asked == replies.ANSWERS_AT_ONCE, "nobody has been answered meanwhile"
        await worker._answerer.settle(0)


async def test_a_worker_that_is_not_the_sweeper_helps_where_a_stop_waits(
    machine: Installation,
) -> None:
    channel = FakeChannel()
    app = await machine.app(channel)
    hung = Holder(owner=new_owner(), lease=600)
    assert app.database.write_now(take_sweeper, hung, 600.0), "a sweeper that hangs"
    await inbox.accept(
        app, "email", [InboundEvent(dedupe="stop", address=PEOPLE[0][0], text="berhenti")]
    )
    with WorkerLock(app.settings.data_dir / "workers", hung.owner):
        async with running_worker(app) as worker:
            await until(lambda: stopped(app) == [PEOPLE[0][0]], what="the stop is applied")
            assert not worker._sweeps


async def test_a_database_that_fails_for_a_while_does_not_end_the_worker(
    machine: Installation,
) -> None:
    channel = FakeChannel()
    app = await machine.app(channel)
    with capture_logs() as entries:
        async with running_worker(app) as worker:
            await until(lambda: worker._sweeps)
            app.database.write_now(lambda c: c.execute(text("ALTER TABLE worker RENAME TO away")))
            await until(lambda: any(entry["event"] == "sweep_failed" for entry in entries))
            app.database.write_now(lambda c: c.execute(text("ALTER TABLE away RENAME TO worker")))
            stored = await publish(app, notice())
            await until_sent(app, stored.id)
            await until(lambda: worker._sweeps)


@dataclass
class BreakingOnce(FakeChannel):
    """A channel that breaks once in the middle of sending."""

    broken: bool = False

    def break_once(self, recipient: Recipient) -> Outcome:
        """Raise an unforeseen error once, after twenty messages; accept all others."""
        if not self.broken and len(self.accepted) == 20:
            self.broken = True
            raise RuntimeError(f"bug at {recipient.address}")
        return Receipt()


async def test_a_bug_in_a_channel_is_logged_without_values_and_the_rest_is_sent(
    machine: Installation,
) -> None:
    channel = BreakingOnce()
    channel.provider = channel.break_once
    app = await machine.app(channel)
    with capture_logs() as entries:
        async with running_worker(app):
            stored = await publish(app, notice())
            await until(lambda: channel.broken)
            app.database.write_now(lambda c: c.execute(update(slice_).values(due_at=0)))
            await until_sent(app, stored.id)
    assert set(channel.accepted) == {address for address, _areas in PEOPLE}
    assert "@x.example" not in str(entries)


# --- without Redis, and with one that comes and goes ----------------------------------------------------


@pytest.mark.parametrize("url", ["", NOWHERE])
async def test_without_redis_each_lane_drains_by_itself(machine: Installation, url: str) -> None:
    channel = FakeChannel()
    app = await machine.app(channel, redis_url=url)
    stored = await publish(app, notice())
    async with running_worker(app):
        await until_sent(app, stored.id)
    assert len(channel.accepted) == len(PEOPLE)


async def test_without_redis_a_worker_that_is_no_sweeper_drains_too(machine: Installation) -> None:
    channel = FakeChannel()
    app = await machine.app(channel, redis_url=NOWHERE)
    sweeper = Holder(owner=new_owner(), lease=30)
    app.database.write_now(take_sweeper, sweeper, 600)
    stored = await publish(app, notice())
    with WorkerLock(app.settings.data_dir / "workers", sweeper.owner):
        async with running_worker(app) as worker:
            await until_sent(app, stored.id)
            assert not worker._sweeps


async def test_a_restart_of_valkey_mid_send_neither_loses_nor_doubles_nor_ends_the_worker(
    machine: Installation, tmp_path: Path
) -> None:
    gate = asyncio.Event()
    channel = SlowChannel(gate=gate)
    async with valkey.valkey(tmp_path / "own", say=lambda _line: None) as url:
        app = await machine.app(channel, redis_url=url)
        with redis.Redis.from_url(url) as client:
            server = int(client.info("server")["process_id"])
        async with running_worker(app):
            first = await publish(app, notice())
            await until(lambda: len(channel.accepted) >= 5)
            os.kill(server, signal.SIGKILL)
            await until(lambda: valkey.running_valkey(tmp_path / "own") == "", seconds=5)
            await until(lambda: valkey.running_valkey(tmp_path / "own") == url)
            gate.set()
            await until_sent(app, first.id)
            second = await publish(app, notice(title="Posyandu pindah ke balai RW 03"))
            await until_sent(app, second.id)
    assert set(channel.accepted.values()) == {2}
    assert app.database.read_now(ledger.progress, first.id).possible_duplicates == 0
    assert states(app) == {"sent": 2 * len(PEOPLE)}


async def test_a_valkey_that_hangs_holds_nothing_up_and_the_worker_still_ends(
    machine: Installation, tmp_path: Path
) -> None:
    channel = FakeChannel()
    async with valkey.valkey(tmp_path / "own", say=lambda _line: None) as url:
        app = await machine.app(channel, redis_url=url)
        with redis.Redis.from_url(url) as client:
            server = int(client.info("server")["process_id"])
        try:
            async with running_worker(app) as worker:
                await until(lambda: worker._sweeps)
                os.kill(server, signal.SIGSTOP)
                stored = await publish(app, notice())
                await until_sent(app, stored.id)
        finally:
            os.kill(server, signal.SIGCONT)
    assert set(channel.accepted.values()) == {1}


@dataclass
class SlowChannel(FakeChannel):
    """A channel whose provider waits in the middle of a batch until `gate` opens."""

    gate: asyncio.Event | None = None

    async def send(self, messages, *, may_write):  # type: ignore[no-untyped-def]
        """Send as the fake does, but wait for the gate after the fifth message."""
        async for result in super().send(messages, may_write=may_write):
            yield result
            if len(self.accepted) == 5 and self.gate is not None:
                await self.gate.wait()
