"""Leases: which worker owns a slice and until when, by a clock that its holders share and that
counts suspended time.

PostgreSQL: the server's clock_timestamp(). SQLite (one machine): CLOCK_BOOTTIME, with the boot id
in the owner's name, so that a lease from before a reboot is void; a worker's file lock proves its
death at once.
"""

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from sqlalchemy import Connection, select, text, update

from broadcaster.store import database
from broadcaster.store.tables import sweeper

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot_id() -> str:
    """Return an id of this boot; without /proc (macOS) it is the time of boot, to the minute."""
    if _BOOT_ID.exists():
        return _BOOT_ID.read_text().strip().replace("-", "")[:12]
    return f"{int((time.time() - time.monotonic()) // 60):012x}"


def new_owner() -> str:
    """Return a name for this process as a holder of leases: boot, process id, random."""
    return f"{boot_id()}-{os.getpid()}-{secrets.token_hex(4)}"


suspend_proof: Callable[[], float] = (
    partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    if hasattr(time, "CLOCK_BOOTTIME")
    else time.monotonic
)
"""Seconds of a clock that counts the time the machine is suspended. A call without a Python frame:
every message reads it several times.
"""


def lease_clock(connection: Connection) -> float:
    """Return the time, in seconds, of the clock that leases are written in."""
    return suspend_proof() if database.is_sqlite(connection) else database.now(connection)


class LeaseLost(Exception):
    """Another worker has taken the lease over: write nothing more."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A process that takes leases of `lease` seconds; `is_dead` recognises local holders whose file
    lock is free.
    """

    owner: str
    lease: float
    is_dead: Callable[[str], bool] = lambda _owner: False

    def may_take(self, owner: str | None, until: float | None, clock: float) -> bool:
        """True if the lease is free, expired, or its holder is dead (a reboot counts)."""
        if owner is None or until is None or until <= clock:
            return True
        return owner != self.owner and self.is_dead(owner)


def take_sweeper(connection: Connection, holder: Holder, seconds: float) -> bool:
    """Become or remain the only sweeper for `seconds`; False while another live process is."""
    clock = lease_clock(connection)
    connection.execute(text("INSERT INTO sweeper (id) VALUES (1) ON CONFLICT DO NOTHING"))
    before = connection.execute(
        select(sweeper.c.owner, sweeper.c.lease_until).with_for_update()
    ).one()
    # SQLite leases use a clock that restarts at boot: a lease from an earlier boot is void
    rebooted = database.is_sqlite(connection) and not (before.owner or "").startswith(boot_id())
    free = before.owner == holder.owner or holder.may_take(before.owner, before.lease_until, clock)
    if not (free or rebooted):
        return False
    connection.execute(update(sweeper).values(owner=holder.owner, lease_until=clock + seconds))
    return True
