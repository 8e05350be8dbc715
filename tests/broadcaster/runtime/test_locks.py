"""Locks of one machine: one program for each data folder; a lease ends with the process that took
it.
"""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from broadcaster.runtime.locks import CannotStart, DataFolder, WorkerLock, forget_dead, is_dead

ROOT = Path(__file__).resolve().parents[3]


def test_a_second_start_on_a_data_folder_says_who_uses_it(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "data") as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with pytest.raises(CannotStart) as refused, DataFolder(folder):
            pass
    assert str(refused.value) == (
        f"Folder data {folder} sedang dipakai oleh proses {os.getpid()}. "
        "Hentikan itu, atau pilih folder lain (BROADCASTER_DATA_DIR, atau --data untuk demo)."
    )
    with DataFolder(folder):
        pass


_HOLD = """
import pathlib, sys, time
from broadcaster.runtime.locks import DataFolder, WorkerLock
folder = pathlib.Path(sys.argv[1])
with DataFolder(folder), WorkerLock(folder / "workers", "worker-1"):
    print("siap", flush=True)
    time.sleep(600)
"""


def test_a_killed_process_leaves_the_folder_free_and_its_leases_void(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, tmp_path], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "siap\n"
        with pytest.raises(CannotStart, match=str(holder.pid)), DataFolder(tmp_path):
            pass
        assert not is_dead(tmp_path / "workers", "worker-1")
        holder.kill()
    with DataFolder(tmp_path):
        assert is_dead(tmp_path / "workers", "worker-1")


def test_an_owner_lives_as_long_as_it_holds_its_lock(tmp_path: Path) -> None:
    assert is_dead(tmp_path, "worker-1"), "nobody holds a lock of that name"
    with WorkerLock(tmp_path, "worker-1"):
        assert not is_dead(tmp_path, "worker-1")
        assert is_dead(tmp_path, "worker-2")
    assert is_dead(tmp_path, "worker-1")
    assert list(tmp_path.iterdir()) == []


def test_locks_of_the_dead_are_cleared_those_of_the_living_stay(tmp_path: Path) -> None:
    (tmp_path / "worker-1.lock").touch()
    with WorkerLock(tmp_path, "worker-2"):
        assert forget_dead(tmp_path) == 1
        assert [path.name for path in tmp_path.iterdir()] == ["worker-2.lock"]
    assert forget_dead(tmp_path / "nowhere") == 0


def test_an_owners_name_can_be_no_path(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="owner"):
        WorkerLock(tmp_path, "../worker")
