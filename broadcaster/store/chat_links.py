"""One-time codes by which a person joins their own chat to their account: stored as keyed hashes,
spent once.
"""

from sqlalchemy import Connection, delete, insert

from broadcaster.store.staff_tables import link_code


def put(connection: Connection, account_id: int, digest: bytes, until: float) -> None:
    """Store a person's code in the place of the one before; it holds until then (epoch seconds)."""
    connection.execute(delete(link_code).where(link_code.c.account == account_id))
    connection.execute(insert(link_code).values(account=account_id, digest=digest, until=until))


def take(connection: Connection, digest: bytes, at: float) -> int | None:
    """Spend a code: whose it is, None when it is unknown, spent or too old. Old ones are forgotten."""
    spent = (
        delete(link_code)
        .where(link_code.c.digest == digest, link_code.c.until > at)
        .returning(link_code.c.account)
    )
    found = connection.execute(spent).scalar()
    connection.execute(delete(link_code).where(link_code.c.until <= at))
    return int(found) if found is not None else None
