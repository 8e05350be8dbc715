"""Channel state that must survive an emptied Redis: pauses, breakers, held suppressions, live
workers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select, text, update

from broadcaster.domain.retry_policy import (
    BREAKER_MINUTES,
    PROBE_WAIT,
    suppressions_are_mass,
)
from broadcaster.store import suspicions
from broadcaster.store.channel_tables import channel_minute, channel_state, held_suppression
from broadcaster.store.custody import is_held
from broadcaster.store.database import now
from broadcaster.store.tables import run, worker
from subscribers import consent, store
from subscribers.store import State, address

WORKER_SECONDS = 15.0
"""Seconds after its last sign of life at which a worker no longer counts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelState:
    """State of a channel; `paused_until` in epoch seconds, `halted` is "", "probe" or "manual"."""

    paused_until: float = 0.0
    halted: str = ""
    detail: str = ""
    since: float | None = None
    next_probe: float | None = None
    holding: bool = False
    suspected: bool = False


def channel_states(connection: Connection) -> Mapping[str, ChannelState]:
    """Return the state of every channel that has one."""
    return {
        row.channel: ChannelState(
            paused_until=row.paused_until,
            halted=row.halted,
            detail=row.detail,
            since=row.since,
            next_probe=row.next_probe,
            holding=row.holding,
            suspected=row.suspected,
        )
        for row in connection.execute(select(channel_state))
    }


def held_counts(connection: Connection) -> Mapping[str, int]:
    """Return the number of suppressions held for an operator, of every channel that has some."""
    by_channel = select(held_suppression.c.channel, func.count().label("held")).group_by(
        held_suppression.c.channel
    )
    return {row.channel: row.held for row in connection.execute(by_channel)}


def closed_for(connection: Connection, channel: str, lane: str = "routine") -> float:
    """Return the seconds for which a lane of the channel is closed, 0 if open; a halted one counts
    until its next probe.

    A database that is not at home closes everything. Suppressions held for an operator, and replies
    about single recipients, close routine sending only: emergencies continue.
    """
    if is_held(connection):
        return PROBE_WAIT
    row = connection.execute(
        select(channel_state).where(channel_state.c.channel == channel)
    ).first()
    if row is None:
        return 0.0
    if lane == "emergency" and row.suspected:
        return 0.0
    if row.halted and not (row.holding and lane == "emergency"):
        return PROBE_WAIT
    return max(0.0, float(row.paused_until) - now(connection))


def pause_channel(
    connection: Connection, channel: str, seconds: float, *, suspected: bool = False
) -> bool:
    """Pause a channel as its provider asked; False if a longer pause holds.

    `suspected`: only replies about single recipients indicate it.
    """
    ensure(connection, channel)
    wall = now(connection)
    shorter = (channel_state.c.channel == channel, channel_state.c.paused_until < wall + seconds)
    values: dict[str, object] = {"paused_until": wall + seconds}
    if suspected:
        # a channel closed for a confirmed reason stays closed to emergencies too
        free = (channel_state.c.halted == "") & (channel_state.c.paused_until <= wall)
        values |= {
            "suspected": channel_state.c.suspected | free,
            "since": func.coalesce(channel_state.c.since, wall),
        }
    changed = connection.execute(update(channel_state).where(*shorter).values(**values))
    return changed.rowcount == 1


def halt_channel(
    connection: Connection, channel: str, detail: str, resume: str, *, suspected: bool = False
) -> bool:
    """Open the circuit breaker; False if it was open. `suspected`: only replies about single
    recipients indicate it.
    """
    ensure(connection, channel)
    wall, state = now(connection), channel_state.c
    weaker = state.halted.in_(("", "probe")) & (state.halted != resume)
    weaker = (
        weaker & ((state.halted == "") | state.suspected) if suspected else weaker | state.suspected
    )
    changed = connection.execute(
        update(channel_state)
        .where(state.channel == channel, weaker)
        .values(
            halted=resume,
            detail=detail,
            since=wall,
            suspected=suspected,
            next_probe=wall + PROBE_WAIT if resume == "probe" else None,
        )
    )
    return changed.rowcount == 1


def clear_suspicion(connection: Connection, channel: str, at: float) -> bool:
    """Reopen a channel closed because of replies about single recipients, since a message arrived
    at `at`, after it closed.
    """
    mine = (
        channel_state.c.channel == channel,
        channel_state.c.suspected,
        func.coalesce(channel_state.c.since, 0) < at,
    )
    opened = {
        "halted": "",
        "detail": "",
        "since": None,
        "next_probe": None,
        "paused_until": 0,
        "suspected": False,
    }
    return connection.execute(update(channel_state).where(*mine).values(**opened)).rowcount == 1


def resume_channel(connection: Connection, channel: str) -> bool:
    """Close the circuit breaker and end a pause for an operator; False if the channel was open."""
    shut = (channel_state.c.halted != "") | (channel_state.c.paused_until > now(connection))
    changed = connection.execute(
        update(channel_state)
        .where(channel_state.c.channel == channel, shut)
        .values(halted="", detail="", since=None, next_probe=None, paused_until=0, suspected=False)
    )
    suspicions.forget(connection, channel)
    return changed.rowcount == 1


def recover_channel(connection: Connection, channel: str) -> bool:
    """Close the breaker after a successful probe, unless it now waits for an operator. A pause
    continues.
    """
    probed = (channel_state.c.channel == channel, channel_state.c.halted == "probe")
    opened = {"halted": "", "detail": "", "since": None, "next_probe": None, "suspected": False}
    changed = connection.execute(update(channel_state).where(*probed).values(**opened))
    return changed.rowcount == 1


def take_probes(connection: Connection) -> Sequence[str]:
    """Return the channels whose probe is due; each goes to a single caller and is due again in a
    minute.
    """
    wall = now(connection)
    due = (
        connection.execute(
            select(channel_state.c.channel)
            .where(channel_state.c.halted == "probe", channel_state.c.next_probe <= wall)
            .with_for_update(skip_locked=True)
        )
        .scalars()
        .all()
    )
    if due:
        connection.execute(
            update(channel_state)
            .where(channel_state.c.channel.in_(due))
            .values(next_probe=wall + PROBE_WAIT)
        )
    return due


def count_results(connection: Connection, channel: str, results: int, dead: int) -> None:
    """Add to this minute's results, by which `suppress_or_hold` decides."""
    minute = int(now(connection) // 60)
    connection.execute(
        text(
            "INSERT INTO channel_minute (channel, minute, results, dead)"
            " VALUES (:channel, :minute, :results, :dead) "
            "ON CONFLICT (channel, minute) DO UPDATE"
            " SET results = channel_minute.results + :results, dead = channel_minute.dead + :dead"
        ),
        {"channel": channel, "minute": minute, "results": results, "dead": dead},
    )
    if dead:
        connection.execute(delete(channel_minute).where(channel_minute.c.minute < minute - 24 * 60))


def suppress_or_hold(
    connection: Connection, channel: str, dead: Mapping[int, str], *, at: float
) -> None:
    """Suppress dead addresses (address -> source), or hold them for an operator once there are
    suspiciously many.
    """
    if not dead:
        return
    ensure(connection, channel)
    since = int(now(connection) // 60) - BREAKER_MINUTES
    seen = connection.execute(
        select(func.sum(channel_minute.c.results), func.sum(channel_minute.c.dead)).where(
            channel_minute.c.channel == channel, channel_minute.c.minute > since
        )
    ).one()
    # locked: no transaction suppresses while another opens the breaker
    state = connection.execute(
        select(channel_state.c.holding).where(channel_state.c.channel == channel).with_for_update()
    ).scalar_one()
    if not state and suppressions_are_mass(int(seen[0] or 0), int(seen[1] or 0)):
        connection.execute(
            update(channel_state).where(channel_state.c.channel == channel).values(holding=True)
        )
        halt_channel(
            connection,
            channel,
            "suspiciously many dead addresses: suppressions are held for an operator",
            "manual",
        )
        _hold_burst(connection, channel, at)
        state = True
    for address_id, source in dead.items():
        if state:
            _hold(connection, channel, address_id, at)
        else:
            consent.suppress(connection, address_id, "address_dead", at=at, source=source)


def _hold(connection: Connection, channel: str, address_id: int, at: float) -> None:
    connection.execute(
        text(
            "INSERT INTO held_suppression (address, channel, reason, at)"
            " VALUES (:address, :channel, 'address_dead', :at) ON CONFLICT DO NOTHING"
        ),
        {"address": address_id, "channel": channel, "at": at},
    )


def _hold_burst(connection: Connection, channel: str, at: float) -> None:
    """Hold, instead of suppressing, addresses that the provider called dead within the breaker's
    window.
    """
    recent = (
        address.c.channel == channel,
        address.c.state == State.SUPPRESSED,
        address.c.reason == "address_dead",
        address.c.suppressed_at > at - BREAKER_MINUTES * 60,
    )
    suspects = select(address.c.id).where(*recent)
    last_words = (
        select(func.max(store.consent.c.id))
        .where(store.consent.c.address.in_(suspects))
        .group_by(store.consent.c.address)
    )
    by_provider = select(store.consent.c.address).where(
        store.consent.c.id.in_(last_words),
        store.consent.c.act == "dead",
        store.consent.c.source.in_(("provider", channel)),
    )
    burst = select(address.c.id, address.c.suppressed_at).where(address.c.id.in_(by_provider))
    for row in connection.execute(burst).all():
        consent.revive(connection, row.id, source="breaker", at=at)
        _hold(connection, channel, row.id, row.suppressed_at)


def mark_address_alive(connection: Connection, address_id: int, *, source: str, at: float) -> None:
    """Record that an address is alive: revive it if suppressed as dead, and drop its held
    suppression.
    """
    connection.execute(delete(held_suppression).where(held_suppression.c.address == address_id))
    consent.revive(connection, address_id, source=source, at=at)


def release_held(connection: Connection, channel: str, *, apply: bool) -> int:
    """Apply or discard held suppressions for an operator; return how many."""
    held = connection.execute(
        select(held_suppression.c.address, held_suppression.c.at).where(
            held_suppression.c.channel == channel
        )
    ).all()
    for row in held if apply else ():
        consent.suppress(connection, row.address, "address_dead", at=row.at, source="operator")
    connection.execute(delete(held_suppression).where(held_suppression.c.channel == channel))
    connection.execute(
        update(channel_state).where(channel_state.c.channel == channel).values(holding=False)
    )
    connection.execute(delete(channel_minute).where(channel_minute.c.channel == channel))
    return len(held)


def ensure(connection: Connection, channel: str) -> None:
    """Create the channel's row of state if it is missing."""
    connection.execute(
        text(
            "INSERT INTO channel_state (channel, paused_until, halted, detail, holding, suspected)"
            " VALUES (:channel, 0, '', '', :no, :no)"
            " ON CONFLICT DO NOTHING"
        ),
        {"channel": channel, "no": False},
    )


def pause_run(connection: Connection, edition: int, channel: str, why: str) -> bool:
    """Pause a run until a person resumes or cancels it; False if it is not running."""
    changed = connection.execute(
        update(run)
        .where(
            run.c.edition == edition,
            run.c.channel == channel,
            run.c.state.in_(("preparing", "running")),
        )
        .values(state="paused", stopped_by=why)
    )
    return changed.rowcount == 1


def mark_worker_alive(connection: Connection, owner: str, lane: str) -> int:
    """Record a sign of life of this worker; return how many workers of its lane are alive."""
    wall = now(connection)
    connection.execute(
        text(
            "INSERT INTO worker (owner, lane, seen_at) VALUES (:owner, :lane, :wall)"
            " ON CONFLICT (owner) DO UPDATE SET seen_at = :wall"
        ),
        {"owner": owner, "lane": lane, "wall": wall},
    )
    connection.execute(delete(worker).where(worker.c.seen_at < wall - 10 * WORKER_SECONDS))
    alive = select(func.count()).where(
        worker.c.lane == lane, worker.c.seen_at > wall - WORKER_SECONDS
    )
    return int(connection.execute(alive).scalar_one())
