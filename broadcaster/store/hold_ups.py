"""Rows of delays of emergencies: opened when detected, notified once, closed when over."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from broadcaster.domain.waiting import ChannelWait
from broadcaster.store.staff_tables import hold_up
from broadcaster.store.tables import edition, run


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldUp:
    """A delayed channel of an announcement; times in epoch seconds."""

    announcement: str
    hold: ChannelWait
    since: float
    seen_at: float
    told_at: float | None
    over_at: float | None


def emergencies(connection: Connection) -> list[str]:
    """List announcements whose newest edition uses the emergency lane and has not finished."""
    unfinished = (
        select(edition.c.announcement)
        .join(run, run.c.edition == edition.c.id)
        .where(run.c.finished_at.is_(None), run.c.lane == "emergency", edition.c.newest)
        .distinct()
    )
    return list(connection.execute(unfinished).scalars())


def standing(connection: Connection) -> list[HoldUp]:
    """List the delays that are not over, oldest first."""
    return _read(connection, select(hold_up).where(hold_up.c.over_at.is_(None)))


def of(connection: Connection, announcement: str) -> list[HoldUp]:
    """List the delays of an announcement, oldest first."""
    return _read(connection, select(hold_up).where(hold_up.c.announcement == announcement))


def begin(connection: Connection, announcement: str, hold: ChannelWait, at: float) -> None:
    """Store a new delay."""
    place = {"announcement": announcement, "channel": hold.channel, "since": at}
    connection.execute(insert(hold_up).values(**place, **_values(hold), seen_at=at))


def mark_continuing(connection: Connection, known: HoldUp, hold: ChannelWait, at: float) -> None:
    """Record that the delay continues, with its current cause."""
    connection.execute(update(hold_up).where(*_place(known)).values(**_values(hold), seen_at=at))


def mark_notified(connection: Connection, known: HoldUp, at: float) -> None:
    """Record that the people responsible have been notified."""
    connection.execute(update(hold_up).where(*_place(known)).values(told_at=at))


def end(connection: Connection, known: HoldUp, at: float) -> None:
    """Record that the delay is over."""
    connection.execute(update(hold_up).where(*_place(known)).values(over_at=at))


def _values(hold: ChannelWait) -> dict[str, Any]:
    return {"cause": hold.cause, "why": hold.why, "messages": hold.count, "until": hold.until}


def _place(known: HoldUp) -> tuple[Any, ...]:
    mine = hold_up.c
    return (
        mine.announcement == known.announcement,
        mine.channel == known.hold.channel,
        mine.since == known.since,
    )


def _read(connection: Connection, statement: Select[Any]) -> list[HoldUp]:
    return [
        _hold_up(row)
        for row in connection.execute(statement.order_by(hold_up.c.since, hold_up.c.channel))
    ]


def _hold_up(row: Row[Any]) -> HoldUp:
    hold = ChannelWait(
        channel=row.channel, cause=row.cause, count=row.messages, until=row.until, why=row.why
    )
    return HoldUp(
        announcement=row.announcement,
        hold=hold,
        since=row.since,
        seen_at=row.seen_at,
        told_at=row.told_at,
        over_at=row.over_at,
    )
