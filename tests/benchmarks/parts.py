"""Processes of benchmarks, for providers and workers, and their cost as the system counts it."""

import asyncio
import contextlib
import os
import platform
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent


@dataclass(frozen=True, kw_only=True)
class Cost:
    """CPU seconds and peak resident memory (bytes) of a process so far."""

    cpu: float
    memory: int


def cost(pid: int) -> Cost:
    """Return the kernel's figures of a living process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    peak = next(
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    return Cost(cpu=cpu, memory=int(peak.split()[1]) * 1024)


def machine() -> str:
    """Return cores, CPU, Python and kernel in a line."""
    named = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores of {named[0] if named else platform.machine()}, Python {platform.python_version()}, {platform.platform()}"


def memory_now() -> int:
    """Return the resident bytes of this process at this moment."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@asynccontextmanager
async def process(
    *arguments: str, environ: Mapping[str, str] | None = None, quiet: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a Python process with `arguments`, without its standard error when `quiet`; it ends with
    this block.
    """
    paths = f"{TESTS}{os.pathsep}{ROOT}"
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env={**os.environ, "PYTHONPATH": paths, **(environ or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        stderr=asyncio.subprocess.DEVNULL if quiet else None,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.terminate()
            await started.wait()


async def answering(session: aiohttp.ClientSession, url: str, seconds: float = 60) -> None:
    """Return once a page is answered with 200; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(url) as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.1)


async def line(started: asyncio.subprocess.Process) -> str:
    """Return the next line that the process prints."""
    assert started.stdout is not None
    return (await started.stdout.readline()).decode().strip()


def table(rows: list[dict[str, str]]) -> str:
    """Return rows as a Markdown table."""
    heads = list(rows[0])
    lines = ["| " + " | ".join(heads) + " |", "|" + "|".join("---" for _ in heads) + "|"]
    lines += ["| " + " | ".join(row[head] for head in heads) + " |" for row in rows]
    return "\n".join(lines)
