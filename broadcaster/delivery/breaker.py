"""The breaker of suspect replies: keeps those that may be about the sender, and closes the channel
once `judge` says that they are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import structlog
from sqlalchemy import Connection

from broadcaster.domain.deliveries import DELIVERED, READ, SENT
from broadcaster.domain.retry_policy import SUSPECT_SECONDS
from broadcaster.domain.sender_faults import Seen, Successes, judge, kind_of
from broadcaster.store import channels as channel_store
from broadcaster.store import suspicions
from broadcaster.store.database import now
from broadcaster.store.suspicions import LATER
from channels.base.contract import Deferred, Halted, Rejected

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A suspect reply, who got it and when."""

    seen: Seen
    outcome: Halted | Deferred

    @property
    def kind(self) -> str:
        """Return what counts as the same reply."""
        return kind_of(self.outcome)


@dataclass(frozen=True, kw_only=True, slots=True)
class Weighed:
    """The consequences of suspect replies: a closed channel, resting domains (keyed hash -> seconds)."""

    closed: bool = False
    domains: Mapping[str, float]


def weigh(
    connection: Connection,
    channel: str,
    reports: Iterable[Report],
    arrived: Mapping[str, float],
    *,
    idle: bool = False,
    later: bool = False,
) -> Weighed:
    """Keep suspect replies and successes (domain or "" -> when), and act on what they mean
    together.

    `idle`: nobody else is left to try. `later`: receipts told of them, not the answers to our
    requests.
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
    return Weighed(closed=closed, domains=domains)


def _weigh_kind(
    connection: Connection,
    channel: str,
    kind: str,
    same: Sequence[Report],
    *,
    idle: bool,
    prefix: str,
) -> tuple[Mapping[str, float], bool]:
    outcome = same[-1].outcome
    wall = now(connection)
    known = suspicions.successes(connection, channel)
    success_at = known.get(prefix, 0.0)
    if prefix and prefix not in known:
        suspicions.note_success(
            connection, channel, {prefix: 0.0}
        )  # from now on arrivals are noted there
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
    verdict = judge(seen, Successes(channel=success_at, domains=known), now=wall, idle=lonely)
    rest = outcome.retry_after or 0.0 if isinstance(outcome, Deferred) else SUSPECT_SECONDS
    touched = {report.seen.domain for report in same}
    held = dict.fromkeys(verdict.domains & touched, rest)
    return held, verdict.halt and _close(connection, channel, outcome)


def _close(connection: Connection, channel: str, outcome: Halted | Deferred) -> bool:
    """Halt the channel, or let it rest where the provider limits it; emergencies go on. False where
    nothing closes.
    """
    if isinstance(outcome, Halted) or outcome.scope == "domain":
        if isinstance(outcome, Deferred) and not outcome.alarm:
            return False  # domains that are busy, each for itself
        resume = outcome.resume if isinstance(outcome, Halted) else "manual"
        detail = f"{outcome.code} {outcome.detail}".strip()
        if channel_store.halt_channel(connection, channel, detail, resume, suspected=True):
            log.error(
                "channel_halted",
                channel=channel,
                code=outcome.code,
                detail=outcome.detail,
                resume=resume,
                suspected=True,
            )
        return True
    if channel_store.pause_channel(connection, channel, outcome.retry_after or 0.0, suspected=True):
        log.error(
            "channel_paused",
            channel=channel,
            code=outcome.code,
            detail=outcome.detail,
            seconds=outcome.retry_after,
        )
    return True


def rejected_by(
    connection: Connection, channel: str, edition: int, failure: Rejected, seen: Seen
) -> int:
    """Note that a receipt told of a rejection; how many addresses got it for this edition with no
    arrival between.
    """
    kind = f"{LATER}{edition} {failure.code}"
    known = suspicions.successes(connection, channel)
    if LATER not in known:
        suspicions.note_success(connection, channel, {LATER: 0.0})
    success_at = known.get(LATER, 0.0)
    suspicions.note(connection, channel, kind, failure.code, [seen], success_at=success_at)
    return len(suspicions.newest(connection, channel, kind, since=success_at))
