"""Usage errors: one Indonesian line, and exit code 2."""

from pathlib import Path

import pytest

from support.commanding import Program


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("kirimkan",), "Perintah kirimkan tidak ada. Lihat: broadcaster --help"),
        (("publish",), "Argumen FILE belum diisi. Lihat: broadcaster publish --help"),
        (
            ("publish", "--jsn", "x"),
            "Pilihan --jsn tidak dikenal. Maksud Anda --json? Lihat: broadcaster publish --help",
        ),
        (("user", "add", "ani"), "--full-name belum diisi. Lihat: broadcaster user add --help"),
        (("demo", "--port", "abc"), "--port: harus bilangan. Lihat: broadcaster demo --help"),
        (("show", "a", "b"), "Ada kata yang berlebih: b. Lihat: broadcaster show --help"),
    ],
)
def test_a_command_line_that_cannot_be_read_is_one_line(
    tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    result = Program(tmp_path / "data", {})(*words)
    assert (result.code, result.out, result.err) == (2, "", f"{message}\n")


@pytest.mark.parametrize("port", ["0", "80000"])
def test_a_port_on_which_no_demo_can_listen_is_one_line(tmp_path: Path, port: str) -> None:
    result = Program(tmp_path / "data", {})(
        "demo", "--port", port, "--data", str(tmp_path / "demo")
    )
    assert (result.code, result.out) == (1, "")
    assert (
        result.err
        == f"Port {port} tidak dapat dipakai. Pilih 1 sampai 65535: broadcaster demo --port 8000.\n"
    )


def test_the_demo_takes_the_port_of_the_settings_unless_it_is_given_one(tmp_path: Path) -> None:
    program = Program(tmp_path / "data", {"BROADCASTER_PORT": "0"})
    words = ("demo", "--data", impossible_folder(tmp_path))
    assert program(*words).err.startswith("Port 0 tidak dapat dipakai.")
    assert program(*words, "--port", "80000").err.startswith("Port 80000 tidak dapat dipakai.")


@pytest.mark.parametrize("name", ["BROADCASTER_POTR", "broadcaster_port", "EMAIL_ULR"])
def test_the_demo_refuses_a_misspelt_setting(tmp_path: Path, name: str) -> None:
    result = Program(tmp_path / "data", {name: "8001"})(
        "demo", "--data", impossible_folder(tmp_path)
    )
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"{name} bukan setelan. Maksud Anda ")


def impossible_folder(folder: Path) -> str:
    """Return a folder below a file, so that a demo that should not start fails instead."""
    (folder / "file").touch()
    return str(folder / "file" / "demo")


def test_a_group_alone_lists_its_commands(tmp_path: Path) -> None:
    result = Program(tmp_path / "data", {})("channel")
    assert result.code == 2
    assert "resume" in result.err + result.out
