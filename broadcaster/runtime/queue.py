"""Doorbell: an arq job means "lane X of channel Y has work" and carries no work itself. A lost
job loses nothing.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import structlog
from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix
from arq.worker import Worker, func
from redis.asyncio.connection import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

T = TypeVar("T")
LANES = ("emergency", "routine")
CONNECT_SECONDS = 1.0
"""Seconds that a connection to Redis may take."""
ANSWER_SECONDS = 1.0
"""Seconds that Redis may take to answer: the doorbell must never delay the sending."""
JOB_SECONDS = 20
"""arq's time limit of a job; never reached, as a job works for at most ten seconds."""
POLL = {"emergency": 0.05, "routine": 0.1}
"""Seconds between two polls of the queue, by lane."""
HANG_UP_SECONDS = 2.0
"""Seconds that a closing doorbell waits for its jobs to end."""
log = structlog.get_logger(__name__)

encode = msgspec.msgpack.encode
decode = msgspec.msgpack.decode


def queue_name(lane: str) -> str:
    """Name the arq queue of a lane: one queue each, as two workers on one do not scale."""
    return f"siaran:queue:{lane}"


async def connect(url: str) -> ArqRedis:
    """Open a connection pool to Redis or Valkey (redis://, rediss://, unix://); raises
    RedisError or OSError while it is down.
    """
    pool = ConnectionPool.from_url(
        url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=ANSWER_SECONDS
    )
    redis = ArqRedis(pool, job_serializer=encode, job_deserializer=decode)
    try:
        await redis.ping()
    except BaseException:  # cancelled or refused: close the connections and raise it again
        await redis.aclose(close_connection_pool=True)
        raise
    return redis


class Queue:
    """Rings for work. While Redis is down every ring is dropped: the sweeper finds the work in
    the database.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._pool: ArqRedis | None = None
        self._connecting = asyncio.Lock()

    async def redis(self) -> ArqRedis:
        """Return the shared connection pool; raises RedisError or OSError while Redis is down."""
        async with self._connecting:
            if self._pool is None:
                self._pool = await connect(self.url)
            return self._pool

    async def ask(self, act: Callable[[ArqRedis], Awaitable[T]]) -> T:
        """Run one command; raises RedisError or OSError while Redis is down, TimeoutError (an
        OSError) if it does not answer.
        """
        async with asyncio.timeout(ANSWER_SECONDS):
            pool = await self.redis()
            try:
                return await act(pool)
            except RedisConnectionError:
                return await act(pool)  # it was closed while idle: use a new one

    async def ring(self, channel: str, lane: str) -> bool:
        """Signal that a lane of a channel has work, with a new job id each time; False if Redis
        is down.
        """
        if not self.url:
            return False
        job, name = secrets.token_hex(8), queue_name(lane)
        try:
            await self.ask(
                lambda pool: pool.enqueue_job("drain", channel, lane, _job_id=job, _queue_name=name)
            )
        except (RedisError, OSError) as error:
            log.warning("ring_dropped", channel=channel, lane=lane, error=type(error).__name__)
            return False
        return True

    async def waiting(self, lane: str) -> int:
        """Count the rings of a lane that no worker has started, 0 if Redis is down."""
        try:
            return await self.ask(lambda pool: _untaken(pool, queue_name(lane))) if self.url else 0
        except (RedisError, OSError):
            return 0

    async def ping(self) -> bool:
        """True if Redis answers."""
        try:
            return bool(await self.ask(lambda pool: pool.ping())) if self.url else False
        except (RedisError, OSError):
            return False

    async def aclose(self) -> None:
        """Close the connections."""
        if self._pool is not None:
            await self._pool.aclose(close_connection_pool=True)
            self._pool = None


async def _untaken(pool: ArqRedis, name: str) -> int:
    """Count the jobs of a queue that no worker has started: arq leaves started ones in it, those
    of a killed worker for half a minute.
    """
    jobs = await pool.zrange(name, 0, -1)
    return len(jobs) - int(
        await pool.exists(*(f"{in_progress_key_prefix}{job.decode()}" for job in jobs))
        if jobs
        else 0
    )


def open_listener(
    pool: ArqRedis, lane: str, answer: Callable[[str], Awaitable[None]], *, owner: str
) -> Worker:
    """Build an arq worker that calls `answer` with the channel of each ring of the lane; the
    caller polls it.
    """

    async def drain(_context: dict[Any, Any], channel: str, _lane: str) -> None:
        await answer(channel)

    job = func(
        drain,  # type: ignore[arg-type]  # arq expects *args
        name="drain",
        timeout=JOB_SECONDS,
        keep_result=0,
        max_tries=1,
    )
    return Worker(
        functions=[job],
        queue_name=queue_name(lane),
        redis_pool=pool,
        handle_signals=False,
        poll_delay=POLL[lane],
        max_jobs=20,
        keep_result=0,
        retry_jobs=False,
        log_results=False,
        job_serializer=encode,
        job_deserializer=decode,
        health_check_key=f"siaran:health:{owner}",
    )


async def end_jobs(listener: Worker) -> None:
    """Let jobs finish that are just being taken off the queue; cancel the others."""
    jobs = list(listener.tasks.values())
    if jobs:
        await asyncio.wait(jobs, timeout=HANG_UP_SECONDS)
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
