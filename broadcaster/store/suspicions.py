"""Suspicions: replies about single recipients that may concern the sender, shared by all workers
until a success clears them.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, delete, or_, select, text, update

from broadcaster.domain.deliveries import PENDING, STATES
from broadcaster.domain.sender_faults import SuspectReply
from broadcaster.store.channel_tables import last_success, suspicion
from broadcaster.store.tables import delivery, run, slice_

KEEP_SECONDS = 48 * 3600.0
"""Seconds for which an address is remembered as having its own fault: longer than any row is
retried.
"""
LATER = "later:"
"""Prefix of kinds and successes known from receipts: a provider's first acceptance does not
disprove them.
"""
EXAMINED = 500
"""Newest replies of a kind that are considered."""


def note_success(connection: Connection, channel: str, domains: Mapping[str, float]) -> None:
    """Record when a message arrived: at each domain, and under "" anywhere on the channel."""
    if domains:
        connection.execute(
            text(
                "INSERT INTO last_success (channel, domain, at) VALUES (:channel, :domain, :at)"
                " ON CONFLICT (channel, domain) DO UPDATE SET at = :at WHERE last_success.at < :at"
            ),
            [{"channel": channel, "domain": domain, "at": at} for domain, at in domains.items()],
        )


def note_later_success(connection: Connection, channel: str, at: float) -> None:
    """Record an arrival reported by a receipt, where receipts reported suspect failures."""
    later = (
        last_success.c.channel == channel,
        last_success.c.domain == LATER,
        last_success.c.at < at,
    )
    connection.execute(update(last_success).where(*later).values(at=at))


def successes(connection: Connection, channel: str) -> Mapping[str, float]:
    """Return when a message last arrived: by domain, and under "" anywhere on the channel."""
    rows = connection.execute(
        select(last_success.c.domain, last_success.c.at).where(last_success.c.channel == channel)
    )
    return {row.domain: row.at for row in rows}


def note(
    connection: Connection,
    channel: str,
    kind: str,
    code: str,
    replies: Iterable[SuspectReply],
    *,
    success_at: float,
) -> None:
    """Store replies, a single one for each address. A reply followed by a success remains the
    recipient's own fault if repeated.
    """
    connection.execute(
        text(
            "INSERT INTO suspicion (channel, kind, address, domain, code, at)"
            " VALUES (:channel, :kind, :address, :domain, :code, :at)"
            " ON CONFLICT (channel, kind, address)"
            " DO UPDATE SET at = :at WHERE suspicion.at > :success"
        ),
        [
            {
                "channel": channel,
                "kind": kind,
                "address": reply.address,
                "domain": reply.domain,
                "code": code,
                "at": reply.at,
                "success": success_at,
            }
            for reply in replies
        ],
    )


def newest(
    connection: Connection, channel: str, kind: str, *, since: float
) -> Sequence[SuspectReply]:
    """Return the newest replies of a kind after `since`."""
    mine = (suspicion.c.channel == channel, suspicion.c.kind == kind, suspicion.c.at > since)
    rows = (
        select(suspicion.c.address, suspicion.c.domain, suspicion.c.at)
        .where(*mine)
        .order_by(suspicion.c.at.desc())
    )
    return [
        SuspectReply(address=row.address, domain=row.domain, at=row.at)
        for row in connection.execute(rows.limit(EXAMINED))
    ]


def any_arrived(
    connection: Connection, channel: str, states: Iterable[int], *, since: float
) -> bool:
    """True if a message arrived of an edition that is being sent or ended after `since`."""
    arrived = or_(*(slice_.c[f"n_{STATES[state]}"] > 0 for state in states))
    mine = (
        run.c.channel == channel,
        run.c.finished_at.is_(None) | (run.c.finished_at > since),
        arrived,
    )
    place = (slice_.c.edition == run.c.edition) & (slice_.c.channel == run.c.channel)
    return (
        connection.execute(select(slice_.c.number).join(run, place).where(*mine).limit(1)).first()
        is not None
    )


def forget(connection: Connection, channel: str) -> None:
    """Clear suspicions when an operator reports the fault as fixed: rows that wait because of them
    are due now.
    """
    codes = (
        connection.execute(
            select(suspicion.c.code).where(suspicion.c.channel == channel).distinct()
        )
        .scalars()
        .all()
    )
    connection.execute(delete(suspicion).where(suspicion.c.channel == channel))
    if not codes:
        return
    open_runs = select(run.c.edition).where(run.c.channel == channel, run.c.finished_at.is_(None))
    waits = (
        delivery.c.channel == channel,
        delivery.c.edition.in_(open_runs),
        delivery.c.state == PENDING,
    )
    connection.execute(
        update(delivery).where(*waits, delivery.c.provider_code.in_(codes)).values(due_at=0)
    )
    parts = (slice_.c.channel == channel, slice_.c.edition.in_(open_runs), slice_.c.n_pending > 0)
    connection.execute(update(slice_).where(*parts).values(due_at=0))


def purge(connection: Connection, now: float) -> None:
    """Delete expired replies and successes."""
    connection.execute(delete(suspicion).where(suspicion.c.at < now - KEEP_SECONDS))
    connection.execute(delete(last_success).where(last_success.c.at < now - KEEP_SECONDS))
