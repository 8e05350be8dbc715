"""Consent of addresses: confirmation, opt-out, bounce, reactivation. Each act is recorded with its
source and time.

`address_dead` ends with any message from the address, `opted_out` only with a new opt-in of the
resident. Times are epoch seconds.
"""

from collections.abc import Collection
from typing import Literal

from sqlalchemy import Connection, delete, func, insert, literal, or_, select, update

from subscribers import store
from subscribers.store import State, address, batches, consent, insert_new

Reason = Literal["address_dead", "opted_out"]
Act = Literal["granted", "imported", "withdrawn", "dead", "revived"]
OWN_WORD: tuple[Act, ...] = ("granted", "imported")
"""Acts by which a resident agreed (an import brings the date along)."""


def confirm(
    conn: Connection, address_id: int, *, source: str, text_version: str, at: float
) -> bool:
    """Record the resident's own opt-in, which lifts any suppression.

    False if the address was already confirmed or is unknown.
    """
    opened = {"state": State.CONFIRMED, "reason": "", "confirmed_at": at, "suppressed_at": None}
    changed = conn.execute(
        update(address)
        .where(address.c.id == address_id, address.c.state != State.CONFIRMED)
        .values(opened)
    )
    if changed.rowcount:
        record(conn, address_id, "granted", source=source, text_version=text_version, at=at)
        clear_strikes(conn, address_id)
    return bool(changed.rowcount)


def suppress(conn: Connection, address_id: int, reason: Reason, *, at: float, source: str) -> bool:
    """Stop writing to this address; True if that is new.

    An opt-out outranks a dead address and remains.
    """
    may = address.c.state != State.SUPPRESSED
    if reason == "opted_out":
        may = or_(may, address.c.reason != "opted_out")
    closed = {"state": State.SUPPRESSED, "reason": reason, "suppressed_at": at}
    changed = conn.execute(update(address).where(address.c.id == address_id, may).values(closed))
    if changed.rowcount:
        record(
            conn, address_id, "withdrawn" if reason == "opted_out" else "dead", source=source, at=at
        )
    return bool(changed.rowcount)


def stop(conn: Connection, address_id: int, *, source: str, at: float) -> bool:
    """Record that the resident unsubscribed (BERHENTI, one-click, block); True if that is new."""
    return suppress(conn, address_id, "opted_out", at=at, source=source)


def revive(
    conn: Connection,
    address_id: int,
    *,
    source: str,
    at: float,
    opt_in: bool = False,
    text_version: str = "",
) -> bool:
    """Record a message from the address: a dead one is active again; one that opted out needs
    `opt_in`.

    True if anything changed.
    """
    if opt_in:
        return confirm(conn, address_id, source=source, text_version=text_version, at=at)
    dead = (
        address.c.id == address_id,
        address.c.state == State.SUPPRESSED,
        address.c.reason == "address_dead",
    )
    confirmed_at = conn.execute(select(address.c.confirmed_at).where(*dead)).first()
    if confirmed_at is None:
        return False
    state = State.UNCONFIRMED if confirmed_at[0] is None else State.CONFIRMED
    conn.execute(update(address).where(*dead).values(state=state, reason="", suppressed_at=None))
    record(conn, address_id, "revived", source=source, at=at)
    clear_strikes(conn, address_id)
    return True


def is_open(conn: Connection, address_id: int) -> bool:
    """True if the address may be written to now."""
    return (
        conn.execute(select(address.c.state).where(address.c.id == address_id)).scalar()
        == State.CONFIRMED
    )


def strike(conn: Connection, address_id: int, day: str, limit: int) -> bool:
    """Record a soft bounce of `day` (YYYY-MM-DD).

    True once `limit` days have one with no success in between: the address is dead.
    """
    # an address erased while a message to it was in flight gets no strike
    known = select(address.c.id, literal(day)).where(address.c.id == address_id)
    conn.execute(insert_new(conn, store.strike).from_select(["address", "day"], known))
    days = conn.execute(
        select(func.count()).where(store.strike.c.address == address_id)
    ).scalar_one()
    return days >= limit


def clear_strikes(conn: Connection, address_ids: int | Collection[int]) -> None:
    """Clear the soft bounces of these addresses, which accepted a message."""
    ids = [address_ids] if isinstance(address_ids, int) else address_ids
    for batch in batches(ids, 10_000):
        conn.execute(delete(store.strike).where(store.strike.c.address.in_(batch)))


def record(
    conn: Connection, address_id: int, act: Act, *, source: str, at: float, text_version: str = ""
) -> None:
    """Append to the proof of consent."""
    conn.execute(
        insert(consent).values(
            address=address_id, act=act, source=source, text_version=text_version, at=at
        )
    )
    if act in OWN_WORD:
        note_agreed(conn, [address_id])


def note_agreed(conn: Connection, address_ids: Collection[int]) -> None:
    """Copy the date of the latest own consent to the addresses, after their proofs changed."""
    newest = select(func.max(consent.c.at)).where(
        consent.c.address == address.c.id, consent.c.act.in_(OWN_WORD)
    )
    for batch in batches(address_ids, 500):
        conn.execute(
            update(address)
            .where(address.c.id.in_(batch))
            .values(agreed_at=newest.scalar_subquery())
        )


def given_at(conn: Connection, address_id: int) -> float | None:
    """Return the time of the resident's latest own consent (an import brings its date along), or
    None.
    """
    given = select(func.max(consent.c.at)).where(
        consent.c.address == address_id, consent.c.act.in_(OWN_WORD)
    )
    return conn.execute(given).scalar()


def history(conn: Connection, address_id: int) -> list[dict[str, str | float]]:
    """Return every act of this address, oldest first: act, source, text_version, at (epoch
    seconds).
    """
    columns = (consent.c.act, consent.c.source, consent.c.text_version, consent.c.at)
    rows = conn.execute(
        select(*columns).where(consent.c.address == address_id).order_by(consent.c.id)
    )
    return [dict(row) for row in rows.mappings()]
