"""Import of people and walk of an audience beside floors of the same run: rows of the same bytes,
the index alone.

    python tests/benchmarks/bench_audience.py [--count 100000] [--database postgresql://...]

Prints seconds, microseconds a row and the ratio to the floor; only ratios compare between machines.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

from sqlalchemy import Connection, insert, select

from broadcaster.store.database import Database
from subscribers import store
from subscribers.areas import AreaTree
from subscribers.audience import Audience, chunk, window
from subscribers.importing import Row, import_rows, read_rows
from subscribers.vault import Vault

TREE = AreaTree.built_in()
VAULT = Vault(b"a benchmark's secret, 32 bytes..")
NOW = 1_795_600_000.0
CHUNK = 5_000
LAST = 2**63 - 1


def lines(count: int) -> list[str]:
    """Return a CSV of `count` people: nine of ten with one kelurahan, every fifth with a name."""
    chance = random.Random(1)
    slugs = [area.slug for area in TREE.kelurahan]
    rows = ["channel,address,areas,topics,language,consent_source,consent_at,subscriber"]
    for number in range(count):
        areas = " ".join(chance.sample(slugs, 2 if chance.random() < 0.1 else 1))
        name = f"p{number // 2}" if number % 5 == 0 else ""
        rows.append(f"email,warga{number}@contoh.example,{areas},,id,formulir,2026-11-03,{name}")
    return rows


def timed(act: Callable[[], Any]) -> float:
    """Return the seconds that `act` takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def take_in(database: Database, file: list[str]) -> None:
    """Import as the command does, one transaction a chunk."""
    rows = (row for row in read_rows(file, TREE, [], {"email": str.lower}) if isinstance(row, Row))
    while part := list(islice(rows, CHUNK)):
        database.write_now(import_rows, VAULT, TREE, part, NOW)


def copy(database: Database, rows: list[dict[str, Any]], areas: list[dict[str, Any]]) -> None:
    """Copy the same finished rows of one table and its areas, nothing computed, all at once: the
    floor of an import.
    """

    def write(conn: Connection) -> None:
        conn.execute(
            insert(store.subscriber), [{"id": row["subscriber"], "created_at": NOW} for row in rows]
        )
        conn.execute(insert(store.address), rows)
        conn.execute(insert(store.subscription), areas)

    database.write_now(write)


def walk(database: Database, who: Audience) -> int:
    """Read all chunks of an audience; returns the number of rows."""

    def read(conn: Connection) -> int:
        after, total = -1, 0
        while after < LAST:
            until = window(conn, "email", after, CHUNK) or LAST
            total += len(conn.execute(chunk(who, "email", after, until)).all())
            after = until
        return total

    return database.read_now(read)


def bare_walk(database: Database) -> None:
    """Read every confirmed address in slot order, nobody left out: the floor of a walk."""
    columns = (store.address.c.slot, store.address.c.id, store.address.c.home)

    def read(conn: Connection) -> None:
        after = -1
        mine = (store.address.c.channel == "email", store.address.c.state == store.State.CONFIRMED)
        query = select(*columns).where(*mine).order_by(store.address.c.slot).limit(CHUNK)
        while rows := conn.execute(query.where(store.address.c.slot > after)).all():
            after = rows[-1].slot

    database.read_now(read)


def report(what: str, seconds: float, rows: int, floor: float) -> None:
    """Print a line of the result."""
    print(
        f"{what:34} {seconds:7.2f} s {seconds / max(rows, 1) * 1e6:8.1f} us a row   {seconds / floor:6.2f} x the floor"
    )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument(
        "--database", default="", help="an empty database; default: SQLite in a temporary folder"
    )
    options = parser.parse_args()
    file = lines(options.count)
    with tempfile.TemporaryDirectory() as folder:
        database = Database(options.database or f"sqlite:///{folder}/bench.db")
        store.metadata.create_all(database.writer_engine)
        first = timed(lambda: take_in(database, file))
        again = timed(lambda: take_in(database, file))
        rows = database.read_now(
            lambda conn: [dict(row) for row in conn.execute(select(store.address)).mappings()]
        )
        areas = database.read_now(
            lambda conn: [dict(row) for row in conn.execute(select(store.subscription)).mappings()]
        )
        floor = Database(f"sqlite:///{folder}/floor.db")
        store.metadata.create_all(floor.writer_engine)
        unique = {row["subscriber"]: row for row in rows}
        addresses = {row["id"] for row in unique.values()}
        bare = timed(
            lambda: copy(
                floor, list(unique.values()), [row for row in areas if row["address"] in addresses]
            )
        )
        report("import, first", first, options.count, bare)
        report("import, again (nothing changes)", again, options.count, bare)
        bare_seconds = timed(lambda: bare_walk(database))
        for name, codes in (
            ("one kelurahan", ["cibabat"]),
            ("one kecamatan", ["cimahi-utara"]),
            ("whole city", ["cimahi"]),
        ):
            who = Audience(
                areas=TREE.concerned(codes),
                topic="cuaca",
                emergency=False,
                confirmed_before=NOW + 1,
            )
            counts: list[int] = []
            seconds = timed(lambda who=who, counts=counts: counts.append(walk(database, who)))  # type: ignore[misc]
            report(f"audience of {name} ({counts[0]})", seconds, options.count, bare_seconds)
        for each in (database, floor):
            each.close()


if __name__ == "__main__":
    main()
