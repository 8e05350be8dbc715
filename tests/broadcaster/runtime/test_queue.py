"""The queue that wakes workers, on a real Valkey: rings that wait, and rings that are dropped while
the server is away or silent.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
import redis
from arq.constants import in_progress_key_prefix, job_key_prefix
from arq.jobs import deserialize_job_raw
from structlog.testing import capture_logs

from broadcaster.runtime.queue import ANSWER_SECONDS, LANES, Queue, connect, queue_name

NOWHERE = "redis://127.0.0.1:1/0"


@asynccontextmanager
async def queue(url: str) -> AsyncIterator[Queue]:
    """Open a queue until the block ends."""
    open_queue = Queue(url)
    try:
        yield open_queue
    finally:
        await open_queue.aclose()


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """Yield the URL of a server that accepts connections and never answers."""
    writers: list[asyncio.StreamWriter] = []

    async def listen(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        for writer in writers:
            writer.close()


async def test_each_ring_waits_in_the_queue_of_its_lane(valkey_url: str) -> None:
    async with queue(valkey_url) as ring_queue:
        assert [await ring_queue.ring("email", "routine") for _ in range(3)] == [True] * 3
        assert await ring_queue.ring("email", "emergency")
        assert {lane: await ring_queue.waiting(lane) for lane in LANES} == {
            "emergency": 1,
            "routine": 3,
        }


async def test_a_ring_names_channel_and_lane_and_carries_no_work(valkey_url: str) -> None:
    async with queue(valkey_url) as ring_queue:
        await ring_queue.ring("telegram", "routine")
    with redis.Redis.from_url(valkey_url) as client:
        (job_id,) = client.zrange(queue_name("routine"), 0, -1)
        body = client.get(f"{job_key_prefix}{job_id.decode()}")
    name, arguments, keywords, *_ = deserialize_job_raw(body, deserializer=msgspec.msgpack.decode)
    assert (name, list(arguments), keywords) == ("drain", ["telegram", "routine"], {})


async def test_every_ring_is_a_job_of_its_own_so_none_is_refused_while_another_runs(
    valkey_url: str,
) -> None:
    async with queue(valkey_url) as ring_queue:
        assert all(await asyncio.gather(*(ring_queue.ring("email", "routine") for _ in range(20))))
        assert await ring_queue.waiting("routine") == 20


async def test_a_ring_that_is_taken_up_waits_no_more_though_its_worker_may_be_dead(
    valkey_url: str,
) -> None:
    async with queue(valkey_url) as ring_queue:
        assert await ring_queue.ring("email", "routine")
        assert await ring_queue.ring("telegram", "routine")
        with redis.Redis.from_url(valkey_url) as client:
            job_id = client.zrange(queue_name("routine"), 0, -1)[0].decode()
            client.set(f"{in_progress_key_prefix}{job_id}", b"1", ex=30)
        assert await ring_queue.waiting("routine") == 1


async def test_the_lanes_have_queues_of_their_own() -> None:
    assert len({queue_name(lane) for lane in LANES}) == 2


async def test_without_a_redis_nothing_rings_and_nothing_breaks() -> None:
    async with queue("") as ring_queue:
        assert await ring_queue.ring("email", "routine") is False
        assert await ring_queue.waiting("routine") == 0
        assert await ring_queue.ping() is False


async def test_rings_are_dropped_while_redis_is_away() -> None:
    with capture_logs() as entries:
        async with queue(NOWHERE) as ring_queue:
            assert await ring_queue.ring("email", "routine") is False
            assert await ring_queue.waiting("routine") == 0
            assert await ring_queue.ping() is False
    assert [(entry["event"], entry["channel"]) for entry in entries] == [("ring_dropped", "email")]


async def test_a_silent_redis_holds_nothing_up() -> None:
    async with silent_server() as url, queue(url) as ring_queue:
        clock = asyncio.get_running_loop().time
        began = clock()
        assert [
            await ring_queue.ring("email", "routine"),
            await ring_queue.ping(),
            await ring_queue.waiting("routine"),
        ] == [False, False, 0]
        assert clock() - began < 3 * ANSWER_SECONDS + 2


async def test_the_bell_rings_again_once_redis_is_back(valkey_url: str) -> None:
    async with queue(NOWHERE) as ring_queue:
        assert not await ring_queue.ring("email", "routine")
        ring_queue.url = valkey_url
        assert await ring_queue.ring("email", "routine")
        assert await ring_queue.ping()


async def test_connections_that_redis_closed_are_made_anew(valkey_url: str) -> None:
    async with queue(valkey_url) as ring_queue:
        assert await ring_queue.ping()
        with redis.Redis.from_url(valkey_url) as client:
            client.client_kill_filter(_type="normal", skipme=True)
        assert await ring_queue.ring("email", "routine")


async def test_a_closed_queue_can_be_closed_again(valkey_url: str) -> None:
    ring_queue = Queue(valkey_url)
    assert await ring_queue.ping()
    await ring_queue.aclose()
    await ring_queue.aclose()


async def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="redis://"):
        await connect("http://127.0.0.1:6379")


async def test_the_number_of_the_database_and_the_password_are_read_from_the_url(
    valkey_url: str,
) -> None:
    pool = await connect(f"{valkey_url}?db=3")
    assert pool.connection_pool.connection_kwargs["db"] == 3
    await pool.set("x", "1")
    await pool.aclose(close_connection_pool=True)
    with redis.Redis.from_url(valkey_url) as client:
        assert client.get("x") is None
        assert client.info("keyspace")["db3"]["keys"] == 1
