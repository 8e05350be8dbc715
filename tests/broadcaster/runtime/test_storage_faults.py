"""A data folder that cannot be used: every command says so in one line with what to do, and ends
with 1.
"""

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from broadcaster.runtime import storage_faults
from support.browsing import listening
from support.commanding import Program

ROOT = Path(__file__).resolve().parents[3]
DRAFT = "---\ntitle: Air mati\nareas: [cibabat]\n---\nTampung air.\n"
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("migrate",), ("run",), ("web",), ("worker",), ("worker", "--lane", "routine"), ("publish", "-"), ("show", "CMH-2345-67"),
    ("failed", "x"), ("retry-failed", "x"), ("pause", "x"), ("areas", "list"), ("user", "list"), ("token", "list"),
    ("channel", "list"), ("audit", "verify"), ("subscribers", "count"),
)  # fmt: skip


def under_a_file(folder: Path) -> Path:
    """A folder that would have to lie in a file."""
    (folder / "berkas").write_text("")
    return folder / "berkas" / "data"


def a_file(folder: Path) -> Path:
    """A file in the folder's place."""
    (folder / "data").write_text("")
    return folder / "data"


def no_database(folder: Path) -> Path:
    """A folder whose database is something else."""
    (folder / "data").mkdir()
    (folder / "data" / "siaran.db").write_text(
        "Bukan basis data, melainkan catatan panjang tentang basis data.\n" * 40
    )
    return folder / "data"


def a_folder_for_a_database(folder: Path) -> Path:
    """A folder in the database's place."""
    (folder / "data" / "siaran.db").mkdir(parents=True)
    return folder / "data"


PLACES = (under_a_file, a_file, no_database, a_folder_for_a_database)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_data_folder_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, place: Callable[[Path], Path], words: tuple[str, ...]
) -> None:
    with listening() as (_sock, port):
        free = port
    environ = {"BROADCASTER_PORT": str(free), "BROADCASTER_BASE_URL": f"http://127.0.0.1:{free}"}
    done = Program(place(tmp_path), environ)(*words, text=DRAFT)
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "Pilih folder lain" in done.err


@pytest.mark.parametrize("place", (under_a_file, a_file), ids=lambda place: place.__name__)
def test_the_demo_says_so_too(tmp_path: Path, place: Callable[[Path], Path]) -> None:
    with listening() as (_sock, port):
        free = port
    done = Program(tmp_path, {})("demo", "--port", str(free), "--data", str(place(tmp_path)))
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "--data" in done.err


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_the_doctor_names_the_folder_and_the_mend(
    tmp_path: Path, place: Callable[[Path], Path]
) -> None:
    done = Program(place(tmp_path), {})("doctor")
    assert done.code == 1
    assert "Traceback" not in done.out + done.err
    assert "Pilih folder lain" in done.out
    assert "apakah servernya hidup" not in done.out


def bound(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of somebody to whom rights apply, as they do not to root."""
    mortal = (
        ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.getuid() == 0 else ()
    )
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "BROADCASTER_DATA_DIR": str(folder),
    }
    command = [*mortal, sys.executable, "-m", "broadcaster", *words]
    return subprocess.run(
        command, env=environ, cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def read_only(tmp_path: Path) -> Path:
    """A folder that may be looked at and not written to."""
    if os.getuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root writes everywhere, and setpriv (util-linux) is not there to bind it")
    (tmp_path / "data").mkdir(mode=0o555)
    return tmp_path / "data"


@pytest.mark.parametrize(
    "words", [("migrate",), ("run",), ("areas", "list"), ("demo",)], ids=" ".join
)
def test_a_folder_that_is_read_only_is_one_sentence(
    read_only: Path, words: tuple[str, ...]
) -> None:
    with listening() as (_sock, port):
        free = port
    options = ("--data", str(read_only), "--port", str(free)) if words == ("demo",) else ()
    done = bound(read_only, *words, *options)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert "izin baca dan tulis" in done.stderr


def test_a_reader_who_has_enough_ends_the_command_quietly(tmp_path: Path) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "BROADCASTER_DATA_DIR": str(tmp_path),
    }
    Program(tmp_path, {})("migrate")
    for words in ("areas list", "subscribers count", "doctor", "user list"):
        there, here = os.pipe()
        os.close(there)
        command = [sys.executable, "-m", "broadcaster", *words.split()]
        done = subprocess.run(
            command, env=environ, stdout=here, stderr=subprocess.PIPE, text=True, check=False
        )
        os.close(here)
        assert (words, done.stderr) == (words, "")


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ELOOP, errno.ENAMETOOLONG]
)
def test_each_fault_of_a_disk_has_words(number: int) -> None:
    words = storage_faults.explain_fault(OSError(number, "x", "/data/secret.key"))
    assert words is not None
    assert words[0].startswith("/data/secret.key ")
    assert words[1].endswith(".")


def test_other_faults_are_no_matter_of_the_disk() -> None:
    assert storage_faults.explain_fault(ConnectionRefusedError(errno.ECONNREFUSED, "x")) is None
    assert storage_faults.explain_fault(sqlite3.IntegrityError("x")) is None
    assert storage_faults.explain_fault(ValueError("x")) is None


def test_a_database_that_is_read_only_is_one_sentence(tmp_path: Path, read_only: Path) -> None:
    Program(tmp_path / "lain", {})("migrate")
    read_only.chmod(0o755)
    for file in (tmp_path / "lain").iterdir():
        shutil.copy(file, read_only / file.name)
        (read_only / file.name).chmod(0o444)
    read_only.chmod(0o555)
    for words in (("token", "add", "--name", "uji", "--scope", "read"), ("migrate",)):
        done = bound(read_only, *words)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert "izin baca dan tulis" in done.stderr
