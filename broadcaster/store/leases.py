"""Leases: who may work on a slice, until when, by a clock that survives suspends and that all its
holders share.

PostgreSQL: the server's clock_timestamp(). SQLite (one machine): CLOCK_BOOTTIME, with the boot id
in the owner's name, so that a lease from before a reboot is void; and a worker's file lock proves
its death at once.
"""

import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, select, text, update

from broadcaster.store import database
from broadcaster.store.tables import sweeper

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot_id() -> str:
    """Names this boot of this machine; where the system tells none (macOS) it is the time of boot
    to the minute.
    """
    if _BOOT_ID.exists():
        return _BOOT_ID.read_text().strip().replace("-", "")[:12]
    return f"{int((time.time() - time.monotonic()) // 60):012x}"


def new_owner() -> str:
    """A name for this process as holder of leases: boot, process id, random."""
    return f"{boot_id()}-{os.getpid()}-{secrets.token_hex(4)}"


def suspend_proof() -> float:
    """Seconds of a clock that goes on while the machine or the process is suspended."""
    return (
        time.clock_gettime(time.CLOCK_BOOTTIME)
        if hasattr(time, "CLOCK_BOOTTIME")
        else time.monotonic()
    )


def lease_clock(connection: Connection) -> float:
    """The clock leases are written in, seconds."""
    return suspend_proof() if database.is_sqlite(connection) else database.now(connection)


class LeaseLost(Exception):
    """Another worker has taken over: write nothing more."""


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A process that takes leases of `lease` seconds; `is_dead` knows holders on this machine whose
    file lock is free.
    """

    owner: str
    lease: float
    is_dead: Callable[[str], bool] = lambda _owner: False

    def may_take(self, owner: str | None, until: float | None, clock: float) -> bool:
        """Whether a lease can be taken: nobody's, run out, or its holder is dead (also by a
        reboot).
        """
        if owner is None or until is None or until <= clock:
            return True
        return owner != self.owner and self.is_dead(owner)


def take_sweeper(connection: Connection, holder: Holder, seconds: float) -> bool:
    """Become or stay the one sweeper for `seconds`; False while another process, known to live, is."""
    clock = lease_clock(connection)
    connection.execute(text("INSERT INTO sweeper (id) VALUES (1) ON CONFLICT DO NOTHING"))
    before = connection.execute(
        select(sweeper.c.owner, sweeper.c.lease_until).with_for_update()
    ).one()
    # on SQLite the clock starts anew with the machine: a lease of an earlier boot is void
    rebooted = database.is_sqlite(connection) and not (before.owner or "").startswith(boot_id())
    free = before.owner == holder.owner or holder.may_take(before.owner, before.lease_until, clock)
    if not (free or rebooted):
        return False
    connection.execute(update(sweeper).values(owner=holder.owner, lease_until=clock + seconds))
    return True
