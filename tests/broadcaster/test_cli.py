"""The program's errors: on standard error in words that say what to do, with their exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.browsing import listening
from support.commanding import Program

ROOT = Path(__file__).resolve().parents[2]


def run(folder: Path, *words: str, text: str = "") -> tuple[int, str]:
    """Run a command in a data folder of its own; return exit code and standard error."""
    result = Program(folder / "data", {})(*words, text=text)
    return result.code, result.err


def run_process(folder: Path, *words: str) -> tuple[int, str, str]:
    """Return exit code, standard output and standard error of a command as a process of its own."""
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "BROADCASTER_DATA_DIR": str(folder / "data"),
    }
    result = subprocess.run(
        [sys.executable, "-m", "broadcaster", *words],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, result.stdout, result.stderr


def test_a_process_ends_with_the_code_and_the_line_that_a_script_can_use(tmp_path: Path) -> None:
    assert run_process(tmp_path, "publish", "tidak-ada.md") == (
        1,
        "",
        "Berkas tidak-ada.md tidak ada. Periksa nama dan foldernya.\n",
    )
    code, output, complaint = run_process(tmp_path, "publish", "--tidak-ada")
    assert (code, output) == (2, "")
    assert "--tidak-ada" in complaint
    assert not (tmp_path / "data").exists()


def test_run_on_a_port_in_use_says_so_and_ends(tmp_path: Path) -> None:
    with listening() as (sock, port):
        sock.listen()
        program = Program(
            tmp_path / "data",
            {"BROADCASTER_PORT": str(port), "BROADCASTER_BASE_URL": "https://info.contoh.example"},
        )
        result = program("run")
    assert (result.code, result.err) == (
        1,
        f"Port {port} sedang dipakai. Isi BROADCASTER_PORT dengan yang lain.\n",
    )
    assert "Siap" not in result.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("publish", "tidak-ada.md"),
            "Berkas tidak-ada.md tidak ada. Periksa nama dan foldernya.\n",
        ),
        (
            ("subscribers", "import", "tidak-ada.csv"),
            "tidak-ada.csv tidak dapat dibuka. Periksa nama, folder, dan izin bacanya.\n",
        ),
        (
            ("token", "add", "--name", "x", "--scope", "semua"),
            "Cakupan semua tidak dikenal. Yang ada: read, write, publish.\n",
        ),
        (
            ("token", "add", "--name", "x", "--scope", ","),
            "Token perlu paling sedikit satu cakupan. Yang ada: read, write, publish.\n",
        ),
        (("token", "add", "--name", " ", "--scope", "read"), "Token perlu nama. Isi --name.\n"),
    ],
)
def test_a_failure_is_one_line_that_says_what_to_do(
    tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    assert run(tmp_path, *words) == (1, message)


def test_a_problem_of_the_whole_file_names_no_field(tmp_path: Path) -> None:
    run(tmp_path, "migrate")
    code, message = run(tmp_path, "publish", "-", text="Tanpa front matter.")
    assert code == 1
    assert message.startswith(
        "Berkas tidak dimulai dengan front matter. Mulai berkas dengan baris ---"
    )


def test_a_problem_of_one_field_begins_with_its_name(tmp_path: Path) -> None:
    run(tmp_path, "migrate")
    assert (
        run(tmp_path, "publish", "-", text="---\ntitle: Air mati\n---\nIsi.")[1]
        == "areas: Belum diisi. Tambahkan areas.\n"
    )


def test_a_wrong_usage_is_exit_code_2(tmp_path: Path) -> None:
    assert run(tmp_path, "publish")[0] == 2


def test_an_unknown_log_level_is_a_wrong_usage(tmp_path: Path) -> None:
    assert run(tmp_path, "--log-level", "verbose", "migrate") == (
        2,
        "--log-level: harus salah satu dari debug, info, warning, error. Lihat: broadcaster --help\n",
    )
    assert run(tmp_path, "--log-level", "DEBUG", "migrate") == (0, "")
