"""The fork server: what it starts is the program, is reported when it ends, and never outlives it."""

import os
import signal
from pathlib import Path

import pytest

from faults.fork_server import ForkServer
from faults.processes import TELLING
from support.waiting import runs, until

SCRIPT = TELLING / "sitecustomize.py"


@pytest.fixture
def server(fork_server: ForkServer | None) -> ForkServer:
    """The server of the session."""
    if fork_server is None:
        pytest.skip("only Linux ends the children with their server")
    return fork_server


def test_it_runs_the_program_with_its_arguments_environment_and_log(
    server: ForkServer, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    environ = {**os.environ, "BROADCASTER_DATA_DIR": str(tmp_path)}
    assert server.start(["areas", "list"], environ, log, SCRIPT).wait() == 0
    assert "Kota Cimahi" in log.read_text()
    wrong = {**environ, "BROADCASTER_LEASE": "nol"}
    assert server.start(["areas", "list"], wrong, log, SCRIPT).wait() == 1
    assert "BROADCASTER_LEASE" in log.read_text()
    assert server.start(["nonsense"], environ, log, SCRIPT).wait() == 2
    assert "nonsense" in log.read_text()


def test_endings_are_told_apart(server: ForkServer, tmp_path: Path) -> None:
    endless = tmp_path / "endless.py"
    endless.write_text("import signal\nsignal.pause()\n")
    first, second = (
        server.start(["areas", "list"], os.environ, tmp_path / "log", endless) for _ in range(2)
    )
    assert (first.poll(), second.poll()) == (None, None)
    second.send_signal(signal.SIGKILL)
    assert second.wait() == -signal.SIGKILL
    assert first.poll() is None
    first.send_signal(signal.SIGTERM)
    assert first.wait() == -signal.SIGTERM
    first.send_signal(signal.SIGTERM)  # to nobody


async def test_processes_end_with_the_server(server: ForkServer, tmp_path: Path) -> None:
    endless = tmp_path / "endless.py"
    endless.write_text("import signal\nsignal.pause()\n")
    with ForkServer() as another:
        process = another.start(["areas", "list"], os.environ, tmp_path / "log", endless)
        assert runs(process.pid)
    await until(lambda: not runs(process.pid), what="the process ends with its server")
