"""Pace of a sending: messages a minute, and when the rest will be done. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from channels.base.moments import WIB

SHORTEST = 3.0
"""Seconds that the first and the last observation must be apart for a rate."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """Number of closed rows of an edition at a time (epoch seconds)."""

    at: float
    closed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """Messages a minute over the last stretch, and the time (WIB) when the rest will be done."""

    per_minute: int
    ready: datetime


def pace(observations: Sequence[Observation], left: int) -> Pace | None:
    """Measure the pace between the first and the last observation, with `left` rows still open.

    None if nothing is left, if the observations are too few or too close, if nothing was closed
    between them, or if the rest would take a week or more.
    """
    if len(observations) < 2 or left <= 0:
        return None
    passed, closed = (
        observations[-1].at - observations[0].at,
        observations[-1].closed - observations[0].closed,
    )
    if passed < SHORTEST or closed <= 0:
        return None
    seconds = left * passed / closed
    ready = (
        datetime.fromtimestamp(observations[-1].at + seconds, WIB) if seconds < 7 * 86400 else None
    )
    return (
        Pace(per_minute=math.floor(closed * 60 / passed), ready=ready)
        if ready is not None
        else None
    )
