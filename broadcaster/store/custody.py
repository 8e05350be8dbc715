"""The row that records this database's home, and since when sending is held because it is not
there.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, text, update

from broadcaster.store.database import is_sqlite
from broadcaster.store.tables import announcement, custody, edition, run, slice_

_LOCK = 0x5349_4152_4855
"""Advisory lock: only one process at a time settles the home (SQLite has one writer anyway)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Custody:
    """The recorded `home`; `held_at` (epoch seconds) and `held_because` are set when the database
    woke elsewhere.
    """

    home: str
    mark: int
    held_at: float | None
    held_because: str


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldSendings:
    """Work that a hold keeps back: open messages and their announcements, `since` when (epoch
    seconds), and schedules.
    """

    messages: int
    announcements: tuple[str, ...]
    since: float | None
    schedules: int


def read(connection: Connection) -> Custody | None:
    """Read the row; None before the program first ran on this database."""
    row = connection.execute(select(custody)).first()
    if row is None:
        return None
    return Custody(home=row.home, mark=row.mark, held_at=row.held_at, held_because=row.held_because)


def is_held(connection: Connection) -> bool:
    """True if nothing may be sent from this database."""
    return connection.execute(select(custody.c.held_at)).scalar() is not None


def may_send(connection: Connection) -> bool:
    """True if anything was published or will be published automatically: copies of other databases
    cannot send twice.
    """
    planned = (
        select(announcement.c.id)
        .where(announcement.c.state.in_(("approved", "scheduled")))
        .limit(1)
    )
    published = select(edition.c.id).limit(1)
    return (
        connection.execute(planned).first() is not None
        or connection.execute(published).first() is not None
    )


def locked(connection: Connection) -> Custody | None:
    """Read the row and lock it until this transaction ends."""
    if not is_sqlite(connection):
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    return read(connection)


def settle(connection: Connection, home: str, mark: int) -> None:
    """Record that the database is at home here."""
    values = {"home": home, "mark": mark, "held_at": None, "held_because": ""}
    if connection.execute(update(custody).values(**values)).rowcount == 0:
        connection.execute(insert(custody).values(one=1, **values))


def hold(connection: Connection, because: str, at: float) -> None:
    """Stop all sending; an earlier reason stays."""
    connection.execute(
        update(custody).where(custody.c.held_at.is_(None)).values(held_at=at, held_because=because)
    )


def raise_mark(connection: Connection) -> int:
    """Increment the mark and return it."""
    connection.execute(update(custody).values(mark=custody.c.mark + 1))
    return int(connection.execute(select(custody.c.mark)).scalar_one())


def place(connection: Connection) -> str:
    """Return what no copy of a PostgreSQL database shares with it: the server's numbers of cluster,
    database and table.
    """
    numbers = (
        "SELECT (SELECT oid FROM pg_database WHERE datname = current_database()),"
        " 'custody'::regclass::oid"
    )
    database, table = connection.execute(text(numbers)).one()
    allowed = connection.execute(
        text("SELECT has_function_privilege('pg_control_system()', 'EXECUTE')")
    ).scalar()
    cluster = (
        connection.execute(text("SELECT system_identifier FROM pg_control_system()")).scalar()
        if allowed
        else ""
    )
    return f"{cluster}:{database}:{table}"


def waiting(connection: Connection) -> HeldSendings:
    """Count what would be sent if the hold ended."""
    unfinished = run.c.state.in_(("preparing", "running", "paused"))
    open_rows = (
        select(
            run.c.edition,
            func.coalesce(func.sum(slice_.c.open), 0).label("open"),
            func.min(run.c.published_at).label("since"),
        )
        .select_from(
            run.outerjoin(
                slice_, (slice_.c.edition == run.c.edition) & (slice_.c.channel == run.c.channel)
            )
        )
        .where(unfinished, run.c.finished_at.is_(None))
        .group_by(run.c.edition)
    )
    rows = connection.execute(open_rows).all()
    planned = announcement.c.state == "scheduled"
    held = (announcement.c.state == "approved") & announcement.c.release_at.is_not(None)
    schedules = connection.execute(
        select(func.count()).select_from(announcement).where(planned | held)
    ).scalar_one()
    return HeldSendings(
        messages=sum(int(row.open) for row in rows),
        announcements=tuple(_named(connection, [row.edition for row in rows])),
        since=min((row.since for row in rows), default=None),
        schedules=int(schedules),
    )


def _named(connection: Connection, editions: list[int]) -> list[str]:
    announcements = (
        select(edition.c.announcement)
        .where(edition.c.id.in_(editions))
        .distinct()
        .order_by(edition.c.announcement)
    )
    return list(connection.execute(announcements).scalars())
