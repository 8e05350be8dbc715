"""Words for whatever holds a sending up: on which channel, why, until when. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime

from broadcaster.delivery.channel_view import ChannelView
from broadcaster.domain.waiting import CAUSES, Cause, ChannelWait
from broadcaster.runtime.i18n import Words
from broadcaster.store.channels import ChannelState
from broadcaster.store.failure_causes import Causes
from broadcaster.store.ledger import Progress
from channels.base.moments import full_moment_text


def closed(state: ChannelState, *, emergency: bool) -> Cause | None:
    """Return why a channel sends nothing in a lane, if so; replies to single recipients and held
    suppressions never close the emergency lane.
    """
    if emergency and state.suspected:
        return None
    if state.halted and not (emergency and state.holding):
        return "probing" if state.halted == "probe" else "halted"
    return "limited" if state.paused_until else None


def holds(
    progress: Progress, channels: Mapping[str, ChannelView], causes: Causes, *, emergency: bool
) -> list[ChannelWait]:
    """Return every hold; merely waiting for a turn is none."""
    waiting = []
    for name, view in channels.items():
        pending = progress.deliveries[name]["pending"]
        if (
            pending
            and (hold := _hold(name, view, pending, causes, emergency=emergency)) is not None
        ):
            waiting.append(hold)
    return waiting


def _hold(
    name: str, view: ChannelView, pending: int, causes: Causes, *, emergency: bool
) -> ChannelWait | None:
    if view.sending == "paused":
        return ChannelWait(channel=name, cause="stopped", count=pending, why=view.why)
    if view.sending not in ("preparing", "running"):
        return None
    cause = closed(view.state, emergency=emergency)
    if cause is not None:
        return ChannelWait(
            channel=name,
            cause=cause,
            count=pending,
            until=view.state.paused_until if cause == "limited" else None,
        )
    rows = [wait for wait in causes.waiting if wait.channel == name]
    if not rows:
        return None
    most = max(rows, key=lambda wait: wait.count).reason
    why: Cause = next((cause for cause in CAUSES if cause == most), "later")
    return ChannelWait(
        channel=name,
        cause=why,
        count=sum(wait.count for wait in rows),
        until=min(wait.next_try for wait in rows),
    )


def sentence(hold: ChannelWait, label: str, t: Words, lang: str = "id") -> str:
    """Return the sentence that says what waits, and until when with the date."""
    until = (
        full_moment_text(datetime.fromtimestamp(hold.until, UTC), lang)
        if hold.until is not None
        else ""
    )
    return t(
        f"staff.wait.{hold.cause}", channel=label, n=hold.count, until=until, why=hold.why
    ).strip()


def remedy(hold: ChannelWait, t: Words) -> str:
    """Return the sentence that says what can be done."""
    return t(f"staff.wait.do.{hold.cause}")
