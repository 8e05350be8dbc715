"""Emergencies that must wait: noticed by the sweeper, told once to their people, and once more when
they go on or expired.

A channel that is closed, or a wait of known length, is told at once; what may pass by itself (a
server that does not answer) only after a minute. It is over once nothing of it was seen for a
minute, so that a try in between is no all-clear.
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
from broadcaster.domain.waiting import Hold, Shut
from broadcaster.publishing import lateness
from broadcaster.runtime.i18n import words
from broadcaster.store import announcements as rows
from broadcaster.store import audit, ledger, nudges, tier
from broadcaster.store import hold_ups as store
from broadcaster.store.channels import ChannelState, channel_states
from broadcaster.store.custody import is_held
from broadcaster.store.database import now
from broadcaster.store.hold_ups import HoldUp
from broadcaster.store.ledger import Progress
from channels.base.moments import full_moment_text

PATIENCE = 60.0
"""Seconds that something may wait that will perhaps pass by itself; a known wait longer than this
is told at once.
"""
CALM = 60.0
"""Seconds for which nothing may have been seen of it before it is over."""
SHARE = 0.01
"""Part of a channel's messages that must be told to come again later at the same time: one busy
mailbox is no hold-up.
"""
News = Literal["held_up", "resumed", "expired"]
"""What the people of an emergency are told of its waiting."""
_ACTS: Mapping[News, Act] = {
    "held_up": Act.HELD_UP,
    "resumed": Act.RESUMED,
    "expired": Act.EXPIRED,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sight:
    """One emergency as it stands: what holds it up, channels on which messages are open, and those
    that have none yet.
    """

    holds: Sequence[Hold] = ()
    busy: frozenset[str] = frozenset()
    preparing: frozenset[str] = frozenset()


async def look(app: App) -> None:
    """See which emergencies wait, and have their people told."""
    seen, standing = await app.database.read(_look, app)
    if standing or any(sight.holds for sight in seen.values()):
        await app.database.write(record, app, seen)


def _look(connection: Connection, app: App) -> tuple[dict[str, Sight], list[HoldUp]]:
    return {
        name: _of(connection, app, name) for name in store.emergencies(connection)
    }, store.standing(connection)


def _of(connection: Connection, app: App, announcement: str) -> Sight:
    """What holds an announcement up; a person who paused it knows."""
    shown = status.overview(connection, announcement, app.site, app.causes)
    if shown is None:
        return Sight()
    found = shown.holds
    if any(hold.cause == "stopped" for hold in found) and _paused_by_person(
        connection, announcement
    ):
        found = [hold for hold in found if hold.cause != "stopped"]
    counts, states = shown.progress.deliveries, shown.progress.states
    found = [
        hold
        for hold in found
        if hold.cause != "later" or hold.count >= SHARE * sum(counts[hold.channel].values())
    ]
    return Sight(
        holds=found,
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


def record(connection: Connection, app: App, seen: Mapping[str, Sight]) -> None:
    """Note what was seen (by announcement), tell what must be told, and end what is over."""
    wall = now(connection)
    known = {(one.announcement, one.hold.channel): one for one in store.standing(connection)}
    for announcement, sight in seen.items():
        for hold in sight.holds:
            if (before := known.get((announcement, hold.channel))) is not None:
                store.mark_continuing(connection, before, hold, wall)
            else:
                store.begin(connection, announcement, hold, wall)
    waits = {
        (announcement, hold.channel) for announcement, sight in seen.items() for hold in sight.holds
    }
    busy = {
        (announcement, channel) for announcement, sight in seen.items() for channel in sight.busy
    }
    preparing = {
        (announcement, channel)
        for announcement, sight in seen.items()
        for channel in sight.preparing
    }
    for one in store.standing(connection):
        place = (one.announcement, one.hold.channel)
        if place in waits:
            if one.told_at is None and (_is_sure(one.hold, wall) or wall - one.since >= PATIENCE):
                store.mark_notified(connection, one, wall)
                _tell(connection, app, one, "held_up")
        elif place in preparing:
            continue  # another edition takes its place: whether that one waits is seen once its messages are there
        elif place not in busy or wall - one.seen_at >= CALM:
            store.end(connection, one, wall)
            if one.told_at is not None and (ending := _ending(connection, one)) is not None:
                _tell(connection, app, one, ending)


def _ending(connection: Connection, one: HoldUp) -> News | None:
    """How it ended, as its people are told; None where a person stopped it or left the channel out
    of a correction: they know.
    """
    sending = ledger.progress(connection, one.announcement)
    if _expired(sending, one):
        return "expired"
    return "resumed" if sending.states.get(one.hold.channel) in ("running", "done") else None


def _expired(sending: Progress, one: HoldUp) -> int:
    """Messages whose time was over before they could leave."""
    return sending.deliveries.get(one.hold.channel, {}).get("expired", 0)


def _is_sure(hold: Hold, wall: float) -> bool:
    """Check whether it will not pass by itself soon."""
    closed = hold.cause in ("halted", "probing", "stopped")
    return closed or (hold.cause in ("limited", "tier") and (hold.until or wall) - wall > PATIENCE)


def _tell(connection: Connection, app: App, one: HoldUp, reason: News) -> None:
    row, at = rows.find(connection, one.announcement), app.clock()
    if row is None:
        return
    nudges.add(connection, lateness.people_of(connection, row), row.id, reason, at.timestamp())
    audit.append(
        connection,
        NamedActor.clock(at),
        _ACTS[reason],
        row.id,
        code=row.code,
        channel=one.hold.channel,
        cause=one.hold.cause,
        count=one.hold.count,
    )


def shut(connection: Connection, app: App, names: Iterable[str], *, emergency: bool) -> list[Shut]:
    """Which of these channels would let an announcement wait, were it published now."""
    if is_held(connection):
        return [Shut(label=app.push[name].label, cause="moved") for name in names]
    states, wall, found = channel_states(connection), now(connection), []
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
            found.append(Shut(label=channel.label, cause=cause, until=until))
    return found


# --- in words -------------------------------------------------------------------------------------------


def told(connection: Connection) -> list[HoldUp]:
    """What stands and was told: the newsroom's first page shows it."""
    return [one for one in store.standing(connection) if one.told_at is not None]


def stands(connection: Connection, announcement: str) -> bool:
    """Check whether an announcement still waits."""
    return any(one.announcement == announcement for one in told(connection))


def story(connection: Connection, app: App, announcement: str) -> str:
    """What waits and what can be done, then what goes on again, a line each."""
    t, lines, sending = words("id"), [], ledger.progress(connection, announcement)
    for one in store.of(connection, announcement):
        label = app.labels.get(one.hold.channel, one.hold.channel)
        if one.told_at is None:
            continue
        if one.over_at is not None and (count := _expired(sending, one)):
            lines.append(t("staff.wait.expired", channel=label, n=count))
        elif one.over_at is None:
            lines.append(
                f"{waiting_words.sentence(one.hold, label, t)} {waiting_words.remedy(one.hold, t)}"
            )
        else:
            since, over = (
                full_moment_text(datetime.fromtimestamp(at, UTC)) for at in (one.since, one.over_at)
            )
            lines.append(t("staff.wait.over", channel=label, since=since, over=over))
    return "\n".join(
        dict.fromkeys(lines)
    )  # two hold-ups of a channel may have ended in the same words
