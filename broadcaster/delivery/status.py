"""Status of an announcement, as the API's GET and `broadcaster show --json` return it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection

from broadcaster.delivery.channel_view import ChannelView, when
from broadcaster.delivery.waiting_words import holds, remedy, sentence
from broadcaster.domain.lifecycle import State
from broadcaster.domain.retry_policy import REASONS, WAITS
from broadcaster.domain.waiting import ChannelWait
from broadcaster.runtime.i18n import words
from broadcaster.store import ledger
from broadcaster.store.channels import ChannelState, channel_states, held_counts
from broadcaster.store.database import now
from broadcaster.store.failure_causes import Causes, Watcher
from broadcaster.store.ledger import Progress
from channels.base.contract import Site


@dataclass(frozen=True, kw_only=True)
class Overview:
    """Identity, state and sending of an announcement, and why messages have not arrived."""

    id: str
    code: str
    status: State
    url: str
    progress: Progress
    causes: Causes = field(default_factory=Causes)
    channels: Mapping[str, ChannelView] = field(default_factory=dict)
    emergency: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def holds(self) -> list[ChannelWait]:
        """Return the holds that keep it from going on, by channel."""
        return holds(self.progress, self.channels, self.causes, emergency=self.emergency)

    def as_json(self) -> dict[str, Any]:
        """Return the API's answer; other systems read it, so its keys never change."""
        return {
            "id": self.id,
            "code": self.code,
            "status": self.status,
            "url": self.url,
            "sending": self.progress.sending,
            "possible_duplicates": self.progress.possible_duplicates,
            "people": self.progress.people,
            "deliveries": {
                channel: dict(counts) for channel, counts in self.progress.deliveries.items()
            },
            "channels": {name: view.as_json() for name, view in self.channels.items()},
            "waiting": [
                {
                    "channel": item.channel,
                    "reason": item.reason,
                    "provider_code": item.provider_code,
                    "count": item.count,
                    "next_try": when(item.next_try),
                }
                for item in self.causes.waiting
            ],
            "failures": [
                {
                    "channel": item.channel,
                    "state": item.state,
                    "reason": item.reason,
                    "words": reason_words(item.reason),
                    "provider_code": item.provider_code,
                    "count": item.count,
                }
                for item in self.causes.failures
            ],
            "held_up": [self._held_up(hold) for hold in self.holds],
            "causes_complete": self.causes.complete,
        }

    def _held_up(self, hold: ChannelWait) -> dict[str, Any]:
        t, label = words("id"), self.labels.get(hold.channel, hold.channel)
        until = when(hold.until) if hold.until is not None else None
        return {
            **hold.as_json(),
            "until": until,
            "words": sentence(hold, label, t),
            "remedy": remedy(hold, t),
        }


def reason_words(reason: str) -> str:
    """Return a reason in words; the code itself if it has none."""
    return REASONS.get(reason) or WAITS.get(reason, reason)


def overview(
    connection: Connection,
    key: str,
    site: Site,
    watcher: Watcher | None = None,
    labels: Mapping[str, str] | None = None,
) -> Overview | None:
    """Return the announcement with this id or code; None if there is none.

    Reads the slices' counters, however many rows there are: cheap enough to poll each second.
    `watcher` adds why messages have not arrived, for some 50 ms more at most. `labels` are the
    channels' names for people.
    """
    row = ledger.heading(connection, key)
    if row is None:
        return None
    progress = ledger.progress(connection, row.id)
    return Overview(
        id=row.id,
        code=row.code,
        status=row.state,
        url=site.permalink(row.code),
        progress=progress,
        causes=watcher.causes(connection, row.id, now(connection)) if watcher else Causes(),
        channels=_channels(connection, progress),
        labels={} if labels is None else labels,
        emergency=progress.urgent if progress.states else row.level == "emergency",
    )


def identify(connection: Connection, key: str) -> str | None:
    """Return the id of the announcement with this id or code; None if there is none."""
    row = ledger.heading(connection, key)
    return None if row is None else str(row.id)


def _channels(connection: Connection, progress: Progress) -> Mapping[str, ChannelView]:
    states, wall = channel_states(connection), now(connection)
    held = held_counts(connection)
    standing = {name: current(states.get(name, ChannelState()), wall) for name in progress.states}
    return {
        name: ChannelView(
            sending=sending,
            why=progress.why.get(name, ""),
            state=standing[name],
            held=held.get(name, 0),
        )
        for name, sending in progress.states.items()
    }


def current(state: ChannelState, wall: float) -> ChannelState:
    """Return the state, with its pause only if that lies ahead."""
    return state if state.paused_until > wall else replace(state, paused_until=0.0)
