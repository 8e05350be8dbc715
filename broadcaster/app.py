"""Composition root: builds store, queue and channels once, for web, worker, commands and tests
alike.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from broadcaster.domain.signatures import Signer
from broadcaster.runtime import config, custody, secret_key
from broadcaster.runtime.inbox_alarm import InboxAlarm
from broadcaster.runtime.password_hashing import PasswordHasher
from broadcaster.runtime.queue import Queue
from broadcaster.runtime.secret_key import derive
from broadcaster.runtime.settings import Settings
from broadcaster.store import respelling
from broadcaster.store.blobs import Depot, FolderDepot
from broadcaster.store.database import Database, now
from broadcaster.store.failure_causes import Watcher
from broadcaster.store.metrics import Counts
from broadcaster.store.s3 import Location, S3Depot
from channels.base.contract import PullChannel, PushChannel, Site
from subscribers.areas import AreaTree
from subscribers.vault import Vault

Clock = Callable[[], datetime]


class SharedClock:
    """The wall clock of the database in UTC, shared by all processes: clocks of their machines
    may differ by minutes.

    `follow` reads it again; between two readings it advances with the clock of this machine.
    """

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> datetime:
        """Return the current time."""
        return datetime.fromtimestamp(time.time() + self._ahead, UTC)

    async def follow(self, database: Database) -> None:
        """Read the clock of the database."""
        asked = time.time()
        database_seconds = await database.read(now)
        self._ahead = database_seconds - (asked + time.time()) / 2 if not database.sqlite else 0.0


@dataclass(frozen=True, kw_only=True)
class App:
    """All parts of the running program."""

    loaded: config.Loaded
    database: Database
    queue: Queue
    vault: Vault
    signer: Signer
    tree: AreaTree
    push: Mapping[str, PushChannel]
    pull: Mapping[str, PullChannel]
    depot: Depot
    clock: Clock = field(default_factory=SharedClock)
    causes: Watcher = field(default_factory=Watcher)
    counts: Counts = field(default_factory=Counts)
    alarm: InboxAlarm = field(default_factory=InboxAlarm)
    hasher: PasswordHasher = field(default_factory=PasswordHasher)

    @property
    def settings(self) -> Settings:
        """The program's own settings."""
        return self.loaded.settings

    @property
    def site(self) -> Site:
        """The city as messages and pages name it."""
        return self.settings.site

    @property
    def labels(self) -> dict[str, str]:
        """Display names of the channels, by channel name."""
        push = {name: channel.label for name, channel in self.push.items()}
        return push | {name: channel.label for name, channel in self.pull.items()}

    @property
    def open_push(self) -> tuple[str, ...]:
        """Names of the push channels that can send announcements now."""
        return tuple(name for name in self.push if self.loaded.is_open(name))


def open_depot(settings: Settings) -> Depot:
    """Open the depot of the settings: a bucket, or else `media` in the data folder."""
    if settings.media_url:
        return S3Depot(Location.of(settings.media_url))
    return FolderDepot(settings.data_dir / "media")


@asynccontextmanager
async def open_app(
    loaded: config.Loaded, *, redis_url: str = "", clock: Clock | None = None
) -> AsyncIterator[App]:
    """Build every part, and close it again at the end; the database must be migrated. `clock`
    replaces the shared one.

    Raises WrongKey, before anything else happens, if the secret key does not belong to the
    database.
    """
    database = Database(loaded.settings.database)
    try:
        secret = await secret_key.unlock(database, loaded.settings)
        vault = Vault(derive(secret, "addresses"))
        await asyncio.to_thread(respelling.finish, database, vault)
        await custody.check(database, loaded.settings)
    except BaseException:  # always end the threads of the database
        database.close()
        raise
    queue = Queue(redis_url or loaded.settings.redis_url)
    push, pull = config.open_channels(loaded)
    depot = open_depot(loaded.settings)
    shared = SharedClock()
    hasher = PasswordHasher()
    try:
        if clock is None:
            await shared.follow(database)
        yield App(
            loaded=loaded,
            database=database,
            queue=queue,
            vault=vault,
            signer=Signer.from_seed(derive(secret, "editions")),
            tree=await database.read(AreaTree.from_store),
            push=push,
            pull=pull,
            depot=depot,
            clock=clock or shared,
            hasher=hasher,
        )
    finally:
        hasher.close()
        for channel in push.values():
            await channel.aclose()
        await depot.aclose()
        await queue.aclose()
        database.close()
