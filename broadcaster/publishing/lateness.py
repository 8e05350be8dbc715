"""Lateness: a late publication is reported to the people in charge; one that is too late asks them
first.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from broadcaster.domain.accounts import Account
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.audit_acts import Act
from broadcaster.staff import second_person
from broadcaster.store import accounts, audit, nudges
from broadcaster.store.announcements import Announcement
from channels.base.moments import moment_text

LATE = timedelta(minutes=5)
"""Delay beyond which a publication is reported."""
STALE = timedelta(minutes=30)
"""Delay beyond which a person is asked instead of publishing."""


def planned_at(seconds: float | None) -> datetime:
    """Return a stored time (epoch seconds) as a datetime in UTC."""
    return datetime.fromtimestamp(seconds or 0, UTC)


def is_late(planned: datetime, now: datetime) -> bool:
    """True if the people in charge must be notified."""
    return now - planned > LATE


def is_stale(planned: datetime, now: datetime) -> bool:
    """True if a person must decide first."""
    return now - planned > STALE


def why_stale(planned: datetime) -> str:
    """Say why it was not published by itself, and what to do."""
    minutes = int(STALE.total_seconds() // 60)
    return (
        f"Jadwal {moment_text(planned)} terlewat lebih dari {minutes} menit. "
        "Periksa, lalu terbitkan atau jadwalkan lagi."
    )


def people_of(connection: Connection, row: Announcement) -> list[Account]:
    """Return its author, its approver and every administrator."""
    actors = dict.fromkeys(
        actor for actor in (row.submitted_by or row.created_by, row.approved_by) if actor
    )
    concerned = [person for actor in actors for person in accounts.acting(connection, actor)]
    return list(
        {
            person.id: person for person in (*concerned, *second_person.watchers(connection, ()))
        }.values()
    )


def report_missed(connection: Connection, row: Announcement, now: datetime) -> None:
    """Notify the people in charge that it was not published and waits for a decision."""
    nudges.add(connection, people_of(connection, row), row.id, "missed", now.timestamp())


def report_late(
    connection: Connection, row: Announcement, planned: datetime, now: datetime
) -> None:
    """Notify the people in charge and audit that it was published late; nothing if it was
    in time.
    """
    if not is_late(planned, now):
        return
    nudges.add(connection, people_of(connection, row), row.id, "late", now.timestamp())
    audit.append(
        connection,
        NamedActor.clock(now),
        Act.LATE,
        row.id,
        code=row.code,
        planned=planned.isoformat(),
        minutes=int((now - planned).total_seconds() // 60),
    )
