"""Cancellation of tasks that may swallow it."""

import asyncio
from typing import Any

AGAIN_SECONDS = 0.1


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it has ended; its result or exception is dropped.

    Once is not enough: a client library that is just losing its connection may mistake the
    cancellation for its own timeout.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=AGAIN_SECONDS)
    if not task.cancelled():
        task.exception()
