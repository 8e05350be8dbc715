"""City's subscribers made in bulk: the rows that an import of the same people writes, without
asking about each.

A million take half a minute where the import takes some. One channel a crowd; each address is a
person of its own.
"""

import random
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg
from sqlalchemy import make_url

from broadcaster.store.database import normalise_url
from subscribers.areas import AreaTree
from subscribers.importing import REQUIRED
from subscribers.store import State, slot_of
from subscribers.subscriptions import home_of
from subscribers.vault import Vault

CONSENT_AT = 1_795_500_000.0
SOURCE = "formulir"
TREE = AreaTree.built_in()
BATCH = 50_000

Rows = list[tuple[object, ...]]


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """`count` people of one channel over all kelurahan but those in `without`, every tenth with a
    second one.
    """

    channel: str
    count: int
    without: Collection[str] = ()
    """Slugs of kelurahan where nobody lives."""

    def areas(self) -> Iterator[tuple[str, ...]]:
        """Yield the codes that each asks for, sorted; larger kelurahan have more people."""
        chance = random.Random(1)
        codes = [area.code for area in TREE.kelurahan if area.slug not in self.without]
        weights = [1 + index % 5 for index in range(len(codes))]
        for _person in range(self.count):
            first = chance.choices(codes, weights)[0]
            yield (
                tuple(sorted({first, chance.choice(codes)})) if chance.random() < 0.1 else (first,)
            )

    def addresses(self) -> Iterator[str]:
        """Return a made-up address of each."""
        forms = {"email": "warga{}@contoh.example", "whatsapp": "62899{:08}", "telegram": "{}"}
        first = 10_000 if self.channel == "telegram" else 0
        return (forms[self.channel].format(first + number) for number in range(self.count))

    def lines(self) -> Iterator[str]:
        """Yield the same people as the lines of a file to be imported."""
        consented_at = datetime.fromtimestamp(CONSENT_AT, UTC).isoformat()
        yield ",".join(REQUIRED) + "\n"
        for address, areas in zip(self.addresses(), self.areas(), strict=True):
            yield f"{self.channel},{address},{' '.join(areas)},,id,{SOURCE},{consented_at}\n"

    def load(self, url: str, vault: Vault, now: float) -> None:
        """Write everyone into a migrated database that has nobody of this channel yet. `now`: epoch
        seconds.
        """
        write = _sqlite if make_url(url).get_backend_name() == "sqlite" else _postgresql
        write(url, self, vault, now)


COLUMNS: dict[str, Sequence[str]] = {
    "subscriber": ("id", "created_at"),
    "address": (
        "id", "subscriber", "channel", "lookup", "cipher", "state", "reason", "language", "topics", "home", "places", "slot",
        "created_at", "confirmed_at", "agreed_at",
    ),
    "subscription": ("address", "area"),
    "consent": ("address", "act", "source", "text_version", "at"),
}  # fmt: skip


def _batches(
    crowd: Crowd, vault: Vault, now: float, after: int, counters: dict[str, int]
) -> Iterator[dict[str, Rows]]:
    """Yield rows of each table, in the order of the tables; ids begin above `after`, `counters`
    counts each home up.
    """
    rows: dict[str, Rows] = {name: [] for name in COLUMNS}
    for number, (address, areas) in enumerate(
        zip(crowd.addresses(), crowd.areas(), strict=True), after + 1
    ):
        home = home_of(areas)
        counters[home] = counters.get(home, -1) + 1
        slot = slot_of(crowd.channel, home, counters[home], number)
        lookup, cipher = vault.lookup(crowd.channel, address), vault.seal(crowd.channel, address)
        rows["subscriber"].append((number, now))
        rows["address"].append(
            (
                number,
                number,
                crowd.channel,
                lookup,
                cipher,
                int(State.CONFIRMED),
                "",
                "id",
                "",
                home,
                len(areas),
                slot,
                now,
                now,
                CONSENT_AT,
            )
        )
        rows["subscription"] += [(number, area) for area in areas]
        rows["consent"].append((number, "imported", SOURCE, "", CONSENT_AT))
        if len(rows["address"]) == BATCH:
            yield rows
            rows = {name: [] for name in COLUMNS}
    yield rows


def _sqlite(url: str, crowd: Crowd, vault: Vault, now: float) -> None:
    connection = sqlite3.connect(str(make_url(url).database), isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=OFF", "cache_size=-400000", "foreign_keys=OFF"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN IMMEDIATE")
    after = connection.execute("SELECT coalesce(max(id), 0) FROM address").fetchone()[0]
    counters: dict[str, int] = {}
    for rows in _batches(crowd, vault, now, after, counters):
        for name, columns in COLUMNS.items():
            marks = ", ".join("?" for _ in columns)
            connection.executemany(
                f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({marks})", rows[name]
            )
    connection.executemany(_COUNTER.replace("%s", "?"), _counted(crowd, counters))
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def _postgresql(url: str, crowd: Crowd, vault: Vault, now: float) -> None:
    with (
        psycopg.connect(normalise_url(url).replace("+psycopg", "", 1)) as connection,
        connection.cursor() as cursor,
    ):
        after = cursor.execute("SELECT coalesce(max(id), 0) FROM address").fetchone()[0]  # type: ignore[index]
        counters: dict[str, int] = {}
        for rows in _batches(crowd, vault, now, after, counters):
            for name, columns in COLUMNS.items():
                with cursor.copy(f"COPY {name} ({', '.join(columns)}) FROM STDIN") as copy:
                    for row in rows[name]:
                        copy.write_row(row)
        cursor.executemany(_COUNTER, _counted(crowd, counters))
        for name in ("subscriber", "address"):
            cursor.execute(
                f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), {after + crowd.count})"
            )


_COUNTER = "INSERT INTO slot_counter (channel, home, n) VALUES (%s, %s, %s)"


def _counted(crowd: Crowd, counters: dict[str, int]) -> list[tuple[str, str, int]]:
    return [(crowd.channel, home, last + 1) for home, last in counters.items()]
