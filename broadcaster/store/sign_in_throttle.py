"""Throttle of sign-ins: tries are counted before they are examined, so that guessing costs ever
longer waits and honest users are never locked out.

A name alone never locks: failures count for the pair of name and address, and for the address by
itself. Guessing at an account from elsewhere therefore does not keep its owner from signing in. A
name under attack from everywhere is examined once in five seconds: from unknown browsers, however
many, at most FREE_NAME + 720 guesses in the first hour and 720 in each further one (3600 /
LONGEST_WAIT[FREE_NAME]). Such a turn goes to the visitor who has tried least, not to the one who
asks most often:

- Each refusal says how long to wait. Coming again sooner costs as much as a wrong password, on the
  visitor's own keys alone.
- A visitor refused because of the name keeps a place in the line until PATIENCE seconds after the
  time they were given; while somebody waits who tried less, those who tried more are refused. Tries
  from one network (/24, /48) rank together.

A browser in which the owner signed in before (web/staff/trusted_browsers.py) is counted by itself
and waits for nobody else.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from broadcaster.store.staff_tables import sign_in_line, throttle
from subscribers.store import dialect_insert

FORGET_SECONDS = 3600.0
"""Seconds after the last failure at which all is forgotten."""
FREE_PAIR, FREE_PLACE, FREE_NAME = 5, 20, 50
"""Failures without a wait: of a name from one address, of one address, of a name from anywhere."""
LONGEST_WAIT = {FREE_PAIR: 900.0, FREE_PLACE: 900.0, FREE_NAME: 5.0}
"""Longest wait in seconds after a failure; a name under attack from everywhere costs its owner five
seconds.
"""
PATIENCE = 60.0
"""Seconds for which a turn is reserved after its time: a person types the password again."""
CHARGE_SECONDS = 60.0
"""Seconds between charges of a visitor whose wait is the longest: refusing them needs no write
(`shut_for`).
"""
_INSTANT = 0.001
"""Seconds that count as none: fractions of the clock do not add up exactly."""

Key = tuple[bytes, int]
"""A keyed hash and the number of failures without a wait."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asker:
    """Keys that count a visitor's tries: waits of `own` are theirs alone, `name` is shared,
    `network` only ranks.
    """

    own: tuple[Key, ...]
    name: Key | None = None
    network: bytes = b""

    @property
    def counted(self) -> tuple[Key, ...]:
        """All keys that count an examined try, in the order in which rows are locked."""
        shared = (self.name,) if self.name is not None else ()
        return (*self.own, *shared, *(((self.network, 0),) if self.network else ()))


@dataclass(frozen=True, kw_only=True, slots=True)
class ThrottleDecision:
    """Decision on a try: seconds to `wait`, 0 if it is examined now; `rank` counts the visitor's
    earlier tries.
    """

    wait: int = 0
    rank: int = 0


@lru_cache(8_192)
def place_of(address: str) -> str:
    """Return the unit counted as one place: an IPv4 address, or the /64 of an IPv6 address, which a
    household has to itself.
    """
    return _within(address, 32, 64)


def network_of(address: str) -> str:
    """Return the network around an address that a single attacker may control: its /24, or /48 for
    IPv6.
    """
    return _within(address, 24, 48)


def shut_for(connection: Connection, asker: Asker, at: float) -> int:
    """Return the seconds left if this visitor has the longest wait and was charged recently, else
    0; reads only.

    A visitor who hammers therefore does not occupy the only writer.
    """
    free = dict(asker.own)
    lately = (throttle.c.key.in_(free), throttle.c.at > at - CHARGE_SECONDS)
    rows = connection.execute(select(throttle).where(*lately)).all()
    longest = [
        row for row in rows if _pause(row.failures, free[row.key]) == LONGEST_WAIT[free[row.key]]
    ]
    shut = [_left(row, free[row.key], at) for row in longest]
    return math.ceil(max(shut, default=0.0) - _INSTANT)


def begin(connection: Connection, asker: Asker, at: float) -> ThrottleDecision:
    """Count a try before it is examined, so that concurrent tries do not evade it; or refuse it,
    which may also count.
    """
    rank = _tries(connection, [asker.network, *(digest for digest, _free in asker.own)], at)
    wait = _own_wait(connection, asker, at)
    if not wait and asker.name is not None:
        wait = _shared_wait(connection, asker, asker.name, at)
    if wait:
        return ThrottleDecision(wait=math.ceil(wait - _INSTANT), rank=rank)
    fail(connection, asker.counted, at)
    return ThrottleDecision(rank=rank)


def fail(connection: Connection, keys: Iterable[Key], at: float) -> None:
    """Count a failure under each key and delete expired ones."""
    connection.execute(delete(throttle).where(throttle.c.at < at - FORGET_SECONDS))
    for digest, _free in keys:
        added = dialect_insert(connection, throttle).values(key=digest, failures=1, at=at, told=0.0)
        once_more = {"failures": throttle.c.failures + 1, "at": at, "told": 0.0}
        connection.execute(added.on_conflict_do_update(index_elements=["key"], set_=once_more))


def forgive(connection: Connection, keys: Iterable[Key]) -> None:
    """Delete the failures under these keys."""
    connection.execute(
        delete(throttle).where(throttle.c.key.in_([digest for digest, _free in keys]))
    )


def succeed(connection: Connection, asker: Asker) -> None:
    """Delete the failures under the first key, and this try alone under the others, after the right
    password.

    Otherwise anyone with an account could guess at all others without limit by signing in now and
    then.
    """
    forgive(connection, asker.own[:1])
    others = [digest for digest, _free in asker.counted[1:]]
    connection.execute(
        update(throttle).where(throttle.c.key.in_(others)).values(failures=throttle.c.failures - 1)
    )


# --- a visitor's own waits ---


def _own_wait(connection: Connection, asker: Asker, at: float) -> float:
    """Return the seconds left of the visitor's own waits; a try before the announced time costs
    another failure.
    """
    waits = [0.0]
    for digest, free in asker.own:
        row = _row(connection, digest, at)
        if row is None or not (left := _left(row, free, at)):
            continue
        changed: dict[str, Any] = {}
        if at < row.told - _INSTANT:
            changed, left = {"failures": row.failures + 1, "at": at}, _pause(row.failures + 1, free)
        connection.execute(
            update(throttle).where(throttle.c.key == digest).values(told=at + left, **changed)
        )
        waits.append(left)
    return max(waits)


# --- the line before a name ---


def _shared_wait(connection: Connection, asker: Asker, name: Key, at: float) -> float:
    """Return the seconds until this visitor may try a name under attack, and keep their place in
    the line until then.
    """
    row = _row(connection, name[0], at)
    if row is None or row.failures < name[1]:
        return 0.0
    connection.execute(delete(sign_in_line).where(sign_in_line.c.told < at - PATIENCE))
    mine = sign_in_line.c.key == asker.own[0][0]
    place = connection.execute(select(sign_in_line).where(mine)).one_or_none()
    rank = place.rank if place is not None else _rank(connection, asker, at)
    left = _left(row, name[1], at)
    if not left and not _somebody_tried_less(connection, name, rank):
        connection.execute(delete(sign_in_line).where(mine))
        return 0.0
    left = left or LONGEST_WAIT[name[1]]
    if place is None:
        fail(connection, [(asker.network, 0)], at)
    elif at >= place.told - _INSTANT:
        rank += 1  # newcomers go before a crowd that stays in line for ever
    else:
        fail(connection, [*asker.own, (asker.network, 0)], at)
        rank, left = _rank(connection, asker, at), max(left, _own_wait(connection, asker, at))
    _keep_place(connection, asker, name, rank=rank, due_at=at + left)
    return left


def _somebody_tried_less(connection: Connection, name: Key, rank: int) -> bool:
    less = (sign_in_line.c.name == name[0], sign_in_line.c.rank < rank)
    return connection.execute(select(sign_in_line.c.key).where(*less).limit(1)).first() is not None


def _keep_place(
    connection: Connection, asker: Asker, name: Key, *, rank: int, due_at: float
) -> None:
    place = {"name": name[0], "rank": rank, "told": due_at}
    added = dialect_insert(connection, sign_in_line).values(key=asker.own[0][0], **place)
    connection.execute(added.on_conflict_do_update(index_elements=["key"], set_=place))


def _rank(connection: Connection, asker: Asker, at: float) -> int:
    """Count the tries at this name from this address and its network."""
    return _tries(connection, [asker.own[0][0], asker.network], at)


def _tries(connection: Connection, keys: Iterable[bytes], at: float) -> int:
    rows = select(throttle.c.failures).where(
        throttle.c.key.in_(list(keys)), throttle.c.at >= at - FORGET_SECONDS
    )
    return sum(max(0, failures) for failures in connection.execute(rows).scalars())


# --- a key ---


def _row(connection: Connection, digest: bytes, at: float) -> Row[Any] | None:
    """Read and lock a key's failures: on PostgreSQL two concurrent tries must not both get the same
    turn.
    """
    recent = (throttle.c.key == digest, throttle.c.at >= at - FORGET_SECONDS)
    return connection.execute(select(throttle).where(*recent).with_for_update()).one_or_none()


def _left(row: Row[Any], free: int, at: float) -> float:
    left = float(row.at) + _pause(int(row.failures), free) - at
    return left if left > _INSTANT else 0.0


def _pause(failures: int, free: int) -> float:
    return min(2.0 ** min(failures - free, 64), LONGEST_WAIT[free]) if failures >= free else 0.0


def _within(address: str, bits: int, bits_of_6: int) -> str:
    """Return the first address of the network around an address; other text stays as it is."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    prefix = bits_of_6 if isinstance(ip, IPv6Address) else bits
    return str(ip_network((ip, prefix), strict=False).network_address)
