"""The end of a task, even where a callee swallows the first cancellation."""

import asyncio
from contextlib import suppress

import pytest

from broadcaster.runtime.tasks import end


@pytest.mark.parametrize("swallowed", [0, 1, 2])
async def test_a_task_ends_however_often_its_cancellation_is_swallowed(swallowed: int) -> None:
    begun = asyncio.Event()

    async def losing_its_connection() -> None:
        for _ in range(swallowed):
            with suppress(asyncio.CancelledError):
                begun.set()
                await asyncio.Event().wait()
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(losing_its_connection())
    await begun.wait()
    await end(task)
    assert task.cancelled()


async def test_what_a_task_raised_while_it_was_ended_is_dropped() -> None:
    async def broken() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ConnectionError

    task = asyncio.create_task(broken())
    await asyncio.sleep(0)
    await end(task)
    assert isinstance(task.exception(), ConnectionError)
