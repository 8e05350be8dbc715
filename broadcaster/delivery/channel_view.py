"""Channels of an announcement, as staff and the API see them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from broadcaster.store.channels import ChannelState
from channels.base.moments import WIB


@dataclass(frozen=True, kw_only=True)
class ChannelView:
    """State of one channel: its run and why that is held, the channel itself, suppressions held."""

    sending: str
    why: str
    state: ChannelState
    held: int

    def as_json(self) -> dict[str, Any]:
        """Return the API's object; `paused_until` is None unless it lies ahead."""
        return {
            "sending": self.sending,
            "why": self.why,
            "halted": self.state.halted,
            "detail": self.state.detail,
            "paused_until": when(self.state.paused_until) if self.state.paused_until else None,
            "held_suppressions": self.held,
        }


def when(at: float) -> str:
    """Format epoch seconds as the API does: ISO 8601 in WIB, whole seconds."""
    return datetime.fromtimestamp(at, WIB).isoformat(timespec="seconds")
