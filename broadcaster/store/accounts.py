"""Rows of staff accounts. At least one active administrator of the whole city always remains."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from broadcaster.domain.accounts import (
    Account,
    AccountRole,
    BadAccount,
    agencies_text,
    read_agencies,
)
from broadcaster.domain.confusables import full_name_skeleton, skeleton
from broadcaster.domain.refusal_codes import AccountCode
from broadcaster.store import code_guard
from broadcaster.store.database import is_sqlite
from broadcaster.store.staff_tables import account, recovery_code, session

_CHANGING_ROLES = 0x5349_4152_4143
"""Advisory lock: serialises changes of administrators and new names (SQLite has one writer anyway).
"""


MAIL = "email"
"""The channel whose address other administrators may change too."""
REACHED_BY = (MAIL, "telegram")
"""Channels by which staff are notified; each is a column of `account`."""


class LastAdmin(BadAccount):
    """Without this one nobody could manage accounts: who holds for a part of the city cannot
    (`staff.administration`).
    """

    def __init__(self) -> None:
        super().__init__(AccountCode.LAST_ADMIN)


def find(connection: Connection, name: str) -> Account | None:
    """Find an account, disabled ones included, by the name it signs in with."""
    return _one(connection, account.c.name == name)


def by_id(connection: Connection, account_id: int) -> Account | None:
    """Find an account, disabled ones included, by its id."""
    return _one(connection, account.c.id == account_id)


def locked(connection: Connection, account_id: int) -> Account | None:
    """Find an account by its id and lock its row until this transaction ends."""
    row = connection.execute(
        select(account).where(account.c.id == account_id).with_for_update(read=True)
    ).one_or_none()
    return _account(row) if row is not None else None


def by_subject(connection: Connection, issuer: str, subject: str) -> Account | None:
    """Find the account that single sign-on knows as `subject`."""
    return _one(connection, (account.c.issuer == issuer) & (account.c.subject == subject))


def acting(connection: Connection, actor: str) -> list[Account]:
    """Return the staff account behind an actor of the audit log ("staff:rina"); [] for other
    actors.
    """
    kind, _, name = actor.partition(":")
    staff = find(connection, name) if kind == "staff" else None
    return [staff] if staff is not None else []


def everyone(connection: Connection) -> list[Account]:
    """List all accounts by name, disabled ones last."""
    order = (account.c.disabled_at.is_not(None), account.c.name)
    return [_account(row) for row in connection.execute(select(account).order_by(*order))]


def with_role(connection: Connection, role: AccountRole) -> list[Account]:
    """List the active accounts that have this role."""
    return [
        person
        for person in everyone(connection)
        if role in person.roles and person.disabled_at is None
    ]


def exists(connection: Connection) -> bool:
    """True if there is any account yet."""
    return connection.execute(select(account.c.id).limit(1)).first() is not None


def secrets_of(connection: Connection, account_id: int) -> tuple[str, bytes | None, int]:
    """Return an account's (password hash, sealed second factor, last step used)."""
    columns = (account.c.password, account.c.totp, account.c.totp_step)
    row = connection.execute(select(*columns).where(account.c.id == account_id)).one()
    return row.password, row.totp, row.totp_step


def add(connection: Connection, found: Account, *, password: str = "", at: float) -> Account:
    """Store a new account whose `password` is hashed already.

    Raises BadAccount when the name is taken or looks like one that is.
    """
    _require_unlike(connection, found.name)
    values = {
        **_columns(found),
        "password": password,
        "must_change": found.must_change,
        "created_at": at,
    }
    try:
        with connection.begin_nested():
            identity = connection.execute(
                insert(account).values(values).returning(account.c.id)
            ).scalar_one()
    except IntegrityError as error:
        raise BadAccount(AccountCode.NAME_TAKEN, name=found.name) from error
    added = by_id(connection, int(identity))
    if added is None:
        raise LookupError("the account was not stored")
    return added


def change(connection: Connection, changed: Account) -> None:
    """Store an account's name, roles, scope and contact details. Raises LastAdmin."""
    if "admin" not in changed.roles or not changed.everywhere:
        _require_another_admin(connection, changed.id)
    connection.execute(update(account).where(account.c.id == changed.id).values(_columns(changed)))


def set_contact(connection: Connection, account_id: int, channel: str, address: str) -> None:
    """Set the address at which a channel notifies this person; "" for none. Raises ValueError for a
    channel without a column.
    """
    if channel not in REACHED_BY:
        raise ValueError(f"staff are not reached by {channel}")
    connection.execute(update(account).where(account.c.id == account_id).values({channel: address}))


def disable(connection: Connection, account_id: int, at: float) -> None:
    """Disable the account and end its sessions. Raises LastAdmin."""
    _require_another_admin(connection, account_id)
    connection.execute(update(account).where(account.c.id == account_id).values(disabled_at=at))
    connection.execute(delete(session).where(session.c.account == account_id))


def enable(connection: Connection, account_id: int) -> None:
    """Enable the account again."""
    connection.execute(update(account).where(account.c.id == account_id).values(disabled_at=None))


def set_password(
    connection: Connection, account_id: int, hashed: str, *, must_change: bool = False
) -> None:
    """Store the hash of a new password."""
    connection.execute(
        update(account)
        .where(account.c.id == account_id)
        .values(password=hashed, must_change=must_change)
    )


def set_totp(
    connection: Connection,
    account_id: int,
    sealed: bytes | None,
    digests: list[bytes],
    *,
    step: int = 0,
) -> None:
    """Replace the second factor and its recovery codes; None removes it."""
    connection.execute(
        update(account).where(account.c.id == account_id).values(totp=sealed, totp_step=step)
    )
    code_guard.reset(connection, account_id)
    set_recovery_codes(connection, account_id, digests)


def set_recovery_codes(connection: Connection, account_id: int, digests: list[bytes]) -> None:
    """Replace the recovery codes."""
    connection.execute(delete(recovery_code).where(recovery_code.c.account == account_id))
    if digests:
        connection.execute(
            insert(recovery_code), [{"account": account_id, "digest": digest} for digest in digests]
        )


def use_totp_step(connection: Connection, account_id: int, step: int) -> bool:
    """Spend a step of the second factor; False if it, or a later one, is spent already."""
    unspent = (account.c.id == account_id, account.c.totp_step < step)
    return connection.execute(update(account).where(*unspent).values(totp_step=step)).rowcount == 1


def use_recovery_code(connection: Connection, account_id: int, digest: bytes, at: float) -> bool:
    """Spend a recovery code; False if it is unknown or spent."""
    unspent = (
        recovery_code.c.account == account_id,
        recovery_code.c.digest == digest,
        recovery_code.c.used_at.is_(None),
    )
    return (
        connection.execute(update(recovery_code).where(*unspent).values(used_at=at)).rowcount == 1
    )


def recovery_codes_left(connection: Connection, account_id: int) -> int:
    """Count the unspent recovery codes."""
    unspent = (recovery_code.c.account == account_id, recovery_code.c.used_at.is_(None))
    return int(
        connection.execute(
            select(func.count()).select_from(recovery_code).where(*unspent)
        ).scalar_one()
    )


def _require_unlike(connection: Connection, name: str) -> None:
    """Raise BadAccount if the name is visually confusable with another account's."""
    _serialise(connection)
    for other in connection.execute(select(account.c.name)).scalars():
        if other != name and skeleton(other) == skeleton(name):
            raise BadAccount(AccountCode.NAME_LOOKS_TAKEN, name=name, other=other)


def namesakes(connection: Connection, person: Account) -> list[Account]:
    """List the other active accounts whose full name is visually confusable with this one."""
    look = full_name_skeleton(person.full_name)
    others = [
        other
        for other in everyone(connection)
        if other.disabled_at is None and other.name != person.name
    ]
    return [other for other in others if full_name_skeleton(other.full_name) == look]


def require_own_name(connection: Connection, person: Account) -> None:
    """Raise BadAccount if another active account has a visually confusable full name."""
    _serialise(connection)
    for other in namesakes(connection, person):
        raise BadAccount(
            AccountCode.FULL_NAME_TAKEN,
            full_name=person.full_name,
            other=other.name,
            other_full_name=other.full_name,
        )


def _serialise(connection: Connection) -> None:
    if not is_sqlite(connection):
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CHANGING_ROLES})


def _require_another_admin(connection: Connection, leaving: int) -> None:
    _serialise(connection)
    left = [admin.id for admin in with_role(connection, "admin") if admin.everywhere]
    if left == [leaving]:
        raise LastAdmin


def _columns(person: Account) -> Mapping[str, Any]:
    return {
        "name": person.name,
        "full_name": person.full_name,
        "roles": " ".join(person.roles),
        "agencies": agencies_text(person.agencies),
        "areas": " ".join(person.areas),
        "issuer": person.issuer or None,
        "subject": person.subject or None,
        "email": person.email,
        "telegram": person.telegram,
    }


def _one(connection: Connection, condition: Any) -> Account | None:
    row = connection.execute(select(account).where(condition)).one_or_none()
    return _account(row) if row is not None else None


def _account(row: Row[Any]) -> Account:
    return Account(
        id=row.id,
        name=row.name,
        full_name=row.full_name,
        roles=tuple(row.roles.split()),
        agencies=read_agencies(row.agencies),
        areas=tuple(row.areas.split()),
        email=row.email,
        telegram=row.telegram,
        local=bool(row.password),
        secured=row.totp is not None,
        must_change=row.must_change,
        issuer=row.issuer or "",
        subject=row.subject or "",
        created_at=row.created_at,
        seen_at=row.seen_at,
        disabled_at=row.disabled_at,
    )
