"""The server: ready when it says so, silent about itself, gone within five seconds."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from broadcaster.app import open_app
from broadcaster.runtime import config
from broadcaster.store.migrate import migrate
from broadcaster.web.base.admission import ConnectionLimits
from broadcaster.web.server import loop_factory, serve
from support.browsing import listening, running
from support.stranger import stranger
from support.waiting import until


async def test_it_is_ready_when_it_says_so_and_ends_when_cancelled(
    sqlite_url: str, tmp_path: Path
) -> None:
    environ = {"BROADCASTER_DATABASE_URL": sqlite_url, "BROADCASTER_DATA_DIR": str(tmp_path)}
    with listening() as (sock, port):
        async with open_app(config.read(environ)) as app:
            ready = asyncio.Event()
            serving = asyncio.create_task(serve(app, "127.0.0.1", port, ready, listening=sock))
            await asyncio.wait_for(ready.wait(), 5)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
            assert answer.startswith(b"HTTP/1.1 200")
            assert b"uvicorn" not in answer.lower()
            assert b"\r\nserver:" not in answer.lower()
            start = time.monotonic()
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving
            assert time.monotonic() - start < 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_with_a_stuck_connection_within_five_seconds(
    sqlite_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    environ = {"BROADCASTER_DATABASE_URL": sqlite_url, "BROADCASTER_DATA_DIR": str(tmp_path)}
    before = signal.getsignal(number)
    with listening() as (sock, port):
        async with open_app(config.read(environ)) as app:
            ready = asyncio.Event()
            serving = asyncio.create_task(serve(app, "127.0.0.1", port, ready, listening=sock))
            await ready.wait()
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"POST /berhenti/x HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n")
            await writer.drain()
            start = time.monotonic()
            os.kill(os.getpid(), number)
            await until(serving.done, seconds=6, what="the server ends")
            assert time.monotonic() - start < 5
            await serving
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
    assert signal.getsignal(number) == before


async def test_half_open_connections_and_endless_heads_shut_no_resident_out(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        site = await stack.enter_async_context(
            running(sqlite_url, tmp_path, limits=ConnectionLimits(connections=20, per_client=10))
        )
        crowd = [
            await stack.enter_async_context(stranger(site.port, f"127.0.1.{1 + number % 5}"))
            for number in range(60)
        ]
        await asyncio.gather(
            *(client.say(b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000) for client in crowd)
        )
        resident = await stack.enter_async_context(stranger(site.port, "127.0.1.9"))
        await resident.say(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await resident.answer())[0] == 200
        figures = (await site.ask("/metrics")).text
        assert 'siaran_connections{state="answering"} 1.0' in figures
        assert 'siaran_refused_total{kind="dropped_for_all"} 0.0' not in figures


async def test_deadlines_are_checked_while_serving(sqlite_url: str, tmp_path: Path) -> None:
    limits = ConnectionLimits(head_seconds=1)
    async with running(sqlite_url, tmp_path, limits=limits) as site, stranger(site.port) as client:
        await client.say(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await client.answer())[0] == 200
        await client.say(b"GET /heal")
        assert (await client.answer())[0] == 408


async def responds(port: int) -> bool:
    """Return True if the server answers a resident."""
    try:
        async with stranger(port, "127.0.1.9") as resident:
            await resident.say(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            return (await resident.answer())[0] == 200
    except (OSError, EOFError):
        return False


async def test_a_server_that_runs_out_of_files_goes_on_serving(tmp_path: Path) -> None:
    with listening() as (_, port):
        pass
    migrate(sqlite_url := f"sqlite:///{tmp_path / 'siaran.db'}")
    environ = {
        "BROADCASTER_DATABASE_URL": sqlite_url,
        "BROADCASTER_DATA_DIR": str(tmp_path),
        "BROADCASTER_PORT": str(port),
    }
    command = f"ulimit -n 320 && exec {sys.executable} -m broadcaster web"
    quiet = asyncio.subprocess.DEVNULL
    server = await asyncio.create_subprocess_shell(
        command, env={**os.environ, **environ}, stdout=quiet, stderr=quiet
    )
    try:
        while not await responds(port):
            assert server.returncode is None
        async with contextlib.AsyncExitStack() as stack:
            crowd = (
                stack.enter_async_context(stranger(port, f"127.0.2.{1 + number % 200}"))
                for number in range(600)
            )
            await asyncio.gather(*crowd, return_exceptions=True)
            assert await responds(port)
        assert await responds(port)
        assert server.returncode is None
    finally:
        if server.returncode is None:
            server.terminate()
        await server.wait()


async def test_a_port_in_use_is_reported_at_once(sqlite_url: str, tmp_path: Path) -> None:
    environ = {"BROADCASTER_DATABASE_URL": sqlite_url, "BROADCASTER_DATA_DIR": str(tmp_path)}
    with listening() as (sock, port):
        sock.listen()
        async with open_app(config.read(environ)) as app:
            with pytest.raises(OSError, match="cannot listen"):
                await serve(app, "127.0.0.1", port)


def test_the_loop_is_uvloop_where_it_is_installed() -> None:
    loop = loop_factory()()
    try:
        assert type(loop).__module__.split(".")[0] in {"uvloop", "asyncio"}
    finally:
        loop.close()
