"""Data folders that cannot be used: every command says so in one line with what to do, and ends
with exit code 1.
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


def folder_in_file(folder: Path) -> Path:
    """Return a data folder whose parent is a file."""
    (folder / "berkas").write_text("")
    return folder / "berkas" / "data"


def file_for_folder(folder: Path) -> Path:
    """Return a file in place of a data folder."""
    (folder / "data").write_text("")
    return folder / "data"


def text_for_database(folder: Path) -> Path:
    """Return a data folder with a text in place of the database."""
    (folder / "data").mkdir()
    (folder / "data" / "siaran.db").write_text(
        "Bukan basis data, melainkan catatan panjang tentang basis data.\n" * 40
    )
    return folder / "data"


def folder_for_database(folder: Path) -> Path:
    """Return a data folder with a folder in place of the database."""
    (folder / "data" / "siaran.db").mkdir(parents=True)
    return folder / "data"


PLACES = (folder_in_file, file_for_folder, text_for_database, folder_for_database)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_a_data_folder_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, place: Callable[[Path], Path], words: tuple[str, ...]
) -> None:
    with listening() as (_sock, port):
        pass
    environ = {"BROADCASTER_PORT": str(port), "BROADCASTER_BASE_URL": f"http://127.0.0.1:{port}"}
    result = Program(place(tmp_path), environ)(*words, text=DRAFT)
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert "Pilih folder lain" in result.err


@pytest.mark.parametrize(
    "place", (folder_in_file, file_for_folder), ids=lambda place: place.__name__
)
def test_the_demo_says_so_too(tmp_path: Path, place: Callable[[Path], Path]) -> None:
    with listening() as (_sock, port):
        pass
    result = Program(tmp_path, {})("demo", "--port", str(port), "--data", str(place(tmp_path)))
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "--data" in result.err


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_the_doctor_names_the_folder_and_the_mend(
    tmp_path: Path, place: Callable[[Path], Path]
) -> None:
    result = Program(place(tmp_path), {})("doctor")
    assert result.code == 1
    assert "Traceback" not in result.out + result.err
    assert "Pilih folder lain" in result.out
    assert "apakah servernya hidup" not in result.out


def run_bound(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command as somebody bound by file permissions, as root is not."""
    drop_rights = (
        ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.getuid() == 0 else ()
    )
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "BROADCASTER_DATA_DIR": str(folder),
    }
    command = [*drop_rights, sys.executable, "-m", "broadcaster", *words]
    return subprocess.run(
        command, env=environ, cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def read_only(tmp_path: Path) -> Path:
    """A data folder that can be read and not written."""
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
        pass
    options = ("--data", str(read_only), "--port", str(port)) if words == ("demo",) else ()
    result = run_bound(read_only, *words, *options)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1, result.stderr
    assert "izin baca dan tulis" in result.stderr


def test_a_reader_that_closes_its_pipe_ends_the_command_quietly(tmp_path: Path) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "BROADCASTER_DATA_DIR": str(tmp_path),
    }
    Program(tmp_path, {})("migrate")
    for words in ("areas list", "subscribers count", "doctor", "user list"):
        read_end, write_end = os.pipe()
        os.close(read_end)
        command = [sys.executable, "-m", "broadcaster", *words.split()]
        result = subprocess.run(
            command, env=environ, stdout=write_end, stderr=subprocess.PIPE, text=True, check=False
        )
        os.close(write_end)
        assert (words, result.stderr) == (words, "")


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
        result = run_bound(read_only, *words)
        assert (result.returncode, result.stderr.count("\n")) == (1, 1), result.stderr
        assert "izin baca dan tulis" in result.stderr
