"""Number of different persons among an edition's recipients: a person with two channels counts as
one.
"""

from sqlalchemy import Connection, distinct, exists, func, select, update

from broadcaster.store.recent import is_recent
from broadcaster.store.tables import delivery, edition, run
from subscribers.store import address

COUNTED_WITHIN = 8 * 86_400.0
"""Seconds after publication within which an edition is counted; rows of earlier ones may have been
folded.
"""


def known(connection: Connection, edition_id: int | None) -> int | None:
    """Return the number of an edition's people; None until they are counted."""
    return connection.execute(select(edition.c.people).where(edition.c.id == edition_id)).scalar()


def uncounted(connection: Connection, now: float) -> int | None:
    """Return the id of an edition whose rows are complete but whose people are not counted; None if
    there is none.
    """
    unsealed = exists().where(run.c.edition == edition.c.id, ~run.c.sealed)
    recent = (
        is_recent(),
        edition.c.people.is_(None),
        edition.c.published_at > now - COUNTED_WITHIN,
    )
    statement = (
        select(edition.c.id)
        .where(*recent, ~unsealed)
        .order_by(edition.c.published_at.desc())
        .limit(1)
    )
    return connection.execute(statement).scalar()


def count(connection: Connection, edition_id: int) -> int:
    """Count an edition's people (reads every row: about a second for a million).

    A later fallback adds rows, but no person.
    """
    rows = select(func.count(distinct(address.c.subscriber))).join(
        delivery, delivery.c.address == address.c.id
    )
    return int(connection.execute(rows.where(delivery.c.edition == edition_id)).scalar_one())


def keep(connection: Connection, edition_id: int, people: int) -> None:
    """Store the number of an edition's people."""
    connection.execute(update(edition).where(edition.c.id == edition_id).values(people=people))
