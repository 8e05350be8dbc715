"""Parts of a city that a fault run starts, kills and restarts, each a real process with a log of
its own.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis

from broadcaster.runtime import processes, valkey
from faults.fork_server import ForkedProcess, ForkServer
from support.postgres import account, as_user, binaries, initialise
from support.waiting import until

RESTART_SECONDS = 0.2
"""Seconds that a supervisor waits before it restarts a dead part."""
STOP_SECONDS = 10.0
"""Seconds that a part may take to end after SIGTERM."""
TELLING = Path(__file__).parent / "telling"
"""Folder of the module that every process loads, so that one that hangs can be asked where."""
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
"""Library that shifts the wall clock of a single process."""


@dataclass(kw_only=True)
class Part:
    """Supervised process; `asked` are the process ids that were sent SIGTERM, `killed` those that
    were killed.
    """

    name: str
    arguments: Sequence[str]
    environ: Mapping[str, str]
    log: Path
    fork_server: ForkServer | None
    process: subprocess.Popen[bytes] | ForkedProcess | None = None
    wanted: bool = True
    asked: set[int] = field(default_factory=set)
    killed: set[int] = field(default_factory=set)
    busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    def start(self) -> None:
        """Start it; its output goes to its log."""
        if self.fork_server is not None and "LD_PRELOAD" not in self.environ:
            self.process = self.fork_server.start(
                self.arguments, self.environ, self.log, TELLING / "sitecustomize.py"
            )
            return
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                processes.tied(processes.program(*self.arguments)),
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def alive(self) -> bool:
        """True if its process runs (or is stopped)."""
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals) -> bool:
        """Send a signal; returns False if no process gets it."""
        if self.process is None or self.process.poll() is not None:
            return False
        self.process.send_signal(number)
        return True

    def hears_sigterm(self) -> bool:
        """True if it has started far enough that SIGTERM no longer ends it at once."""
        if not Path("/proc/self").exists():
            return True  # macOS does not tell
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{self.process.pid if self.process else 0}/status").read_text()
            caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
            return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
        return False

    def kill(self) -> bool:
        """Send SIGKILL; returns False if no process gets it."""
        if self.process is None or not self.send(signal.SIGKILL):
            return False
        self.killed.add(self.process.pid)
        return True

    async def ended(self, seconds: float) -> int:
        """Return the exit code; raises TimeoutError if it does not end in time."""
        process = self.process
        assert process is not None
        await until(lambda: process.poll() is not None, seconds=seconds, what=f"{self.name} ends")
        return int(process.returncode)


class Supervisor:
    """Supervisor that restarts parts when they die, as systemd would.

    `surprises` are ends that nobody caused, `complaints` what else a part did wrong; `excused`: the
    database was away, so that a part may have failed to start.
    """

    def __init__(self, folder: Path, fork_server: ForkServer | None = None) -> None:
        self.folder = folder
        self.fork_server = fork_server
        self.parts: dict[str, Part] = {}
        self.excused = False
        self.surprises: list[str] = []
        self.complaints: list[str] = []

    def add(self, name: str, environ: Mapping[str, str], *arguments: str) -> Part:
        """Start a part of the program and keep it alive."""
        paths = os.pathsep.join(filter(None, [str(TELLING), os.environ.get("PYTHONPATH", "")]))
        full = {**os.environ, "PYTHONPATH": paths, **environ}
        part = Part(
            name=name,
            arguments=arguments,
            environ=full,
            log=self.folder / f"{name}.log",
            fork_server=self.fork_server,
        )
        self.parts[name] = part
        part.start()
        return part

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Supervise while the block runs; then end every part that is left."""
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for part in self.parts.values():
                part.send(signal.SIGCONT)
                part.send(signal.SIGKILL)
                if part.process is not None:
                    part.process.wait()

    async def _watch(self) -> None:
        dead: dict[str, float] = {}
        while True:
            for part in self.parts.values():
                if part.alive or not part.wanted or part.process is None:
                    continue
                if part.name not in dead:
                    dead[part.name] = time.monotonic()
                    if part.process.pid not in part.asked | part.killed:
                        self.surprises.append(
                            f"{part.name} ended by itself with code {part.process.returncode}"
                        )
                elif time.monotonic() - dead[part.name] > RESTART_SECONDS:
                    del dead[part.name]
                    part.start()
            await asyncio.sleep(0.02)

    async def terminate(self, part: Part) -> None:
        """Send SIGTERM; records a complaint unless it ends in time with code 0. The supervisor
        restarts a part that is wanted.
        """
        process, began, ready = part.process, time.monotonic(), part.hears_sigterm()
        if process is None or not part.send(signal.SIGTERM):
            return
        part.asked.add(process.pid)
        try:
            code = await part.ended(STOP_SECONDS)
            if process.pid in part.killed or (code == -signal.SIGTERM and not ready):
                return  # killed while it was ending; or it was only starting and had done nothing yet
        except TimeoutError:
            self.complaints.append(f"{part.name} did not end within {STOP_SECONDS:g} s of SIGTERM")
            part.send(signal.SIGKILL)
        else:
            if code:
                self.complaints.append(
                    f"{part.name} ended with code {code}, {time.monotonic() - began:.1f} s after SIGTERM"
                )

    async def stop_all(self, names: Sequence[str]) -> None:
        """End parts for good, all at once."""
        for name in names:
            self.parts[name].wanted = False
        await asyncio.gather(
            *(self.terminate(self.parts[name]) for name in names if self.parts[name].alive)
        )


class Valkey:
    """Embedded Valkey's own program on a unix socket, append-only as in production; killed and replaced at
    will.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="siaran-vk-", dir="/tmp"))
        self.socket = self.folder / "valkey.sock"
        self.url = f"unix://{self.socket}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; returns at once."""
        self.socket.unlink(missing_ok=True)
        command = [
            str(valkey.valkey_binary()),
            "--port",
            "0",
            "--unixsocket",
            str(self.socket),
            "--dir",
            str(self.folder),
            "--appendonly",
            "yes",
            "--appendfsync",
            "everysec",
            "--save",
            "",
            "--loglevel",
            "warning",
        ]
        self.process = subprocess.Popen(
            processes.tied(command), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )

    def kill(self) -> None:
        """Send SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def forget(self) -> None:
        """Delete its data, so that an empty one takes its place."""
        shutil.rmtree(self.folder / "appendonlydir", ignore_errors=True)

    def flush(self) -> None:
        """Run FLUSHALL; does nothing if it does not answer."""
        with (
            contextlib.suppress(redis.RedisError, OSError),
            redis.Redis.from_url(self.url) as client,
        ):
            client.flushall()

    def close(self) -> None:
        """End it and delete its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Postgresql:
    """PostgreSQL server that can be shut down in the middle of everything; what it has committed it
    keeps.
    """

    # synchronous_commit stays on: without it the shutdown could lose a commit
    SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=100", "shared_buffers=64MB")

    def __init__(self) -> None:
        self.user, self.programs = account(), binaries()
        self.folder = Path(tempfile.mkdtemp(prefix="siaran-pg-", dir="/tmp"))
        self.process: subprocess.Popen[bytes] | None = None
        initialise(self.folder, self.programs, self.user)
        self.start()
        self.wait()

    def url(self, name: str) -> str:
        """Return the URL of one of its databases."""
        return f"postgresql://siaran@/{name}?host={self.folder}"

    def start(self) -> None:
        """Start it; returns at once. In the main thread: the server ends with the thread that
        started it.
        """
        options = [part for setting in self.SETTINGS for part in ("-c", setting)]
        serve = [
            str(self.programs / "postgres"),
            "-D",
            str(self.folder / "data"),
            "-k",
            str(self.folder),
            "-h",
            "",
            *options,
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*as_user(self.user), *serve],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Return once it takes connections."""
        end = time.monotonic() + 30
        while True:
            with (
                contextlib.suppress(psycopg.OperationalError),
                psycopg.connect(self.url("postgres"), connect_timeout=2),
            ):
                return
            assert time.monotonic() < end, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.02)

    def shut_down(self, *, immediately: bool = True) -> None:
        """Send SIGQUIT: no farewell, no checkpoint (or SIGINT); returns when it is down."""
        if self.process is not None:
            self.process.send_signal(signal.SIGQUIT if immediately else signal.SIGINT)
            self.process.wait()

    def execute(self, *statements: str) -> None:
        """Run statements outside transactions."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[arg-type]

    def close(self) -> None:
        """End it and delete its folder."""
        self.shut_down(immediately=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class Disk:
    """Small file system in memory, which can be filled to the last byte and freed."""

    SIZE = 192
    """MiB: the database with its write-ahead log is far smaller."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @staticmethod
    def why_not() -> str:
        """Return why no disk can be mounted; "" if one can."""
        if os.geteuid() != 0:
            return "a file system can be mounted by root alone"
        with tempfile.TemporaryDirectory(prefix="siaran-disk-", dir="/tmp") as place:
            mounted = subprocess.run(
                ["mount", "-t", "tmpfs", "none", place], capture_output=True, text=True, check=False
            )
            if mounted.returncode:
                return mounted.stderr.strip()
            subprocess.run(["umount", place], check=True)
        return ""

    @contextmanager
    def mounted(self) -> Iterator["Disk"]:
        """Mount the disk while the block runs."""
        self.path.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={self.SIZE}m", "none", str(self.path)], check=True
        )
        try:
            yield self
        finally:
            subprocess.run(["umount", "--lazy", str(self.path)], check=True)

    def fill(self) -> None:
        """Fill it to the last byte."""
        with (self.path / "filler").open("wb", buffering=0) as filler:
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        filler.write(b"\0" * size)

    def free(self) -> None:
        """Free the space again."""
        (self.path / "filler").unlink(missing_ok=True)


def wrong_clock(minutes: int) -> dict[str, str]:
    """Return variables that shift a process's wall clock; its other clocks stay."""
    return {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME": f"{minutes:+d}m",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
