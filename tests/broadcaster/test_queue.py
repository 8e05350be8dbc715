"""The doorbell on a real Valkey: rings that wait, rings that are dropped while it is away or silent, and its return."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
import redis
from arq.constants import job_key_prefix
from arq.jobs import deserialize_job_raw
from structlog.testing import capture_logs

from broadcaster.queue import ANSWER_SECONDS, LANES, Queue, queue_name, redis_settings

NOWHERE = "redis://127.0.0.1:1/0"


@asynccontextmanager
async def queue(url: str) -> AsyncIterator[Queue]:
    opened = Queue(url)
    try:
        yield opened
    finally:
        await opened.aclose()


@asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """The URL of a server that takes connections and never says a word."""
    writers: list[asyncio.StreamWriter] = []

    async def listen(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        for writer in writers:
            writer.close()


async def test_each_ring_waits_in_the_queue_of_its_lane(valkey_url: str) -> None:
    async with queue(valkey_url) as bell:
        assert [await bell.ring("email", "routine") for _ in range(3)] == [True] * 3
        assert await bell.ring("email", "emergency")
        assert {lane: await bell.waiting(lane) for lane in LANES} == {"emergency": 1, "routine": 3}


async def test_a_ring_names_channel_and_lane_and_carries_no_work(valkey_url: str) -> None:
    async with queue(valkey_url) as bell:
        await bell.ring("telegram", "routine")
    with redis.Redis.from_url(valkey_url) as client:
        (job_id,) = client.zrange(queue_name("routine"), 0, -1)
        body = client.get(f"{job_key_prefix}{job_id.decode()}")
    name, arguments, keywords, *_ = deserialize_job_raw(body, deserializer=msgspec.msgpack.decode)
    assert (name, list(arguments), keywords) == ("drain", ["telegram", "routine"], {})


async def test_every_ring_is_a_job_of_its_own_so_none_is_refused_while_another_runs(valkey_url: str) -> None:
    async with queue(valkey_url) as bell:
        assert all(await asyncio.gather(*(bell.ring("email", "routine") for _ in range(20))))
        assert await bell.waiting("routine") == 20


async def test_the_lanes_have_queues_of_their_own() -> None:
    assert len({queue_name(lane) for lane in LANES}) == 2


async def test_without_a_redis_nothing_rings_and_nothing_breaks() -> None:
    async with queue("") as bell:
        assert await bell.ring("email", "routine") is False
        assert await bell.waiting("routine") == 0
        assert await bell.ping() is False


async def test_rings_are_dropped_while_redis_is_away() -> None:
    with capture_logs() as said:
        async with queue(NOWHERE) as bell:
            assert await bell.ring("email", "routine") is False
            assert await bell.waiting("routine") == 0
            assert await bell.ping() is False
    assert [(entry["event"], entry["channel"]) for entry in said] == [("ring_dropped", "email")]


async def test_a_silent_redis_holds_nothing_up() -> None:
    async with silent_server() as url, queue(url) as bell:
        clock = asyncio.get_running_loop().time
        began = clock()
        assert [await bell.ring("email", "routine"), await bell.ping(), await bell.waiting("routine")] == [False, False, 0]
        assert clock() - began < 3 * ANSWER_SECONDS + 2


async def test_the_bell_rings_again_once_redis_is_back(valkey_url: str) -> None:
    async with queue(NOWHERE) as bell:
        assert not await bell.ring("email", "routine")
        bell.url = valkey_url
        assert await bell.ring("email", "routine")
        assert await bell.ping()


async def test_connections_that_redis_closed_are_made_anew(valkey_url: str) -> None:
    async with queue(valkey_url) as bell:
        assert await bell.ping()
        with redis.Redis.from_url(valkey_url) as client:
            client.client_kill_filter(_type="normal", skipme=True)
        assert await bell.ring("email", "routine")


async def test_a_closed_queue_can_be_closed_again(valkey_url: str) -> None:
    bell = Queue(valkey_url)
    assert await bell.ping()
    await bell.aclose()
    await bell.aclose()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://10.0.0.5:6380/3", ("10.0.0.5", 6380, 3, None, False)),
        ("rediss://:rahasia@redis.example/0", ("redis.example", 6379, 0, None, True)),
        ("unix:///run/valkey.sock", ("localhost", 6379, 0, "/run/valkey.sock", False)),
    ],
)
def test_settings_are_read_from_the_url_and_never_wait_long(url: str, expected: tuple[object, ...]) -> None:
    settings = redis_settings(url)
    assert (settings.host, settings.port, settings.database, settings.unix_socket_path, settings.ssl) == expected
    assert (settings.conn_timeout, settings.conn_retries) == (2, 0)
