"""A worker's sign of life: young and of a living process, or the lane is silent."""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
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
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    )
    Pulse(database, "routine").beat()
    left = heartbeat.folder(database) / f"emergency-{dead.stdout.strip()}"
    left.touch()
    assert silent(database, LANES, time.time()) == ["emergency"]
    Pulse(database, "routine").beat()
    assert not left.exists()
    assert {sign.name for sign in heartbeat.folder(database).iterdir()} == {
        f"routine-{os.getpid()}"
    }


def denied(_pid: int, _signal: int) -> None:
    """What the system says of another user's process."""
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def test_another_users_process_lives() -> None:
    assert heartbeat.runs(1)  # who is not root is denied it by the system itself
    assert heartbeat.runs(1, denied)


def test_a_number_that_no_process_can_have_is_nobodys() -> None:
    assert not heartbeat.runs(10**30)


def test_a_worker_lives_though_the_signs_of_dead_ones_stay(database: str) -> None:
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    )
    stuck = heartbeat.folder(database) / f"emergency-{dead.stdout.strip()}"
    stuck.mkdir(parents=True, mode=0o700)  # which cannot be unlinked, whoever asks
    worker = Pulse(database, "routine")
    try:
        with pytest.raises(OSError, match=stuck.name):
            worker.beat()
        worker.beat()
        assert silent(database, LANES, time.time()) == ["emergency"]
    finally:
        stuck.rmdir()
