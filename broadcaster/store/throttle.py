"""Failed sign-ins, counted by account name and by address: who guesses waits longer and longer, who is honest is never shut out.

A name alone never locks: what is counted is the pair of name and address, and the address by itself. So somebody who guesses at
an account from elsewhere does not keep its owner from signing in. A name that is guessed at from everywhere is looked at once in
five seconds; a browser in which its owner signed in before (web/staff/known.py) is counted by itself and waits for nobody else.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv6Address, ip_address

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from broadcaster.store.database import is_sqlite
from broadcaster.store.staff_tables import throttle

FORGET_SECONDS = 3600.0
"""So long after the last failure nothing is remembered."""
FREE_PAIR, FREE_PLACE, FREE_NAME = 5, 20, 50
"""Failures without a wait: of a name from one address, of one address, of a name from anywhere."""
LONGEST_WAIT = {FREE_PAIR: 900.0, FREE_PLACE: 900.0, FREE_NAME: 5.0}
"""Seconds that a failure costs at most; a name under attack from everywhere costs its owner five seconds, no more."""

Key = tuple[bytes, int]
"""A keyed hash and the failures it has free."""


def place_of(address: str) -> str:
    """What counts as one place: an IPv4 address, or the /64 of an IPv6 address, which one household has to itself."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped) if found.ipv4_mapped else str(IPv6Address(int(found) >> 64 << 64))


def wait(connection: Connection, keys: Iterable[Key], at: float) -> float:
    """Seconds until the next try is looked at; 0 when it may be now."""
    return max((_wait(connection, digest, free, at) for digest, free in keys), default=0.0)


def fail(connection: Connection, keys: Iterable[Key], at: float) -> None:
    """Count a failure under each key; the old ones are forgotten."""
    connection.execute(delete(throttle).where(throttle.c.at < at - FORGET_SECONDS))
    dialect = sqlite if is_sqlite(connection) else postgresql
    for digest, _free in keys:
        added = dialect.insert(throttle).values(key=digest, failures=1, at=at)
        once_more = {"failures": throttle.c.failures + 1, "at": at}
        connection.execute(added.on_conflict_do_update(index_elements=["key"], set_=once_more))


def forgive(connection: Connection, keys: Iterable[Key]) -> None:
    """Forget the failures under these keys: the right password came."""
    connection.execute(delete(throttle).where(throttle.c.key.in_([digest for digest, _free in keys])))


def succeed(connection: Connection, keys: Sequence[Key]) -> None:
    """The right password came: what was counted under the first key is forgotten, under the others this try alone.

    Else who has an account of their own could guess at all others without end, signing in now and then.
    """
    forgive(connection, keys[:1])
    others = [digest for digest, _free in keys[1:]]
    connection.execute(update(throttle).where(throttle.c.key.in_(others)).values(failures=throttle.c.failures - 1))


def _wait(connection: Connection, digest: bytes, free: int, at: float) -> float:
    row = connection.execute(select(throttle).where(throttle.c.key == digest)).one_or_none()
    if row is None or row.failures < free or row.at < at - FORGET_SECONDS:
        return 0.0
    pause = min(2.0 ** int(row.failures - free), LONGEST_WAIT[free])
    return max(0.0, float(row.at) + pause - at)
