"""Linking of a person's own chat to their account by a one-time code that is displayed on the
account page and sent from that chat.
"""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import Connection

from broadcaster.domain.accounts import Account
from broadcaster.domain.actor import StaffActor
from broadcaster.domain.audit_acts import Act
from broadcaster.store import accounts, audit, chat_links
from subscribers.vault import Vault

HOLDS = timedelta(minutes=10)
"""Lifetime of a code."""
WORD = "staf-"
"""Prefix of a code in the chat's first message, which sets it apart from residents' commands."""


def begin(connection: Connection, actor: StaffActor, vault: Vault) -> str:
    """Return a new code to send from the chat ("staf-" and 32 hex digits).

    It replaces the person's earlier code.
    """
    code = secrets.token_hex(16)
    chat_links.put(
        connection, actor.account.id, _digest(vault, code), (actor.now + HOLDS).timestamp()
    )
    return WORD + code


def link(
    connection: Connection,
    vault: Vault,
    *,
    channel: str,
    address: str,
    code: str,
    now: datetime,
) -> Account | None:
    """Link the chat that sent this code to its account, replacing an earlier chat.

    Returns None if the code is invalid or the account disabled.
    """
    if channel not in accounts.REACHED_BY:
        return None
    identity = chat_links.take(connection, _digest(vault, code), now.timestamp())
    account = accounts.by_id(connection, identity) if identity is not None else None
    if account is None or account.disabled_at is not None:
        return None
    accounts.set_contact(connection, account.id, channel, address)
    actor = StaffActor(account=account, now=now)
    audit.append(connection, actor, Act.LINK_CHAT, actor.name, channel=channel)
    return account


def unlink(connection: Connection, actor: StaffActor, channel: str) -> None:
    """Remove the person's chat on this channel."""
    accounts.set_contact(connection, actor.account.id, channel, "")
    audit.append(connection, actor, Act.UNLINK_CHAT, actor.name, channel=channel)


def _digest(vault: Vault, code: str) -> bytes:
    return vault.lookup("link", code)
