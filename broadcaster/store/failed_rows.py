"""Failed and unconfirmed rows in pages, since an edition may have a million."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from broadcaster.domain.deliveries import STATES
from broadcaster.store.ledger import NOT_ARRIVED, newest_edition_id
from broadcaster.store.tables import delivery, run
from subscribers.store import address

PAGE = 1_000
"""Rows read at once, so that no reading transaction stays open during output."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClosedRow:
    """A closed row; `cipher` is the sealed address, empty once erased; `closed_at` in epoch
    seconds.
    """

    edition: int
    channel: str
    slot: int
    area: str
    state: str
    reason: str
    provider_code: str
    attempts: int
    closed_at: float
    cipher: bytes


def parts(connection: Connection, announcement: str) -> Sequence[tuple[int, str]]:
    """List (edition, channel) of each run of the announcement's newest edition."""
    newest = newest_edition_id(connection, announcement)
    runs = (
        select(run.c.edition, run.c.channel).where(run.c.edition == newest).order_by(run.c.channel)
    )
    return [(row.edition, row.channel) for row in connection.execute(runs)]


def page(
    connection: Connection, part: tuple[int, str], after: int, size: int = PAGE
) -> Sequence[ClosedRow]:
    """Return the next rows of a run after a slot; [] at the end."""
    rows = (
        select(delivery, address.c.cipher)
        .outerjoin(address, address.c.id == delivery.c.address)
        .where(
            delivery.c.edition == part[0], delivery.c.channel == part[1], delivery.c.slot > after
        )
        .where(delivery.c.state.in_(NOT_ARRIVED))
        .order_by(delivery.c.slot)
        .limit(size)
    )
    return [
        ClosedRow(
            edition=row.edition,
            channel=row.channel,
            slot=row.slot,
            area=row.area,
            state=STATES[row.state],
            reason=row.reason or "",
            provider_code=row.provider_code or "",
            attempts=row.attempt,
            closed_at=row.closed_at or 0.0,
            cipher=row.cipher or b"",
        )
        for row in connection.execute(rows)
    ]
