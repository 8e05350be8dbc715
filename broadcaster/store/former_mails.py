"""Rows of mail addresses at which staff were told until these were changed: for a day warnings go
there too. Sealed.
"""

import structlog
from sqlalchemy import Connection, delete, insert, select

from broadcaster.store import nudges
from broadcaster.store.staff_tables import former_mail
from subscribers.vault import SealBroken, Vault

KEEP_SECONDS = 24 * 3600.0
"""How long an address is told of acts on accounts after it was changed."""
_FORGET_SECONDS = KEEP_SECONDS + nudges.GIVE_UP_SECONDS
"""What was written on its last day may still have to be sent."""
_SEAL = "former mail"

log = structlog.get_logger(__name__)


def keep(connection: Connection, vault: Vault, account_id: int, mail: str, at: float) -> None:
    """Store the address that an account had until now; none at all is nothing to store."""
    if mail:
        connection.execute(
            insert(former_mail).values(account=account_id, mail=vault.seal(_SEAL, mail), at=at)
        )


def lately(connection: Connection, vault: Vault, account_id: int, at: float) -> dict[int, str]:
    """The addresses, by number, that an account had within the day before a moment, or later."""
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
    """Forget addresses that nothing is sent to any more."""
    connection.execute(delete(former_mail).where(former_mail.c.at <= now - _FORGET_SECONDS))
