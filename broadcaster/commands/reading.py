"""Read access to the database alone, for commands that need neither channels nor keys."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from broadcaster.commands.errors import Failed
from broadcaster.runtime import config
from broadcaster.runtime.settings import Settings
from broadcaster.store.database import Database
from broadcaster.store.failure_causes import Watcher
from broadcaster.store.revisions import has_newest
from channels.base.contract import Site
from subscribers.areas import AreaTree


class Readable(Protocol):
    """Interface common to Reader and App."""

    @property
    def database(self) -> Database:
        """Database in use."""

    @property
    def site(self) -> Site:
        """City's name and addresses, as on its pages."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Display names of the channels, by name."""


class ChannelLabels(Mapping[str, str]):
    """Display names of the channels, by name; the channels are loaded on first access."""

    @cached_property
    def _labels(self) -> Mapping[str, str]:
        push, pull = config.open_channels(config.read())
        return {name: channel.label for name, channel in push.items()} | {
            name: channel.label for name, channel in pull.items()
        }

    def __getitem__(self, name: str) -> str:
        return self._labels[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)

    def __len__(self) -> int:
        return len(self._labels)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Database with the names needed to print its rows."""

    database: Database
    site: Site
    tree: AreaTree
    labels: Mapping[str, str] = field(default_factory=ChannelLabels)
    causes: Watcher = field(default_factory=Watcher)


UNPREPARED = "Basis data belum disiapkan. Jalankan `broadcaster migrate` dulu."
NO_FILE = (
    "Basis data belum disiapkan: tidak ada siaran.db di folder {folder}. "
    "Jalankan `broadcaster migrate` dulu, "
    "atau sebut folder yang berisi siaran.db lewat BROADCASTER_DATA_DIR."
)


@asynccontextmanager
async def reading() -> AsyncIterator[Reader]:
    """Open the configured database. Raises Failed unless it has this version's tables."""
    settings = config.read_settings()
    if level := config.log_level():
        from broadcaster.runtime import logs  # noqa: PLC0415  quick start

        logs.configure(quiet=True, level=level)
    require_file(settings)
    database = Database(settings.database)
    try:
        if not await database.read(has_newest):
            raise Failed(UNPREPARED)
        tree = await database.read(AreaTree.from_store)
        yield Reader(database=database, site=settings.site, tree=tree)
    finally:
        database.close()


def require_file(settings: Settings) -> None:
    """Raise Failed, with the folder, if the SQLite file is missing."""
    if not has_file(settings):
        raise Failed(NO_FILE.format(folder=settings.data_dir.absolute()))


def has_file(settings: Settings) -> bool:
    """True if the SQLite file exists, or the database is not SQLite. Raises OSError for an
    unusable folder.
    """
    if settings.database_url:
        return True
    try:
        (settings.data_dir / "siaran.db").stat()
    except FileNotFoundError:
        return False
    return True
