"""Delivery rows that a provider's later status moves, and the counters that follow them."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Row, and_, func, select, update

from broadcaster.domain.deliveries import PENDING, STATES
from broadcaster.store.slices import finish_run
from broadcaster.store.tables import delivery, edition, provider_message, run, slice_


def by_provider_keys(
    connection: Connection, channel: str, keys: Collection[str]
) -> dict[str, tuple[int, int]]:
    """Return the (edition, slot) of each of these provider keys; unknown keys are left out."""
    if not keys:
        return {}
    matches = (provider_message.c.channel == channel, provider_message.c.provider_key.in_(keys))
    rows = connection.execute(select(provider_message).where(*matches))
    return {row.provider_key: (row.edition, row.slot) for row in rows}


def states(
    connection: Connection, channel: str, slots: Mapping[int, Collection[int]]
) -> dict[tuple[int, int], int]:
    """Return the state of each (edition, slot), without locking; rows that are gone are left out.

    `slots` are the wanted ones by edition: one query for each.
    """
    by_slot: dict[tuple[int, int], int] = {}
    for edition_id, wanted in slots.items():
        matches = (
            delivery.c.edition == edition_id,
            delivery.c.channel == channel,
            delivery.c.slot.in_(wanted),
        )
        rows = connection.execute(select(delivery.c.slot, delivery.c.state).where(*matches))
        by_slot |= {(edition_id, row.slot): row.state for row in rows}
    return by_slot


def locked(connection: Connection, edition_id: int, channel: str, slot: int) -> Row[Any] | None:
    """Return a delivery row, locked until the transaction ends; None if it is gone."""
    matches = (
        delivery.c.edition == edition_id,
        delivery.c.channel == channel,
        delivery.c.slot == slot,
    )
    return connection.execute(select(delivery).where(*matches).with_for_update()).first()


def run_of(connection: Connection, row: Row[Any]) -> Row[Any]:
    """Return the state, lane and times of a delivery's run; `newest`: if its edition still is."""
    columns: Sequence[Column[Any]] = (
        run.c.state,
        run.c.lane,
        run.c.published_at,
        run.c.expires_at,
        edition.c.newest,
    )
    return connection.execute(
        select(*columns)
        .join_from(run, edition, edition.c.id == run.c.edition, isouter=True)
        .where(_run_of(row))
    ).one()


def confirm(connection: Connection, row: Row[Any], to: int, at: float, provider_key: str) -> None:
    """Move a delivery to a state that means success; a provider key that it has stays."""
    known = func.coalesce(delivery.c.provider_key, provider_key or None)
    move(
        connection,
        row,
        to,
        {"closed_at": at, "reason": None, "provider_code": None, "provider_key": known},
    )


def move(connection: Connection, row: Row[Any], to: int, changes: Mapping[str, object]) -> None:
    """Change a row's state together with the counters of its slice and the state of the run."""
    connection.execute(
        update(delivery)
        .where(
            delivery.c.edition == row.edition,
            delivery.c.channel == row.channel,
            delivery.c.slot == row.slot,
        )
        .values(state=to, **changes)
    )
    opened = int(to == PENDING) - int(row.state == PENDING)
    change = Counter({f"n_{STATES[to]}": 1, "open": opened})
    change[f"n_{STATES[row.state]}"] -= 1
    values: dict[str, object] = {name: slice_.c[name] + by for name, by in change.items() if by}
    if to == PENDING:
        values["due_at"] = 0
    if values:
        connection.execute(update(slice_).where(_slice_of(row)).values(values))
    if opened > 0:
        # locked first, so that nobody closes the run without this row
        connection.execute(select(run.c.state).where(_run_of(row)).with_for_update())
        connection.execute(
            update(run)
            .where(_run_of(row), run.c.state == "done")
            .values(state="running", finished_at=None)
        )
    elif opened < 0:
        finish_run(connection, row.edition, row.channel)


def _run_of(row: Row[Any]) -> ColumnElement[bool]:
    return and_(run.c.edition == row.edition, run.c.channel == row.channel)


def _slice_of(row: Row[Any]) -> ColumnElement[bool]:
    matches = (slice_.c.edition == row.edition, slice_.c.channel == row.channel)
    return and_(*matches, slice_.c.after_slot < row.slot, slice_.c.last_slot >= row.slot)
