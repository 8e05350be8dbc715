"""Figures of the whole ledger for monitoring: counts, lag, breakers; nothing about a person."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, TextClause, func, or_, select, text

from broadcaster.domain.deliveries import STATES
from broadcaster.store.channel_tables import channel_state, held_suppression
from broadcaster.store.inbox import KINDS, Backlog, backlogs
from broadcaster.store.tables import edition, edition_area, run

DAY = 24 * 3600
SETTLED = 9
"""Days after the end of a run at which receipts no longer change its counters (they are given up
after eight).
"""
SLICES = 20_000
"""Slices of finished runs that each reading adds up again: about 20 ms."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Figures of a reading; `deliveries` are (channel, state, count), `lag` is seconds by lane,
    `paused` seconds by channel, `inbox` the backlog by kind.
    """

    deliveries: Sequence[tuple[str, str, int]]
    possible_duplicates: Mapping[str, int]
    lag: Mapping[str, float]
    halted: Mapping[str, int]
    paused: Mapping[str, float]
    held: Mapping[str, int]
    runs_paused: Mapping[str, int]
    inbox: Mapping[str, Backlog]


def read(connection: Connection, now: float, counts: "Counts | None" = None) -> Figures:
    """Read everything that /metrics reports from the store at `now` (epoch seconds); `counts`
    caches settled sums.
    """
    sums = (counts or Counts()).read(connection, now)
    channels = connection.execute(select(channel_state)).all()
    held = select(held_suppression.c.channel, func.count().label("n")).group_by(
        held_suppression.c.channel
    )
    waits = (
        select(run.c.channel, func.count().label("n"))
        .where(run.c.state == "paused")
        .group_by(run.c.channel)
    )
    return Figures(
        deliveries=[
            (channel, state, sums[channel][n]) for channel in sums for n, state in enumerate(STATES)
        ],
        possible_duplicates={channel: counters[-1] for channel, counters in sums.items()},
        lag=_lag(connection, now),
        halted={row.channel: int(bool(row.halted)) for row in channels},
        paused={row.channel: max(0.0, row.paused_until - now) for row in channels},
        held={row.channel: row.n for row in connection.execute(held)},
        runs_paused={row.channel: row.n for row in connection.execute(waits)},
        inbox={KINDS[priority]: backlog for priority, backlog in backlogs(connection).items()},
    )


Sums = Mapping[str, tuple[int, ...]]
"""By channel: a counter for each state in order, then possible duplicates."""

_NAMES = [*(f"n_{state}" for state in STATES), "possible_duplicates"]
_SUMS = ", ".join(f"CAST(sum(slice.{name}) AS bigint)" for name in _NAMES)
_END = "CAST(run.finished_at AS bigint) / 86400"
# CROSS JOIN makes SQLite keep this order and read only the slices of these runs
_OF_RUNS = (
    f"SELECT slice.channel, {_SUMS} FROM run CROSS JOIN slice"
    " WHERE slice.edition = run.edition AND slice.channel = run.channel"
)
_LIVE = text(f"{_OF_RUNS} AND run.finished_at IS NULL GROUP BY slice.channel")
_ENDED = text(
    f"{_OF_RUNS} AND run.finished_at IS NOT NULL AND {_END} = :day GROUP BY slice.channel"
)
_DAYS = text(
    f"SELECT {_END} AS day, count(*) AS runs, CAST(sum(total) AS bigint) AS total FROM run"
    f" WHERE finished_at IS NOT NULL GROUP BY {_END}"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _DaySums:
    """Sums of the runs that ended on a day, read at `at`; `mark`: numbers of runs and rows."""

    mark: tuple[int, int]
    at: float
    sums: Sums


@dataclass
class Counts:
    """Counters of the whole ledger without reading all of it each time; thread-safe.

    Unfinished runs are read each time. Finished ones are summed by the day they ended: a day is
    read again when a run joins or leaves it, some of the last nine days in turn (late receipts),
    older ones never. The first reading reads everything.
    """

    slices: int = SLICES
    _days: dict[int, _DaySums] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, connection: Connection, now: float) -> Sums:
        """Return every counter by channel at `now` (epoch seconds)."""
        with self._lock:
            self._refresh(connection, now)
            parts = [_sums(connection, _LIVE), *(day_sums.sums for day_sums in self._days.values())]
        channels = sorted({channel for part in parts for channel in part})
        nothing = (0,) * len(_NAMES)
        return {
            channel: tuple(
                map(sum, zip(*(part.get(channel, nothing) for part in parts), strict=True))
            )
            for channel in channels
        }

    def _refresh(self, connection: Connection, now: float) -> None:
        marks = {int(row.day): (int(row.runs), int(row.total)) for row in connection.execute(_DAYS)}
        self._days = {day: day_sums for day, day_sums in self._days.items() if day in marks}
        changed = [
            day
            for day, mark in marks.items()
            if day not in self._days or self._days[day].mark != mark
        ]
        left = self.slices
        for day in changed:
            left -= self._read_day(connection, day, marks[day], now)
        again = sorted(
            (day_sums.at, day)
            for day, day_sums in self._days.items()
            if day > now // DAY - SETTLED and day not in changed
        )
        for _at, day in again:
            if left <= 0:
                break
            left -= self._read_day(connection, day, marks[day], now)

    def _read_day(self, connection: Connection, day: int, mark: tuple[int, int], now: float) -> int:
        """Sum the runs that ended on a day; return about how many slices were read."""
        self._days[day] = _DaySums(mark=mark, at=now, sums=_sums(connection, _ENDED, day=day))
        return mark[0] + mark[1] // 1_000


def _sums(connection: Connection, statement: TextClause, **values: int) -> Sums:
    return {
        row[0]: tuple(int(number) for number in row[1:])
        for row in connection.execute(statement, values)
    }


_WAITING = text(
    """
SELECT run.lane,
  min(CASE WHEN slice.due_at > run.published_at THEN slice.due_at
      ELSE run.published_at END) AS since
FROM run CROSS JOIN slice WHERE slice.edition = run.edition AND slice.channel = run.channel
  AND run.state IN ('preparing', 'running') AND slice.open > 0 AND slice.due_at <= :now
GROUP BY run.lane
"""
)


def _lag(connection: Connection, now: float) -> Mapping[str, float]:
    """Return, by lane, the seconds that the oldest due work has waited; 0 where nothing waits."""
    unfilled = (
        select(run.c.lane, func.min(run.c.published_at).label("since"))
        .where(run.c.state == "preparing", ~run.c.sealed, run.c.due_at <= now)
        .group_by(run.c.lane)
    )
    lag = {"emergency": 0.0, "routine": 0.0}
    for row in [*connection.execute(_WAITING, {"now": now}), *connection.execute(unfilled)]:
        lag[row.lane] = max(lag.get(row.lane, 0.0), now - row.since)
    return lag


def in_force_by_area(connection: Connection, now: float) -> Mapping[str, int]:
    """Count, by area code, the announcements in force at `now` (epoch seconds)."""
    rows = connection.execute(
        select(edition_area.c.area, func.count().label("n"))
        .join(edition, edition.c.id == edition_area.c.edition)
        .where(
            edition.c.newest,
            ~edition.c.withdrawn,
            ~edition_area.c.former,
            or_(edition.c.expires_at.is_(None), edition.c.expires_at > now),
        )
        .group_by(edition_area.c.area)
    )
    return {row.area: int(row.n) for row in rows}
