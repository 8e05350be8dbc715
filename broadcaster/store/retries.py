"""Further attempts for people whom an edition did not reach: short transactions that may be
repeated.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, and_, func, select, text, update

from broadcaster.domain.deliveries import FAILED, PENDING, UNCONFIRMED
from broadcaster.domain.retry_policy import over
from broadcaster.store import ledger
from broadcaster.store.database import now
from broadcaster.store.tables import run, slice_
from subscribers.store import State

SLICES_AT_ONCE = 5
"""Slices of a run that a transaction examines: some 5,000 rows, below 50 ms on SQLite."""
GOING = ("preparing", "running", "done")
"""States of a run in which a closed row may be reopened."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Position of the next transaction: the slices of a run after `after`."""

    edition: int
    channel: str
    after: int = -1


@dataclass(frozen=True, kw_only=True)
class Opened:
    """Result of a transaction: rows reopened, rows left out by reason (keys of controls.LEFT_OUT),
    and where to continue, or None.
    """

    opened: int
    left_out: Mapping[str, int]
    rest: Part | None = None


def parts(connection: Connection, announcement: str) -> Sequence[Part]:
    """Return the start of each channel of the announcement's newest edition."""
    newest = ledger.newest_edition_id(connection, announcement)
    channels = select(run.c.channel).where(run.c.edition == newest).order_by(run.c.channel)
    return [
        Part(edition=newest or 0, channel=channel)
        for channel in connection.execute(channels).scalars()
    ]


_WHERE = """
WHERE edition = :edition AND channel = :channel AND slot > :after AND slot <= :last
  AND state IN (:failed, :unconfirmed)
"""
_OPEN = text(
    # a message that may have arrived stays uncertain: if stopped, it closes as unconfirmed
    f"""
UPDATE delivery SET state = :pending, due_at = 0, spent = 0,
  uncertain = CASE WHEN uncertain > 0 THEN 1 ELSE 0 END,
  reason = NULL, provider_code = NULL, closed_at = NULL
{_WHERE} AND EXISTS (
  SELECT 1 FROM address a WHERE a.id = delivery.address AND a.state = {State.CONFIRMED:d})
"""
)
_LEFT = text(
    f"""
SELECT coalesce(nullif(a.reason, ''),
    CASE WHEN a.id IS NULL THEN 'address_gone' ELSE 'address_unconfirmed' END) AS why,
  count(*) AS n
FROM (SELECT address FROM delivery {_WHERE}) d LEFT JOIN address a ON a.id = d.address
WHERE a.id IS NULL OR a.state <> {State.CONFIRMED:d} GROUP BY 1
"""
)


def open_next(connection: Connection, part: Part) -> Opened:
    """Reopen the failed and unconfirmed rows of the next slices for another attempt by the workers.

    Rows whose address opted out, is suppressed or gone stay closed, as do all rows of an edition
    that is over.
    """
    mine = and_(run.c.edition == part.edition, run.c.channel == part.channel)
    # locked, so that the run cannot end between this check and its reopening
    going = connection.execute(select(run).where(mine).with_for_update()).one()
    if why := _why_not(going.state, going.expires_at, going.folded_to, now(connection)):
        return _all_left_out(connection, part, why)
    spans = connection.execute(
        select(slice_.c.number, slice_.c.after_slot, slice_.c.last_slot)
        .where(
            slice_.c.edition == part.edition,
            slice_.c.channel == part.channel,
            slice_.c.number > part.after,
        )
        .where(slice_.c.n_failed + slice_.c.n_unconfirmed > 0)
        .order_by(slice_.c.number)
        .limit(SLICES_AT_ONCE)
    ).all()
    opened, left_out = 0, Counter[str]()
    for span in spans:
        values = {
            "edition": part.edition,
            "channel": part.channel,
            "after": span.after_slot,
            "last": span.last_slot,
            "failed": FAILED,
            "unconfirmed": UNCONFIRMED,
        }
        again = connection.execute(_OPEN, {**values, "pending": PENDING}).rowcount
        left_out.update({row.why: row.n for row in connection.execute(_LEFT, values)})
        if again:
            ledger.recount(connection, part.edition, part.channel, span.number)
        opened += again
    if opened:
        connection.execute(
            update(run).where(mine, run.c.state == "done").values(state="running", finished_at=None)
        )
    rest = (
        Part(edition=part.edition, channel=part.channel, after=spans[-1].number)
        if len(spans) == SLICES_AT_ONCE
        else None
    )
    return Opened(opened=opened, left_out=left_out, rest=rest)


def _why_not(state: str, expires_at: float | None, folded_to: int, wall: float) -> str:
    """Return why no row of a run may be reopened, a key of controls.LEFT_OUT; empty if rows may."""
    if folded_to >= 0:
        return "folded"
    if state not in GOING:
        return state
    return over(state, expires_at, wall)


def _all_left_out(connection: Connection, part: Part, why: str) -> Opened:
    counted = select(func.coalesce(func.sum(slice_.c.n_failed + slice_.c.n_unconfirmed), 0)).where(
        slice_.c.edition == part.edition, slice_.c.channel == part.channel
    )
    count = int(connection.execute(counted).scalar_one())
    return Opened(opened=0, left_out={why: count} if count else {})
