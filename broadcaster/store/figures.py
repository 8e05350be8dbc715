"""Figures of the whole ledger for monitoring: counts, lag, breakers. Nothing here is about one person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, case, func, or_, select

from broadcaster.store.tables import STATES, channel_state, edition, edition_area, run, slice_

SENDING = ("preparing", "running")


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One reading; `deliveries` are (channel, state, count), `lag` is seconds by lane."""

    deliveries: Sequence[tuple[str, str, int]]
    possible_duplicates: Mapping[str, int]
    lag: Mapping[str, float]
    halted: Mapping[str, int]


def read(connection: Connection, now: float) -> Figures:
    """Everything that /metrics says of the store; `now` in epoch seconds."""
    sums = [func.coalesce(func.sum(slice_.c[f"n_{state}"]), 0).label(state) for state in STATES]
    doubles = func.coalesce(func.sum(slice_.c.possible_duplicates), 0).label("doubles")
    rows = connection.execute(select(slice_.c.channel, doubles, *sums).group_by(slice_.c.channel)).all()
    halted = connection.execute(select(channel_state.c.channel, channel_state.c.halted)).all()
    return Figures(
        deliveries=[(row.channel, state, int(getattr(row, state))) for row in rows for state in STATES],
        possible_duplicates={row.channel: int(row.doubles) for row in rows},
        lag=_lag(connection, now),
        halted={row.channel: int(bool(row.halted)) for row in halted},
    )


def _lag(connection: Connection, now: float) -> Mapping[str, float]:
    """By lane: how long the oldest work that is due has waited; 0 where nothing waits."""
    due = case((slice_.c.due_at > run.c.published_at, slice_.c.due_at), else_=run.c.published_at)
    same = (run.c.edition == slice_.c.edition) & (run.c.channel == slice_.c.channel)
    slices = (
        select(run.c.lane, func.min(due).label("since"))
        .join(slice_, same)
        .where(run.c.state.in_(SENDING), slice_.c.open > 0, slice_.c.due_at <= now)
        .group_by(run.c.lane)
    )
    unfilled = (
        select(run.c.lane, func.min(run.c.published_at).label("since"))
        .where(run.c.state == "preparing", ~run.c.sealed, run.c.due_at <= now)
        .group_by(run.c.lane)
    )
    lag = {"emergency": 0.0, "routine": 0.0}
    for row in [*connection.execute(slices), *connection.execute(unfilled)]:
        lag[row.lane] = max(lag.get(row.lane, 0.0), now - row.since)
    return lag


def in_force_by_area(connection: Connection, now: float) -> Mapping[str, int]:
    """How many announcements that concern an area hold at `now` (epoch seconds), by its code."""
    rows = connection.execute(
        select(edition_area.c.area, func.count().label("n"))
        .join(edition, edition.c.id == edition_area.c.edition)
        .where(edition.c.newest, ~edition.c.withdrawn, or_(edition.c.expires_at.is_(None), edition.c.expires_at > now))
        .group_by(edition_area.c.area)
    )
    return {row.area: int(row.n) for row in rows}
