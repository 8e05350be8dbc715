"""Deliveries of an address: the stored facts of each, with their times."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, select

from broadcaster.domain.deliveries import STATES
from broadcaster.store.database import now
from broadcaster.store.leases import lease_clock
from broadcaster.store.tables import delivery, edition, run, slice_


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """A delivery; times in epoch seconds, None where nothing happened. `attempts` counts all,
    `spent` those that count for the retry waits, `uncertain` those that were never answered.
    `provider_key` is the keyed hash of the provider's id, the only form in which it is kept.
    """

    edition: int
    number: int
    channel: str
    slot: int
    area: str
    lane: str
    run_state: str
    slice_number: int | None
    planned_at: float
    lease_until: float | None
    state: str
    attempts: int
    spent: int
    uncertain: int
    reason: str
    provider_code: str
    provider_key: str
    outcome_at: float | None
    retry_at: float | None


_COLUMNS = (
    delivery,
    edition.c.number,
    run.c.lane,
    run.c.state.label("run_state"),
    run.c.published_at,
    slice_.c.number.label("slice_number"),
    slice_.c.lease_until,
)


def of_address(connection: Connection, announcement: str, address_id: int) -> Sequence[Trace]:
    """List every delivery of the announcement's editions to this address, oldest edition first."""
    same_run = and_(run.c.edition == delivery.c.edition, run.c.channel == delivery.c.channel)
    around = and_(
        slice_.c.edition == delivery.c.edition,
        slice_.c.channel == delivery.c.channel,
        slice_.c.after_slot < delivery.c.slot,
        slice_.c.last_slot >= delivery.c.slot,
    )
    rows = (
        select(*_COLUMNS)
        .join(edition, edition.c.id == delivery.c.edition)
        .join(run, same_run)
        .outerjoin(slice_, around)
        .where(edition.c.announcement == announcement, delivery.c.address == address_id)
        .order_by(edition.c.number, delivery.c.channel)
    )
    ahead = now(connection) - lease_clock(connection)
    return [_trace(row, ahead) for row in connection.execute(rows)]


def _trace(row: Row[Any], ahead: float) -> Trace:
    """Read a row; `ahead` is the lead in seconds of the database's clock over that of leases."""
    state = STATES[row.state]
    return Trace(
        edition=row.edition,
        number=row.number,
        channel=row.channel,
        slot=row.slot,
        area=row.area,
        lane=row.lane,
        run_state=row.run_state,
        slice_number=row.slice_number,
        planned_at=row.published_at,
        lease_until=row.lease_until + ahead if row.lease_until else None,
        state=state,
        attempts=row.attempt,
        spent=row.spent,
        uncertain=row.uncertain,
        reason=row.reason or "",
        provider_code=row.provider_code or "",
        provider_key=row.provider_key or "",
        outcome_at=row.closed_at,
        retry_at=row.due_at if state == "pending" and row.due_at else None,
    )
