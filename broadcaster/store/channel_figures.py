"""Figures of a channel for staff: backlog, permitted rate, people reached, recent results."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, select

from broadcaster.store import throttling, tier
from broadcaster.store.channel_tables import channel_minute, held_suppression
from broadcaster.store.channels import ChannelState, channel_states
from broadcaster.store.database import now
from broadcaster.store.tables import run, slice_
from subscribers.vault import Vault

MINUTES = 5
"""Minutes of results that are displayed."""


@dataclass(frozen=True, kw_only=True)
class ChannelFigures:
    """Figures of a channel; times in epoch seconds, `rate` messages a second that it may send now
    (0: no limit), `slowed` if below the granted rate. `reached`: different people in 24 hours.
    `results` and `dead` are of the last minutes.
    """

    state: ChannelState
    paused: bool
    waiting: int
    held: int
    rate: float
    slowed: bool
    unreachable: bool
    domains: Mapping[str, float]
    reached: int
    results: int
    dead: int


def channel_figures(
    connection: Connection, vault: Vault, channel: str, *, rate: float, limited: bool
) -> ChannelFigures:
    """Return the figures of a channel whose provider grants `rate`; people reached are counted only
    if `limited`.
    """
    state = channel_states(connection).get(channel, ChannelState())
    pace, wall = throttling.pace_of(connection, channel)
    since = int(wall // 60) - MINUTES
    lately = connection.execute(
        select(func.sum(channel_minute.c.results), func.sum(channel_minute.c.dead)).where(
            channel_minute.c.channel == channel, channel_minute.c.minute > since
        )
    ).one()
    held = (
        select(func.count())
        .select_from(held_suppression)
        .where(held_suppression.c.channel == channel)
    )
    allowed = pace.rate(rate, wall)
    return ChannelFigures(
        state=state,
        paused=state.paused_until > now(connection),
        waiting=_waiting(connection, channel),
        held=int(connection.execute(held).scalar_one()),
        rate=allowed,
        slowed=allowed != rate,
        unreachable=pace.unreachable(wall),
        domains=throttling.held_domains(connection, vault, channel),
        reached=tier.used(connection, channel) if limited else 0,
        results=int(lately[0] or 0),
        dead=int(lately[1] or 0),
    )


def _waiting(connection: Connection, channel: str) -> int:
    """Count the open rows of the channel's unfinished runs."""
    runs = slice_.join(
        run, and_(run.c.edition == slice_.c.edition, run.c.channel == slice_.c.channel)
    )
    mine = (run.c.channel == channel, run.c.state.in_(("preparing", "running", "paused")))
    open_rows = select(func.coalesce(func.sum(slice_.c.open), 0)).select_from(runs).where(*mine)
    return int(connection.execute(open_rows).scalar_one())
