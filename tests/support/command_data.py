"""Settings, databases and sent announcements that tests of commands share."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from broadcaster.app import App
from broadcaster.store.database import Database
from support.commanding import Program
from support.fakes import FakeChannel, Provider
from support.sending import drain_all, with_channels
from support.world import notice, program, publish, subscribe, variables

T = TypeVar("T")

EMAIL = {
    "EMAIL_URL": "smtp://127.0.0.1:1",
    "EMAIL_FROM": "info@cimahi.example",
    "BROADCASTER_DOMAIN": "cimahi.example",
}
"""Settings that open the email channel; nothing listens at its address."""
PLACES = ("BROADCASTER_DATA_DIR", "BROADCASTER_DATABASE_URL")
"""Settings that name places: a migrated folder is the same wherever it lies."""


def migrated(folder: Path, environ: Mapping[str, str]) -> Program:
    """Return a program whose folder holds a migrated SQLite file and its key: copies of those that
    `migrate` made once with these settings.
    """
    assert environ.get(PLACES[1], database_in(folder)) == database_in(folder)
    settings = [pair for pair in environ.items() if pair[0] not in PLACES]
    shutil.copytree(_migrated_folder(*settings).name, folder, dirs_exist_ok=True)
    return Program(folder, environ)


@cache
def _migrated_folder(*environ: tuple[str, str]) -> "TemporaryDirectory[str]":
    folder = TemporaryDirectory(prefix="migrated-")
    assert Program(Path(folder.name), dict(environ))("migrate").ok.startswith("0001")
    return folder


def with_email(folder: Path) -> Program:
    """Return a migrated program that can send email, its database in its folder."""
    settings = {name: EMAIL[name] for name in ("EMAIL_URL", "EMAIL_FROM")}
    return migrated(folder, variables(database_in(folder), folder, **settings))


def database_in(folder: Path) -> str:
    """Return the URL of the SQLite database in a data folder."""
    return f"sqlite:///{folder / 'siaran.db'}"


def on_database(url: str, act: Callable[[Database], T]) -> T:
    """Return the result of `act` on the database at `url`."""
    database = Database(url)
    try:
        return act(database)
    finally:
        database.close()


def write_to(url: str, act: Callable[..., T], *arguments: Any) -> T:
    """Return the result of one write transaction on the database at `url`."""
    return on_database(url, lambda database: database.write_now(act, *arguments))


def in_app(command_line: Program, act: Callable[[App], Awaitable[T]]) -> T:
    """Return the result of `act` on the program's data, as one of its processes would do it."""

    async def run() -> T:
        async with program(command_line.environ) as app:
            return await act(app)

    return asyncio.run(run())


async def send_notice(app: App, addresses: Iterable[str], provider: Provider) -> str:
    """Send a notice to new subscribers in Cibabat; return its id once nothing is due."""
    await subscribe(app, "email", [(address, "cibabat") for address in addresses])
    app = with_channels(app, FakeChannel(provider=provider))
    announcement = await publish(app, notice(channels=["email"]))
    await drain_all(app)
    return announcement.id
