"""One channel of an announcement as staff and the API see it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from broadcaster.store.channels import ChannelState
from channels.base.moments import WIB


@dataclass(frozen=True, kw_only=True)
class ChannelView:
    """A channel's run and why that is held, the channel's own state, suppressions held."""

    sending: str
    why: str
    state: ChannelState
    held: int

    def as_json(self) -> dict[str, Any]:
        """Return the part of the answer; `paused_until` only where it lies ahead."""
        return {
            "sending": self.sending,
            "why": self.why,
            "halted": self.state.halted,
            "detail": self.state.detail,
            "paused_until": when(self.state.paused_until) if self.state.paused_until else None,
            "held_suppressions": self.held,
        }


def when(at: float) -> str:
    """Write a time (epoch seconds) as the API does: ISO 8601 in WIB, whole seconds."""
    return datetime.fromtimestamp(at, WIB).isoformat(timespec="seconds")
