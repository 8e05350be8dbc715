"""Enrolment plans: rows collected during decisions, then written table by table."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    Connection,
    Insert,
    Table,
    Update,
    bindparam,
    delete,
    exists,
    insert,
    update,
)

from subscribers import consent, store
from subscribers.store import State, address, batches, subscriber, subscription

BATCH = 5_000
"""Rows per statement."""


@dataclass(slots=True)
class Plan:
    """Rows to write, per table."""

    people: list[dict[str, Any]] = field(default_factory=list)
    names: list[dict[str, Any]] = field(default_factory=list)
    fresh: list[tuple[dict[str, Any], tuple[str, ...], dict[str, Any] | None]] = field(
        default_factory=list
    )
    """New addresses: the row, its areas, and the consent row if there is one."""
    changes: list[dict[str, Any]] = field(default_factory=list)
    opened: list[int] = field(default_factory=list)
    deserted: set[int] = field(default_factory=set)
    moved_areas: dict[int, tuple[str, ...]] = field(default_factory=dict)
    consents: list[dict[str, Any]] = field(default_factory=list)


def write(conn: Connection, plan: Plan, now: float) -> None:
    """Write every row of a plan."""
    _insert(conn, insert(subscriber), plan.people)
    if plan.names:
        conn.execute(_by_key(subscriber, "reference"), _bound(plan.names))
    _write_fresh(conn, plan)
    _write_changes(conn, plan, now)
    _insert(conn, insert(store.consent), plan.consents)
    consent.note_agreed(conn, [row["key"] for row in plan.changes])
    for batch in batches(plan.deserted, BATCH):
        lonely = ~exists().where(address.c.subscriber == subscriber.c.id)
        conn.execute(delete(subscriber).where(subscriber.c.id.in_(batch), lonely))


def _write_fresh(conn: Connection, plan: Plan) -> None:
    """Insert new addresses, each with its number and slot."""
    rows = [row for row, _, _ in plan.fresh]
    numbers = store.reserve_ids(conn, address, len(rows))
    wanted = [
        (row["channel"], row["home"], row["topics"], number)
        for row, number in zip(rows, numbers, strict=True)
    ]
    slots = store.draw_slots(conn, wanted)
    for row, number, slot in zip(rows, numbers, slots, strict=True):
        row.update(id=number, slot=slot)
    _insert(conn, insert(address), rows)
    _insert(
        conn,
        insert(subscription),
        [{"address": row["id"], "area": area} for row, areas, _ in plan.fresh for area in areas],
    )
    plan.consents += [{**proof, "address": row["id"]} for row, _, proof in plan.fresh if proof]


def _write_changes(conn: Connection, plan: Plan, now: float) -> None:
    if plan.changes:
        conn.execute(
            _by_key(address, "subscriber", "language", "topics", "home", "places"),
            _bound(plan.changes),
        )
    for batch in batches(plan.opened, BATCH):
        opened = {
            "state": State.CONFIRMED,
            "reason": "",
            "confirmed_at": now,
            "suppressed_at": None,
        }
        conn.execute(update(address).where(address.c.id.in_(batch)).values(opened))
    consent.clear_strikes(conn, plan.opened)
    for batch in batches(plan.moved_areas, BATCH):
        conn.execute(delete(subscription).where(subscription.c.address.in_(batch)))
    areas = [
        {"address": number, "area": area}
        for number, codes in plan.moved_areas.items()
        for area in codes
    ]
    _insert(conn, store.insert_new(conn, subscription), areas)


def _insert(conn: Connection, statement: Insert, rows: list[dict[str, Any]]) -> None:
    if rows:
        conn.execute(statement, rows)


def _by_key(table: Table, *columns: str) -> Update:
    """Build an UPDATE of one row by `new_key`, setting `columns` from parameters named
    `new_<column>`.
    """
    return (
        update(table)
        .where(table.c.id == bindparam("new_key"))
        .values({name: bindparam(f"new_{name}") for name in columns})
    )


def _bound(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{f"new_{name}": value for name, value in row.items()} for row in rows]
