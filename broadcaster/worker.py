"""The worker process of one lane: hears the doorbell, sweeps for what no ring told of, and drains by itself without Redis."""

import asyncio
import random
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
from arq.worker import Worker, func
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError

from broadcaster import locks, publishing, receipts
from broadcaster.app import App
from broadcaster.draining import Deliverer
from broadcaster.queue import LANES, decode, encode, queue_name, redis_settings
from broadcaster.store import channels as channel_store
from broadcaster.store import slices
from broadcaster.store.leases import Holder, new_owner, take_sweeper

log = structlog.get_logger(__name__)

JOB_SECONDS = 20
"""arq's time limit of a job; never reached, as a job works for ten seconds."""
POLL = {"emergency": 0.05, "routine": 0.1}
"""Seconds between looks at the queue of each lane."""
SWEEP_SECONDS = (1.0, 3.0)
"""Shortest and longest pause between sweeps (jitter keeps workers apart)."""
RECEIPT_SECONDS = 0.5
"""Pause between looks into the inbox of receipts."""
ANSWER_SECONDS = 8.0
"""How long a stopping worker waits for providers to answer what is already written."""
SWEEPER_LEASE = 10.0
"""Seconds for which one process is the sweeper."""


class LaneWorker:
    """One process's work on one lane. `stop()` ends it: what is written gets its outcome, what is not goes back."""

    def __init__(self, app: App, lane: str) -> None:
        if lane not in LANES:
            raise ValueError(f"unknown lane {lane!r}: {' or '.join(LANES)}")
        self.app, self.lane = app, lane
        self.owner = new_owner()
        folder = app.settings.data_dir / "workers"
        is_dead = partial(locks.is_dead, folder) if app.database.sqlite else lambda _owner: False
        self.deliverer = Deliverer(app=app, holder=Holder(owner=self.owner, lease=app.settings.lease, is_dead=is_dead))
        self._lock = locks.WorkerLock(folder, self.owner) if app.database.sqlite else None
        self._stop = asyncio.Event()
        self._sweeps = False
        self._alone: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Begin to end: nothing more is marked."""
        self.deliverer.stopping = True
        self._stop.set()

    async def run(self) -> None:
        """Work until `stop()`."""
        tasks = [asyncio.create_task(loop()) for loop in (self._sweep, self._apply_receipts, self._listen)]
        try:
            waiting = asyncio.create_task(self._stop.wait())
            await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.stop()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.deliverer.settle(), ANSWER_SECONDS)
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*self._alone, return_exceptions=True)
            if self._lock is not None:
                self._lock.release()
            for result in ended:
                if isinstance(result, Exception):
                    raise result

    async def drain(self, channel: str) -> None:
        """Work on this lane of a channel; ring again where work is left."""
        if await self.deliverer.drain(channel, self.lane) and not self._stop.is_set():
            await self.app.queue.ring(channel, self.lane)

    # --- the doorbell ---------------------------------------------------------------------------

    async def _listen(self) -> None:
        while self.app.queue.url and not self._stop.is_set():
            worker = self._arq_worker()
            try:
                await worker.async_run()
            except (RedisError, OSError) as error:
                log.warning("doorbell_silent", lane=self.lane, error=type(error).__name__)
                await asyncio.sleep(1)
            finally:
                with suppress(RedisError, OSError):
                    await worker.close()
        await self._stop.wait()

    def _arq_worker(self) -> Worker:
        async def drain(_context: dict[Any, Any], channel: str, _lane: str) -> None:
            await self.drain(channel)

        return Worker(
            functions=[func(drain, name="drain", timeout=JOB_SECONDS, keep_result=0, max_tries=1)],  # type: ignore[arg-type]  # arq's type wants *args
            queue_name=queue_name(self.lane), redis_settings=redis_settings(self.app.queue.url), handle_signals=False,
            poll_delay=POLL[self.lane], max_jobs=20, keep_result=0, retry_jobs=False, log_results=False,
            job_serializer=encode, job_deserializer=decode, health_check_key=f"siaran:health:{self.owner}",
        )  # fmt: skip

    # --- the sweeper ----------------------------------------------------------------------------

    async def _sweep(self) -> None:
        while not self._stop.is_set():
            try:
                await self._sweep_once()
            except DBAPIError as error:
                log.warning("sweep_failed", error=type(error.orig).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), random.uniform(*SWEEP_SECONDS))  # noqa: S311  jitter, no secret

    async def _sweep_once(self) -> None:
        database = self.app.database
        self.deliverer.workers = await database.write(channel_store.seen, self.owner, self.lane)
        self._sweeps = await database.write(take_sweeper, self.owner, SWEEPER_LEASE)
        if self._sweeps:
            await self._keep_house()
        busy = await database.read(slices.busy_lanes)
        heard = await self.app.queue.ping()
        waiting = {lane: await self.app.queue.waiting(lane) for lane in LANES}
        for channel, lane in busy:
            if heard and self._sweeps and waiting[lane] < 2 * max(self.deliverer.workers, 1):
                await self.app.queue.ring(channel, lane)
            elif not heard and lane == self.lane:
                task = asyncio.create_task(self.drain(channel))
                self._alone.add(task)
                task.add_done_callback(self._alone.discard)

    async def _keep_house(self) -> None:
        """What one process at a time does for all: schedules, endings, probes of halted channels."""
        app = self.app
        for stored in await app.database.write(publishing.publish_due, publishing.Press.of(app), now=app.clock()):
            log.info("schedule_published", announcement=stored.id)
            await publishing.ring(app, stored)
        await app.database.write(publishing.end_expired, app.clock())
        await app.database.write(slices.finish_idle)
        for channel in await app.database.write(channel_store.take_probes):
            if channel in app.push and await app.push[channel].probe():
                await app.database.write(channel_store.resume_channel, channel)
                log.info("channel_resumed", channel=channel)

    async def _apply_receipts(self) -> None:
        while not self._stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), RECEIPT_SECONDS)
            if self._sweeps and not self._stop.is_set():
                try:
                    await receipts.apply_due(self.app)
                except DBAPIError as error:
                    log.warning("receipts_wait", error=type(error.orig).__name__)


async def run(app: App, lane: str, stop: asyncio.Event) -> None:
    """Run the worker of a lane until `stop` is set."""
    worker = LaneWorker(app, lane)

    async def watch() -> None:
        await stop.wait()
        worker.stop()

    watching = asyncio.create_task(watch())
    try:
        await worker.run()
    finally:
        watching.cancel()
