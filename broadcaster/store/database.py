"""A database, SQLite or PostgreSQL: transactions are plain functions of a Connection, run off the
event loop.

SQLite: one writer thread per process, each write BEGIN IMMEDIATE, WAL, synchronous=FULL; readers
are query-only. PostgreSQL: a pool of connections used from threads. A transaction can do nothing
but SQL, since its function is synchronous and only receives the connection.
"""

import asyncio
import contextlib
import contextvars
import math
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DisconnectionError, OperationalError
from sqlalchemy.pool import StaticPool

P = ParamSpec("P")
T = TypeVar("T")

READERS = 4
"""Threads that read at the same time."""
BOUNDED_READERS = 2
"""Threads, with connections of their own, for reads that the public can trigger: they never block
other reads.
"""
BOUNDED_SECONDS = 1.0
"""Seconds after which such a read is interrupted: an indexed one takes some ms."""
INTERRUPT_STEPS = 10_000
"""Steps of SQLite's virtual machine, well under 1 ms, between two checks of the clock."""
WRITERS_POSTGRESQL = 4
"""Connections that write at the same time on PostgreSQL; SQLite has one writer."""
COMMON: dict[str, Any] = {"execution_options": {"preserve_rowcount": True}, "hide_parameters": True}
"""Row counts also for INSERT (ON CONFLICT may add none); no values in error messages."""
DEADLOCK_TRIES = 5
"""Runs of a transaction that PostgreSQL aborts to break a deadlock."""
WRITER_CACHE_KIB, READER_CACHE_KIB = 8_000, 1_000
"""SQLite's page cache of each connection: a worker stays small however large the audience."""
CHECKPOINT_PAGES = 10_000
"""Pages (4 KiB) of the write-ahead log copied into the file at once: a page written often is copied
seldom.
"""
BUSY_SECONDS = 30
"""Seconds that a SQLite write waits for another process's transaction."""
FIRST_PAUSE, LONGEST_PAUSE = 0.0003, 0.005
"""Seconds between tries to get the lock."""
STOPPED_SECONDS = 10
"""Idle seconds within a transaction after which PostgreSQL aborts it: ours last some ms."""
IDLE_SECONDS = 2.0
"""Seconds of rest after which a PostgreSQL connection is pinged before it is used."""


class BadDatabase(ValueError):
    """The database URL cannot be used; the message says what to do."""


class ReadTimeout(Exception):
    """A bounded read took too long and was interrupted."""


class Database:
    """The store's connections. Open with a URL: `sqlite:////path/file.db` or
    `postgresql://user:pass@host/name`.
    """

    def __init__(self, url: str, *, bounded_seconds: float = BOUNDED_SECONDS) -> None:
        self.url = normalise_url(url)
        self._bounded_seconds = bounded_seconds
        self.sqlite = self.url.startswith("sqlite")
        self.writer_engine = (
            _open_sqlite(self.url, writer=True)
            if self.sqlite
            else _open_postgresql(self.url, WRITERS_POSTGRESQL + READERS)
        )
        self.reader_engine = (
            _open_sqlite(self.url, writer=False) if self.sqlite else self.writer_engine
        )
        self.bounded_engine = (
            _open_sqlite(self.url, writer=False, readers=BOUNDED_READERS)
            if self.sqlite
            else _open_postgresql(self.url, BOUNDED_READERS, statement_seconds=bounded_seconds)
        )
        self._one_writer: contextlib.AbstractContextManager[object] = (
            threading.Lock() if self.sqlite else contextlib.nullcontext()
        )
        self._writers = ThreadPoolExecutor(
            1 if self.sqlite else WRITERS_POSTGRESQL, thread_name_prefix="db-write"
        )
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="db-read")
        self._bounded_readers = ThreadPoolExecutor(BOUNDED_READERS, thread_name_prefix="db-bounded")

    async def write(
        self, act: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `act(connection, ...)` in a writing transaction; commits when it returns, rolls back
        when it raises.
        """
        here = contextvars.copy_context()  # carries the place of the request, for the audit log
        return await asyncio.get_running_loop().run_in_executor(
            self._writers, lambda: here.run(lambda: self.write_now(act, *args, **kwargs))
        )

    async def read(
        self, act: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `act(connection, ...)` on a reading connection; it must not write."""
        return await asyncio.get_running_loop().run_in_executor(
            self._readers, lambda: self.read_now(act, *args, **kwargs)
        )

    async def read_bounded(
        self, act: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `act(connection, ...)` as `read` does, on the few connections for public requests.
        Raises ReadTimeout.
        """
        return await asyncio.get_running_loop().run_in_executor(
            self._bounded_readers, lambda: self.read_bounded_now(act, *args, **kwargs)
        )

    def write_now(
        self, act: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `write` on the calling thread (for the command line and tests)."""
        for attempt in range(DEADLOCK_TRIES):
            try:
                with self._one_writer, self.writer_engine.begin() as connection:
                    return act(connection, *args, **kwargs)
            except OperationalError as error:
                # PostgreSQL rolled this transaction back completely, so it may run again
                if (
                    getattr(error.orig, "sqlstate", "") not in ("40P01", "40001")
                    or attempt == DEADLOCK_TRIES - 1
                ):
                    raise
        raise AssertionError("unreachable")

    def read_now(
        self, act: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `read` on the calling thread."""
        with self.reader_engine.connect() as connection:
            return act(connection, *args, **kwargs)

    def outside_transaction(self, *statements: str) -> list[Any]:
        """Run statements not allowed in a transaction, such as VACUUM; return the rows of the last
        one.
        """
        with self._one_writer, contextlib.closing(self.writer_engine.raw_connection()) as pooled:
            connection: Any = pooled.dbapi_connection
            before = None if self.sqlite else connection.autocommit
            if not self.sqlite:
                connection.autocommit = True
            try:
                done = [connection.execute(statement) for statement in statements]
                return done[-1].fetchall() if done and done[-1].description else []
            finally:
                if not self.sqlite:
                    connection.autocommit = before

    def read_bounded_now(
        self, act: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `read_bounded` on the calling thread."""
        try:
            with (
                self.bounded_engine.connect() as connection,
                _interrupted_after(connection, self._bounded_seconds),
            ):
                return act(connection, *args, **kwargs)
        except OperationalError as error:
            if _was_interrupted(error):
                raise ReadTimeout(f"interrupted after {self._bounded_seconds} s") from None
            raise

    def close(self) -> None:
        """End the threads and close every connection."""
        for threads in (self._writers, self._readers, self._bounded_readers):
            threads.shutdown()
        for engine in (self.writer_engine, self.reader_engine, self.bounded_engine):
            engine.dispose()


def is_sqlite(connection: Connection) -> bool:
    """True if this connection uses SQLite."""
    return connection.dialect.name == "sqlite"


def now(connection: Connection) -> float:
    """Return the database's wall clock, epoch seconds: workers' own clocks may differ by minutes
    (on SQLite all share one).
    """
    if is_sqlite(connection):
        return time.time()
    return float(
        connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
    )


def normalise_url(url: str) -> str:
    """Return the URL with its driver. Raises BadDatabase for an unknown one."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise BadDatabase(
            "not a database URL: use sqlite:////file or postgresql://user:password@host/name"
        ) from error
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return parsed.set(drivername="sqlite").render_as_string(hide_password=False)
    if backend in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    raise BadDatabase(
        f"unknown database {backend!r}: use sqlite:///file or postgresql://user:password@host/name"
    )


@contextlib.contextmanager
def _interrupted_after(connection: Connection, seconds: float) -> Iterator[None]:
    """Interrupt a SQLite read after `seconds`; PostgreSQL's connections have their own limit."""
    raw = connection.connection.dbapi_connection
    if not isinstance(raw, sqlite3.Connection):
        yield
        return
    until = time.monotonic() + seconds
    raw.set_progress_handler(lambda: time.monotonic() > until, INTERRUPT_STEPS)
    try:
        yield
    finally:
        raw.set_progress_handler(None, 0)


def _was_interrupted(error: OperationalError) -> bool:
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_INTERRUPT or getattr(error.orig, "sqlstate", "") == "57014"


def _open_postgresql(url: str, connections: int, *, statement_seconds: float = 0) -> Engine:
    try:
        # a process stopped within a transaction must not block its rows for others
        limits = f"-c idle_in_transaction_session_timeout={STOPPED_SECONDS}s"
        if statement_seconds:
            limits += f" -c statement_timeout={round(statement_seconds * 1000)}"
        engine = create_engine(
            url, pool_size=connections, max_overflow=2, connect_args={"options": limits}, **COMMON
        )
    except ModuleNotFoundError as error:
        raise BadDatabase(
            "PostgreSQL needs its driver: pip install 'siaran-cimahi[postgres]'"
        ) from error

    @event.listens_for(engine, "checkin")
    def rest(_connection: object, record: Any) -> None:
        record.info["rested_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def wake(connection: Any, record: Any, _proxy: object) -> None:
        # not before each use, as pool_pre_ping does: a further round trip per transaction
        if time.monotonic() - record.info.get("rested_at", math.inf) <= IDLE_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as gone:
            raise DisconnectionError from gone

    return engine


def _execute_when_free(execute: Callable[[str], object], statement: str) -> bool:
    """Repeat the statement while another process holds the lock; False if it is still held after
    BUSY_SECONDS.

    A transaction lasts some ms; SQLite's own waiting sleeps for up to 100, and not at all where two
    processes turn a new file into a WAL database at the same moment.
    """
    until = time.monotonic() + BUSY_SECONDS
    pause = FIRST_PAUSE
    while time.monotonic() < until:
        try:
            execute(statement)
        except sqlite3.OperationalError as busy:
            if busy.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                return False
        else:
            return True
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
    return False


def _begin_immediate(connection: Connection) -> None:
    """Take the write lock."""
    execute = connection.connection.dbapi_connection.execute  # type: ignore[union-attr]
    if not _execute_when_free(execute, "BEGIN IMMEDIATE"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # raises the cause


def _make_private(path: Path) -> None:
    """Create the file, if missing, for its owner alone; SQLite gives its -wal and -shm the same
    permissions.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # an existing file is never opened: closing it would drop this process's locks on it
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _open_sqlite(url: str, *, writer: bool, readers: int = READERS) -> Engine:
    path = make_url(url).database
    if not path or path == ":memory:":
        raise BadDatabase("SQLite needs a file: sqlite:////data/siaran.db")
    _make_private(Path(path))
    options: dict[str, Any] = (
        {"poolclass": StaticPool} if writer else {"pool_size": readers, "max_overflow": readers}
    )
    engine = create_engine(
        url,
        connect_args={
            "timeout": BUSY_SECONDS,
            "check_same_thread": False,
            "cached_statements": 256,
        },
        **COMMON,
        **options,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin explicitly
        if not _execute_when_free(connection.execute, "PRAGMA journal_mode=WAL"):
            connection.execute("PRAGMA journal_mode=WAL")  # raises the cause
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute(
            "PRAGMA secure_delete=ON"
        )  # what is erased is overwritten, not only unlinked
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        connection.execute(f"PRAGMA cache_size=-{WRITER_CACHE_KIB if writer else READER_CACHE_KIB}")
        if not writer:
            connection.execute("PRAGMA query_only=ON")

        else:
            connection.execute(
                "PRAGMA busy_timeout=0"
            )  # from here on only BEGIN IMMEDIATE can find it busy

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # a deferred transaction that reads, then writes, fails at once under contention
        if writer:
            _begin_immediate(connection)
        else:
            connection.exec_driver_sql("BEGIN")

    return engine
