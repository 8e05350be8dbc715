"""Reasons why a message waits, and what a channel that is shut means for an announcement. Pure."""

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
"""moved: the database is not at home; halted: until a person opens the channel; probing: asked each
minute; limited: the provider named a time; stopped: the run is paused; the others are what
single messages wait for.
"""
CAUSES: tuple[Cause, ...] = get_args(Cause)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """Messages of one channel that wait; `until` (epoch seconds) is None where a person must act or
    nobody knows.
    """

    channel: str
    cause: Cause
    count: int
    until: float | None = None
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """The part of the API's answer, but for its time and words."""
        return {"channel": self.channel, "cause": self.cause, "count": self.count}


@dataclass(frozen=True, kw_only=True, slots=True)
class Shut:
    """A channel that would let an announcement wait, were it published now; `label` is what people
    call it.
    """

    label: str
    cause: Cause
    until: float | None = None

    @property
    def problem(self) -> Problem:
        """The wait as the problem of an announcement's channels."""
        parameters: dict[str, Parameter] = {"channel": self.label}
        if self.cause == "moved":
            return Problem(field="channels", code=WaitCode.CHANNEL_MOVED, parameters=parameters)
        if self.until is None:
            return Problem(field="channels", code=WaitCode.CHANNEL_STOPPED, parameters=parameters)
        parameters["until"] = datetime.fromtimestamp(self.until, UTC)
        code = WaitCode.CHANNEL_SPENT if self.cause == "tier" else WaitCode.CHANNEL_LIMITED
        return Problem(field="channels", code=code, parameters=parameters)
