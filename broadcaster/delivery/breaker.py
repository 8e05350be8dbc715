"""Breaker for suspect replies: records those that may be the sender's fault, and closes the channel
once `assess` says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import structlog
from sqlalchemy import Connection

from broadcaster.domain.deliveries import DELIVERED, READ, SENT
from broadcaster.domain.retry_policy import SUSPECT_SECONDS
from broadcaster.domain.sender_faults import Successes, SuspectReply, assess, kind_of
from broadcaster.store import channels, suspicions
from broadcaster.store.database import now
from broadcaster.store.suspicions import LATER
from channels.base.contract import Deferred, Halted, Rejected

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class SuspectOutcome:
    """A suspect reply, with its recipient and time."""

    seen: SuspectReply
    outcome: Halted | Deferred

    @property
    def kind(self) -> str:
        """Return the key under which equal replies are counted."""
        return kind_of(self.outcome)


@dataclass(frozen=True, kw_only=True, slots=True)
class BreakerResult:
    """Consequences of suspect replies: whether the channel closed, and domains to rest (keyed hash
    -> seconds).
    """

    closed: bool = False
    domains: Mapping[str, float]


def weigh(
    connection: Connection,
    channel: str,
    reports: Iterable[SuspectOutcome],
    arrived: Mapping[str, float],
    *,
    idle: bool = False,
    later: bool = False,
) -> BreakerResult:
    """Record suspect replies and successes (domain or "" -> time), and act on all of them together.

    `idle`: no recipient is left to try. `later`: the replies came as receipts, not as answers to
    our requests.
    """
    prefix = LATER if later else ""
    suspicions.note_success(connection, channel, arrived)
    closed, domains = False, dict[str, float]()
    for kind, group in groupby(
        sorted(reports, key=lambda report: report.kind), key=lambda report: report.kind
    ):
        same = list(group)
        held, shut = _weigh_kind(connection, channel, prefix + kind, same, idle=idle, prefix=prefix)
        closed |= shut
        domains |= held
    return BreakerResult(closed=closed, domains=domains)


def _weigh_kind(
    connection: Connection,
    channel: str,
    kind: str,
    same: Sequence[SuspectOutcome],
    *,
    idle: bool,
    prefix: str,
) -> tuple[Mapping[str, float], bool]:
    outcome = same[-1].outcome
    wall = now(connection)
    known = suspicions.successes(connection, channel)
    success_at = known.get(prefix, 0.0)
    if prefix and prefix not in known:
        # starts recording arrivals under this prefix
        suspicions.note_success(connection, channel, {prefix: 0.0})
    suspicions.note(
        connection,
        channel,
        kind,
        outcome.code,
        (report.seen for report in same),
        success_at=success_at,
    )
    seen = suspicions.newest(connection, channel, kind, since=wall - SUSPECT_SECONDS)
    reaching = (DELIVERED, READ) if prefix else (SENT, DELIVERED, READ)
    lonely = idle and not suspicions.any_arrived(
        connection, channel, reaching, since=wall - SUSPECT_SECONDS
    )
    verdict = assess(seen, Successes(channel=success_at, domains=known), now=wall, idle=lonely)
    rest = outcome.retry_after or 0.0 if isinstance(outcome, Deferred) else SUSPECT_SECONDS
    touched = {report.seen.domain for report in same}
    held = dict.fromkeys(verdict.domains & touched, rest)
    return held, verdict.halt and _close(connection, channel, outcome)


def _close(connection: Connection, channel: str, outcome: Halted | Deferred) -> bool:
    """Halt the channel, or pause it where the provider limits it; emergencies go on. False if
    nothing closes.
    """
    if isinstance(outcome, Halted) or outcome.scope == "domain":
        if isinstance(outcome, Deferred) and not outcome.alarm:
            return False  # each domain is busy by itself
        resume = outcome.resume if isinstance(outcome, Halted) else "manual"
        detail = f"{outcome.code} {outcome.detail}".strip()
        if channels.halt_channel(connection, channel, detail, resume, suspected=True):
            log.error(
                "channel_halted",
                channel=channel,
                code=outcome.code,
                detail=outcome.detail,
                resume=resume,
                suspected=True,
            )
        return True
    if channels.pause_channel(connection, channel, outcome.retry_after or 0.0, suspected=True):
        log.error(
            "channel_paused",
            channel=channel,
            code=outcome.code,
            detail=outcome.detail,
            seconds=outcome.retry_after,
        )
    return True


def rejected_by(
    connection: Connection, channel: str, edition: int, failure: Rejected, seen: SuspectReply
) -> int:
    """Record a rejection that came by receipt; return how many addresses got it for this edition
    since the last success.
    """
    kind = f"{LATER}{edition} {failure.code}"
    known = suspicions.successes(connection, channel)
    if LATER not in known:
        suspicions.note_success(connection, channel, {LATER: 0.0})
    success_at = known.get(LATER, 0.0)
    suspicions.note(connection, channel, kind, failure.code, [seen], success_at=success_at)
    return len(suspicions.newest(connection, channel, kind, since=success_at))
