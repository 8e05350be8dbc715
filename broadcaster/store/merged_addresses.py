"""Ledger rows of two addresses that turned out to be one: respelled, aliased or moved to another
chat.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, Row, Table, case, delete, exists, select, update

from broadcaster.domain.deliveries import PENDING, SENDING, STATES
from broadcaster.store.channel_tables import held_suppression, reached, suspicion
from broadcaster.store.recipients import MAY_HAVE_REACHED
from broadcaster.store.tables import delivery, provider_message, run, slice_
from subscribers.residents import Joined
from subscribers.store import address

_NOWHERE = -2
"""A slot that no address has: holds a row while two rows swap slots."""


def follow_merges(connection: Connection, joined: Iterable[Joined]) -> None:
    """Make the ledger refer to the remaining addresses instead of the merged ones.

    For each edition that either address may have received, the row ends up in the remaining
    address's slot, so that a correction, a fallback or an erasure finds it there exactly once. A
    row being sent stays: it is settled in its own slot.
    """
    for pair in joined:
        _follow(connection, keep=pair.keep, gone=pair.gone, channel=pair.channel, slot=pair.slot)


def _follow(connection: Connection, *, keep: int, gone: int, channel: str, slot: int) -> None:
    own = connection.execute(select(address.c.slot).where(address.c.id == keep)).scalar_one()
    editions = select(run.c.edition).where(run.c.channel == channel)
    places = (
        delivery.c.edition.in_(editions),
        delivery.c.channel == channel,
        delivery.c.slot.in_((own, slot)),
    )
    columns = (delivery.c.edition, delivery.c.channel, delivery.c.slot, delivery.c.state)
    by_edition: defaultdict[int, dict[int, Any]] = defaultdict(dict)
    for row in connection.execute(select(*columns).where(*places)):
        by_edition[row.edition][row.slot] = row
    for rows in by_edition.values():
        _join(
            connection,
            gone_row=rows.get(slot),
            own_row=rows.get(own),
            keep=keep,
            gone=gone,
            own=own,
        )
    for table in (held_suppression, reached, suspicion):
        _rename(connection, table, keep, gone)


def _join(
    connection: Connection,
    *,
    gone_row: Row[Any] | None,
    own_row: Row[Any] | None,
    keep: int,
    gone: int,
    own: int,
) -> None:
    """Keep, in the remaining address's slot, the row that better represents the mailbox."""
    if gone_row is None:
        return
    if gone_row.state == SENDING:
        if own_row is None:
            _put(connection, gone_row, to=gone_row.slot, owner=keep)
        return
    if own_row is not None:
        if _worth(gone_row) <= _worth(own_row):
            return
        _put(connection, own_row, to=_NOWHERE, owner=gone)
    _put(connection, gone_row, to=own, owner=keep)
    if own_row is not None:
        connection.execute(
            update(delivery).where(*_at(own_row, _NOWHERE)).values(slot=gone_row.slot)
        )
    _count(connection, gone_row, own)
    if own_row is not None:
        _count(connection, own_row, gone_row.slot)
    mine = (
        provider_message.c.edition == gone_row.edition,
        provider_message.c.channel == gone_row.channel,
    )
    other = case((provider_message.c.slot == own, gone_row.slot), else_=own)
    connection.execute(
        update(provider_message)
        .where(*mine, provider_message.c.slot.in_((own, gone_row.slot)))
        .values(slot=other)
    )


def _worth(row: Row[Any]) -> int:
    """Rank a row: possibly received, before still pending, before not received."""
    return 2 if row.state in MAY_HAVE_REACHED else 1 if row.state == PENDING else 0


def _at(row: Row[Any], slot: int) -> tuple[Any, ...]:
    return (
        delivery.c.edition == row.edition,
        delivery.c.channel == row.channel,
        delivery.c.slot == slot,
    )


def _put(connection: Connection, row: Row[Any], *, to: int, owner: int) -> None:
    connection.execute(update(delivery).where(*_at(row, row.slot)).values(slot=to, address=owner))


def _count(connection: Connection, row: Row[Any], to: int) -> None:
    """Move a row's count to the slice of its new slot; a slot without a slice yet is counted with
    its slice later.
    """
    name = f"n_{STATES[row.state]}"
    for slot, by in ((row.slot, -1), (to, 1)):
        values: dict[str, Any] = {name: slice_.c[name] + by}
        if row.state == PENDING:
            values |= {"open": slice_.c.open + by, "due_at": 0}
        mine = (slice_.c.edition == row.edition, slice_.c.channel == row.channel)
        connection.execute(
            update(slice_)
            .where(*mine, slice_.c.after_slot < slot, slice_.c.last_slot >= slot)
            .values(values)
        )


def _rename(connection: Connection, table: Table, keep: int, gone: int) -> None:
    """Reassign rows to the remaining address unless it has such a row already."""
    key = [column for column in table.primary_key.columns if column.name != "address"]
    other = table.alias()
    taken = exists().where(
        other.c.address == keep, *(other.c[column.name] == column for column in key)
    )
    connection.execute(update(table).where(table.c.address == gone, ~taken).values(address=keep))
    connection.execute(delete(table).where(table.c.address == gone))
