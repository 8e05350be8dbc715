"""Addresses of people: sign-up, lookup, merging two ids of one address, erasure, export, counts.
Times are epoch seconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, insert, select, update

from subscribers import store
from subscribers.areas import AreaTree
from subscribers.consent import note_agreed
from subscribers.enrolment import Outcome, Subscription, enrol
from subscribers.store import State, address, alias, consent, merged, subscriber, subscription
from subscribers.subscriptions import home_of, pack_topics, read
from subscribers.vault import Vault

__all__ = [
    "AddressRow", "Joined", "Subscription", "add_alias", "add_aliases", "addresses_of",
    "channel_of", "count",
    "erase", "erase_row", "find", "get", "move", "other_addresses", "remaining_id", "subscribe",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Joined:
    """Two addresses merged into one: the remaining id, and the removed id with its channel and
    slot.
    """

    keep: int
    gone: int
    channel: str
    slot: int


@dataclass(frozen=True, kw_only=True, slots=True)
class AddressRow:
    """An address of a subscriber; `cipher` opens with Vault.open(channel, cipher)."""

    id: int
    subscriber: int
    channel: str
    lookup: bytes
    cipher: bytes
    state: int
    reason: str
    language: str
    topics: str
    home: str
    slot: int
    created_at: float
    confirmed_at: float | None
    suppressed_at: float | None

    @property
    def confirmed(self) -> bool:
        """True if it may be written to."""
        return self.state == State.CONFIRMED


ADDRESS_COLUMNS = [address.c[field.name] for field in fields(AddressRow)]


def subscribe(
    conn: Connection, vault: Vault, tree: AreaTree, wanted: Subscription, now: float
) -> Outcome:
    """Sign up an address or change its request: "new", "changed", "same", or "suppressed" (nothing
    changed).
    """
    return enrol(conn, vault, tree, [wanted], now)[0]


def find(
    conn: Connection, vault: Vault, channel: str, text: str, *, exact: bool = False
) -> AddressRow | None:
    """Find the address with id `text` (as returned by parse_address), or, unless `exact`, with that
    alias; None if unknown.
    """
    lookup = vault.address_lookup(channel, text)
    row = conn.execute(
        select(*ADDRESS_COLUMNS).where(address.c.channel == channel, address.c.lookup == lookup)
    ).first()
    if row is None and not exact:
        other = select(alias.c.address).where(alias.c.channel == channel, alias.c.lookup == lookup)
        row = conn.execute(
            select(*ADDRESS_COLUMNS).where(address.c.id == other.scalar_subquery())
        ).first()
    return _row(row)


def get(conn: Connection, address_id: int) -> AddressRow | None:
    """Return the address with this id."""
    return _row(conn.execute(select(*ADDRESS_COLUMNS).where(address.c.id == address_id)).first())


def remaining_id(conn: Connection, address_id: int) -> int:
    """Return an address's current id: a different one if it was merged with another spelling."""
    current_id = conn.execute(select(merged.c.kept).where(merged.c.gone == address_id)).scalar()
    return address_id if current_id is None else int(current_id)


def channel_of(conn: Connection, address_id: int) -> str | None:
    """Return the channel of an address, None if the id is unknown."""
    return conn.execute(select(address.c.channel).where(address.c.id == address_id)).scalar()


def addresses_of(conn: Connection, person: int) -> Sequence[AddressRow]:
    """Return every address of a person (AddressRow.subscriber), including suppressed ones."""
    query = select(*ADDRESS_COLUMNS).where(address.c.subscriber == person).order_by(address.c.id)
    return [row for record in conn.execute(query) if (row := _row(record))]


def other_addresses(conn: Connection, address_id: int) -> Sequence[AddressRow]:
    """Return the person's other confirmed addresses, newest first: fallbacks for a message."""
    person = select(address.c.subscriber).where(address.c.id == address_id).scalar_subquery()
    query = (
        select(*ADDRESS_COLUMNS)
        .where(
            address.c.subscriber == person,
            address.c.id != address_id,
            address.c.state == State.CONFIRMED,
        )
        .order_by(address.c.confirmed_at.desc(), address.c.id.desc())
    )
    return [row for record in conn.execute(query) if (row := _row(record))]


def _row(record: Row[tuple[object, ...]] | None) -> AddressRow | None:
    return None if record is None else AddressRow(**record._mapping)


# --- two ids of one address ---------------------------------------------------------------------


def add_alias(conn: Connection, vault: Vault, address_id: int, other: str) -> list[Joined]:
    """Add `other` as an alias (business-scoped id) of this address; if it was an address of its
    own, merge that into this one.

    Returns the merges, for callers that store rows of the removed address.
    """
    channel = channel_of(conn, address_id)
    if channel is None:
        return []
    existing = find(conn, vault, channel, other)
    if existing is None:
        _alias(
            conn,
            address_id,
            channel,
            vault.address_lookup(channel, other),
            vault.seal(channel, other),
        )
    elif existing.id != address_id:
        return _merge(conn, keep=address_id, gone=existing.id)
    return []


def add_aliases(
    conn: Connection, vault: Vault, channel: str, pairs: Iterable[tuple[int, str]]
) -> list[Joined]:
    """Apply `add_alias` to many (address id, other id) pairs of one channel: a provider repeats
    them with every message.
    """
    by_lookup = {
        vault.address_lookup(channel, other): (address_id, other) for address_id, other in pairs
    }
    known: dict[bytes, int] = {}
    taken: set[bytes] = set()
    for batch in store.batches(by_lookup, 500):
        rows = conn.execute(
            select(alias.c.lookup, alias.c.address).where(
                alias.c.channel == channel, alias.c.lookup.in_(batch)
            )
        )
        known.update((bytes(row.lookup), row.address) for row in rows)
        taken.update(
            conn.execute(
                select(address.c.lookup).where(
                    address.c.channel == channel, address.c.lookup.in_(batch)
                )
            ).scalars()
        )
    fresh: list[dict[str, Any]] = []
    joined: list[Joined] = []
    for lookup, (address_id, other) in by_lookup.items():
        if lookup in taken or known.get(lookup, address_id) != address_id:
            joined += add_alias(conn, vault, address_id, other)
        elif lookup not in known:
            fresh.append(
                {
                    "channel": channel,
                    "lookup": lookup,
                    "address": address_id,
                    "cipher": vault.seal(channel, other),
                }
            )
    alive = set(
        conn.execute(
            select(address.c.id).where(address.c.id.in_([row["address"] for row in fresh]))
        ).scalars()
    )
    if fresh := [row for row in fresh if row["address"] in alive]:
        conn.execute(store.insert_new(conn, alias), fresh)
    return joined


def move(conn: Connection, vault: Vault, address_id: int, new: str) -> list[Joined]:
    """Change the id of an address (migrated chat); the old one becomes an alias.

    If the new id already is an address, that one remains, as it may have got the message; returns
    what was merged into it.
    """
    row = get(conn, address_id)
    if row is None:
        return []
    existing = find(conn, vault, row.channel, new)
    if existing is not None and existing.id != address_id:
        return _merge(conn, keep=existing.id, gone=address_id)
    lookup = vault.address_lookup(row.channel, new)
    if lookup != row.lookup:
        conn.execute(delete(alias).where(alias.c.channel == row.channel, alias.c.lookup == lookup))
        conn.execute(
            update(address)
            .where(address.c.id == address_id)
            .values(lookup=lookup, cipher=vault.seal(row.channel, new))
        )
        _alias(conn, address_id, row.channel, row.lookup, row.cipher)
    return []


def _alias(conn: Connection, address_id: int, channel: str, lookup: bytes, cipher: bytes) -> None:
    row = {"channel": channel, "lookup": lookup, "address": address_id, "cipher": cipher}
    conn.execute(store.insert_new(conn, alias).values(row))


def _merge(conn: Connection, *, keep: int, gone: int) -> list[Joined]:
    """Merge two addresses: `keep` takes over ids, areas, topics and proofs of `gone`; an opt-out of
    either remains in force.
    """
    survivor, duplicate = get(conn, keep), get(conn, gone)
    if survivor is None or duplicate is None:
        return []
    wanted, more = read(conn, keep), read(conn, gone)
    areas = tuple(sorted({*wanted.areas, *more.areas}))
    topics = pack_topics({*wanted.topics, *more.topics} if wanted.topics and more.topics else ())
    conn.execute(
        update(address)
        .where(address.c.id == keep)
        .values(
            topics=topics,
            home=home_of(areas),
            places=len(areas),
            **_merged_state(survivor, duplicate),
        )
    )
    for area in set(areas) - set(wanted.areas):
        conn.execute(insert(subscription).values(address=keep, area=area))
    for table in (alias, consent):
        conn.execute(update(table).where(table.c.address == gone).values(address=keep))
    note_agreed(conn, [keep])
    conn.execute(update(merged).where(merged.c.kept == gone).values(kept=keep))
    _delete(conn, duplicate)
    conn.execute(insert(merged).values(gone=gone, kept=keep))
    _alias(conn, keep, duplicate.channel, duplicate.lookup, duplicate.cipher)
    return [Joined(keep=keep, gone=gone, channel=duplicate.channel, slot=duplicate.slot)]


def _merged_state(survivor: AddressRow, duplicate: AddressRow) -> Mapping[str, object]:
    """Return the state of two merged addresses."""
    ranked = sorted(
        (survivor, duplicate),
        key=lambda row: (row.reason == "opted_out", row.confirmed, row is survivor),
    )
    row = ranked[-1]
    since = [
        moment for moment in (survivor.confirmed_at, duplicate.confirmed_at) if moment is not None
    ]
    return {
        "state": row.state,
        "reason": row.reason,
        "suppressed_at": row.suppressed_at,
        "confirmed_at": min(since, default=None),
    }


# --- leaving, looking in ------------------------------------------------------------------------


def erase(conn: Connection, vault: Vault, channel: str, text: str) -> bool:
    """Erase an address and all that is known of it; counts of deliveries remain. False if it is
    unknown.
    """
    row = find(conn, vault, channel, text)
    if row is None:
        return False
    erase_row(conn, row)
    return True


def erase_row(conn: Connection, row: AddressRow) -> None:
    """Erase a loaded address."""
    for table in (alias, consent):
        conn.execute(delete(table).where(table.c.address == row.id))
    _delete(conn, row)


def _delete(conn: Connection, row: AddressRow) -> None:
    """Delete an address without aliases and proofs, and its person if this was the last address."""
    for table in (subscription, store.strike):
        conn.execute(delete(table).where(table.c.address == row.id))
    conn.execute(delete(merged).where(merged.c.kept == row.id))
    conn.execute(delete(address).where(address.c.id == row.id))
    lonely = ~exists().where(address.c.subscriber == subscriber.c.id)
    conn.execute(delete(subscriber).where(subscriber.c.id == row.subscriber, lonely))


def count(conn: Connection) -> dict[str, dict[str, int]]:
    """Count addresses per channel and state: unconfirmed, confirmed, address_dead, opted_out."""
    query = select(
        address.c.channel, address.c.state, address.c.reason, func.count().label("number")
    )
    counts: dict[str, dict[str, int]] = {}
    for row in conn.execute(
        query.group_by(address.c.channel, address.c.state, address.c.reason).order_by(
            address.c.channel
        )
    ):
        states = counts.setdefault(
            row.channel, {"unconfirmed": 0, "confirmed": 0, "address_dead": 0, "opted_out": 0}
        )
        states[state_name(row.state, row.reason)] += row.number
    return counts


def state_name(state: int, reason: str) -> str:
    """Return the state as shown to people and in files."""
    return reason if state == State.SUPPRESSED else State(state).name.lower()
