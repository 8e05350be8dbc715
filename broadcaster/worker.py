"""Worker process of one lane: answers the doorbell, sweeps for work that no ring announced, and
drains without Redis too.
"""

import asyncio
import gc
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

import structlog
from redis.exceptions import RedisError

from broadcaster.app import App, SharedClock
from broadcaster.delivery.drain import Deliverer
from broadcaster.inbound.inbox import apply_due
from broadcaster.inbound.replies import ReplySender
from broadcaster.media import library
from broadcaster.newsroom import corrections, notifications, release
from broadcaster.publishing import hold_ups, press, publications, schedule
from broadcaster.publishing.websub import HubNotifier
from broadcaster.runtime import custody, locks
from broadcaster.runtime.heartbeat import Pulse
from broadcaster.runtime.logs import describe_error
from broadcaster.runtime.queue import LANES, POLL, connect, end_jobs, open_listener
from broadcaster.store import (
    channels,
    form_acts,
    former_mails,
    inbox,
    nudges,
    people,
    retention,
    slices,
    suspicions,
)
from broadcaster.store.custody import is_held
from broadcaster.store.leases import Holder, new_owner, suspend_proof, take_sweeper

log = structlog.get_logger(__name__)

SWEEP_SECONDS = (1.0, 3.0)
"""Shortest and longest pause between sweeps, in seconds (jitter keeps workers apart)."""
POLL_SECONDS = (0.3, 0.7)
"""Shortest and longest pause between polls for work in the database, each of which costs one
read.
"""
RECEIPT_SECONDS = 0.5
"""Pause between looks into the inbox."""
NUDGE_SECONDS = {"emergency": 0.3, "routine": 2.0}
"""Pause between looks for notifications that are due to staff, by lane."""
ANSWER_SECONDS = 8.0
"""Seconds that a stopping worker waits for providers to answer messages already written."""
SWEEPER_LEASE = 10.0
"""Seconds for which one process is the sweeper, at most a lease: its death must not last longer
than that of a slice's holder.
"""
FOLD_SECONDS = 60.0
"""Pause between looks for old editions to fold into counts; while there are some, each sweep
folds a chunk.
"""
HUB_SECONDS = 2.0
"""Pause between looks for publications that hubs do not know yet."""
TIDY_SECONDS = 3600.0
"""Pause between looks for unused pictures; the first comes a minute after the start."""
GARBAGE = 20_000
"""Objects allocated between two collections of the youngest generation (the default of 700 costs
a tenth of the sending).
"""
PROBE_SECONDS = 5.0
"""Seconds that the probe of a halted channel may take."""
PUBLISHED = {
    schedule.publish_due: "schedule_published",
    release.publish_held: "hold_published",
    corrections.publish_held: "amendment_published",
}
"""Steps by which the sweeper publishes what is due, and the event that each logs."""


class LaneWorker:
    """Work of one process on one lane. `stop()` ends it: messages already written get their
    outcome, the others are returned.
    """

    def __init__(self, app: App, lane: str) -> None:
        if lane not in LANES:
            raise ValueError(f"unknown lane {lane!r}: {' or '.join(LANES)}")
        self.app, self.lane = app, lane
        self.owner = new_owner()
        folder = app.settings.data_dir / "workers"
        is_dead = partial(locks.is_dead, folder) if app.database.sqlite else lambda _owner: False
        self.deliverer = Deliverer(
            app=app, holder=Holder(owner=self.owner, lease=app.settings.lease, is_dead=is_dead)
        )
        locks.forget_dead(folder)
        self._lock = locks.WorkerLock(folder, self.owner) if app.database.sqlite else None
        self._pulse = Pulse(app.settings.database, lane)
        self._stop = asyncio.Event()
        self._sweeps = False
        self._sweeper_lease = min(SWEEPER_LEASE, app.settings.lease)
        self._fold_at = 0.0
        self._mark_at = 0.0
        self.tidy_seconds = TIDY_SECONDS
        self._answerer, self._hubs = ReplySender(app), HubNotifier(app)
        self._drains: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Start to stop: no more rows are marked for sending."""
        self.deliverer.stop()
        self._stop.set()

    async def run(self) -> None:
        """Work until `stop()`."""
        loops = (
            self._sweep,
            self._poll,
            self._apply_receipts,
            self._nudge,
            self._tidy,
            self._announce,
            self._listen,
        )
        tasks = [asyncio.create_task(loop()) for loop in loops]
        try:
            waiting = asyncio.create_task(self._stop.wait())
            await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.stop()
            clock = asyncio.get_running_loop().time
            ended_by = clock() + ANSWER_SECONDS
            settled = asyncio.create_task(self.deliverer.settle())
            await asyncio.wait([settled, *tasks], timeout=ANSWER_SECONDS)
            for task in (settled, *tasks, *self._drains):
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(settled, *self._drains, return_exceptions=True)
            await self._answerer.settle(max(0.0, ended_by - clock()))
            self._pulse.end()
            if self._lock is not None:
                self._lock.release()
            for result in ended:
                if isinstance(result, Exception):
                    raise result

    async def drain(self, channel: str) -> None:
        """Drain this lane of a channel; ring again if work is left. Errors are logged, not
        raised.
        """
        with self._logging_errors("drain_failed"):
            if await self.deliverer.drain(channel, self.lane) and not self._stop.is_set():
                await self.app.queue.ring(channel, self.lane)

    def _start(self, channel: str) -> asyncio.Task[None]:
        """Drain in a separate task."""
        task = asyncio.create_task(self.drain(channel))
        self._drains.add(task)
        task.add_done_callback(self._drains.discard)
        return task

    @contextmanager
    def _logging_errors(self, event: str) -> Iterator[None]:
        """Log any error within, without values; the next ring or sweep tries again."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  one failure must not end the worker
            log.error(event, lane=self.lane, error=describe_error(error))

    # --- the doorbell -------------------------------------------------------------------------

    async def _listen(self) -> None:
        while self.app.queue.url and not self._stop.is_set():
            try:
                await self._listen_once()
            except Exception as error:  # noqa: BLE001  sending goes on without it
                log.warning("doorbell_silent", lane=self.lane, error=describe_error(error))
                await self._pause(1)
        await self._stop.wait()

    async def _listen_once(self) -> None:
        """Answer rings until Redis goes away or the worker stops."""
        pool = await connect(self.app.queue.url)
        listener = open_listener(pool, self.lane, self._answer, owner=self.owner)
        try:
            while not self._stop.is_set():
                # a turn of arq's main(), which can be ended only in the middle of a command
                await listener._poll_iteration()
                await self._pause(POLL[self.lane])
        finally:
            await end_jobs(listener)
            with suppress(RedisError, OSError):
                await pool.aclose(close_connection_pool=True)

    async def _answer(self, channel: str) -> None:
        # shielded: arq cancels its jobs when Redis goes down, but messages on their way must get
        # their outcome
        await asyncio.shield(self._start(channel))

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not beyond `stop()`."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)

    # --- the sweeper --------------------------------------------------------------------------

    async def _sweep(self) -> None:
        while not self._stop.is_set():
            for part in (
                self._take_turn,
                self._ring_for_work,
                self._run_due_work,
                self._watch_emergencies,
            ):
                with self._logging_errors("sweep_failed"):
                    if not self._stop.is_set():
                        await part()
            await self._pause(random.uniform(*SWEEP_SECONDS))  # noqa: S311  jitter, no secret

    async def _take_turn(self) -> None:
        """Record that this worker is alive, and become or stay the one sweeper."""
        self._sweeps = False
        if isinstance(self.app.clock, SharedClock):
            await self.app.clock.follow(self.app.database)
        self.deliverer.workers = await self.app.database.write(
            channels.mark_worker_alive, self.owner, self.lane
        )
        self._sweeps = await self.app.database.write(
            take_sweeper, self.deliverer.holder, self._sweeper_lease
        )

    async def _ring_for_work(self) -> None:
        """Ring for due work, as the sweeper."""
        if not self._sweeps or not await self.app.queue.ping():
            return
        room = {
            lane: 2 * max(self.deliverer.workers, 1) - await self.app.queue.waiting(lane)
            for lane in LANES
        }
        for channel, lane in await self.app.database.read(slices.busy_lanes):
            if room[lane] > 0 and await self.app.queue.ring(channel, lane):
                room[lane] -= 1

    async def _poll(self) -> None:
        """Start on work that no ring announced to this process: a ring wakes one worker, and
        Redis may be down.
        """
        while not self._stop.is_set():
            await self._pause(random.uniform(*POLL_SECONDS))  # noqa: S311  jitter, no secret
            with self._logging_errors("poll_failed"):
                for channel, lane in await self.app.database.read(slices.busy_lanes):
                    if (
                        lane == self.lane
                        and not self.deliverer.works_on(channel, lane)
                        and not self._stop.is_set()
                    ):
                        self._start(channel)
                self._pulse.beat()

    async def _run_due_work(self) -> None:
        """Do what one process does for all: schedules, expiries, probes of halted channels."""
        if not self._sweeps:
            return
        app = self.app
        if suspend_proof() >= self._mark_at:
            await custody.keep_mark(app.database, app.settings)
            self._mark_at = suspend_proof() + custody.MARK_SECONDS
        if await app.database.read(is_held):
            return  # its original does what is due
        for publish_due, event in PUBLISHED.items():
            due = await app.database.write(publish_due, press.Press.of(app), now=app.clock())
            for stored in due:
                log.info(event, announcement=stored.id)
                await publications.ring(app, stored)
        await app.database.write(schedule.end_expired, app.clock())
        await app.database.write(slices.finish_idle)
        uncounted = await app.database.read(people.uncounted, app.clock().timestamp())
        if uncounted is not None:
            counted = await app.database.read(people.count, uncounted)
            await app.database.write(people.keep, uncounted, counted)
        if suspend_proof() >= self._fold_at:
            await self._forget(app.clock().timestamp())
        for channel in await app.database.write(channels.take_probes):
            await self._probe(channel)

    async def _forget(self, now: float) -> None:
        """Purge old rows (`now` in epoch seconds), and fold a chunk of old editions."""
        database = self.app.database
        await database.write(nudges.purge, now - nudges.KEEP_SECONDS)
        for purge in (former_mails.purge, form_acts.purge, suspicions.purge):
            await database.write(purge, now)
        folded = await database.write(retention.fold_old, now)
        self._fold_at = suspend_proof() + (0 if folded else FOLD_SECONDS)

    async def _watch_emergencies(self) -> None:
        """Notify staff of emergencies that are held up, and of those that continue."""
        if self._sweeps:
            await hold_ups.check(self.app)

    async def _probe(self, channel: str) -> None:
        """Ask a halted channel whether it works again."""
        push = self.app.push.get(channel)
        with self._logging_errors("probe_failed"):
            async with asyncio.timeout(PROBE_SECONDS):
                back = push is not None and await push.probe()
            if back and await self.app.database.write(channels.recover_channel, channel):
                log.info("channel_resumed", channel=channel)

    async def _apply_receipts(self) -> None:
        while not self._stop.is_set():
            await self._pause(RECEIPT_SECONDS)
            with self._logging_errors("receipts_wait"):
                now = self.app.clock().timestamp()
                await self.app.alarm.check(self.app.database, now)
                mine = self._sweeps or await self.app.database.read(inbox.words_are_late, now)
                while (
                    mine and not self._stop.is_set() and await apply_due(self.app, self._answerer)
                ):
                    mine = self._sweeps

    async def _tidy(self) -> None:
        """Delete unused pictures, in a loop of its own, as an object store may be slow."""
        await self._pause(self.tidy_seconds / 60)
        while not self._stop.is_set():
            with self._logging_errors("pictures_wait"):
                if self._sweeps and (count := await library.forget_unused(self.app)):
                    log.info("pictures_forgotten", count=count)
            await self._pause(self.tidy_seconds)

    async def _announce(self) -> None:
        """Notify hubs of changed feeds."""
        while not self._stop.is_set():
            with self._logging_errors("hubs_wait"):
                if self._sweeps:
                    await self._hubs.notify_due()
            await self._pause(HUB_SECONDS)

    async def _nudge(self) -> None:
        """Send staff the notifications that are due; urgent ones are sent by the emergency lane."""
        urgent = self.lane == "emergency"
        while not self._stop.is_set():
            with self._logging_errors("nudges_wait"):
                while (
                    not self._stop.is_set()
                    and await notifications.send_due(self.app, urgent=urgent) == nudges.AT_ONCE
                ):
                    pass
            await self._pause(NUDGE_SECONDS[self.lane])


async def run(app: App, lane: str, stop: asyncio.Event) -> None:
    """Run the worker of a lane until `stop` is set."""
    worker = LaneWorker(app, lane)
    # imported modules and open parts stay: exempt them from collection, and collect the garbage of
    # messages less often
    gc.freeze()
    gc.set_threshold(GARBAGE, 10, 100)

    async def watch() -> None:
        await stop.wait()
        worker.stop()

    watching = asyncio.create_task(watch())
    try:
        await worker.run()
    finally:
        watching.cancel()
