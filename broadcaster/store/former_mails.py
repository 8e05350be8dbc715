"""Sealed former mail addresses of staff: warnings also go there for a day after a change."""

import structlog
from sqlalchemy import Connection, delete, insert, select

from broadcaster.store import nudges
from broadcaster.store.staff_tables import former_mail
from subscribers.vault import SealBroken, Vault

KEEP_SECONDS = 24 * 3600.0
"""Seconds after a change for which the former address is notified of acts on accounts."""
_FORGET_SECONDS = KEEP_SECONDS + nudges.GIVE_UP_SECONDS
"""Nudges of the last day may still have to be sent."""
_SEAL = "former mail"

log = structlog.get_logger(__name__)


def keep(connection: Connection, vault: Vault, account_id: int, mail: str, at: float) -> None:
    """Store the address that an account had until now; "" is ignored."""
    if mail:
        connection.execute(
            insert(former_mail).values(account=account_id, mail=vault.seal(_SEAL, mail), at=at)
        )


def lately(connection: Connection, vault: Vault, account_id: int, at: float) -> dict[int, str]:
    """Return the addresses, by number, that an account had at some time since KEEP_SECONDS before
    `at`.
    """
    mine = select(former_mail).where(
        former_mail.c.account == account_id, former_mail.c.at > at - KEEP_SECONDS
    )
    addresses = {}
    for row in connection.execute(mine.order_by(former_mail.c.id)):
        try:
            addresses[row.id] = vault.open(_SEAL, bytes(row.mail))
        except SealBroken:
            log.error("former_mail_not_opened", account=account_id)
    return addresses


def purge(connection: Connection, now: float) -> None:
    """Delete addresses that are no longer notified."""
    connection.execute(delete(former_mail).where(former_mail.c.at <= now - _FORGET_SECONDS))
