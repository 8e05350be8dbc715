"""Opening the app for a command."""

import os
import pwd
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from broadcaster.app import App, open_app
from broadcaster.commands.errors import Failed
from broadcaster.commands.reading import UNPREPARED, has_file, require_file
from broadcaster.domain.actor import COMMAND, NamedActor
from broadcaster.runtime import config, logs, secret_key
from broadcaster.runtime.settings import Settings
from broadcaster.runtime.valkey import running_valkey
from broadcaster.store import audit
from broadcaster.store.revisions import is_current


def has_database(settings: Settings) -> bool:
    """True if a database with this version's tables exists; none is created.

    Raises OSError for an unusable folder.
    """
    return has_file(settings) and is_current(settings.database)


def operator() -> str:
    """Return user and machine of the command: "siaran@server-1"."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a user id without a name, as in containers
        name = str(os.getuid())
    return f"{name}@{socket.gethostname()}"


def operator_actor(app: App) -> NamedActor:
    """Return the command line as an actor, with user and machine as its place."""
    return NamedActor(name=COMMAND, now=app.clock(), place=operator())


def configure_logs() -> None:
    """Configure logging of warnings to standard error, unless a server has configured it."""
    if not structlog.is_configured():
        logs.configure(quiet=True, level=config.log_level())


def require_database(loaded: config.Loaded) -> None:
    """Raise Failed unless the database has this version's tables."""
    require_file(loaded.settings)
    if not has_database(loaded.settings):
        raise Failed(UNPREPARED)


@asynccontextmanager
async def opened(*, create: bool = False) -> AsyncIterator[App]:
    """Open the app of the configured data folder, connected to the Valkey running there.

    `create` makes a missing SQLite database. Raises Failed if there is none.
    """
    configure_logs()
    loaded = config.read()
    if (
        create
        and loaded.settings.database.startswith("sqlite")
        and not has_database(loaded.settings)
    ):
        secret_key.prepare(loaded.settings)
    require_database(loaded)
    audit.set_place(operator())
    redis_url = loaded.settings.redis_url or running_valkey(loaded.settings.data_dir)
    async with open_app(loaded, redis_url=redis_url) as app:
        yield app
