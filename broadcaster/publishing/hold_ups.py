"""Hold-ups of emergencies: noticed by the sweeper, reported once to the people in charge, and again
when they resume or expire.

A closed channel, or a wait of known length, is reported at once; a problem that may pass by itself
(a server that does not answer) only after a minute. A hold-up is over once it has not been observed
for a minute, so that a retry in between is no all-clear.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.delivery import status, waiting_words
from broadcaster.domain.actor import NamedActor
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.waiting import ChannelWait, ClosedChannel
from broadcaster.publishing import lateness
from broadcaster.runtime.i18n import words
from broadcaster.store import announcements, audit, hold_ups, ledger, nudges, tier
from broadcaster.store.channels import ChannelState, channel_states
from broadcaster.store.custody import is_held
from broadcaster.store.database import now
from broadcaster.store.hold_ups import HoldUp
from broadcaster.store.ledger import Progress
from channels.base.moments import full_moment_text

PATIENCE = 60.0
"""Seconds before a problem that may pass by itself is reported; a known wait longer than this is
reported at once.
"""
CALM = 60.0
"""Seconds without observing a hold-up after which it is over."""
SHARE = 0.01
"""Fraction of a channel's messages that must be deferred at the same time: one busy mailbox is no
hold-up.
"""
HoldUpNews = Literal["held_up", "resumed", "expired"]
"""Kinds of news about a hold-up."""
_ACTS: Mapping[HoldUpNews, Act] = {
    "held_up": Act.HELD_UP,
    "resumed": Act.RESUMED,
    "expired": Act.EXPIRED,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldUpState:
    """State of one emergency: its holds, channels with open messages, and channels that are still
    preparing theirs.
    """

    holds: Sequence[ChannelWait] = ()
    busy: frozenset[str] = frozenset()
    preparing: frozenset[str] = frozenset()


async def check(app: App) -> None:
    """Check every emergency for hold-ups, and notify the people in charge."""
    states, standing = await app.database.read(_states, app)
    if standing or any(state.holds for state in states.values()):
        await app.database.write(record, app, states)


def _states(connection: Connection, app: App) -> tuple[dict[str, HoldUpState], list[HoldUp]]:
    return {
        name: _of(connection, app, name) for name in hold_ups.emergencies(connection)
    }, hold_ups.standing(connection)


def _of(connection: Connection, app: App, announcement: str) -> HoldUpState:
    """Return the state of an announcement, without channels paused by a person, who knows of it."""
    overview = status.overview(connection, announcement, app.site, app.causes)
    if overview is None:
        return HoldUpState()
    holds = overview.holds
    if any(hold.cause == "stopped" for hold in holds) and _paused_by_person(
        connection, announcement
    ):
        holds = [hold for hold in holds if hold.cause != "stopped"]
    counts, states = overview.progress.deliveries, overview.progress.states
    holds = [
        hold
        for hold in holds
        if hold.cause != "later" or hold.count >= SHARE * sum(counts[hold.channel].values())
    ]
    return HoldUpState(
        holds=holds,
        busy=frozenset(name for name, rows in counts.items() if rows["pending"] or rows["sending"]),
        preparing=frozenset(name for name, state in states.items() if state == "preparing"),
    )


def _paused_by_person(connection: Connection, announcement: str) -> bool:
    acts = [
        entry.act
        for entry in audit.about(connection, announcement)
        if entry.act in (Act.PAUSE, Act.RESUME)
    ]
    return bool(acts) and acts[-1] == Act.PAUSE


def record(connection: Connection, app: App, states: Mapping[str, HoldUpState]) -> None:
    """Record the observed states (by announcement), notify where due, and end what is over."""
    wall = now(connection)
    known = {
        (hold_up.announcement, hold_up.hold.channel): hold_up
        for hold_up in hold_ups.standing(connection)
    }
    for announcement, state in states.items():
        for hold in state.holds:
            if (before := known.get((announcement, hold.channel))) is not None:
                hold_ups.mark_continuing(connection, before, hold, wall)
            else:
                hold_ups.begin(connection, announcement, hold, wall)
    waits = {
        (announcement, hold.channel)
        for announcement, state in states.items()
        for hold in state.holds
    }
    busy = {
        (announcement, channel) for announcement, state in states.items() for channel in state.busy
    }
    preparing = {
        (announcement, channel)
        for announcement, state in states.items()
        for channel in state.preparing
    }
    for hold_up in hold_ups.standing(connection):
        place = (hold_up.announcement, hold_up.hold.channel)
        if place in waits:
            if hold_up.told_at is None and (
                _is_sure(hold_up.hold, wall) or wall - hold_up.since >= PATIENCE
            ):
                hold_ups.mark_notified(connection, hold_up, wall)
                _report(connection, app, hold_up, "held_up")
        elif place in preparing:
            # another edition takes its place: its own holds show once its messages are there
            continue
        elif place not in busy or wall - hold_up.seen_at >= CALM:
            hold_ups.end(connection, hold_up, wall)
            if hold_up.told_at is not None and (ending := _ending(connection, hold_up)) is not None:
                _report(connection, app, hold_up, ending)


def _ending(connection: Connection, hold_up: HoldUp) -> HoldUpNews | None:
    """Return how a hold-up ended; None if a person stopped the sending or left the channel out of a
    correction: they know.
    """
    sending = ledger.progress(connection, hold_up.announcement)
    if _expired(sending, hold_up):
        return "expired"
    return "resumed" if sending.states.get(hold_up.hold.channel) in ("running", "done") else None


def _expired(sending: Progress, hold_up: HoldUp) -> int:
    """Return the number of messages that expired before they could leave."""
    return sending.deliveries.get(hold_up.hold.channel, {}).get("expired", 0)


def _is_sure(hold: ChannelWait, wall: float) -> bool:
    """True if it will not pass by itself soon."""
    closed = hold.cause in ("halted", "probing", "stopped")
    return closed or (hold.cause in ("limited", "tier") and (hold.until or wall) - wall > PATIENCE)


def _report(connection: Connection, app: App, hold_up: HoldUp, reason: HoldUpNews) -> None:
    row, at = announcements.find(connection, hold_up.announcement), app.clock()
    if row is None:
        return
    nudges.add(connection, lateness.people_of(connection, row), row.id, reason, at.timestamp())
    audit.append(
        connection,
        NamedActor.clock(at),
        _ACTS[reason],
        row.id,
        code=row.code,
        channel=hold_up.hold.channel,
        cause=hold_up.hold.cause,
        count=hold_up.hold.count,
    )


def shut(
    connection: Connection, app: App, names: Iterable[str], *, emergency: bool
) -> list[ClosedChannel]:
    """Return those of the channels that would hold up an announcement published now."""
    if is_held(connection):
        return [ClosedChannel(label=app.push[name].label, cause="moved") for name in names]
    states, wall, closed = channel_states(connection), now(connection), []
    for name in names:
        state, channel = states.get(name, ChannelState()), app.push[name]
        cause = waiting_words.closed(status.current(state, wall), emergency=emergency)
        until = state.paused_until if cause == "limited" else None
        if (
            cause is None
            and channel.tier
            and (free_at := tier.full_until(connection, name, channel.tier, emergency=emergency))
        ):
            cause, until = "tier", free_at
        if cause is not None:
            closed.append(ClosedChannel(label=channel.label, cause=cause, until=until))
    return closed


# --- in words -------------------------------------------------------------------------------------


def reported(connection: Connection) -> list[HoldUp]:
    """Return the standing hold-ups that were reported, for the newsroom's first page."""
    return [hold_up for hold_up in hold_ups.standing(connection) if hold_up.told_at is not None]


def stands(connection: Connection, announcement: str) -> bool:
    """True if an announcement has a reported hold-up."""
    return any(hold_up.announcement == announcement for hold_up in reported(connection))


def story(connection: Connection, app: App, announcement: str) -> str:
    """Describe the holds with their remedies and those that are over, one per line."""
    t, lines, sending = words("id"), [], ledger.progress(connection, announcement)
    for hold_up in hold_ups.of(connection, announcement):
        label = app.labels.get(hold_up.hold.channel, hold_up.hold.channel)
        if hold_up.told_at is None:
            continue
        if hold_up.over_at is not None and (count := _expired(sending, hold_up)):
            lines.append(t("staff.wait.expired", channel=label, n=count))
        elif hold_up.over_at is None:
            waits = waiting_words.sentence(hold_up.hold, label, t)
            lines.append(f"{waits} {waiting_words.remedy(hold_up.hold, t)}")
        else:
            since, over = (
                full_moment_text(datetime.fromtimestamp(at, UTC))
                for at in (hold_up.since, hold_up.over_at)
            )
            lines.append(t("staff.wait.over", channel=label, since=since, over=over))
    # two hold-ups of a channel may have ended in the same words
    return "\n".join(dict.fromkeys(lines))
