"""Effects of attempts on addresses: suppression, strikes, aliases, moves, and the fallback to
another address.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, func, literal, or_, select, update

from broadcaster.domain.deliveries import PENDING, Consequence, Decision
from broadcaster.store import erasing, merged_addresses, tables
from broadcaster.store.channels import count_results, suppress_or_hold
from broadcaster.store.database import now
from broadcaster.store.outcomes import settle
from broadcaster.store.recipients import MAY_HAVE_REACHED, audience_of
from broadcaster.store.slices import Claim
from broadcaster.store.tables import delivery, run, slice_
from subscribers import consent, residents
from subscribers.audience import concerns, counted_under
from subscribers.store import State, address, insert_new
from subscribers.vault import Vault


def record(
    connection: Connection,
    vault: Vault,
    claim: Claim,
    decisions: Sequence[Decision],
    consequences: Sequence[Consequence],
    *,
    keep_ids: bool,
    results: int,
) -> list[tuple[str, int]]:
    """Settle a group of attempts with all their effects; return the (channel, address) pairs fallen
    back to.

    `results`: how many to count for the mass-suppression breaker. Only the attempt that closes its
    row falls back: a fenced or repeated one does not.
    """
    ended = settle(connection, vault, claim, decisions, keep_ids=keep_ids)
    meanings = [
        replace(item, fall_back=item.fall_back and item.slot in ended) for item in consequences
    ]
    return apply(
        connection,
        vault,
        edition=claim.edition,
        channel=claim.channel,
        results=results,
        consequences=meanings,
    )


def apply(
    connection: Connection,
    vault: Vault,
    *,
    edition: int,
    channel: str,
    results: int,
    consequences: Sequence[Consequence],
) -> list[tuple[str, int]]:
    """Apply the consequences, in the transaction that settles the rows; return the (channel,
    address) pairs fallen back to.
    """
    wall = now(connection)
    dead: dict[int, str] = {}
    fallen: list[tuple[str, int]] = []
    for item in consequences:
        if item.dead or (
            item.strike_limit
            and consent.strike(connection, item.address, item.day, item.strike_limit)
        ):
            dead[item.address] = "provider"
        if item.opted_out:
            consent.suppress(connection, item.address, "opted_out", at=wall, source="provider")
        if item.moved_to:
            move(connection, vault, item.address, item.moved_to)
        if item.fall_back:
            fallen += fall_back(connection, edition, item.address)
    if results or dead:
        count_results(connection, channel, results, len(dead))
    if consequences:
        aliased = [(item.address, alias) for item in consequences for alias in item.aliases]
        merged_addresses.follow_merges(
            connection, residents.add_aliases(connection, vault, channel, aliased)
        )
        consent.clear_strikes(connection, [item.address for item in consequences if item.succeeded])
        suppress_or_hold(connection, channel, dead, at=wall)
    return fallen


def move(connection: Connection, vault: Vault, address: int, new: str) -> None:
    """Change an address's id unless it has it already; messages of the former chat are not edited
    in the new one.
    """
    row = residents.get(connection, address)
    if row is not None and vault.address_lookup(row.channel, new) != bytes(row.lookup):
        erasing.forget_numbers(connection, row)
        merged_addresses.follow_merges(connection, residents.move(connection, vault, address, new))


def fall_back(connection: Connection, edition: int, closed: int) -> list[tuple[str, int]]:
    """Give the edition to the subscriber's next address without a delivery of it; [] if there is
    none or the run is over.
    """
    unexpired = or_(run.c.expires_at.is_(None), run.c.expires_at > now(connection))
    runs: Mapping[str, str] = {
        row.channel: row.state
        for row in connection.execute(
            select(run.c.channel, run.c.state).where(
                run.c.edition == edition,
                run.c.state.in_(("preparing", "running", "paused", "done")),
                unexpired,
            )
        )
    }
    area = _area_of_reached(connection, edition, closed)
    for candidate in residents.other_addresses(connection, closed):
        if candidate.channel in runs and _add(connection, edition, candidate.id, area):
            return [(candidate.channel, candidate.id)]
    return []


def _area_of_reached(connection: Connection, edition: int, closed: int) -> str | None:
    """Return the area under which an earlier edition may have reached an address; None: the
    person's first matching area.
    """
    row = residents.get(connection, closed)
    if row is None:
        return None
    mine = (
        select(tables.edition.c.announcement)
        .where(tables.edition.c.id == edition)
        .scalar_subquery()
    )
    earlier = select(tables.edition.c.id).where(
        tables.edition.c.announcement == mine, tables.edition.c.id < edition
    )
    reached = (
        delivery.c.channel == row.channel,
        delivery.c.slot == row.slot,
        delivery.c.state.in_(MAY_HAVE_REACHED),
    )
    return connection.execute(
        select(delivery.c.area).where(delivery.c.edition.in_(earlier), *reached).limit(1)
    ).scalar()


def _add(connection: Connection, edition: int, to: int, area: str | None) -> bool:
    """Add a row for an address that the edition concerns; False if it has one already or is not in
    the audience.

    A person who may have read an earlier edition, counted under `area`, gets the later one wherever
    it applies now.
    """
    audience = audience_of(connection, edition)
    counted = func.coalesce(counted_under(audience), area) if area else counted_under(audience)
    candidate = select(
        literal(edition),
        address.c.channel,
        address.c.slot,
        address.c.id,
        counted,
        literal(PENDING),
        literal(0),
        literal(0),
        literal(0),
        literal(0.0),
    ).where(
        address.c.id == to,
        address.c.state == State.CONFIRMED if area else concerns(audience, address),
    )
    add = insert_new(connection, delivery).from_select(
        [
            "edition",
            "channel",
            "slot",
            "address",
            "area",
            "state",
            "attempt",
            "spent",
            "uncertain",
            "due_at",
        ],
        candidate,
    )
    if connection.execute(add).rowcount != 1:
        return False
    _count_added(connection, edition, to)
    return True


def _count_added(connection: Connection, edition: int, to: int) -> None:
    """Count a new row of an address in its slice and its run."""
    place = connection.execute(
        select(address.c.channel, address.c.slot).where(address.c.id == to)
    ).one()
    # without a slice yet, the fan-out counts the row when it comes to its slot
    connection.execute(
        update(slice_)
        .where(
            slice_.c.edition == edition,
            slice_.c.channel == place.channel,
            slice_.c.after_slot < place.slot,
            slice_.c.last_slot >= place.slot,
        )
        .values(open=slice_.c.open + 1, n_pending=slice_.c.n_pending + 1, due_at=0)
    )
    mine = (run.c.edition == edition) & (run.c.channel == place.channel)
    connection.execute(update(run).where(mine).values(total=run.c.total + 1))
    connection.execute(
        update(run).where(mine, run.c.state == "done").values(state="running", finished_at=None)
    )
