"""Custody of a database: a copy that starts elsewhere, or an older state of it, sends nothing
until a person adopts it.

A SQLite file is identified by its inode on its disk and by the machine, a PostgreSQL database by
the numbers that its server assigned: a restart, a reboot, another host name or another container
on the same volume changes none of these. A mark that rises while the program runs is stored in
the database and beside it: a database with a lower mark than its folder is an older state. A
copy from which nothing was published and nothing is due starts a life of its own, unless its
folder saw a later state of it.
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
from broadcaster.domain.refusal_codes import SendingCode
from broadcaster.runtime.settings import Settings
from broadcaster.store import audit, custody, ledger
from broadcaster.store.custody import Custody, HeldSendings
from broadcaster.store.database import Database, is_sqlite, now
from channels.base.moments import full_moment_text

log = structlog.get_logger(__name__)

FILE = "database.mark"
"""Name of the mark's file in the data folder."""
MARK_SECONDS = 60.0
"""Seconds between two marks: an older state of the database that is younger than this may go
unnoticed.
"""
MACHINE_ID = Path("/etc/machine-id")
CONTAINERS = (Path("/.dockerenv"), Path("/run/.containerenv"))
"""Files that indicate a container, whose machine id, if any, changes with each new one."""
Because = Literal["moved", "older"]
REASONS: dict[str, str] = {
    "moved": "Basis data ini disalin, dipindahkan atau dipulihkan ke tempat lain",
    "older": (
        "Basis data ini lebih lama daripada yang terakhir berjalan di sini "
        "(cadangan yang dipulihkan)"
    ),
}
REMEDY = "Pastikan pemasangan yang lama sudah berhenti, lalu jalankan di server: broadcaster adopt"
STOPPED = "Tidak dikirim lagi: basis data dipindahkan atau dipulihkan."
"""Reason stored with waiting messages that the adoption stopped."""


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """Place of a database: `name` is set by the operator, `machine` is a hash, `file` and `disk`
    are numbers of the system.
    """

    identity: str = ""
    name: str = ""
    machine: str = ""
    file: str = ""
    disk: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CustodyHold:
    """The reason that nothing is sent, and since when."""

    since: datetime
    because: str

    @property
    def sentence(self) -> str:
        """Explanation for an operator."""
        why = REASONS.get(self.because, REASONS["moved"])
        return f"{why}: tidak ada pesan yang dikirim sejak {full_moment_text(self.since)}."


@dataclass(frozen=True, kw_only=True, slots=True)
class CustodyVerdict:
    """Result of the custody check: the home as stored (JSON), the reason for holding if any, and
    whether either is still to be stored.
    """

    home: str
    held: CustodyHold | None = None
    news: bool = False


# --- the place --------------------------------------------------------------------------------


def here(connection: Connection, settings: Settings) -> Home:
    """Identify the current place of this database."""
    if not is_sqlite(connection):
        return Home(name=settings.instance, file=custody.place(connection))
    path = make_url(settings.database).database or ""
    numbers, disk = os.stat(path), os.statvfs(path)  # noqa: PTH116  as os.statvfs
    return Home(
        name=settings.instance, machine=machine(), file=str(numbers.st_ino), disk=str(disk.f_fsid)
    )


def machine(machine_id: Path = MACHINE_ID, containers: tuple[Path, ...] = CONTAINERS) -> str:
    """Hash the machine id; "" if there is none or this is a container."""
    if any(path.exists() for path in containers):
        return ""
    try:
        number = machine_id.read_text().strip()
    except OSError:
        return ""
    return hashlib.sha256(f"siaran\0{number}".encode()).hexdigest()[:32] if number else ""


def is_elsewhere(was: Home, here: Home) -> bool:
    """True if a database starts in another place than where it last ran (pure). An unknown value
    is no difference.

    If the operator names the installation, only the name counts. A disk may get another number
    on the same machine.
    """
    if was.name and here.name:
        return was.name != here.name
    same_machine = was.machine == here.machine if was.machine and here.machine else None
    if was.file != here.file or same_machine is False:
        return True
    return was.disk != here.disk and same_machine is None


# --- at the start, and while it runs ----------------------------------------------------------


async def check(database: Database, settings: Settings) -> CustodyHold | None:
    """Hold everything back if this database is a copy or an older state; call it before anything
    is sent.
    """
    if settings.simulated:
        return None  # nothing leaves anyway
    verdict = await database.read(assess, settings)
    if verdict.news:
        verdict = await database.write(settled, settings)
    return verdict.held


def assess(connection: Connection, settings: Settings) -> CustodyVerdict:
    """Decide if this database is at its home, without changing anything."""
    return _verdict(custody.read(connection), connection, settings)


def settled(connection: Connection, settings: Settings) -> CustodyVerdict:
    """Store the home of a new database, or hold one that is not at its home."""
    known = custody.locked(connection)
    verdict = _verdict(known, connection, settings)
    if not verdict.news:
        return verdict
    if verdict.held is not None:
        custody.hold(connection, verdict.held.because, verdict.held.since.timestamp())
    else:
        custody.settle(connection, verdict.home, known.mark if known is not None else 0)
    return verdict


def _verdict(known: Custody | None, connection: Connection, settings: Settings) -> CustodyVerdict:
    place = here(connection, settings)
    if known is None:
        return CustodyVerdict(home=_written(place, secrets.token_hex(8)), news=True)
    if (away := _held(known)) is not None:
        return CustodyVerdict(home=known.home, held=away)
    was = msgspec.json.decode(known.home, type=Home)
    because = _because(was, place, known.mark, settings)
    if (
        because is not None
        and not _ran_on(was, known.mark, settings)
        and not custody.may_send(connection)
    ):
        # nothing can be sent twice: a new life begins here
        return CustodyVerdict(home=_written(place, secrets.token_hex(8)), news=True)
    if because is not None:
        return CustodyVerdict(
            home=known.home,
            held=CustodyHold(since=datetime.fromtimestamp(now(connection), UTC), because=because),
            news=True,
        )
    merged = _written(_merged(was, place), was.identity)
    return CustodyVerdict(home=merged, news=merged != known.home)


def held(connection: Connection) -> CustodyHold | None:
    """Return the reason that nothing is sent; None if sending is allowed."""
    return _held(custody.read(connection))


async def keep_mark(database: Database, settings: Settings) -> None:
    """Raise the mark, in the database first and then beside it; hold everything back if the
    database is not at its home.
    """
    if settings.simulated:
        return
    if (away := await check(database, settings)) is not None:
        log.error("database_not_at_home", because=away.because)
        return
    identity, mark = await database.write(_raised)
    write_mark(settings.data_dir, identity, mark)


def _raised(connection: Connection) -> tuple[str, int]:
    known = custody.locked(connection)
    identity = msgspec.json.decode(known.home, type=Home).identity if known is not None else ""
    return identity, custody.raise_mark(connection)


def _because(was: Home, place: Home, mark: int, settings: Settings) -> Because | None:
    if is_elsewhere(was, place):
        return "moved"
    return "older" if _ran_on(was, mark, settings) else None


def _ran_on(was: Home, mark: int, settings: Settings) -> bool:
    """True if a later state of this database ran in the data folder."""
    return read_mark(settings.data_dir, was.identity) > mark


def _merged(was: Home, place: Home) -> Home:
    """Merge the current place with earlier values for what is unknown now."""
    return Home(
        name=place.name or was.name,
        machine=place.machine or was.machine,
        file=place.file,
        disk=place.disk,
    )


def _written(home: Home, identity: str) -> str:
    return msgspec.json.encode(msgspec.structs.replace(home, identity=identity)).decode()


def _held(known: Custody | None) -> CustodyHold | None:
    if known is None or known.held_at is None:
        return None
    return CustodyHold(since=datetime.fromtimestamp(known.held_at, UTC), because=known.held_because)


# --- the mark beside the database -------------------------------------------------------------


def read_mark(folder: Path, identity: str) -> int:
    """Read the highest mark of a database that this folder saw; 0 if none, or that of another
    database.
    """
    try:
        whose, _, mark = (folder / FILE).read_text().strip().partition(" ")
    except (OSError, UnicodeDecodeError):
        return 0
    return int(mark) if whose == identity and mark.isdecimal() else 0


def write_mark(folder: Path, identity: str, mark: int) -> None:
    """Write the mark atomically; a failure is only logged, as it merely makes an older state
    harder to notice.
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


# --- adoption ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopted:
    """Result of an adoption: the reason for the hold, the waiting messages, and whether they
    were stopped.
    """

    because: str
    waiting: HeldSendings
    stopped: bool
    identity: str
    mark: int


def adopt(
    connection: Connection, settings: Settings, *, actor: Actor, stop: bool | None
) -> Adopted:
    """Make this the home of the database and resume sending; `stop`: stop waiting messages
    (None: there must be none). Raises NotAllowed.
    """
    known = custody.locked(connection)
    if known is None or known.held_at is None:
        raise NotAllowed(SendingCode.DATABASE_AT_HOME)
    waits, was = custody.waiting(connection), msgspec.json.decode(known.home, type=Home)
    if waits.announcements and stop is None:
        raise NotAllowed(SendingCode.MESSAGES_WAIT, waiting=_describe_waiting(waits))
    for announcement in waits.announcements if stop else ():
        ledger.cancel(connection, announcement, STOPPED)
    mark = max(known.mark, read_mark(settings.data_dir, was.identity)) + 1
    identity = secrets.token_hex(8)  # marks of its earlier life no longer count, on any machine
    custody.settle(connection, _written(here(connection, settings), identity), mark)
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


def describe_waiting(connection: Connection) -> str:
    """Describe the waiting messages."""
    return _describe_waiting(custody.waiting(connection))


def _describe_waiting(waits: HeldSendings) -> str:
    planned = f" {waits.schedules} jadwal menunggu waktunya." if waits.schedules else ""
    if not waits.announcements or waits.since is None:
        return f"Tidak ada pesan yang menunggu.{planned}"
    since = full_moment_text(datetime.fromtimestamp(waits.since, UTC))
    return (
        f"{waits.messages} pesan dari {len(waits.announcements)} pengumuman menunggu, "
        f"yang paling lama sejak {since}.{planned}"
    )
