"""Codes, valid once, that link a person's chat to their account; stored as keyed hashes."""

from sqlalchemy import Connection, delete, insert

from broadcaster.store.staff_tables import link_code


def put(connection: Connection, account_id: int, digest: bytes, until: float) -> None:
    """Replace a person's code; it is valid until `until` (epoch seconds)."""
    connection.execute(delete(link_code).where(link_code.c.account == account_id))
    connection.execute(insert(link_code).values(account=account_id, digest=digest, until=until))


def take(connection: Connection, digest: bytes, at: float) -> int | None:
    """Spend a code and return its account; None if unknown, spent or expired. Expired codes are
    deleted.
    """
    spent = (
        delete(link_code)
        .where(link_code.c.digest == digest, link_code.c.until > at)
        .returning(link_code.c.account)
    )
    account_id = connection.execute(spent).scalar()
    connection.execute(delete(link_code).where(link_code.c.until <= at))
    return int(account_id) if account_id is not None else None
