"""Waiting for another process: poll often, give up after a while, say what was waited for."""

import asyncio
import os
from collections.abc import Callable


async def until(happened: Callable[[], object], *, seconds: float = 15, what: str = "") -> None:
    """Return as soon as `happened()` is true; raises TimeoutError naming `what`."""
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    while not happened():
        if clock() > end:
            raise TimeoutError(f"not within {seconds} s: {what or happened}")
        await asyncio.sleep(0.02)


async def turns() -> None:
    """Let every task proceed that waits for nothing but its turn: what has not happened then waits
    for more.
    """
    for _ in range(20):
        await asyncio.sleep(0)


def runs(pid: int) -> bool:
    """True if a process with this id exists and is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123  the kernel's own path
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return os.path.exists("/proc/self") is False  # noqa: PTH110  macOS has no /proc
