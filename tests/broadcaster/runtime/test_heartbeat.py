"""The heartbeat of a worker: recent and of a living process, or the lane is silent."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from broadcaster.runtime import heartbeat
from broadcaster.runtime.heartbeat import Pulse, silent

LANES = ("emergency", "routine")


@pytest.fixture
def database() -> Iterator[str]:
    """The address of a database that no other worker uses."""
    name = f"sqlite:///{uuid4()}"
    yield name
    for sign in heartbeat.folder(name).glob("*"):
        sign.unlink()
    if heartbeat.folder(name).exists():
        heartbeat.folder(name).rmdir()


def dead_sign(database: str) -> Path:
    """Return the path of a sign of a process that has ended, in the emergency lane."""
    process = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    )
    return heartbeat.folder(database) / f"emergency-{process.stdout.strip()}"


def test_a_lane_lives_while_its_worker_gives_signs(database: str) -> None:
    assert silent(database, LANES, time.time()) == ["emergency", "routine"]
    worker = Pulse(database, "emergency")
    worker.beat()
    assert silent(database, LANES, time.time()) == ["routine"]
    assert silent("sqlite:///another", LANES, time.time()) == ["emergency", "routine"]
    worker.end()
    assert silent(database, LANES, time.time()) == ["emergency", "routine"]


def test_a_worker_that_hangs_is_silent(database: str) -> None:
    Pulse(database, "routine").beat()
    assert silent(database, ("routine",), time.time() + heartbeat.SILENT_SECONDS) == ["routine"]


def test_the_sign_of_a_dead_process_counts_for_nothing_and_goes(database: str) -> None:
    sign = dead_sign(database)
    Pulse(database, "routine").beat()
    sign.touch()
    assert silent(database, LANES, time.time()) == ["emergency"]
    Pulse(database, "routine").beat()
    assert not sign.exists()
    assert {sign.name for sign in heartbeat.folder(database).iterdir()} == {
        f"routine-{os.getpid()}"
    }


def deny_signal(_pid: int, _signal: int) -> None:
    """Fail as the system does for another user's process."""
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def test_another_users_process_lives() -> None:
    assert heartbeat.runs(1)  # the system itself denies it to all but root
    assert heartbeat.runs(1, deny_signal)


def test_a_number_that_no_process_can_have_is_nobodys() -> None:
    assert not heartbeat.runs(10**30)


def test_a_worker_lives_though_the_signs_of_dead_ones_stay(database: str) -> None:
    sign = dead_sign(database)
    sign.mkdir(parents=True, mode=0o700)  # a folder, which cannot be unlinked
    worker = Pulse(database, "routine")
    try:
        with pytest.raises(OSError, match=sign.name):
            worker.beat()
        worker.beat()
        assert silent(database, LANES, time.time()) == ["emergency"]
    finally:
        sign.rmdir()
