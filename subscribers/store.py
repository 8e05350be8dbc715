"""Subscriber tables, and the SQL in which SQLite and PostgreSQL differ. Times are epoch seconds
(UTC).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    func,
    select,
    text,
    update,
)

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")

metadata = MetaData()

Id = BigInteger().with_variant(Integer, "sqlite")
"""Id assigned by the database; SQLite only does so for a column of type INTEGER."""


class State(IntEnum):
    """State of an address; only a confirmed one is written to."""

    UNCONFIRMED = 0
    CONFIRMED = 1
    SUPPRESSED = 2


subscriber = Table(
    "subscriber",
    metadata,
    Column("id", Id, primary_key=True),
    Column(
        "reference",
        Text,
        unique=True,
        comment="keyed hash of the name that an import gives to a person",
    ),
    Column("created_at", Double, nullable=False),
    sqlite_autoincrement=True,
)

address = Table(
    "address",
    metadata,
    # autoincrement: an erased id is never reused, so that old links to it stay invalid
    Column("id", Id, primary_key=True),
    Column("subscriber", Id, ForeignKey("subscriber.id"), nullable=False),
    Column("channel", Text, nullable=False),
    Column("lookup", LargeBinary(16), nullable=False, comment="keyed hash of the address"),
    Column("cipher", LargeBinary, nullable=False, comment="the address, sealed"),
    Column(
        "state", SmallInteger, nullable=False, comment="0 unconfirmed, 1 confirmed, 2 suppressed"
    ),
    Column(
        "reason",
        Text,
        nullable=False,
        server_default="",
        comment="address_dead | opted_out when suppressed",
    ),
    Column("language", Text, nullable=False),
    Column(
        "topics",
        Text,
        nullable=False,
        server_default="",
        comment="'' = all, else ' a b '; ' darurat ' = emergencies only",
    ),
    Column(
        "home",
        Text,
        nullable=False,
        comment="lowest kelurahan subscribed to, else kecamatan, else city",
    ),
    Column(
        "places", SmallInteger, nullable=False, comment="how many areas; with one, home says it all"
    ),
    Column(
        "slot", BigInteger, nullable=False, comment="place in the order of every fan-out, for good"
    ),
    Column("created_at", Double, nullable=False),
    Column("confirmed_at", Double),
    Column("suppressed_at", Double),
    Column(
        "agreed_at",
        Double,
        comment="newest own word (granted, imported) in consent; read for every message",
    ),
    UniqueConstraint("channel", "lookup", name="address_channel_lookup"),
    Index("address_channel_slot", "channel", "slot", unique=True),
    # fan-out skips those who live elsewhere by the index alone
    Index("address_channel_slot_home", "channel", "slot", "home", "places"),
    Index("address_subscriber_channel", "subscriber", "channel"),
    sqlite_autoincrement=True,
)

subscription = Table(
    "subscription",
    metadata,
    Column("address", Id, ForeignKey("address.id"), nullable=False),
    Column("area", Text, nullable=False, comment="Kemendagri code"),
    PrimaryKeyConstraint("address", "area"),
    sqlite_with_rowid=False,
)

alias = Table(
    "alias",
    metadata,
    Column("channel", Text, nullable=False),
    Column("lookup", LargeBinary(16), nullable=False),
    Column("address", Id, ForeignKey("address.id"), nullable=False, index=True),
    Column("cipher", LargeBinary, nullable=False),
    PrimaryKeyConstraint("channel", "lookup"),
    comment="another id of the same address (business-scoped, migrated)",
)

merged = Table(
    "merged",
    metadata,
    Column("gone", BigInteger, primary_key=True, autoincrement=False),
    Column("kept", Id, ForeignKey("address.id"), nullable=False),
    Index("merged_kept", "kept"),
    comment="ids of addresses that are another one now: links in old messages name them",
)

unspelled = Table(
    "unspelled",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("after", BigInteger, nullable=False),
    comment="a row while addresses above this id may still be found by the spelling they came in",
)

consent = Table(
    "consent",
    metadata,
    Column("id", Id, primary_key=True),
    Column("address", Id, ForeignKey("address.id"), nullable=False, index=True),
    Column("act", Text, nullable=False, comment="granted | imported | withdrawn | dead | revived"),
    Column("source", Text, nullable=False),
    Column("text_version", Text, nullable=False, server_default=""),
    Column("at", Double, nullable=False),
    comment="append-only",
)

strike = Table(
    "strike",
    metadata,
    Column("address", Id, ForeignKey("address.id"), nullable=False),
    Column("day", Text, nullable=False, comment="YYYY-MM-DD of a soft bounce"),
    PrimaryKeyConstraint("address", "day"),
    sqlite_with_rowid=False,
)

slot_counter = Table(
    "slot_counter",
    metadata,
    Column("channel", Text, nullable=False),
    Column("home", Text, nullable=False),
    Column("topics", Text, nullable=False, server_default="", comment="as of address.topics"),
    Column(
        "place",
        Integer,
        nullable=False,
        server_default="0",
        comment="0 for all topics, then 1, 2... as they come",
    ),
    Column(
        "n",
        BigInteger,
        nullable=False,
        comment="addresses made so far with this home and these topics",
    ),
    PrimaryKeyConstraint("channel", "home", "topics"),
)

area_tree = Table(
    "area_tree",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("document", Text, comment="JSON that replaces the built-in tree; NULL = built-in"),
    Column("outlines", Text, comment="JSON object: code -> GeoJSON geometry"),
)


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of at most `size`: SQLite takes 32,766 parameters per statement, PostgreSQL
    65,535.
    """
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def on_postgresql(conn: Connection) -> bool:
    """True if this connection is to PostgreSQL, False for SQLite."""
    return conn.dialect.name == "postgresql"


def dialect_insert(conn: Connection, table: Table) -> "postgresql.Insert | sqlite.Insert":
    """Build an INSERT that can say ON CONFLICT; imports only the dialect of this connection."""
    if on_postgresql(conn):
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415  quick start

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415  quick start

    return sqlite.insert(table)


def insert_new(conn: Connection, table: Table) -> "postgresql.Insert | sqlite.Insert":
    """Build an INSERT that ignores existing rows."""
    return dialect_insert(conn, table).on_conflict_do_nothing()


# --- numbers ------------------------------------------------------------------------------------

_MAKING_ADDRESSES = 0x5349_4152_414E
"""Key of the advisory lock under which addresses are created (SQLite has a single writer
anyway).
"""
_GOLDEN = 0x9E37_79B9_7F4A_7C15
"""The golden ratio's fraction in 64 bits: its multiples fill [0, 1) most evenly."""
_PLASTIC = 0xC13F_A9A9_02A6_328F
"""The plastic number's inverse in 64 bits: separates choices of topics from each other and from the
golden steps.
"""
_HALF = 1 << 63
_MASK = 2**64 - 1


def lock_making(conn: Connection) -> None:
    """Lock the creation of addresses until this transaction ends; what is read after this call is
    final.
    """
    if on_postgresql(conn):
        conn.execute(select(func.pg_advisory_xact_lock(_MAKING_ADDRESSES)))


def reserve_ids(conn: Connection, table: Table, count: int) -> list[int]:
    """Reserve `count` ids of `table`, never used before, not even by an erased row. Needs
    `lock_making`.
    """
    if count == 0:
        return []
    if on_postgresql(conn):
        sequence = func.nextval(func.pg_get_serial_sequence(table.name, "id"))
        rows = conn.execute(
            select(sequence).select_from(func.generate_series(1, count).alias("series"))
        )
        return list(rows.scalars())
    known = (
        conn.execute(
            text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name}
        ).scalar()
        or 0
    )
    return list(range(known + 1, known + 1 + count))


def slot_of(channel: str, home: str, number: int, address_id: int, place: int = 0) -> int:
    """Return an address's place in slot order: 31 bits spread the numbers 0, 1, 2... evenly, 32
    bits are its id.

    Numbers count the addresses of one home with the same choice of topics, the `place`-th such
    choice of the home, so that the recipients of any topic are evenly spread. Homes start in step,
    less than 1/256 apart, so that at any point none is more than two messages behind another (free
    offsets: three to four); the first number lies in the middle.
    """
    apart = int.from_bytes(blake2b(f"{channel} {home}".encode(), digest_size=7).digest(), "big")
    fraction = ((number * _GOLDEN + place * _PLASTIC + _HALF + apart) & _MASK) >> 33
    return fraction << 32 | address_id & 0xFFFF_FFFF


def draw_slots(conn: Connection, wanted: Sequence[tuple[str, str, str, int]]) -> list[int]:
    """Assign the slot of each new (channel, home, topics, address id), advancing the home's counter
    for that choice. Needs `lock_making`.
    """
    counters = {
        (row.channel, row.home, row.topics): (row.place, row.n)
        for row in conn.execute(select(slot_counter))
    }
    choices = Counter((channel, home) for channel, home, topics in counters if topics)
    before = dict(counters)
    slots = []
    for channel, home, topics, address_id in wanted:
        key = (channel, home, topics)
        if key not in counters:
            choices[channel, home] += bool(topics)
            counters[key] = (choices[channel, home] if topics else 0, 0)
        place, number = counters[key]
        counters[key] = (place, number + 1)
        slots.append(slot_of(channel, home, number, address_id, place))
    _save_counters(conn, before, counters)
    return slots


_Counters = dict[tuple[str, str, str], tuple[int, int]]


def _save_counters(conn: Connection, before: _Counters, after: _Counters) -> None:
    fresh = [
        {"channel": key[0], "home": key[1], "topics": key[2], "place": place, "n": n}
        for key, (place, n) in after.items()
        if key not in before
    ]
    grown = [
        {"c": key[0], "h": key[1], "t": key[2], "m": n}
        for key, (place, n) in after.items()
        if key in before and before[key] != (place, n)
    ]
    if fresh:
        conn.execute(slot_counter.insert(), fresh)
    if grown:
        ours = [
            slot_counter.c[name] == bindparam(name[0]) for name in ("channel", "home", "topics")
        ]
        conn.execute(update(slot_counter).where(*ours).values(n=bindparam("m")), grown)
