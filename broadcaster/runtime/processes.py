"""Child processes of one machine: they die with their parent, are restarted when they end, and
their output is passed on.
"""

import asyncio
import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL."""
FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0
"""Seconds before a dead child is restarted: doubled each time, back to the first after it ran
for LIVED seconds.
"""
LIVED = 60.0
POLL = 0.05

Say = Callable[[str], None]
Process = subprocess.Popen[bytes]


def to_stderr(line: str) -> None:
    """Print one line for the operator."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


# --- processes that die with their parent -----------------------------------------------------

_BY_SIGNAL = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""

_BY_PIPE = """
import os, signal, subprocess, sys, threading
child = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL)
signal.signal(signal.SIGTERM, lambda number, _frame: child.send_signal(number))
def watch():
    os.read(0, 1)
    child.kill()
threading.Thread(target=watch, daemon=True).start()
code = child.wait()
os._exit(code if code >= 0 else 128 - code)
"""


def tied(command: Sequence[str], *, platform: str = sys.platform) -> list[str]:
    """Wrap `command` in a starter that ends it with this process, even by SIGKILL; on macOS the
    starter watches the pipe on its stdin.

    On Linux the kernel watches the starting thread: start children from the main thread.
    """
    starter = _BY_SIGNAL if platform == "linux" else _BY_PIPE
    return [sys.executable, "-I", "-S", "-c", starter, str(os.getpid()), *command]


def program(*arguments: str) -> tuple[str, ...]:
    """Build the command that runs this program with other arguments."""
    return (sys.executable, "-m", "broadcaster", *arguments)


def spawn(
    command: Sequence[str],
    environ: Mapping[str, str] | None = None,
    output: int = subprocess.DEVNULL,
) -> Process:
    """Start a child that dies with this process."""
    # a session of its own: Ctrl-C reaches only the parent, which stops its children in order
    return subprocess.Popen(  # noqa: S603  our own programs
        tied(command),
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environ,
        start_new_session=True,
    )


async def ended(process: Process) -> int:
    """Wait for the child to end; returns its exit code, negative for a signal."""
    while (code := process.poll()) is None:  # noqa: ASYNC110  loops report it differently
        await asyncio.sleep(POLL)
    return code


async def end(process: Process, grace: float = GRACE) -> None:
    """Send SIGTERM, then SIGKILL to the process and its children after `grace` seconds."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended(process), grace)
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await ended(process)
    if process.stdin:
        process.stdin.close()


@dataclass(kw_only=True)
class _Child:
    name: str
    command: Sequence[str]
    environ: Mapping[str, str] | None
    process: Process | None = None
    task: "asyncio.Task[None] | None" = None
    readers: list[threading.Thread] = field(default_factory=list)


class Children:
    """Child processes of one machine: restarted when they die, stopped with this block, their
    output passed on line by line.
    """

    def __init__(self, *, say: Say = to_stderr, grace: float = GRACE) -> None:
        self._say = say
        self._grace = grace
        self._children: dict[str, _Child] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    def start(
        self, name: str, command: Sequence[str], *, environ: Mapping[str, str] | None = None
    ) -> None:
        """Start a child and keep it running; `environ` None: that of this process. Call it from
        the main thread.
        """
        if name in self._children:
            raise ValueError(f"two children named {name}")
        child = _Child(name=name, command=command, environ=environ)
        self._children[name] = child
        self._launch(child)
        child.task = asyncio.create_task(self._keep(child), name=f"child-{name}")

    def pids(self) -> dict[str, int]:
        """Process ids of the running children, by name."""
        return {
            c.name: c.process.pid
            for c in self._children.values()
            if c.process and c.process.poll() is None
        }

    async def stop(self) -> None:
        """Stop all children at once: SIGTERM, then SIGKILL for those that remain."""
        children = list(self._children.values())
        self._children.clear()
        for child in children:
            if child.task:
                child.task.cancel()
        await asyncio.gather(
            *(child.task for child in children if child.task), return_exceptions=True
        )
        await asyncio.gather(
            *(end(child.process, self._grace) for child in children if child.process)
        )
        for reader in [reader for child in children for reader in child.readers]:
            await asyncio.to_thread(reader.join, 1)

    def _launch(self, child: _Child) -> None:
        child.process = spawn(child.command, child.environ, subprocess.PIPE)
        reader = threading.Thread(
            target=_tell, args=(child.process, child.name, self._say), daemon=True
        )
        reader.start()
        child.readers = [other for other in child.readers if other.is_alive()] + [reader]

    async def _keep(self, child: _Child) -> None:
        clock, wait = asyncio.get_running_loop().time, FIRST_WAIT
        while child.process:
            since = clock()
            code = await ended(child.process)
            await end(child.process, self._grace)
            wait = FIRST_WAIT if clock() - since > LIVED else wait
            self._say(f"{child.name} | berakhir ({ending(code)}); dimulai lagi dalam {wait:g} dtk")
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)
            self._launch(child)


def _tell(process: Process, name: str, say: Say) -> None:
    if process.stdout is None:
        return
    with io.TextIOWrapper(process.stdout, encoding="utf-8", errors="replace") as output:
        for line in output:
            say(f"{name} | {line.rstrip()}")


def ending(code: int) -> str:
    """Describe an exit code."""
    return f"sinyal {signal.Signals(-code).name}" if code < 0 else f"kode {code}"
