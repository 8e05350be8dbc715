"""Queries of people and machines while a large sending runs: the API's answer, `show`, /metrics;
sending again, folding.

python tests/benchmarks/bench_truth.py [--count 1000000] [--editions 10000] [--database
postgresql://...]

Prints milliseconds. Goals at a million rows: what is polled <= 100 ms, a writing transaction about
50 ms.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, text

from broadcaster.delivery.status import overview
from broadcaster.domain.deliveries import FAILED, PENDING, SENT, UNCONFIRMED
from broadcaster.store import failed_rows, ledger, metrics, retries
from broadcaster.store.database import Database
from broadcaster.store.failure_causes import Watcher
from broadcaster.store.migrate import METADATA
from broadcaster.store.retention import fold_old

SITE: Any = SimpleNamespace(permalink=str)
DAY = 86_400.0

_N = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count) "
_COUNTERS = "n_pending, n_sending, n_sent, n_delivered, n_read, n_failed, n_skipped, n_cancelled, n_expired, n_unconfirmed"
_SLICE = (
    "INSERT INTO slice (edition, channel, number, lane, after_slot, last_slot, open, due_at, epoch, possible_duplicates,"
    f" {_COUNTERS}) "
)
_RUN = (
    "INSERT INTO run (edition, channel, lane, state, stopped_by, cursor, sealed, total, served, due_at, epoch, published_at,"
    " finished_at) "
)
ONE = (
    "INSERT INTO announcement (id, code, state, fields, created_at, updated_at, created_by, training, note)"
    " VALUES ('a', 'CMH-AAAA-AA', 'archived', '{}', 0, 0, 'x', false, '')",
    "INSERT INTO edition (id, announcement, number, document, signature, key_id, level, topic, channels, published_at,"
    " first_published_at, newest, withdrawn) VALUES (1, 'a', 1, '{}', '', '', 'info', 'acara', '', 0, 0, true, false)",
    "INSERT INTO subscriber (id, created_at) VALUES (1, 0)",
    _N + "INSERT INTO address (id, subscriber, channel, lookup, cipher, state, reason, language, topics, home, places, slot,"
    " created_at)"
    " SELECT i + 1, 1, 'email', CAST(CAST(i AS text) AS {blob}), CAST('' AS {blob}), 1, '', 'id', '', 'x', 1, i * 1000, 0 FROM n",
    _RUN + "VALUES (1, 'email', 'routine', 'running', '', 0, true, :count, 0, 0, 1, :now, NULL)",
    # of fifty rows one failed, one is unconfirmed, two wait
    _N + "INSERT INTO delivery (edition, channel, slot, address, area, state, attempt, spent, uncertain, due_at, reason,"
    " provider_code, closed_at) SELECT 1, 'email', i * 1000, i + 1, '32.77.03.' || (1001 + i % 15),"
    f" CASE WHEN i % 50 = 0 THEN {FAILED} WHEN i % 50 = 1 THEN {UNCONFIRMED} WHEN i % 50 < 4 THEN {PENDING} ELSE {SENT} END, 1, 0, 0,"
    " CASE WHEN i % 50 IN (2, 3) THEN :now + 600 ELSE 0 END,"
    " CASE WHEN i % 50 = 0 THEN 'rejected' WHEN i % 50 = 1 THEN 'no_answer' END,"
    " CASE WHEN i % 50 < 4 THEN '4' || (i % 7) || '1' END, CASE WHEN i % 50 < 4 THEN NULL ELSE :now - 60 END FROM n",
    _N.replace(":count", ":count / 1000") + _SLICE
    + "SELECT 1, 'email', i, 'routine', i * 1000000 - 1000, i * 1000000 + 999000, 40, :now + 600, 1, 0,"
    " 40, 0, 920, 0, 0, 20, 0, 0, 0, 20 FROM n",
)  # fmt: skip
MANY = (
    _N + _RUN + "SELECT 2 + i / 3, CASE i % 3 WHEN 0 THEN 'email' WHEN 1 THEN 'telegram' ELSE 'whatsapp' END, 'routine', 'done',"
    " '', 0, true, 20000, 0, 0, 1, 0, :now - i * 29.0 * 86400 / :count FROM n",
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < 20) " + _SLICE
    + "SELECT edition, channel, i, 'routine', i, i + 1, 0, 0, 1, 1, 0, 0, 900, 50, 30, 20, 0, 0, 0, 0"
    " FROM run CROSS JOIN n WHERE edition > 1",
)  # fmt: skip


def fill(database: Database, statements: tuple[str, ...], count: int) -> None:
    """Make rows in the database itself."""
    for schema in METADATA:
        schema.create_all(database.writer_engine)
    blob = "blob" if database.sqlite else "bytea"

    def act(connection: Connection) -> None:
        for statement in statements:
            wanted = text(statement.replace("{blob}", blob))
            values = {"count": count, "now": time.time()}
            connection.execute(
                wanted, {name: value for name, value in values.items() if f":{name}" in statement}
            )

    database.write_now(act)
    if not database.sqlite:
        database.write_now(lambda connection: connection.execute(text("ANALYZE")))


def timed(name: str, times: int, act: Callable[[], Any]) -> Any:
    """Run it some times; print the first, the median and the longest."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        result = act()
        taken.append((time.perf_counter() - started) * 1000)
    print(
        f"{name:44} first {taken[0]:8.1f}  median {sorted(taken)[times // 2]:8.1f}  longest {max(taken):8.1f} ms"
    )
    return result


def large(database: Database) -> None:
    """Measure one sending of many rows: what is polled, what is read on demand, what writes."""
    watcher = Watcher()
    timed(
        "GET, also show --watch: while it looks",
        17,
        lambda: database.read_now(overview, "a", SITE, watcher),
    )
    timed(
        "GET, also show --watch: nothing changed",
        10,
        lambda: database.read_now(overview, "a", SITE, watcher),
    )
    timed(
        "show, once: causes",
        1,
        lambda: database.read_now(overview, "a", SITE, Watcher(limit=float("inf"))),
    )
    timed("show, once: areas", 1, lambda: database.read_now(ledger.areas, "a"))
    timed("failed: a page", 10, lambda: database.read_now(failed_rows.page, (1, "email"), -1))
    part: list[Any] = [database.read_now(retries.parts, "a")[0]]

    def again() -> None:
        part[0] = database.write_now(retries.open_next, part[0]).rest

    timed("retry-failed: a transaction", 50, again)
    old = "UPDATE run SET finished_at = 0, state = 'done' WHERE edition = 1"
    database.write_now(lambda connection: connection.execute(text(old)))
    timed("folding: a transaction", 20, lambda: database.write_now(fold_old, time.time()))


def main() -> None:
    """Measure both sizes on one database."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--editions", type=int, default=10_000)
    parser.add_argument("--database", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Database(options.database or f"sqlite:///{folder}/bench.db")
        fill(database, ONE, options.count)
        large(database)
        fill(database, MANY, options.editions * 3)
        counts = metrics.Counts()
        timed(
            f"/metrics over {options.editions} editions",
            8,
            lambda: database.read_now(metrics.read, time.time(), counts),
        )
        database.close()


if __name__ == "__main__":
    main()
