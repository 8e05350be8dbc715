"""Composition root: builds store, queue and channels once, for web, worker, command line and tests alike."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from broadcaster import config
from broadcaster.queue import Queue
from broadcaster.signing import Signer
from broadcaster.store.causes import Watcher
from broadcaster.store.database import Database
from broadcaster.store.figures import Counts
from channels.base.contract import PullChannel, PushChannel, Site
from subscribers.addresses import AddressBook
from subscribers.areas import AreaTree

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class App:
    """All parts of the running program."""

    loaded: config.Loaded
    database: Database
    queue: Queue
    book: AddressBook
    signer: Signer
    tree: AreaTree
    push: Mapping[str, PushChannel]
    pull: Mapping[str, PullChannel]
    clock: Clock = utc_now
    causes: Watcher = field(default_factory=Watcher)
    counts: Counts = field(default_factory=Counts)

    @property
    def settings(self) -> config.Settings:
        """The program's own settings."""
        return self.loaded.settings

    @property
    def site(self) -> Site:
        """The city as messages and pages name it."""
        return self.settings.site

    @property
    def open_push(self) -> tuple[str, ...]:
        """Names of the push channels by which announcements can go out now."""
        return tuple(name for name in self.push if self.loaded.is_open(name))


def derive(secret: bytes, purpose: str) -> bytes:
    """A 32-byte key of its own for each purpose (HKDF-SHA256)."""
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose.encode()).derive(secret)


@asynccontextmanager
async def open_app(loaded: config.Loaded, *, redis_url: str = "", clock: Clock = utc_now) -> AsyncIterator[App]:
    """Build every part and close it again; the database must have been migrated."""
    secret = config.secret_key(loaded.settings)
    database = Database(loaded.settings.database)
    queue = Queue(redis_url or loaded.settings.redis_url)
    push, pull = config.open_channels(loaded)
    try:
        yield App(
            loaded=loaded,
            database=database,
            queue=queue,
            book=AddressBook(derive(secret, "addresses")),
            signer=Signer.from_seed(derive(secret, "editions")),
            tree=await database.read(AreaTree.from_store),
            push=push,
            pull=pull,
            clock=clock,
        )
    finally:
        for channel in push.values():
            await channel.aclose()
        await queue.aclose()
        database.close()
