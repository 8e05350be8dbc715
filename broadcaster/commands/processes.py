"""`demo`, `run`, `web`, `worker`: start the long-running processes."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import aiohttp
import structlog
import typer
import uvloop

from broadcaster.app import open_app
from broadcaster.commands.errors import Failed
from broadcaster.commands.session import opened, require_database
from broadcaster.runtime import config, custody, heartbeat, secret_key
from broadcaster.runtime.file_limits import raise_file_limit
from broadcaster.runtime.locks import DataFolder
from broadcaster.runtime.logs import configure
from broadcaster.runtime.processes import Children, program
from broadcaster.runtime.queue import LANES
from broadcaster.runtime.settings import PREFIX, Settings
from broadcaster.runtime.valkey import valkey
from broadcaster.store.database import Database

START_SECONDS = 60.0
"""Timeout for the web process to become ready."""


# --- single processes ---------------------------------------------------------------------------


def web() -> None:
    """Jalankan server web saja."""
    _configure_logs()
    uvloop.run(_web())


def _configure_logs() -> None:
    """Configure logging; the demo's processes log only warnings to the terminal."""
    quiet = bool(config.simulation(config.data_folder()))
    configure(quiet=quiet, level=config.log_level())


def _warn_unknown(loaded: config.Loaded) -> None:
    """Log variables that look like settings but are unknown."""
    for sentence in loaded.unknown:
        structlog.get_logger(__name__).warning("unknown_setting", sentence=sentence)


async def _web() -> None:
    from broadcaster.web.server import serve  # noqa: PLC0415  other commands need no web server

    async with opened() as app:
        _warn_unknown(app.loaded)
        await serve(app, app.settings.host, app.settings.port)


def worker(
    lane: Annotated[
        str,
        typer.Option(help="emergency atau routine; kosong: keduanya, masing-masing satu proses."),
    ] = "",
    check: Annotated[
        bool,
        typer.Option("--check", help="Periksa saja apakah worker di mesin ini hidup (0 = ya)."),
    ] = False,
) -> None:
    """Jalankan worker pengiriman."""
    if lane and lane not in LANES:
        raise Failed(f"Jalur {lane!r} tidak ada. Pilih {' atau '.join(LANES)}.")
    if check:
        _check((lane,) if lane else LANES)
        return
    _configure_logs()
    raise_file_limit()
    uvloop.run(_worker(lane) if lane else _workers())


def _check(lanes: tuple[str, ...]) -> None:
    """Raise Failed if a lane has no live worker on this machine."""
    if dead := heartbeat.silent(config.read().settings.database, lanes, time.time()):
        raise Failed(
            f"Tidak ada worker yang hidup di mesin ini untuk jalur {', '.join(dead)}. "
            "Lihat catatannya."
        )


async def _worker(lane: str) -> None:
    from broadcaster import worker  # noqa: PLC0415  other commands need no arq

    async with opened() as app:
        _warn_unknown(app.loaded)
        await worker.run(app, lane, _stop_signal())


async def _workers() -> None:
    loaded = config.read()
    # Fail once here, not repeatedly in each child; a database server may still come up later.
    if loaded.settings.database.startswith("sqlite"):
        require_database(loaded)
    stop = _stop_signal()
    async with Children() as children:
        for lane in LANES:
            children.start(f"worker-{lane}", program("worker", "--lane", lane))
        await stop.wait()


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


# --- one machine --------------------------------------------------------------------------------


def run() -> None:
    """Jalankan semuanya di satu mesin: web, worker, dan Valkey bawaan bila BROADCASTER_REDIS_URL
    kosong.
    """
    configure(level=config.log_level())
    loaded = config.read()
    if config.simulation(loaded.settings.data_dir):
        raise Failed(
            f"Folder {loaded.settings.data_dir} berisi kota contoh dari `broadcaster demo`. "
            "Pilih folder lain lewat BROADCASTER_DATA_DIR."
        )
    asyncio.run(_run(loaded))


async def _run(loaded: config.Loaded) -> None:
    stop, settings = _stop_signal(), loaded.settings
    with DataFolder(settings.data_dir):
        _refuse_busy(settings.host, settings.port, "Isi BROADCASTER_PORT dengan yang lain.")
        await _migrate(loaded)
        async with contextlib.AsyncExitStack() as stack:
            environ = await _with_redis(stack, loaded, config.environment())
            children = await stack.enter_async_context(Children())
            start_all(children, environ)
            await until_ready(settings)
            own = f"http://{settings.host}:{settings.port}"
            where = "" if own == settings.base_url else f", mendengar di {own}"
            if (away := await _away(settings)) is not None:
                sys.stdout.write(f"PERHATIAN: {away.sentence} {custody.REMEDY}\n")
            sys.stdout.write(f"Siap: {settings.base_url}{where} (Ctrl-C untuk berhenti)\n")
            sys.stdout.flush()
            await stop.wait()


async def _away(settings: Settings) -> custody.CustodyHold | None:
    """Return why this database must not send; None if it may."""
    database = Database(settings.database)
    try:
        return await custody.check(database, settings)
    finally:
        database.close()


async def _migrate(loaded: config.Loaded) -> None:
    await asyncio.to_thread(secret_key.prepare, loaded.settings)


async def _with_redis(
    stack: contextlib.AsyncExitStack, loaded: config.Loaded, environ: Mapping[str, str]
) -> dict[str, str]:
    """Return the children's environment; starts the embedded Valkey if no other is configured."""
    url = loaded.settings.redis_url or await stack.enter_async_context(
        valkey(loaded.settings.data_dir)
    )
    return {
        **environ,
        "BROADCASTER_DATA_DIR": str(loaded.settings.data_dir),
        "BROADCASTER_REDIS_URL": url,
    }


def start_all(children: Children, environ: Mapping[str, str]) -> None:
    """Start the web process and a worker for each lane."""
    children.start("web", program("web"), environ=environ)
    for lane in LANES:
        children.start(f"worker-{lane}", program("worker", "--lane", lane), environ=environ)


async def until_ready(settings: Settings) -> None:
    """Wait for the web process to answer /readyz. Raises Failed after START_SECONDS."""
    url = f"http://{settings.host}:{settings.port}/readyz"
    until = time.monotonic() + START_SECONDS
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        while time.monotonic() < until:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)
    raise Failed(f"Server web tidak menjawab di {url}. Lihat pesan di atas.")


# --- the demo -----------------------------------------------------------------------------------


def demo(
    port: Annotated[int, typer.Option(help="Port web.", envvar=f"{PREFIX}PORT")] = 8000,
    data: Annotated[Path, typer.Option(help="Folder data kota contoh.")] = Path("data"),
    fast: Annotated[bool, typer.Option(help="Tanpa riwayat dua belas minggu.")] = False,
) -> None:
    """Kota contoh dengan penyedia tiruan: semua kanal berjalan, tidak ada pesan keluar dari
    komputer ini.
    """
    began = time.monotonic()
    configure(level=config.log_level())
    config.check_spelling()
    asyncio.run(_demo(port, data.resolve(), fast, began))


async def _demo(port: int, data: Path, fast: bool, began: float) -> None:
    from broadcaster.simulation import city  # noqa: PLC0415  the demo alone needs the sample city

    _refuse_real(data)
    if not 0 < port < 65_536:
        raise Failed(
            f"Port {port} tidak dapat dipakai. Pilih 1 sampai 65535: broadcaster demo --port 8000."
        )
    _refuse_busy("127.0.0.1", port, f"Pilih yang lain: broadcaster demo --port {port + 1}.")
    stop = _stop_signal()
    with DataFolder(data):
        variables = _prepare(port, data)
        loaded = config.read({**_neutral(config.environment()), **variables}, data_dir=data)
        await _migrate(loaded)
        async with contextlib.AsyncExitStack() as stack:
            environ = await _with_redis(
                stack, loaded, {**_neutral(config.environment()), **variables}
            )
            children = await stack.enter_async_context(Children())
            children.start("penyedia", program("providers"), environ=environ)
            async with open_app(loaded, redis_url=environ["BROADCASTER_REDIS_URL"]) as app:
                seeded = await city.seed(app, fast=fast)
            start_all(children, environ)
            await until_ready(loaded.settings)
            sys.stdout.write(
                _greeting(loaded.settings.base_url, seeded.sentence, time.monotonic() - began)
            )
            sys.stdout.flush()
            await stop.wait()
            sys.stdout.write("Menghentikan semua proses ...\n")


REAL_TOKENS = ("WHATSAPP_TOKEN", "TELEGRAM_TOKEN", "EMAIL_URL")


def _refuse_real(data: Path) -> None:
    """Raise Failed if real credentials are set or the folder holds real data."""
    given = [name for name in REAL_TOKENS if config.environment().get(name)]
    if given:
        raise Failed(
            f"Demo tidak berjalan bila token asli terpasang: {', '.join(given)}. "
            "Kosongkan dulu, atau pakai `broadcaster run`."
        )
    if (data / "siaran.db").exists() and not config.simulation(data):
        raise Failed(
            f"Folder {data} berisi data asli. Pilih folder lain: broadcaster demo --data FOLDER."
        )


def _refuse_busy(host: str, port: int, remedy: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Failed(f"Port {port} sedang dipakai. {remedy}") from error


def _neutral(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without our settings, except the log level."""
    ours = (PREFIX, "WHATSAPP_", "TELEGRAM_", "EMAIL_", "FEED_", "DISPLAY_", "OIDC_")
    return {
        name: value
        for name, value in environ.items()
        if not name.startswith(ours) or name == config.LOG_LEVEL
    }


def _prepare(port: int, data: Path) -> dict[str, str]:
    """Return the demo's settings, saved in its folder so that other commands there use them; the
    stand-ins get free ports.
    """
    from broadcaster.simulation.ports import free_port  # noqa: PLC0415  needed by the demo alone
    from broadcaster.simulation.providers import demo_variables  # noqa: PLC0415

    variables = {
        f"{PREFIX}SIMULATED": "true",
        secret_key.VARIABLE: "",  # use the key in the demo's folder, not the shell's
        f"{PREFIX}PORT": str(port),
        f"{PREFIX}BASE_URL": f"http://127.0.0.1:{port}",
        f"{PREFIX}DOMAIN": "info.cimahi.example",
        **demo_variables(http_port=free_port(), smtp_port=free_port()),
    }
    path = data / config.SIMULATION
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(variables, file)
    return variables


def _greeting(base: str, seeded: str, seconds: float) -> str:
    from broadcaster.simulation.staff import PASSWORD, PEOPLE  # noqa: PLC0415  demo alone

    took = f"{seconds:.1f}".replace(".", ",")
    return (
        "Siaran Cimahi, mode simulasi. Tidak ada pesan keluar dari komputer ini.\n"
        f"  siap dalam {took} dtk   {seeded}\n"
        f"  Redaksi        {base}/redaksi/     {' / '.join(person.name for person in PEOPLE)} "
        f"(sandi: {PASSWORD})\n"
        f"  Ponsel tiruan  {base}/simulasi     Warga  {base}/\n"
        f"  Layar          {base}/layar/cibabat     API  {base}/api/v1/openapi.json\n"
        "Coba: masuk sebagai rina, tulis, ajukan; masuk sebagai dewi, setujui; "
        "lihat Ponsel tiruan. Ctrl-C untuk berhenti.\n"
    )


def providers() -> None:
    """Penyedia tiruan untuk demo."""
    from broadcaster.simulation.providers import serve  # noqa: PLC0415  needed by the demo alone

    configure(level=config.log_level())

    async def until_stopped() -> None:
        await serve(config.read(), _stop_signal())

    asyncio.run(until_stopped())
