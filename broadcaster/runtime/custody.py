"""Where a database is at home: a copy that wakes elsewhere, or an older state of it, sends nothing
until a person says so.

A SQLite file is known by its number on its disk and by the machine, a PostgreSQL database by the
numbers that its server gave it: a restart, a reboot, another host name, another container on the
same volume change none of these. A mark that rises while the program runs stands in the database
and beside it: a database with a lower mark than its folder is an older state of it. A copy from
which nothing was published and nothing is due begins a life of its own, unless its folder saw a
later state of it.
"""

import hashlib
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec
import structlog
from sqlalchemy import Connection, make_url

from broadcaster.domain.actor import Actor
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.runtime.config import Settings
from broadcaster.store import audit, ledger
from broadcaster.store import custody as store
from broadcaster.store.custody import Custody, HeldSendings
from broadcaster.store.database import Database, is_sqlite, now
from channels.base.moments import full_moment_text

log = structlog.get_logger(__name__)

FILE = "database.mark"
"""The mark's file in the data folder."""
MARK_SECONDS = 60.0
"""Pause between two marks: an older state of the database younger than this may pass unnoticed."""
MACHINE_ID = Path("/etc/machine-id")
CONTAINERS = (Path("/.dockerenv"), Path("/run/.containerenv"))
"""Files that say that this is a container: its machine's number, if it has one, changes with each."""
Because = Literal["moved", "older"]
REASONS: dict[str, str] = {
    "moved": "Basis data ini disalin, dipindahkan atau dipulihkan ke tempat lain",
    "older": "Basis data ini lebih lama daripada yang terakhir berjalan di sini (cadangan yang dipulihkan)",
}
REMEDY = "Pastikan pemasangan yang lama sudah berhenti, lalu jalankan di server: broadcaster adopt"
STOPPED = "Tidak dikirim lagi: basis data dipindahkan atau dipulihkan."
"""Why waiting messages were stopped with the adoption."""


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """Where a database lives: `name` is the operator's, `machine` a hash, `file` and `disk` as the
    system numbers them.
    """

    identity: str = ""
    name: str = ""
    machine: str = ""
    file: str = ""
    disk: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """That nothing is sent, since when and why."""

    since: datetime
    because: str

    @property
    def sentence(self) -> str:
        """What an operator reads."""
        why = REASONS.get(self.because, REASONS["moved"])
        return f"{why}: tidak ada pesan yang dikirim sejak {full_moment_text(self.since)}."


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Where a database is at home (as it is written down), whether it is held, and whether that is
    yet to be written down.
    """

    home: str
    held: Held | None = None
    news: bool = False


# --- who is asked -----------------------------------------------------------------------------------------


def here(connection: Connection, settings: Settings) -> Home:
    """Where this database is now."""
    if not is_sqlite(connection):
        return Home(name=settings.instance, file=store.place(connection))
    path = make_url(settings.database).database or ""
    numbers, disk = os.stat(path), os.statvfs(path)  # noqa: PTH116  the disk's number has no other way
    return Home(
        name=settings.instance, machine=machine(), file=str(numbers.st_ino), disk=str(disk.f_fsid)
    )


def machine(machine_id: Path = MACHINE_ID, containers: tuple[Path, ...] = CONTAINERS) -> str:
    """A hash of this machine's number; empty where it has none of its own."""
    if any(path.exists() for path in containers):
        return ""
    try:
        number = machine_id.read_text().strip()
    except OSError:
        return ""
    return hashlib.sha256(f"siaran\0{number}".encode()).hexdigest()[:32] if number else ""


def is_elsewhere(was: Home, here: Home) -> bool:
    """Check whether a database woke in another place than where it last ran (pure). What is not
    known is no difference.

    Where the operator names the installation, the name alone counts. A disk may get another number
    on the same machine.
    """
    if was.name and here.name:
        return was.name != here.name
    same_machine = was.machine == here.machine if was.machine and here.machine else None
    if was.file != here.file or same_machine is False:
        return True
    return was.disk != here.disk and same_machine is None


# --- at the start, and while it runs ----------------------------------------------------------------------


async def check(database: Database, settings: Settings) -> Held | None:
    """Hold everything back where this database is a copy or an older state; to be asked before
    anything is sent.
    """
    if settings.simulated:
        return None  # nothing leaves anyway
    verdict = await database.read(judged, settings)
    if verdict.news:
        verdict = await database.write(settled, settings)
    return verdict.held


def judged(connection: Connection, settings: Settings) -> Verdict:
    """Whether this database is at home; nothing is changed."""
    return _judged(store.read(connection), connection, settings)


def settled(connection: Connection, settings: Settings) -> Verdict:
    """Write down where a new database is at home, or hold one that is not."""
    known = store.locked(connection)
    verdict = _judged(known, connection, settings)
    if not verdict.news:
        return verdict
    if verdict.held is not None:
        store.hold(connection, verdict.held.because, verdict.held.since.timestamp())
    else:
        store.settle(connection, verdict.home, known.mark if known is not None else 0)
    return verdict


def _judged(known: Custody | None, connection: Connection, settings: Settings) -> Verdict:
    found = here(connection, settings)
    if known is None:
        return Verdict(home=_written(found, secrets.token_hex(8)), news=True)
    if (away := _held(known)) is not None:
        return Verdict(home=known.home, held=away)
    was = msgspec.json.decode(known.home, type=Home)
    because = _because(was, found, known.mark, settings)
    if (
        because is not None
        and not _ran_on(was, known.mark, settings)
        and not store.may_send(connection)
    ):
        return Verdict(
            home=_written(found, secrets.token_hex(8)), news=True
        )  # nothing can leave twice: it begins here
    if because is not None:
        return Verdict(
            home=known.home,
            held=Held(since=datetime.fromtimestamp(now(connection), UTC), because=because),
            news=True,
        )
    merged = _written(_merged(was, found), was.identity)
    return Verdict(home=merged, news=merged != known.home)


def held(connection: Connection) -> Held | None:
    """Since when and why nothing is sent; None where it is."""
    return _held(store.read(connection))


async def keep_mark(database: Database, settings: Settings) -> None:
    """Count the mark up, in the database first and then beside it; hold everything back where it is
    behind.
    """
    if settings.simulated:
        return
    if (away := await check(database, settings)) is not None:
        log.error("database_not_at_home", because=away.because)
        return
    identity, mark = await database.write(_raised)
    write_mark(settings.data_dir, identity, mark)


def _raised(connection: Connection) -> tuple[str, int]:
    known = store.locked(connection)
    identity = msgspec.json.decode(known.home, type=Home).identity if known is not None else ""
    return identity, store.raise_mark(connection)


def _because(was: Home, found: Home, mark: int, settings: Settings) -> Because | None:
    if is_elsewhere(was, found):
        return "moved"
    return "older" if _ran_on(was, mark, settings) else None


def _ran_on(was: Home, mark: int, settings: Settings) -> bool:
    """Check whether a later state of this database ran in the data folder."""
    return read_mark(settings.data_dir, was.identity) > mark


def _merged(was: Home, found: Home) -> Home:
    """What is known now, and what was known before of what is not."""
    return Home(
        name=found.name or was.name,
        machine=found.machine or was.machine,
        file=found.file,
        disk=found.disk,
    )


def _written(home: Home, identity: str) -> str:
    return msgspec.json.encode(msgspec.structs.replace(home, identity=identity)).decode()


def _held(known: Custody | None) -> Held | None:
    if known is None or known.held_at is None:
        return None
    return Held(since=datetime.fromtimestamp(known.held_at, UTC), because=known.held_because)


# --- the mark beside the database -------------------------------------------------------------------------


def read_mark(folder: Path, identity: str) -> int:
    """The highest mark that this folder saw of a database; 0 where it saw none, or another's."""
    try:
        whose, _, mark = (folder / FILE).read_text().strip().partition(" ")
    except (OSError, UnicodeDecodeError):
        return 0
    return int(mark) if whose == identity and mark.isdecimal() else 0


def write_mark(folder: Path, identity: str, mark: int) -> None:
    """Keep the mark, whole or not at all; one that cannot be kept only makes an older state harder
    to notice.
    """
    fresh = folder / f"{FILE}.{os.getpid()}"
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"{identity} {mark}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(folder / FILE)
    except OSError as error:
        log.warning("mark_not_kept", error=error.strerror)


# --- a person decides -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopted:
    """What was adopted: why it was held, what waited, and whether that was stopped."""

    because: str
    waiting: HeldSendings
    stopped: bool
    identity: str
    mark: int


def adopt(
    connection: Connection, settings: Settings, *, actor: Actor, stop: bool | None
) -> Adopted:
    """Make this the database's home and send again; `stop`: what waits is stopped (None: nothing
    may wait). Raises NotAllowed.
    """
    known = store.locked(connection)
    if known is None or known.held_at is None:
        raise NotAllowed("Basis data ini sudah di tempatnya: tidak ada yang ditahan.")
    waits, was = store.waiting(connection), msgspec.json.decode(known.home, type=Home)
    if waits.announcements and stop is None:
        choices = "Pilih: --waiting stop (hentikan) atau --waiting send (kirim)."
        raise NotAllowed(f"{_told(waits)} Sebagian mungkin sudah sampai. {choices}")
    for announcement in waits.announcements if stop else ():
        ledger.cancel(connection, announcement, STOPPED)
    mark = max(known.mark, read_mark(settings.data_dir, was.identity)) + 1
    identity = secrets.token_hex(
        8
    )  # marks of its earlier life, on whichever machine, count no more
    store.settle(connection, _written(here(connection, settings), identity), mark)
    audit.append(
        connection,
        actor,
        Act.ADOPT,
        "database",
        because=known.held_because,
        count=waits.messages,
        stopped=bool(stop),
    )
    return Adopted(
        because=known.held_because, waiting=waits, stopped=bool(stop), identity=identity, mark=mark
    )


def told(connection: Connection) -> str:
    """What waits, in words."""
    return _told(store.waiting(connection))


def _told(waits: HeldSendings) -> str:
    planned = f" {waits.schedules} jadwal menunggu waktunya." if waits.schedules else ""
    if not waits.announcements or waits.since is None:
        return f"Tidak ada pesan yang menunggu.{planned}"
    since = full_moment_text(datetime.fromtimestamp(waits.since, UTC))
    return f"{waits.messages} pesan dari {len(waits.announcements)} pengumuman menunggu, yang paling lama sejak {since}.{planned}"
