"""Suspicions: replies to single recipients that may be about the sender, shared by all workers
until a success clears them.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, delete, or_, select, text, update

from broadcaster.domain.deliveries import PENDING, STATES
from broadcaster.domain.sender_faults import SuspectReply
from broadcaster.store.channel_tables import last_success, suspicion
from broadcaster.store.tables import delivery, run, slice_

KEEP_SECONDS = 48 * 3600.0
"""How long an address stays known as one whose reply was its own: longer than any row is tried
again.
"""
LATER = "later:"
"""Before the kind and the success of what receipts told: that a provider took a message at first
proves nothing against it.
"""
LOOKED_AT = 500
"""Newest replies of a kind that are weighed."""


def note_success(connection: Connection, channel: str, domains: Mapping[str, float]) -> None:
    """Note when something arrived: at each domain, and under "" anywhere on the channel."""
    if domains:
        connection.execute(
            text(
                "INSERT INTO last_success (channel, domain, at) VALUES (:channel, :domain, :at)"
                " ON CONFLICT (channel, domain) DO UPDATE SET at = :at WHERE last_success.at < :at"
            ),
            [{"channel": channel, "domain": domain, "at": at} for domain, at in domains.items()],
        )


def note_later_success(connection: Connection, channel: str, at: float) -> None:
    """Note that a receipt told of an arrival, where receipts told of suspect failures."""
    later = (
        last_success.c.channel == channel,
        last_success.c.domain == LATER,
        last_success.c.at < at,
    )
    connection.execute(update(last_success).where(*later).values(at=at))


def successes(connection: Connection, channel: str) -> Mapping[str, float]:
    """When something last arrived: by domain, and under "" anywhere on the channel."""
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
    """Keep replies, one for each address. A reply that a success followed stays the recipient's own
    when it comes again.
    """
    connection.execute(
        text(
            "INSERT INTO suspicion (channel, kind, address, domain, code, at)"
            " VALUES (:channel, :kind, :address, :domain, :code, :at)"
            " ON CONFLICT (channel, kind, address) DO UPDATE SET at = :at WHERE suspicion.at > :success"
        ),
        [
            {
                "channel": channel,
                "kind": kind,
                "address": one.address,
                "domain": one.domain,
                "code": code,
                "at": one.at,
                "success": success_at,
            }
            for one in replies
        ],
    )


def newest(
    connection: Connection, channel: str, kind: str, *, since: float
) -> Sequence[SuspectReply]:
    """The newest replies of a kind after a time."""
    mine = (suspicion.c.channel == channel, suspicion.c.kind == kind, suspicion.c.at > since)
    rows = (
        select(suspicion.c.address, suspicion.c.domain, suspicion.c.at)
        .where(*mine)
        .order_by(suspicion.c.at.desc())
    )
    return [
        SuspectReply(address=row.address, domain=row.domain, at=row.at)
        for row in connection.execute(rows.limit(LOOKED_AT))
    ]


def reached_anybody(
    connection: Connection, channel: str, states: Iterable[int], *, since: float
) -> bool:
    """Whether a message of an edition arrived that is under way, or ended after `since`."""
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
    """Begin anew, as an operator says that the fault is mended: what waits because of such a reply
    is due now.
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
    """Forget replies that are too old to matter."""
    connection.execute(delete(suspicion).where(suspicion.c.at < now - KEEP_SECONDS))
    connection.execute(delete(last_success).where(last_success.c.at < now - KEEP_SECONDS))
