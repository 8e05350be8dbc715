"""The queue before Argon2: bounded, fair, and with places that strangers cannot take."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from broadcaster.runtime.password_hashing import (
    KNOWN,
    KNOWN_PLACES,
    NICENESS,
    STRANGER_PLACES,
    Busy,
    PasswordHasher,
)
from support.waiting import until


@asynccontextmanager
async def busy_hasher() -> AsyncIterator[PasswordHasher]:
    """Run a hasher that is busy with one password until the block ends."""
    hasher, free = PasswordHasher(), threading.Event()
    first = asyncio.create_task(hasher.run(free.wait))
    await asyncio.sleep(0)
    try:
        yield hasher
    finally:
        free.set()
        await first
        await until(lambda: hasher.waiting == 0)
        await hasher.run(list)  # after whoever has the last turn
        hasher.close()


def queue_check(
    hasher: PasswordHasher, done: list[str], name: str, rank: int
) -> asyncio.Task[None]:
    """Queue a password check; `done` records the order in which they run."""
    return asyncio.create_task(hasher.run(lambda: done.append(name), rank=rank))


async def test_more_strangers_than_may_wait_are_turned_away_at_once() -> None:
    async with busy_hasher() as hasher:
        strangers = [queue_check(hasher, [], "x", 0) for _ in range(STRANGER_PLACES + 3)]
        await until(lambda: sum(task.done() for task in strangers) == 3)
        assert hasher.waiting == STRANGER_PLACES
        assert [isinstance(task.exception(), Busy) for task in strangers[-3:]] == [True] * 3
    await asyncio.gather(*strangers[:-3])


async def test_strangers_take_no_place_from_who_is_known_and_the_known_go_first() -> None:
    done: list[str] = []
    async with busy_hasher() as hasher:
        strangers = [queue_check(hasher, done, "stranger", 0) for _ in range(STRANGER_PLACES)]
        await until(lambda: hasher.waiting == STRANGER_PLACES)
        known = [queue_check(hasher, done, "known", KNOWN) for _ in range(KNOWN_PLACES)]
        await until(lambda: hasher.waiting == STRANGER_PLACES + KNOWN_PLACES)
        with pytest.raises(Busy):
            await hasher.run(list, rank=KNOWN)
    await asyncio.gather(*strangers, *known)
    assert done == ["known"] * KNOWN_PLACES + ["stranger"] * STRANGER_PLACES


async def test_who_has_tried_least_goes_first_and_a_full_queue_turns_the_busiest_away() -> None:
    done: list[str] = []
    async with busy_hasher() as hasher:
        busy = [
            queue_check(hasher, done, f"tried {rank}", rank)
            for rank in range(1, STRANGER_PLACES + 1)
        ]
        await until(lambda: hasher.waiting == STRANGER_PLACES)
        fresh = queue_check(hasher, done, "fresh", 0)
        await until(lambda: busy[-1].done())
        assert isinstance(busy[-1].exception(), Busy)
        assert not fresh.done()
    await asyncio.gather(fresh, *busy[:-1])
    assert done == ["fresh", *(f"tried {rank}" for rank in range(1, STRANGER_PLACES))]


async def test_who_leaves_while_waiting_holds_nobody_up() -> None:
    done: list[str] = []
    async with busy_hasher() as hasher:
        leaving, staying = (
            queue_check(hasher, done, "leaves", 0),
            queue_check(hasher, done, "stays", 1),
        )
        await until(lambda: hasher.waiting == 2)
        leaving.cancel()
        await until(leaving.done)
        assert hasher.waiting == 1
    await staying
    assert done == ["stays"]


async def test_a_failure_passes_the_turn_on() -> None:
    hasher = PasswordHasher()
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            await hasher.run(lambda: int("salah"))
    assert await hasher.run(lambda: "benar") == "benar"
    hasher.close()


async def test_the_thread_steps_back_behind_the_rest_of_the_process() -> None:
    hasher = PasswordHasher()
    mine = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    theirs = await hasher.run(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert theirs == min(19, mine + NICENESS)
    hasher.close()
