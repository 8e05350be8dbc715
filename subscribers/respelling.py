"""Migration of addresses stored before spellings were unified: recomputes lookups chunk by chunk
and merges duplicates.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, exists, insert, select, update

from subscribers import store
from subscribers.consent import note_agreed
from subscribers.residents import Joined
from subscribers.store import (
    State,
    address,
    alias,
    consent,
    merged,
    subscriber,
    subscription,
    unspelled,
)
from subscribers.vault import SealBroken, Vault

AT_ONCE = 1_000
"""Addresses per transaction."""


_TWIN = [address.c[name] for name in (
    "id", "subscriber", "channel", "slot", "state", "reason", "language", "topics", "home",
    "places", "confirmed_at",
    "suppressed_at", "agreed_at",
)]  # fmt: skip


def is_pending(conn: Connection) -> bool:
    """True if some addresses may still be stored under their original spelling."""
    return conn.execute(select(unspelled.c.after)).first() is not None


def respell(conn: Connection, vault: Vault, at_once: int = AT_ONCE) -> list[Joined] | None:
    """Check the next addresses and merge duplicates; return the merges, None once nothing is left.

    An address that the key does not open stays unchanged.
    """
    store.lock_making(conn)
    after = conn.execute(select(unspelled.c.after)).scalar()
    if after is None:
        return None
    columns = (address.c.id, address.c.channel, address.c.lookup, address.c.cipher)
    rows = conn.execute(
        select(*columns).where(address.c.id > after).order_by(address.c.id).limit(at_once)
    ).all()
    if not rows:
        _respell_aliases(conn, vault)
        conn.execute(delete(unspelled))
        return None
    pairs = _respell(conn, _moved(vault, rows))
    conn.execute(update(unspelled).values(after=rows[-1].id))
    return pairs


def _moved(
    vault: Vault, rows: Sequence[Row[int, str, bytes, bytes]]
) -> Mapping[tuple[str, bytes], list[int]]:
    """Return ids by the channel and lookup that they should have but lack."""
    moved: dict[tuple[str, bytes], list[int]] = defaultdict(list)
    for row in rows:
        try:
            lookup = vault.address_lookup(row.channel, vault.open(row.channel, bytes(row.cipher)))
        except SealBroken:
            continue
        if lookup != bytes(row.lookup):
            moved[row.channel, lookup].append(row.id)
    return moved


def _respell(conn: Connection, moved: Mapping[tuple[str, bytes], list[int]]) -> list[Joined]:
    """Update lookups; of addresses that share one, the oldest remains."""
    by_channel: dict[str, list[bytes]] = defaultdict(list)
    for channel, lookup in moved:
        by_channel[channel].append(lookup)
    ids = {key: list(numbers) for key, numbers in moved.items()}
    for channel, lookups in by_channel.items():
        holders = select(address.c.lookup, address.c.id).where(
            address.c.channel == channel, address.c.lookup.in_(lookups)
        )
        for lookup, number in conn.execute(holders):
            ids[channel, bytes(lookup)].append(number)
    pairs = []
    for numbers in ids.values():
        keep, *gone = sorted(numbers)
        pairs += [join(conn, keep=keep, gone=number) for number in gone]
    values = [{"key": min(numbers), "new_lookup": lookup} for (_, lookup), numbers in ids.items()]
    if values:
        conn.execute(
            update(address)
            .where(address.c.id == bindparam("key"))
            .values(lookup=bindparam("new_lookup")),
            values,
        )
    return pairs


def _respell_aliases(conn: Connection, vault: Vault) -> None:
    """Update aliases that are email addresses: few, if any."""
    for row in conn.execute(select(alias)).all():
        try:
            lookup = vault.address_lookup(row.channel, vault.open(row.channel, bytes(row.cipher)))
        except SealBroken:
            continue
        if lookup == bytes(row.lookup):
            continue
        conn.execute(
            delete(alias).where(alias.c.channel == row.channel, alias.c.lookup == row.lookup)
        )
        own = exists().where(address.c.channel == row.channel, address.c.lookup == lookup)
        if not conn.execute(select(own)).scalar():
            conn.execute(store.insert_new(conn, alias).values({**row._mapping, "lookup": lookup}))


def join(conn: Connection, *, keep: int, gone: int) -> Joined:
    """Merge two addresses: an opt-out of either remains, else the latest own consent; links with
    the removed id still work.
    """
    survivor, duplicate = (
        conn.execute(select(*_TWIN).where(address.c.id == number)).one() for number in (keep, gone)
    )
    newest = max((survivor, duplicate), key=lambda row: (row.agreed_at or 0.0, row is survivor))
    values = {name: getattr(newest, name) for name in ("language", "topics", "home", "places")}
    values |= {**_state(survivor, duplicate), "subscriber": _person(conn, survivor, duplicate)}
    conn.execute(update(address).where(address.c.id == keep).values(values))
    if newest is duplicate:
        conn.execute(delete(subscription).where(subscription.c.address == keep))
        conn.execute(
            update(subscription).where(subscription.c.address == gone).values(address=keep)
        )
    for table in (alias, consent):
        conn.execute(update(table).where(table.c.address == gone).values(address=keep))
    strikes = select(bindparam("keep", keep), store.strike.c.day).where(
        store.strike.c.address == gone
    )
    conn.execute(store.insert_new(conn, store.strike).from_select(["address", "day"], strikes))
    for table in (subscription, store.strike):
        conn.execute(delete(table).where(table.c.address == gone))
    conn.execute(update(merged).where(merged.c.kept == gone).values(kept=keep))
    conn.execute(delete(address).where(address.c.id == gone))
    conn.execute(insert(merged).values(gone=gone, kept=keep))
    lonely = ~exists().where(address.c.subscriber == subscriber.c.id)
    conn.execute(
        delete(subscriber).where(
            subscriber.c.id.in_((survivor.subscriber, duplicate.subscriber)), lonely
        )
    )
    note_agreed(conn, [keep])
    return Joined(keep=keep, gone=gone, channel=duplicate.channel, slot=duplicate.slot)


def _state(survivor: Row[Any], duplicate: Row[Any]) -> Mapping[str, Any]:
    """Return the stricter state of the two, with the time at which either was confirmed."""
    ranked = sorted(
        (duplicate, survivor),
        key=lambda row: (row.reason == "opted_out", row.state == State.SUPPRESSED, row.state),
    )
    since = [
        moment for moment in (survivor.confirmed_at, duplicate.confirmed_at) if moment is not None
    ]
    stricter = {name: getattr(ranked[-1], name) for name in ("state", "reason", "suppressed_at")}
    return {**stricter, "confirmed_at": min(since, default=None)}


def _person(conn: Connection, survivor: Row[Any], duplicate: Row[Any]) -> int:
    """Return the owner: a person named in a file rather than an unnamed one."""
    named = select(subscriber.c.id).where(
        subscriber.c.id.in_((survivor.subscriber, duplicate.subscriber)),
        subscriber.c.reference.is_not(None),
    )
    people = set(conn.execute(named).scalars())
    return int(
        duplicate.subscriber
        if survivor.subscriber not in people and duplicate.subscriber in people
        else survivor.subscriber
    )
