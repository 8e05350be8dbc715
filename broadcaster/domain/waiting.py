"""Reasons why messages wait, and the effect of a closed channel on an announcement. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from broadcaster.domain.refusal_codes import WaitCode
from broadcaster.domain.refusals import Parameter, Problem

Cause = Literal[
    "moved",
    "halted",
    "probing",
    "limited",
    "stopped",
    "unreachable",
    "trouble",
    "tier",
    "unreadable",
    "later",
]
"""moved: the database is not at its home; halted: until a person opens the channel; probing:
probed each minute; limited: the provider named a time; stopped: the run is paused; the others
are causes of single messages.
"""
CAUSES: tuple[Cause, ...] = get_args(Cause)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelWait:
    """Waiting messages of one channel; `until` (epoch seconds) is None if a person must act or
    the time is unknown.
    """

    channel: str
    cause: Cause
    count: int
    until: float | None = None
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """Build this part of the API's answer, without its time and words."""
        return {"channel": self.channel, "cause": self.cause, "count": self.count}


@dataclass(frozen=True, kw_only=True, slots=True)
class ClosedChannel:
    """A channel that would delay an announcement if it were published now; `label` is the
    channel's display name.
    """

    label: str
    cause: Cause
    until: float | None = None

    @property
    def problem(self) -> Problem:
        """The delay as a problem of the announcement's channels."""
        parameters: dict[str, Parameter] = {"channel": self.label}
        if self.cause == "moved":
            return Problem(field="channels", code=WaitCode.CHANNEL_MOVED, parameters=parameters)
        if self.until is None:
            return Problem(field="channels", code=WaitCode.CHANNEL_STOPPED, parameters=parameters)
        parameters["until"] = datetime.fromtimestamp(self.until, UTC)
        code = WaitCode.CHANNEL_SPENT if self.cause == "tier" else WaitCode.CHANNEL_LIMITED
        return Problem(field="channels", code=code, parameters=parameters)
