"""City under measurement: a database filled in bulk, the program open on it, its workers in
processes of their own.
"""

import asyncio
import base64
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import time

import psycopg
from sqlalchemy import Connection, func, make_url, select

from benchmarks.crowd import Crowd
from benchmarks.parts import Cost, cost, process
from broadcaster.app import App, derive
from broadcaster.runtime.valkey import valkey
from broadcaster.store.migrate import migrate
from broadcaster.store.tables import worker
from subscribers.vault import Vault
from support.postgres import running_postgresql
from support.world import SECRET, program, variables

DURABLE = ("max_connections=200", "shared_buffers=256MB")
"""PostgreSQL as it comes, every commit on the disk: only memory and connections are set."""
NO_REDIS = "redis://127.0.0.1:1/0"
"""URL at which no Redis answers."""
WARM_SECONDS = 1.0
"""Seconds that workers get from their first sign of life until they are idle."""
VAULT = Vault(derive(base64.b64decode(SECRET), "addresses"))
"""Vault of every program under measurement."""
KINDS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
Worker = asyncio.subprocess.Process


class Databases:
    """Databases of both kinds with crowds in them: a crowd is loaded once, then copied."""

    def __init__(self, folder: Path, server: str) -> None:
        self._folder, self._server = folder, server
        self._loaded: dict[tuple[str, Crowd], str] = {}
        self._copies = 0

    @contextmanager
    def copy(self, kind: str, crowd: Crowd) -> Iterator[str]:
        """Yield the URL of a fresh database ("sqlite" or "postgresql") with the crowd; removed
        afterwards.
        """
        self._copies += 1
        if (kind, crowd) not in self._loaded:
            self._loaded[kind, crowd] = url = self._empty(kind, f"crowd_{len(self._loaded)}")
            migrate(url)
            crowd.load(url, VAULT, time() - 60)
        template, name = self._loaded[kind, crowd], f"copy_{self._copies}"
        if kind == "sqlite":
            path = Path(shutil.copy(str(make_url(template).database), self._folder / f"{name}.db"))
            yield f"sqlite:///{path}"
            for left in self._folder.glob(f"{name}.db*"):
                left.unlink()
        else:
            yield self._empty(kind, name, template=str(make_url(template).database))
            self._act(f"DROP DATABASE {name} WITH (FORCE)")

    def _empty(self, kind: str, name: str, template: str = "template0") -> str:
        if kind == "sqlite":
            return f"sqlite:///{self._folder / name}.db"
        self._act(f"CREATE DATABASE {name} TEMPLATE {template}")
        return make_url(self._server).set(database=name).render_as_string(hide_password=False)

    def _act(self, statement: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(statement)


@contextmanager
def databases() -> Iterator[Databases]:
    """Yield databases of both kinds; the server of PostgreSQL ends with this block."""
    with (
        running_postgresql(settings=DURABLE) as server,
        tempfile.TemporaryDirectory(dir="/var/tmp") as folder,
    ):
        yield Databases(Path(folder), server)


@dataclass(kw_only=True)
class City:
    """Open program with its workers."""

    app: App
    environ: Mapping[str, str]
    stack: AsyncExitStack
    quiet: bool
    """True if the complaints of the workers are expected."""
    workers: list[Worker] = field(default_factory=list)

    async def start(self, *lanes: str) -> None:
        """Start a worker for each lane named, and wait until all are registered."""
        for lane in lanes:
            running = process(
                "-m",
                "broadcaster",
                "worker",
                "--lane",
                lane,
                environ=self.environ,
                quiet=self.quiet,
            )
            self.workers.append(await self.stack.enter_async_context(running))
        while await self.app.database.read(_alive) < len(self.workers):  # noqa: ASYNC110  written by another process
            await asyncio.sleep(0.1)
        await asyncio.sleep(WARM_SECONDS)  # their doorbells

    def costs(self) -> list[Cost]:
        """Return the cost of each worker so far."""
        return [cost(each.pid) for each in self.workers]


def _alive(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(worker)).scalar_one())


@asynccontextmanager
async def city(url: str, settings: Mapping[str, str], *, redis: bool = True) -> AsyncIterator[City]:
    """Open the program on a database, with channels as set and a Valkey of its own (or none that
    answers).
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis_url = await stack.enter_async_context(valkey(folder)) if redis else NO_REDIS
        environ = variables(url, folder, BROADCASTER_REDIS_URL=redis_url, **settings)
        app = await stack.enter_async_context(program(environ, redis_url=redis_url))
        yield City(app=app, environ=environ, stack=stack, quiet=not redis)
