"""Fork server: runs the program's commands in processes of their own without importing it anew.

Imports cost each process a second of CPU, and a fault run starts and restarts many. Only Linux can
end the children with their server; elsewhere, and where the dynamic linker has to load something
into a process, `Part` executes the program instead. What the interpreter reads from the environment
at its own start (PYTHONHASHSEED, PYTHONWARNINGS) is the same for all children. What happens only
while a process imports, signals and import errors among it, is left to test_kill.py and to workers
with a wrong clock, which are executed.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from broadcaster.runtime import processes

PRELOADED = (
    "broadcaster.cli",
    "broadcaster.commands.processes",
    "broadcaster.web.server",
    "broadcaster.worker",
    "channels.display",
    "channels.email",
    "channels.feed",
    "channels.telegram",
    "channels.whatsapp",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
)
LONGEST = 1 << 17
"""Bytes of a request: a command with its environment."""
TESTS = Path(__file__).parents[1]
PR_SET_PDEATHSIG = 1


# --- in the tests ---------------------------------------------------------------------------------


class ForkedProcess:
    """A process of the server's, with the part of `subprocess.Popen` that fault runs need."""

    def __init__(self, server: "ForkServer", pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._server = server

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        self._server.read_endings()
        return self.returncode

    def wait(self) -> int:
        """Wait for its end; returns the exit code."""
        while (code := self.poll()) is None:
            self._server.await_message()
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class ForkServer:
    """The server's process, seen from the tests. Start it in the main thread, with which it ends."""

    def __init__(self) -> None:
        self._running: dict[int, ForkedProcess] = {}
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-m", "faults.fork_server", str(theirs.fileno())]
            self._process = subprocess.Popen(
                processes.tied(command),
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])},
                pass_fds=[theirs.fileno()],
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._socket.close()
        self._process.kill()  # it has nothing to put in order
        self._process.wait()

    def start(
        self, arguments: Sequence[str], environ: Mapping[str, str], log: Path, telling: Path
    ) -> ForkedProcess:
        """Run `broadcaster` with these arguments; `telling` is a script that it runs before."""
        request = {
            "arguments": list(arguments),
            "environ": dict(environ),
            "log": str(log),
            "telling": str(telling),
        }
        self._socket.send(json.dumps(request).encode())
        while "started" not in (message := self._receive()):
            self._note(message)
        process = ForkedProcess(self, message["started"])
        self._running[process.pid] = process
        return process

    def read_endings(self) -> None:
        """Give processes that have ended their exit codes."""
        while select.select([self._socket], [], [], 0)[0]:
            self._note(self._receive())

    def await_message(self) -> None:
        """Return once the server has sent a message."""
        select.select([self._socket], [], [])

    def _note(self, message: Mapping[str, int]) -> None:
        self._running.pop(message["ended"]).returncode = message["code"]

    def _receive(self) -> dict[str, int]:
        message = self._socket.recv(LONGEST)
        if not message:
            raise RuntimeError("the fork server has ended")
        return dict(json.loads(message))


# --- in the server --------------------------------------------------------------------------------


def serve(requests: socket.socket) -> None:
    """Fork a process for each request and report its end, until the tests have gone."""
    woken, waker = socket.socketpair()
    waker.setblocking(False)
    signal.set_wakeup_fd(waker.fileno())
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    server = os.getpid()
    while True:
        ready, _, _ = select.select([requests, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            for pid, code in ended_children():
                requests.send(json.dumps({"ended": pid, "code": code}).encode())
        if requests in ready:
            message = requests.recv(LONGEST)
            if not message:
                return
            if (pid := os.fork()) == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for inherited in (requests, woken, waker):
                    inherited.close()
                die_with(server)
                run(**json.loads(message))
            requests.send(json.dumps({"started": pid}).encode())


def ended_children() -> list[tuple[int, int]]:
    """Reap the children that have ended; returns their ids and exit codes."""
    endings = []
    with contextlib.suppress(ChildProcessError):
        while (ending := os.waitpid(-1, os.WNOHANG))[0]:
            endings.append((ending[0], os.waitstatus_to_exitcode(ending[1])))
    return endings


def die_with(parent: int) -> None:
    """Let the kernel end this process with its parent."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def run(arguments: Sequence[str], environ: Mapping[str, str], log: str, telling: str) -> None:
    """Become the program: raises SystemExit with its exit code."""
    from broadcaster.cli import main

    os.environ.clear()
    os.environ.update(environ)
    with Path(log).open("ab") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    runpy.run_path(telling)
    sys.argv = ["broadcaster", *arguments]
    main()


if __name__ == "__main__":
    for name in PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # the processes share these objects: their collections leave them alone
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        serve(connection)
