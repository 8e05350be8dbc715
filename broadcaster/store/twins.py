"""What the ledger keeps of an address that turned out to be another one's spelling."""

from sqlalchemy import Connection, Table, delete, exists, select, update

from broadcaster.store.tables import delivery, held_suppression, reached, run, suspicion
from subscribers.store import address


def follow(connection: Connection, *, keep: int, gone: int, channel: str, slot: int) -> None:
    """Refer to the address that stays instead of the one that goes, whose place in runs was `slot`.

    Its messages stay where they are counted; those of editions that the other one never had become the other one's, so that a
    correction reaches whoever was reached.
    """
    other = delivery.alias()
    kept_slot = select(address.c.slot).where(address.c.id == keep).scalar_subquery()
    had_it = exists().where(other.c.edition == delivery.c.edition, other.c.channel == channel, other.c.slot == kept_slot)
    editions = select(run.c.edition).where(run.c.channel == channel)
    mine = (delivery.c.edition.in_(editions), delivery.c.channel == channel, delivery.c.slot == slot)
    connection.execute(update(delivery).where(*mine, ~had_it).values(address=keep))
    for table in (held_suppression, reached, suspicion):
        _rename(connection, table, keep, gone)


def _rename(connection: Connection, table: Table, keep: int, gone: int) -> None:
    """Give rows to the address that stays, unless it has such a row of its own."""
    key = [column for column in table.primary_key.columns if column.name != "address"]
    other = table.alias()
    taken = exists().where(other.c.address == keep, *(other.c[column.name] == column for column in key))
    connection.execute(update(table).where(table.c.address == gone, ~taken).values(address=keep))
    connection.execute(delete(table).where(table.c.address == gone))
