"""Joining a person's own chat to their account: a one-time code on the account's page, sent to us
from that chat.
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
"""How long a code may be sent."""
WORD = "staf-"
"""What stands before a code in the chat's first message, so that it is none of residents' words."""


def begin(connection: Connection, actor: StaffActor, vault: Vault) -> str:
    """A fresh word to send from the chat ("staf-" and 32 hex digits); the person's earlier one
    holds no more.
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
    """Join the chat that sent this code to its account, in the place of the one before; None where
    the code does not hold.
    """
    if channel not in accounts.REACHED_BY:
        return None
    identity = chat_links.take(connection, _digest(vault, code), now.timestamp())
    found = accounts.by_id(connection, identity) if identity is not None else None
    if found is None or found.disabled_at is not None:
        return None
    accounts.reach(connection, found.id, channel, address)
    actor = StaffActor(account=found, now=now)
    audit.append(connection, actor, Act.LINK_CHAT, actor.name, channel=channel)
    return found


def unlink(connection: Connection, actor: StaffActor, channel: str) -> None:
    """Tell this person nothing more by this channel."""
    accounts.reach(connection, actor.account.id, channel, "")
    audit.append(connection, actor, Act.UNLINK_CHAT, actor.name, channel=channel)


def _digest(vault: Vault, code: str) -> bytes:
    return vault.lookup("link", code)
