"""The embedded Valkey, and child processes that live and die with the program."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from broadcaster.runtime.locks import CannotStart
from broadcaster.runtime.processes import Children, tied
from broadcaster.runtime.valkey import SOCKET_PATH_BYTES, running_valkey, valkey, valkey_binary
from support.waiting import runs, until

ROOT = Path(__file__).resolve().parents[3]


def pid_of(url: str) -> int:
    """Return the server's process id; 0 while it does not answer, or still reads its data."""
    try:
        with redis.Redis.from_url(url) as client:
            client.ping()  # INFO is answered while the data is being read, PING is not
            return int(client.info("server")["process_id"])
    except redis.RedisError:
        return 0


def python(code: str, *arguments: object) -> list[str]:
    """Return a command that runs `code`."""
    return [sys.executable, "-c", code, *map(str, arguments)]


def start(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """Run `code` in the project's folder; it prints a line when it is ready."""
    return subprocess.Popen(
        python(code, *arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


class MessageLog:
    """The lines that an operator would read; `text in log` looks for a part of one."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        self.lines.append(line)

    def __contains__(self, text: str) -> bool:
        return any(text in line for line in self.lines)


# --- Valkey -------------------------------------------------------------------------------------


async def test_the_embedded_valkey_answers_on_a_private_socket_and_no_port(tmp_path: Path) -> None:
    async with valkey(tmp_path) as url:
        with redis.Redis.from_url(url) as client:
            assert client.ping()
            assert client.config_get("port") == {"port": "0"}
            assert client.config_get("appendonly", "appendfsync") == {
                "appendonly": "yes",
                "appendfsync": "everysec",
            }
        path = Path(url.removeprefix("unix://"))
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        pid = pid_of(url)
    assert not runs(pid)
    assert not path.exists()


async def test_what_valkey_holds_outlives_a_stop(tmp_path: Path) -> None:
    async with valkey(tmp_path) as url:
        with redis.Redis.from_url(url) as client:
            client.set("ring", "1")
    async with valkey(tmp_path) as url:
        with redis.Redis.from_url(url) as client:
            assert client.get("ring") == b"1"


async def test_a_killed_valkey_comes_back_at_the_same_place_with_its_data(tmp_path: Path) -> None:
    log = MessageLog()
    async with valkey(tmp_path, say=log) as url:
        with redis.Redis.from_url(url) as client:
            client.set("ring", "1")
        killed_pid = pid_of(url)
        os.kill(killed_pid, signal.SIGKILL)
        await until(lambda: pid_of(url) not in (0, killed_pid), what="a new server")
        with redis.Redis.from_url(url) as client:
            assert client.get("ring") == b"1"
    assert "SIGKILL" in log


async def test_a_file_that_valkey_cannot_read_is_set_aside(tmp_path: Path) -> None:
    async with valkey(tmp_path) as url:
        with redis.Redis.from_url(url) as client:
            client.set("ring", "1")
    append_files = tmp_path / "valkey" / "appendonlydir"
    (broken,) = append_files.glob("*.incr.aof")
    broken.write_bytes(b"*3\r\n$3\r\nSET\r\nrubbish" * 40)
    log = MessageLog()
    async with valkey(tmp_path, say=log) as url:
        with redis.Redis.from_url(url) as client:
            assert client.get("ring") is None
    assert "disisihkan" in log
    assert (tmp_path / "valkey" / "appendonlydir.rusak").is_dir()


async def test_a_long_data_path_gets_a_short_private_socket_folder_that_goes_again(
    tmp_path: Path,
) -> None:
    deep = tmp_path / ("d" * SOCKET_PATH_BYTES)
    async with valkey(deep) as url:
        path = Path(url.removeprefix("unix://"))
        assert len(os.fsencode(path)) <= SOCKET_PATH_BYTES
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert pid_of(url)
        assert running_valkey(deep) == url
    assert not path.parent.exists()


async def test_another_process_finds_the_running_valkey_by_the_data_folder(tmp_path: Path) -> None:
    assert running_valkey(tmp_path) == ""
    async with valkey(tmp_path) as url:
        assert running_valkey(tmp_path) == url
    assert running_valkey(tmp_path) == ""
    (tmp_path / "valkey" / "url").write_text(url)
    assert running_valkey(tmp_path) == "", (
        "the file of a killed process names a socket that nobody serves"
    )


async def test_a_valkey_that_cannot_start_says_why_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "valkey" / "valkey.sock" / "in-the-way").mkdir(parents=True)
    with pytest.raises((CannotStart, OSError)):
        async with valkey(tmp_path):
            pass


def test_without_a_binary_the_message_names_the_setting_that_helps() -> None:
    with pytest.raises(CannotStart, match="BROADCASTER_REDIS_URL"):
        valkey_binary("no_such_package")


_VALKEY_AND_WAIT = """
import asyncio, pathlib, sys
from broadcaster.runtime.valkey import valkey
async def main():
    async with valkey(pathlib.Path(sys.argv[1])) as url:
        print(url, flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


async def test_valkey_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    with start(_VALKEY_AND_WAIT, tmp_path) as parent:
        assert parent.stdout
        url = parent.stdout.readline().strip()
        pid = pid_of(url)
        assert runs(pid)
        parent.kill()
    await until(lambda: not runs(pid), what="the end of valkey")
    async with valkey(tmp_path) as again:
        assert pid_of(again) not in (0, pid)


# --- children -----------------------------------------------------------------------------------

_SAY_AND_WAIT = "import signal, time; print('siap', flush=True); time.sleep(600)"
_STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('siap', flush=True); time.sleep(600)"


async def test_a_child_that_dies_is_started_again_and_that_is_reported() -> None:
    log = MessageLog()
    async with Children(say=log) as children:
        children.start("pekerja", python(_SAY_AND_WAIT))
        await until(lambda: "pekerja | siap" in log)
        first = children.pids()["pekerja"]
        os.kill(first, signal.SIGKILL)
        await until(lambda: children.pids().get("pekerja") not in (None, first))
        await until(lambda: log.lines.count("pekerja | siap") == 2)
    assert "pekerja | berakhir (sinyal SIGKILL); dimulai lagi dalam 0.2 dtk" in log.lines


async def test_a_child_that_keeps_dying_is_started_ever_more_slowly() -> None:
    log = MessageLog()
    async with Children(say=log) as children:
        children.start("rusak", python("raise SystemExit(3)"))
        await until(lambda: len([line for line in log.lines if "berakhir (kode 3)" in line]) == 3)
    waits = [float(line.split()[-2]) for line in log.lines if "berakhir" in line]
    assert waits[:3] == [0.2, 0.4, 0.8]


async def test_children_end_with_their_block_even_stubborn_ones() -> None:
    log = MessageLog()
    async with Children(say=log, grace=0.3) as children:
        children.start("baik", python(_SAY_AND_WAIT))
        children.start("bandel", python(_STUBBORN))
        await until(lambda: {"baik | siap", "bandel | siap"} <= set(log.lines))
        pids = children.pids()
        assert set(pids) == {"baik", "bandel"}
    assert not any(runs(pid) for pid in pids.values())
    assert children.pids() == {}
    assert "berakhir" not in log, "an end that was asked for is no news"


async def test_children_get_the_environment_they_are_given() -> None:
    log = MessageLog()
    async with Children(say=log) as children:
        children.start(
            "anak",
            python("import os, time; print(os.environ['KATA'], flush=True); time.sleep(600)"),
            environ={"KATA": "halo"},
        )
        await until(lambda: "anak | halo" in log)


async def test_a_childs_long_or_broken_lines_are_passed_on_whole() -> None:
    log = MessageLog()
    async with Children(say=log) as children:
        code = "import sys, time; sys.stdout.buffer.write(b'\\xff' + b'x' * 200_000 + b'\\n'); sys.stdout.flush(); time.sleep(600)"
        children.start("anak", python(code))
        await until(lambda: log.lines)
    assert len(log.lines[0]) == len("anak | ") + 200_001


async def test_two_children_cannot_bear_one_name() -> None:
    async with Children(say=MessageLog()) as children:
        children.start("anak", python(_SAY_AND_WAIT))
        with pytest.raises(ValueError, match="anak"):
            children.start("anak", python(_SAY_AND_WAIT))


_PARENT = """
import subprocess, sys, time
from broadcaster.runtime.processes import tied
child = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]
subprocess.Popen(tied(child, platform=sys.argv[1]), stdin=subprocess.PIPE)
time.sleep(600)
"""


@pytest.mark.parametrize("platform", ["linux", "darwin"])
async def test_a_child_dies_with_a_parent_that_is_killed(platform: str) -> None:
    if platform == "linux" and sys.platform != "linux":
        pytest.skip("only the Linux kernel sends a signal when a parent dies")
    with start(_PARENT, platform) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert runs(pid)
        parent.kill()
        await until(lambda: not runs(pid), what="the end of the child")


@pytest.mark.parametrize("platform", ["linux", "darwin"])
async def test_the_starter_passes_on_signals_and_exit_codes(platform: str) -> None:
    if platform == "linux" and sys.platform != "linux":
        pytest.skip("only the Linux kernel sends a signal when a parent dies")
    command = tied(python("import sys; sys.exit(7)"), platform=platform)
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        assert await asyncio.to_thread(child.wait, 10) == 7
    with subprocess.Popen(
        tied(python(_SAY_AND_WAIT), platform=platform),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout
        assert child.stdout.readline() == "siap\n"
        child.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(child.wait, 10) in (-signal.SIGTERM, 128 + signal.SIGTERM)


def test_a_child_of_a_parent_that_is_already_dead_does_not_start() -> None:
    command = tied(python("print('alive')"), platform="linux")
    command[command.index(str(os.getpid()))] = "1"
    process = subprocess.run(command, capture_output=True, text=True)
    assert (process.returncode, process.stdout) == (1, "")
