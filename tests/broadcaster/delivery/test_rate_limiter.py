"""Shared rates on a real Valkey, measured by the times of the grants; a cautious share without it;
the window of unsettled rows.
"""

import asyncio
import math
import shutil
from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
import redis
from arq.connections import ArqRedis
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from broadcaster.delivery.in_flight import Window
from broadcaster.delivery.rate_limiter import (
    LATE,
    PAUSE_SECONDS,
    REFRESH_SECONDS,
    RETURN_SECONDS,
    SPACED,
    TICK,
    Limiter,
)
from broadcaster.delivery.redis_scripts import ALONE
from broadcaster.runtime.queue import LANES, Queue
from broadcaster.runtime.valkey import valkey
from support.waiting import turns, until

T = TypeVar("T")
NOWHERE = "redis://127.0.0.1:1/0"
Grant = tuple[float, int]


def clock() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def limiters(url: str, count: int = 1) -> AsyncIterator[list[Limiter]]:
    """Yield the limiters of `count` processes."""
    queues = [Queue(url) for _ in range(count)]
    try:
        yield [Limiter(queue, lambda: count) for queue in queues]
    finally:
        for queue in queues:
            await queue.aclose()


async def grants_of(limiter: Limiter, until: float, rate: float, size: int) -> list[Grant]:
    """Return the grants of a sender that always has work. Each rate has a channel of its own."""
    grants: list[Grant] = []
    while clock() < until:
        if granted := await limiter.take(f"channel-{rate:g}", "routine", rate=rate, wanted=size):
            grants.append((clock(), granted))
    return grants


async def measure(
    processes: Sequence[Limiter], seconds: float, rate: float, sizes: Sequence[int]
) -> list[Grant]:
    """Return all grants in order of time: each limiter has one sender for each of `sizes`."""
    until = clock() + seconds
    work = [grants_of(limiter, until, rate, size) for limiter in processes for size in sizes]
    return sorted(grant for grants in await asyncio.gather(*work) for grant in grants)


def most_in_a_second(grants: Sequence[Grant]) -> int:
    """Return the most that any window of one second granted."""
    times, sums = [at for at, _ in grants], [0]
    for _, granted in grants:
        sums.append(sums[-1] + granted)
    return max(
        (sums[bisect_right(times, at + 1.0)] - sums[i] for i, at in enumerate(times)), default=0
    )


def mean(grants: Sequence[Grant]) -> float:
    """Return the messages a second in the two seconds from the first grant."""
    return sum(granted for at, granted in grants if at - grants[0][0] < 2) / 2


# --- with Redis -----------------------------------------------------------------------------------------


async def test_no_second_sees_more_than_the_rate_and_the_mean_is_close_to_it(
    valkey_url: str,
) -> None:
    sizes = {30: (80, 80, 80), 100: (1, 7, 80), 1000: (80, 80, 80)}
    best = dict.fromkeys(sizes, 0.0)
    async with limiters(valkey_url, 3) as processes:
        for _again in range(10):  # a machine that stalls grants less, never more
            for rate, grants in zip(
                sizes,
                await asyncio.gather(
                    *(measure(processes, 2.3, rate, sizes[rate]) for rate in sizes)
                ),
                strict=True,
            ):
                assert most_in_a_second(grants) <= rate
                best[rate] = max(best[rate], mean(grants))
            if all(best[rate] >= 0.93 * rate for rate in sizes):
                break
    assert all(0.93 * rate <= best[rate] <= rate for rate in sizes), best


async def test_an_emptied_redis_causes_no_burst(valkey_url: str) -> None:
    most = 0
    for _again in range(3):  # a machine that stalls grants less, never more
        most = max(most, await most_while_redis_is_emptied(valkey_url))
        assert most <= 100
        if most > 50:
            return
    raise AssertionError(f"{most} in a second is no sending")


async def most_while_redis_is_emptied(valkey_url: str) -> int:
    """Return the most that was granted within a second at a rate of 100."""
    async with limiters(valkey_url, 2) as processes:
        measuring = asyncio.create_task(measure(processes, 2.5, 100, (80, 3, 80)))
        with redis.Redis.from_url(valkey_url) as client:
            for _times in range(4):
                await asyncio.sleep(0.5)
                client.flushall()
        return most_in_a_second(await measuring)


async def test_after_redis_was_emptied_nothing_is_granted_in_the_ticks_that_may_be_taken(
    valkey_url: str,
) -> None:
    async with limiters(valkey_url) as (limiter,):
        with redis.Redis.from_url(valkey_url) as client:
            for _times in range(5):
                client.flushall()
                before = tick_of(client)
                granted, _wait = await limiter._reserve("email", "routine", 1000, 80)
                after = tick_of(client)
                state = client.get("siaran:tick:email")
                assert isinstance(state, bytes)
                tick, used = map(int, state.split())
                assert (granted, used) == (0, 0)
                assert before + 3 <= tick <= after + 3, (
                    "two ticks may have been reserved, and one lies between"
                )


def tick_of(client: "redis.Redis") -> int:
    """Return the current tick of Redis."""
    seconds, micros = client.time()  # type: ignore[misc]
    return int((seconds * 1_000_000 + micros) // round(TICK * 1e6))


async def test_a_script_that_redis_forgot_is_sent_again(valkey_url: str) -> None:
    async with limiters(valkey_url) as (limiter,):
        assert await until_granted(limiter) == 5
        with redis.Redis.from_url(valkey_url) as client:
            client.script_flush()
        assert await until_granted(limiter) == 5


@dataclass
class CountingQueue(Queue):
    """A queue that counts the requests to Redis."""

    url: str
    requests: int = 0

    def __post_init__(self) -> None:
        super().__init__(self.url)

    async def ask(self, act: Callable[[ArqRedis], Awaitable[T]]) -> T:
        """Count the request and pass it on."""
        self.requests += 1
        return await super().ask(act)


async def test_an_unlimited_channel_asks_redis_a_few_times_a_second_only(valkey_url: str) -> None:
    queue = CountingQueue(valkey_url)
    limiter, began = Limiter(queue, lambda: 1), clock()
    for _ in range(2_000):
        assert await limiter.take("email", "routine", rate=0, wanted=80) == 80
    assert queue.requests <= 1 + (clock() - began) / REFRESH_SECONDS
    await queue.aclose()


async def test_a_rate_below_one_a_tick_is_kept_too(valkey_url: str) -> None:
    async with limiters(valkey_url) as (limiter,):
        grants = await measure([limiter], 1.5, 4, (80, 80))
    assert most_in_a_second(grants) <= 4
    assert 3 <= sum(granted for _, granted in grants) <= 6
    assert {granted for _, granted in grants} == {1}


async def test_while_an_emergency_has_work_routine_gets_nothing(valkey_url: str) -> None:
    async with limiters(valkey_url, 2) as (urgent, other):
        await urgent.take("email", "emergency", rate=50, wanted=1)
        began = clock()
        refused = [await other.take("email", "routine", rate=50, wanted=80) for _ in range(5)]
        assert refused == [0] * 5
        assert clock() - began < 2
        assert await until_granted(urgent, "emergency") > 0
        assert await other.take("telegram", "routine", rate=0, wanted=80) == 80, (
            "the demand is the channel's own"
        )


async def test_a_demand_holds_unlimited_channels_too_and_ends_by_itself(valkey_url: str) -> None:
    async with limiters(valkey_url) as (limiter,):
        assert await limiter.take("email", "emergency", rate=0, wanted=5) == 5
        assert await limiter.take("email", "routine", rate=0, wanted=5) == 0
        with redis.Redis.from_url(valkey_url) as client:
            assert 0 < int(client.pttl("siaran:demand:email")) <= 2000
            client.delete("siaran:demand:email")
        assert await limiter.take("email", "routine", rate=0, wanted=5) == 5


async def until_granted(limiter: Limiter, lane: str = "routine", rate: float = 50) -> int:
    """Return the next grant within a second, else 0."""
    until = clock() + 1
    while clock() < until:
        if granted := await limiter.take("email", lane, rate=rate, wanted=80):
            return granted
    return 0


async def test_a_state_from_a_clock_that_was_ahead_does_not_stop_the_sending(
    valkey_url: str,
) -> None:
    with redis.Redis.from_url(valkey_url) as client:
        client.set("siaran:tick:email", f"{2**40} 0")
    async with limiters(valkey_url) as (limiter,):
        assert await until_granted(limiter) == 5


async def test_an_unreadable_state_does_not_stop_the_sending(valkey_url: str) -> None:
    with redis.Redis.from_url(valkey_url) as client:
        client.set("siaran:tick:email", "nonsense")
    async with limiters(valkey_url) as (limiter,):
        assert await until_granted(limiter) == 5


async def test_a_reservation_is_never_far_ahead(valkey_url: str) -> None:
    async with limiters(valkey_url) as (limiter,):
        for _ in range(8):
            began = clock()
            _, wait = await limiter._reserve("email", "routine", 20, 80)
            assert wait <= 2 * TICK
            assert clock() - began < 1


def test_a_grant_whose_time_has_passed_is_dropped_but_not_for_ever() -> None:
    limiter = Limiter(Queue(""), lambda: 1)
    late = LATE + 0.01
    assert [limiter._in_time("email", 5, late=late) for _ in range(12)] == [0] * 10 + [5, 0]
    assert limiter._in_time("email", 0, late=late) == 0
    assert limiter._in_time("email", 5, late=0.001) == 5
    assert [limiter._in_time("email", 5, late=late) for _ in range(11)] == [0] * 10 + [5], (
        "the count begins anew"
    )
    assert limiter._in_time("telegram", 5, late=late) == 0, "each channel for itself"


# --- without Redis --------------------------------------------------------------------------------------


async def test_without_redis_a_worker_takes_half_of_its_share() -> None:
    async with limiters("") as alone, limiters("", 4) as many, limiters(NOWHERE, 2) as two:
        groups = [alone, many, two]
        parts = await asyncio.gather(
            *(measure(group[:1], 1.2, 200, (80, 80, 80)) for group in groups)
        )
    for group, grants in zip(groups, parts, strict=True):
        share = 200 / (2 * len(group))
        assert most_in_a_second(grants) <= share * 1.1 + 1
        assert sum(granted for _, granted in grants) >= 0.7 * share * 1.2


async def test_without_redis_all_workers_together_stay_below_the_rate() -> None:
    async with limiters("", 4) as processes:
        grants = await measure(processes, 1.2, 80, (80, 80))
    assert most_in_a_second(grants) <= 80


async def test_an_unlimited_channel_is_not_held_up_without_redis() -> None:
    for url in ("", NOWHERE):
        async with limiters(url) as (limiter,):
            assert await limiter.take("email", "routine", rate=0, wanted=80) == 80


async def test_an_unreachable_redis_is_logged_once_and_then_left_alone() -> None:
    with capture_logs() as logs:
        async with limiters(NOWHERE) as (limiter,):
            await measure([limiter], 0.3, 100, (80, 80))
    assert [entry["event"] for entry in logs] == ["limiter_without_redis"]


async def test_a_silent_redis_holds_up_for_a_second_at_most() -> None:
    open_connections: list[asyncio.StreamWriter] = []

    async def listen(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_connections.append(writer)

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with (
        server,
        limiters(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0") as (limiter,),
    ):
        began = clock()
        assert await limiter.take("email", "routine", rate=0, wanted=80) == 80
        assert 0.5 < clock() - began < 3
        began = clock()
        assert await limiter.take("email", "routine", rate=0, wanted=80) == 80
        assert clock() - began < 0.5, "it is not asked again at once"
        for writer in open_connections:
            writer.close()


@asynccontextmanager
async def always_at_work(processes: Sequence[Limiter], rate: float) -> AsyncIterator[list[Grant]]:
    """Run two senders for each limiter during this block; yield their grants, which grow."""
    grants: list[Grant] = []

    async def work(limiter: Limiter) -> None:
        while True:
            if granted := await limiter.take("email", "routine", rate=rate, wanted=80):
                grants.append((clock(), granted))

    working = [asyncio.create_task(work(limiter)) for limiter in processes for _sender in range(2)]
    try:
        yield grants
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)


@pytest.mark.parametrize("emptied", [False, True])
async def test_a_redis_that_goes_and_comes_back_causes_no_burst(
    tmp_path: Path, emptied: bool
) -> None:
    async with AsyncExitStack() as stack:
        async with valkey(tmp_path) as url:
            processes = await stack.enter_async_context(limiters(url, 3))
            grants = await stack.enter_async_context(always_at_work(processes, 100))
            await until(lambda: sum(granted for _, granted in grants) > 120, seconds=60)
        await until(lambda: all(limiter._away for limiter in processes), seconds=60)
        if emptied:
            shutil.rmtree(tmp_path / "valkey")
        alone = len(grants)
        await until(lambda: len(grants) > alone + 20, seconds=60)
        await stack.enter_async_context(valkey(tmp_path))
        await until(lambda: all(limiter._alone_since is None for limiter in processes), seconds=60)
        whole = len(grants)
        await until(lambda: sum(granted for _, granted in grants[whole:]) > 120, seconds=60)
    assert most_in_a_second(sorted(grants)) <= 100


async def test_the_first_to_see_redis_return_lets_all_go_on_alone_until_each_has_seen_it(
    valkey_url: str,
) -> None:
    async with limiters(valkey_url, 2) as (first, second):
        first._away, first._away_until = True, 0.0
        assert not first._has_redis()
        assert first._returning is not None
        await first._returning
        assert first._has_redis()
        with redis.Redis.from_url(valkey_url) as client:
            assert 0 < int(client.pttl(ALONE)) <= 1000 * RETURN_SECONDS
            await asyncio.gather(*(until_granted(limiter) for limiter in (first, second)))
            assert bytes(client.get("siaran:tick:email")).endswith(b" 0"), (
                "both take their own share"
            )  # type: ignore[arg-type]
            client.delete(ALONE)
        await until_granted(second)
        with redis.Redis.from_url(valkey_url) as client:
            assert not bytes(client.get("siaran:tick:email")).endswith(b" 0")  # type: ignore[arg-type]


async def test_a_redis_still_away_is_looked_for_again_and_nobody_waits_for_it() -> None:
    async with limiters(NOWHERE) as (limiter,):
        await limiter.take("email", "routine", rate=50, wanted=80)
        limiter._away_until = 0.0
        assert not limiter._has_redis()
        assert limiter._returning is not None
        await limiter._returning
        assert limiter._away
        assert limiter._away_until > 0


# --- pauses, for what is granted and not yet written ----------------------------------------------------


async def test_a_pause_stops_every_worker_and_both_lanes_at_once(valkey_url: str) -> None:
    async with limiters(valkey_url, 2) as (first, second):
        await first.pause("email", 30)
        assert second.open_for("email", "routine"), "it has not looked yet"
        for lane in LANES:
            assert not first.open_for("email", lane)
            assert await second.take("email", lane, rate=50, wanted=80) == 0
            assert not second.open_for("email", lane)
            assert second.open_for("telegram", lane)
        with redis.Redis.from_url(valkey_url) as client:
            assert 0 < int(client.pttl("siaran:pause:email")) <= 1000 * PAUSE_SECONDS, (
                "longer is the database's affair"
            )


async def test_a_watching_worker_learns_of_a_pause_and_of_an_emergency(valkey_url: str) -> None:
    async with limiters(valkey_url, 2) as (other, watcher):
        watching = asyncio.create_task(watcher.watch("email", "routine"))
        for act in (other.pause("email", 30), other.refresh("telegram", "emergency")):
            await act
        async with asyncio.timeout(10):
            while watcher.open_for("email", "emergency"):  # noqa: ASYNC110  it hears by asking
                await asyncio.sleep(0.01)
        watching.cancel()
        await watcher.refresh("telegram", "routine")
        assert not watcher.open_for("telegram", "routine")
        assert watcher.open_for("telegram", "emergency")
        with redis.Redis.from_url(valkey_url) as client:
            client.flushall()
        await watcher.refresh("telegram", "routine")
        assert watcher.open_for("telegram", "routine")


async def test_an_unlimited_channel_is_paused_too(valkey_url: str) -> None:
    async with limiters(valkey_url, 2) as (first, second):
        await first.pause("email", 30)
        assert await second.take("email", "routine", rate=0, wanted=80) == 0
        assert await first.take("email", "emergency", rate=0, wanted=80) == 0


async def test_a_pause_without_redis_stops_this_worker_and_no_pause_is_none() -> None:
    async with limiters("") as (limiter,):
        await limiter.pause("email", 0)
        assert limiter.open_for("email", "routine")
        await limiter.pause("email", 5)
        await limiter.refresh("email", "routine")
        assert not limiter.open_for("email", "emergency")


# --- the distance between two messages to one address ---------------------------------------------------


async def test_two_workers_keep_the_distance_to_one_address_together(valkey_url: str) -> None:
    async with limiters(valkey_url, 2) as (first, second):
        assert await first.space("whatsapp", {1: 6.0, 2: 6.0, 3: 0.0}) == {}
        waits = await second.space("whatsapp", {1: 6.0, 3: 0.0, 4: 6.0})
        assert set(waits) == {1}
        assert 0 < waits[1] <= 6
        assert set(await second.space("whatsapp", {4: 6.0})) == {4}
        assert await second.space("telegram", {1: 1.0}) == {}, "each channel for itself"
        assert await first.space("whatsapp", {}) == {}


async def test_a_distance_that_has_passed_holds_nothing(valkey_url: str) -> None:
    for url in (valkey_url, ""):
        async with limiters(url) as (limiter,):
            assert await limiter.space("whatsapp", {1: 0.05}) == {}
            waits = await limiter.space("whatsapp", {1: 0.05})
            await asyncio.sleep(waits.get(1, 0.0) + 0.06)
            assert await limiter.space("whatsapp", {1: 0.05}) == {}


async def test_the_distance_is_kept_by_each_worker_when_redis_goes_away(valkey_url: str) -> None:
    async with limiters(valkey_url) as (limiter,):
        await limiter.space("whatsapp", {1: 6.0})
        limiter._away, limiter._away_until = True, math.inf
        waits = await limiter.space("whatsapp", {1: 6.0, 2: 6.0})
        assert set(waits) == {1}
        assert set(await limiter.space("whatsapp", {2: 6.0})) == {2}


async def test_addresses_free_again_are_forgotten() -> None:
    async with limiters("") as (limiter,):
        await limiter.space("telegram", dict.fromkeys(range(SPACED + 10), 1e-6))
        await limiter.space("telegram", {1: 6.0})
        assert len(limiter._spaced) == 1


# --- the window -----------------------------------------------------------------------------------------


async def test_the_window_never_lends_more_places_than_it_has() -> None:
    window, in_use, most = Window(250), 0, 0

    async def borrow(places: int) -> None:
        nonlocal in_use, most
        for _ in range(20):
            lent = await window.acquire(places)
            assert 1 <= lent <= places
            in_use += lent
            most = max(most, in_use)
            await asyncio.sleep(0)
            in_use -= lent
            await window.release(lent)

    await asyncio.gather(*(borrow(places) for places in (80, 80, 80, 80, 1, 250)))
    assert most == 250
    assert await window.acquire(1000) == 250


async def test_a_full_window_waits_and_a_cancelled_wait_takes_nothing() -> None:
    window = Window(3)
    assert await window.acquire(80) == 3
    waiting = [asyncio.create_task(window.acquire(2)) for _ in range(2)]
    await turns()
    waiting[0].cancel()
    await asyncio.gather(waiting[0], return_exceptions=True)
    await window.release(0)
    await turns()
    assert not waiting[1].done()
    await window.release(3)
    assert await waiting[1] == 2
    assert await window.acquire(80) == 1


@given(rate=st.integers(1, 5000), start=st.integers(0, 2 * 10**10))
def test_ten_ticks_in_a_row_let_exactly_one_seconds_rate_pass(rate: int, start: int) -> None:
    quotas = [
        math.floor((tick + 1) * rate / 10) - math.floor(tick * rate / 10)
        for tick in range(start, start + 10)
    ]
    assert sum(quotas) == rate
    assert max(quotas) - min(quotas) <= 1
    assert 10 * TICK >= 1 + LATE


async def test_no_channel_takes_the_places_that_it_leaves_to_others() -> None:
    window = Window(250, reserved=20)
    assert await window.acquire(1000, "whatsapp") == 230
    waiting = asyncio.create_task(window.acquire(1, "whatsapp"))
    await turns()
    assert await window.acquire(1000, "telegram") == 20
    await window.release(20, "telegram")
    await turns()
    assert not waiting.done()
    await window.release(1, "whatsapp")
    assert await waiting == 1


def test_the_window_is_shared_among_those_that_joined_it() -> None:
    window = Window(250)
    assert window.share == 250
    window.join(2)
    window.join(2)
    assert window.share == 62
    window.leave(2)
    assert window.share == 125
    window.join(1000)
    assert window.share == 1, "each gets a place at least"
