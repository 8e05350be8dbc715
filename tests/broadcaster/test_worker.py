"""The worker of a lane: the doorbell, the sweeper, life without Redis and after its return. On
SQLite, with a real Valkey.
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
from broadcaster.store import channels as channel_store
from broadcaster.store import ledger
from broadcaster.store.channel_tables import channel_state
from broadcaster.store.leases import Holder, new_owner, take_sweeper
from broadcaster.store.tables import announcement, slice_, sweeper
from broadcaster.store.tables import worker as worker_table
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
class House:
    """What the processes of one machine share: a database, a data folder, a Redis; each opens its
    own program.
    """

    environ: dict[str, str]
    redis_url: str
    stack: AsyncExitStack

    async def app(self, *channels: FakeChannel, redis_url: str | None = None) -> App:
        """The program of one more process."""
        url = self.redis_url if redis_url is None else redis_url
        return with_channels(
            await self.stack.enter_async_context(open_app(read(self.environ), redis_url=url)),
            *channels,
        )


@pytest.fixture
async def house(sqlite_url: str, valkey_url: str, tmp_path: Path) -> AsyncIterator[House]:
    environ = variables(
        sqlite_url, tmp_path, EMAIL_URL="smtp://127.0.0.1:1", EMAIL_FROM="info@cimahi.example"
    )
    async with AsyncExitStack() as stack:
        opened = House(environ=environ, redis_url=valkey_url, stack=stack)
        await subscribe(await opened.app(), "email", PEOPLE)
        yield opened


@asynccontextmanager
async def working(app: App, lane: str = "routine") -> AsyncIterator[LaneWorker]:
    """A worker that works until the block ends."""
    worker = LaneWorker(app, lane)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(task, 15)


def is_done(app: App, key: str) -> bool:
    return app.database.read_now(ledger.progress, key).sending == "done"


async def done(app: App, key: str) -> None:
    """Wait until all of an announcement is sent."""
    await until(lambda: is_done(app, key), what="the announcement is done")


# --- the doorbell ---------------------------------------------------------------------------------------


async def test_a_ring_wakes_the_worker_at_once(house: House) -> None:
    channel = FakeChannel()
    app = await house.app(channel)
    async with working(app) as worker:
        await until(lambda: worker._sweeps, what="the worker is up")
        clock = asyncio.get_running_loop().time
        began = clock()
        stored = await publish(app, notice())
        await until(lambda: channel.accepted)
        assert clock() - began < 1.5, "sooner than any sweep need be"
        await done(app, stored.id)
    assert sorted(channel.accepted) == [address for address, _areas in PEOPLE]
    assert set(channel.accepted.values()) == {1}


async def test_each_lane_has_a_worker_that_leaves_the_other_lane_alone(house: House) -> None:
    urgent, calm = FakeChannel(), FakeChannel()
    routine = await publish(await house.app(calm), notice())
    alarm = await publish(await house.app(urgent), emergency())
    app = await house.app(urgent)
    async with working(app, "emergency"):
        await done(app, alarm.id)
        assert not is_done(app, routine.id)
    assert {recipient.delivery.split(".")[0] for recipient in urgent.order} == {str(alarm.edition)}
    async with working(await house.app(calm), "routine"):
        await done(app, routine.id)
    assert {recipient.delivery.split(".")[0] for recipient in calm.order} == {str(routine.edition)}


async def test_an_unknown_lane_is_refused(house: House) -> None:
    with pytest.raises(ValueError, match="unknown lane 'fast': emergency or routine"):
        LaneWorker(await house.app(), "fast")


async def test_rings_that_mean_nothing_break_nothing(house: House) -> None:
    channel = FakeChannel()
    app = await house.app(channel)
    async with working(app):
        await app.queue.ring("no such channel", "routine")
        pool = await app.queue.redis()
        await pool.enqueue_job("no such job", _queue_name="siaran:queue:routine")
        stored = await publish(app, notice())
        await done(app, stored.id)
    assert len(channel.accepted) == len(PEOPLE)


async def test_run_ends_when_asked_and_gives_its_lock_back(house: House) -> None:
    app = await house.app()
    stop = asyncio.Event()
    task = asyncio.create_task(run(app, "routine", stop))
    folder = app.settings.data_dir / "workers"
    await until(lambda: list(folder.glob("*.lock")))
    (lock,) = folder.glob("*.lock")
    assert not locks.is_dead(folder, lock.stem)
    stop.set()
    await asyncio.wait_for(task, 10)
    assert list(folder.glob("*.lock")) == []


async def test_locks_of_the_dead_are_cleared_at_the_start(house: House) -> None:
    app = await house.app()
    folder = app.settings.data_dir / "workers"
    folder.mkdir(parents=True)
    (folder / "gone-1-2.lock").touch()
    async with working(app):
        assert [path.stem for path in folder.glob("*.lock")] != ["gone-1-2"]
        assert len(list(folder.glob("*.lock"))) == 1


# --- the sweeper ----------------------------------------------------------------------------------------


async def test_one_process_at_a_time_is_the_sweeper_and_another_follows(house: House) -> None:
    async with working(await house.app()) as first:
        await until(lambda: first._sweeps)
        async with working(await house.app(), "emergency") as second:
            seen = len(table(await house.app(), worker_table))
            await until(lambda: seen and second.deliverer.workers)
            app = await house.app()
            await until(lambda: len(table(app, worker_table)) == 2)
            assert not second._sweeps
            app.database.write_now(lambda c: c.execute(update(sweeper).values(owner=None)))
            app.database.write_now(take_sweeper, second.deliverer.holder, 10)
            await until(
                lambda: second._sweeps and not first._sweeps, what="the other has taken over"
            )


async def test_a_ring_that_was_lost_is_found_by_the_sweeper(house: House, valkey_url: str) -> None:
    channel = FakeChannel()
    app = await house.app(channel)
    stored = await publish(app, notice())
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
    async with working(app):
        await done(app, stored.id)
    assert len(channel.accepted) == len(PEOPLE)


async def test_at_most_two_rings_a_worker_wait_however_much_is_due(house: House) -> None:
    app = await house.app(FakeChannel())
    worker = LaneWorker(app, "emergency")
    await publish(app, notice())
    await app.queue.redis()
    for _sweep in range(5):
        await worker._take_turn()
        await worker._ring_for_work()
    assert await app.queue.waiting("routine") == 2
    assert worker._lock is not None
    worker._lock.release()


async def test_a_schedule_is_published_when_its_time_has_come(house: House) -> None:
    channel = FakeChannel()
    app = await house.app(channel)
    soon = datetime.now(UTC) + timedelta(hours=1)
    checked = Press.of(app).examine(notice(publish_at=soon.isoformat()), app.clock())
    stored = await publications.publish_now(
        app, checked, actor=NamedActor(name="test", now=app.clock())
    )
    assert stored.status == "scheduled"
    async with working(
        replace(app, clock=lambda: datetime.now(UTC) + timedelta(hours=1, seconds=5))
    ):
        await until(lambda: len(channel.accepted) == len(PEOPLE))
        await done(app, stored.id)


async def test_an_announcement_whose_time_is_over_ends(house: House) -> None:
    app = await house.app(FakeChannel())
    stored = await publish(app, emergency())
    async with working(
        replace(app, clock=lambda: datetime.now(UTC) + timedelta(hours=4)), "emergency"
    ):
        query = select(announcement.c.state).where(announcement.c.id == stored.id)
        await until(lambda: app.database.read_now(lambda c: c.execute(query).scalar()) == "ended")


async def halted(app: App, resume: str) -> None:
    """The channel was halted a while ago: its probe is due."""
    app.database.write_now(channel_store.halt_channel, "email", "maintenance", resume)
    app.database.write_now(lambda c: c.execute(update(channel_state).values(next_probe=1.0)))


async def test_a_probe_that_succeeds_opens_the_channel_again(house: House) -> None:
    channel = FakeChannel()
    app = await house.app(channel)
    await halted(app, "probe")
    stored = await publish(app, notice())
    async with working(app):
        await done(app, stored.id)
    assert app.database.read_now(channel_store.channel_states)["email"].halted == ""


@dataclass
class Broken(FakeChannel):
    """A channel whose probe does not even fail in order."""

    probes: int = 0

    async def probe(self) -> bool:
        """Fails with what nobody foresaw."""
        self.probes += 1
        raise ValueError("no answer for 0812-3456-7890")


async def test_a_probe_that_breaks_keeps_the_channel_shut_and_everything_else_going(
    house: House,
) -> None:
    channel = Broken()
    app = await house.app(channel)
    await halted(app, "probe")
    with capture_logs() as said:
        async with working(app) as worker:
            await until(lambda: channel.probes)
            sweeps = worker.deliverer.workers
            assert sweeps == 1
            await until(lambda: any(entry["event"] == "probe_failed" for entry in said))
    assert app.database.read_now(channel_store.channel_states)["email"].halted == "probe"
    assert "0812" not in str(said), "no message of an unforeseen error is logged"
    assert "test_worker" not in str(said)


async def test_a_channel_that_waits_for_an_operator_is_not_probed(house: House) -> None:
    channel = Broken()
    app = await house.app(channel)
    await halted(app, "manual")
    async with working(app) as worker:
        await until(lambda: worker._sweeps)
        await worker._run_due_work()
    assert channel.probes == 0


async def test_what_providers_and_residents_say_is_applied_by_the_worker(house: House) -> None:
    channel = FakeChannel()
    app = await house.app(channel)
    await inbox.accept(
        app, "email", [InboundEvent(dedupe="1", address=PEOPLE[0][0], text="berhenti")]
    )
    async with working(app, "emergency"):
        await until(lambda: channel.answers)
    assert channel.answers[0][0] == PEOPLE[0][0]


@dataclass
class NeverAnswers(FakeChannel):
    """A channel whose provider takes no answer as long as the test lasts."""

    asked: int = 0

    async def answer(self, address: str, text: str) -> Outcome:
        """Hang."""
        self.asked += 1
        return await asyncio.get_running_loop().create_future()


def stopped(app: App) -> list[str]:
    """Who is written to no more."""
    found = [
        (address, app.database.read_now(residents.find, app.vault, "email", address))
        for address, _areas in PEOPLE
    ]
    return [address for address, row in found if row is not None and not row.confirmed]


async def test_stops_are_applied_while_no_resident_can_be_answered(house: House) -> None:
    channel = NeverAnswers()
    app = await house.app(channel)
    words = [
        InboundEvent(dedupe=address, address=address, text="halo") for address, _areas in PEOPLE
    ]
    async with working(app) as worker:
        await inbox.accept(app, "email", words)
        await until(lambda: channel.asked == replies.ANSWERS_AT_ONCE, what="the provider hangs")
        await inbox.accept(
            app, "email", [InboundEvent(dedupe="stop", address=PEOPLE[0][0], text="berhenti")]
        )
        await until(lambda: stopped(app) == [PEOPLE[0][0]], what="the stop is applied")
        assert channel.asked == replies.ANSWERS_AT_ONCE, "nobody has been answered meanwhile"
        await worker._answerer.settle(0)


async def test_a_worker_that_is_not_the_sweeper_helps_where_a_stop_waits(house: House) -> None:
    channel = FakeChannel()
    app = await house.app(channel)
    hung = Holder(owner=new_owner(), lease=600)
    assert app.database.write_now(take_sweeper, hung, 600.0), "a sweeper that hangs"
    await inbox.accept(
        app, "email", [InboundEvent(dedupe="stop", address=PEOPLE[0][0], text="berhenti")]
    )
    with WorkerLock(app.settings.data_dir / "workers", hung.owner):
        async with working(app) as worker:
            await until(lambda: stopped(app) == [PEOPLE[0][0]], what="the stop is applied")
            assert not worker._sweeps


async def test_a_database_that_fails_for_a_while_does_not_end_the_worker(house: House) -> None:
    channel = FakeChannel()
    app = await house.app(channel)
    with capture_logs() as said:
        async with working(app) as worker:
            await until(lambda: worker._sweeps)
            app.database.write_now(lambda c: c.execute(text("ALTER TABLE worker RENAME TO away")))
            await until(lambda: any(entry["event"] == "sweep_failed" for entry in said))
            app.database.write_now(lambda c: c.execute(text("ALTER TABLE away RENAME TO worker")))
            stored = await publish(app, notice())
            await done(app, stored.id)
            await until(lambda: worker._sweeps)


@dataclass
class Odd(FakeChannel):
    """A channel that breaks once in the middle of sending."""

    broke: bool = False

    def first_breaks(self, recipient: Recipient) -> Outcome:
        """The twentieth message raises what no channel should."""
        if not self.broke and len(self.accepted) == 20:
            self.broke = True
            raise RuntimeError(f"bug at {recipient.address}")
        return Receipt()


async def test_a_bug_in_a_channel_is_logged_without_values_and_the_rest_is_sent(
    house: House,
) -> None:
    channel = Odd()
    channel.provider = channel.first_breaks
    app = await house.app(channel)
    with capture_logs() as said:
        async with working(app):
            stored = await publish(app, notice())
            await until(lambda: channel.broke)
            app.database.write_now(lambda c: c.execute(update(slice_).values(due_at=0)))
            await done(app, stored.id)
    assert set(channel.accepted) == {address for address, _areas in PEOPLE}
    assert "@x.example" not in str(said)


# --- without Redis, and with one that comes and goes ----------------------------------------------------


@pytest.mark.parametrize("url", ["", NOWHERE])
async def test_without_redis_each_lane_drains_by_itself(house: House, url: str) -> None:
    channel = FakeChannel()
    app = await house.app(channel, redis_url=url)
    stored = await publish(app, notice())
    async with working(app):
        await done(app, stored.id)
    assert len(channel.accepted) == len(PEOPLE)


async def test_without_redis_a_worker_that_is_no_sweeper_drains_too(house: House) -> None:
    channel = FakeChannel()
    app = await house.app(channel, redis_url=NOWHERE)
    sweeper = Holder(owner=new_owner(), lease=30)
    app.database.write_now(take_sweeper, sweeper, 600)
    stored = await publish(app, notice())
    with WorkerLock(app.settings.data_dir / "workers", sweeper.owner):
        async with working(app) as worker:
            await done(app, stored.id)
            assert not worker._sweeps


async def test_a_restart_of_valkey_mid_send_neither_loses_nor_doubles_nor_ends_the_worker(
    house: House, tmp_path: Path
) -> None:
    gate = asyncio.Event()
    channel = SlowChannel(gate=gate)
    async with valkey.valkey(tmp_path / "own", say=lambda _line: None) as url:
        app = await house.app(channel, redis_url=url)
        with redis.Redis.from_url(url) as client:
            server = int(client.info("server")["process_id"])
        async with working(app):
            first = await publish(app, notice())
            await until(lambda: len(channel.accepted) >= 5)
            os.kill(server, signal.SIGKILL)
            await until(lambda: valkey.running_valkey(tmp_path / "own") == "", seconds=5)
            await until(lambda: valkey.running_valkey(tmp_path / "own") == url)
            gate.set()
            await done(app, first.id)
            second = await publish(app, notice(title="Posyandu pindah ke balai RW 03"))
            await done(app, second.id)
    assert set(channel.accepted.values()) == {2}
    assert app.database.read_now(ledger.progress, first.id).possible_duplicates == 0
    assert states(app) == {"sent": 2 * len(PEOPLE)}


async def test_a_valkey_that_hangs_holds_nothing_up_and_the_worker_still_ends(
    house: House, tmp_path: Path
) -> None:
    channel = FakeChannel()
    async with valkey.valkey(tmp_path / "own", say=lambda _line: None) as url:
        app = await house.app(channel, redis_url=url)
        with redis.Redis.from_url(url) as client:
            server = int(client.info("server")["process_id"])
        try:
            async with working(app) as worker:
                await until(lambda: worker._sweeps)
                os.kill(server, signal.SIGSTOP)
                stored = await publish(app, notice())
                await done(app, stored.id)
        finally:
            os.kill(server, signal.SIGCONT)
    assert set(channel.accepted.values()) == {1}


@dataclass
class SlowChannel(FakeChannel):
    """A channel whose provider waits in the middle of a batch until `gate` opens."""

    gate: asyncio.Event | None = None

    async def send(self, messages, *, may_write):  # type: ignore[no-untyped-def]
        """As the fake does, but slowly after the fifth message."""
        async for result in super().send(messages, may_write=may_write):
            yield result
            if len(self.accepted) == 5 and self.gate is not None:
                await self.gate.wait()
