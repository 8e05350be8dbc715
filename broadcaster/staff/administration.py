"""Administration of accounts, by a pengelola or the command line: add, change, disable, reset.
Every act is audited.

Each function with a Connection is one transaction, to be run through `Database.write`. Changes that
people make to their own account are in own_account.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from broadcaster.domain.accounts import (
    Account,
    AccountRole,
    BadAccount,
    read_agency_names,
    read_full_name,
    read_mail,
    read_roles,
)
from broadcaster.domain.actor import COMMAND, Actor
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.independence import Control
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusal_codes import AccountCode
from broadcaster.staff import account_alerts
from broadcaster.store import accounts, audit, code_guard, controls, former_mails, sessions
from subscribers.areas import AreaTree
from subscribers.vault import Vault, identity

_WITHOUT_CONTROL = (Act.SESSIONS_END, Act.ACCOUNT_DISABLE)
"""Acts that give the actor no means to use the account."""


class NoAccount(LookupError):
    """No account has this id."""


@dataclass(frozen=True, kw_only=True)
class Particulars:
    """Fields of an account that a pengelola sets. Empty `agencies` or `areas` mean all of them;
    `mail` is the notification address.
    """

    full_name: str
    roles: tuple[AccountRole, ...]
    agencies: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    mail: str = ""

    def of(self, account: Account) -> Account:
        """Return the account with these particulars."""
        return replace(
            account,
            full_name=self.full_name,
            roles=self.roles,
            agencies=self.agencies,
            areas=self.areas,
            email=self.mail,
        )


def read_particulars(
    tree: AreaTree,
    *,
    full_name: str,
    roles: Iterable[str],
    agencies: Iterable[str],
    areas: Iterable[str],
    mail: str,
) -> Particulars:
    """Validate particulars as typed. Raises BadAccount for the first invalid field."""
    return Particulars(
        full_name=read_full_name(full_name),
        roles=read_roles(roles),
        agencies=read_agency_names(agencies),
        areas=read_areas(tree, areas),
        mail=read_mail(mail),
    )


def read_areas(tree: AreaTree, names: Iterable[str]) -> tuple[str, ...]:
    """Return the codes of areas named by slug or code, without those inside another; () for the
    whole city. Raises BadAccount for an unknown area.
    """
    codes = set()
    for name in names:
        area = tree.get(name)
        if area is None:
            raise BadAccount(AccountCode.ACCOUNT_AREA_UNKNOWN, name=name)
        codes.add(area.code)
    if tree.city.code in codes:
        return ()
    return tuple(
        sorted(code for code in codes if not any(code.startswith(f"{other}.") for other in codes))
    )


def add_account(
    connection: Connection, actor: Actor, name: str, particulars: Particulars, *, hashed: str
) -> Account:
    """Add an account whose initial password must be replaced. Raises NotAllowed, BadAccount."""
    _require(actor)
    account = particulars.of(Account(id=0, name=name, full_name="", roles=(), must_change=True))
    accounts.require_own_name(connection, account)
    added = accounts.add(connection, account, password=hashed, at=actor.at)
    _record(connection, actor, Act.ACCOUNT_ADD, added, before={}, after=account_details(added))
    return added


def change(
    connection: Connection,
    actor: Actor,
    account_id: int,
    particulars: Particulars,
    *,
    vault: Vault,
) -> Account:
    """Set the particulars of an account. Raises NotAllowed, NoAccount, BadAccount, LastAdmin."""
    _require(actor)
    before = _account(connection, account_id)
    after = particulars.of(before)
    if after == before:
        return before
    if after.full_name != before.full_name:
        accounts.require_own_name(connection, after)
    accounts.change(connection, after)
    was, became = account_details(before), account_details(after)
    if identity(after.email) != identity(before.email):
        former_mails.keep(connection, vault, account_id, before.email, actor.at)
        became["mail"] = masked_apart(before.email, after.email)
    _record(connection, actor, Act.ACCOUNT_CHANGE, after, before=was, after=became)
    return after


def disable(connection: Connection, actor: Actor, account_id: int) -> Account:
    """Disable an account at once. Raises NotAllowed, NoAccount, LastAdmin."""
    _require(actor)
    before = _account(connection, account_id)
    if before.disabled_at is not None:
        return before
    _require_other(actor, before, AccountCode.OWN_ACCOUNT)
    accounts.disable(connection, account_id, actor.at)
    _record(
        connection,
        actor,
        Act.ACCOUNT_DISABLE,
        before,
        before={"active": True},
        after={"active": False},
    )
    return replace(before, disabled_at=actor.at)


def enable(connection: Connection, actor: Actor, account_id: int) -> Account:
    """Enable a disabled account. Raises NotAllowed, NoAccount, BadAccount."""
    _require(actor)
    before = _account(connection, account_id)
    if before.disabled_at is None:
        return before
    accounts.require_own_name(connection, before)
    accounts.enable(connection, account_id)
    _record(
        connection,
        actor,
        Act.ACCOUNT_ENABLE,
        before,
        before={"active": False},
        after={"active": True},
    )
    return replace(before, disabled_at=None)


def reset_password(
    connection: Connection, actor: Actor, account_id: int, *, hashed: str
) -> Account:
    """Set a password that the person must replace, and end all their sessions.

    Raises NotAllowed, NoAccount.
    """
    _require(actor)
    person = _account(connection, account_id)
    _require_other(actor, person, AccountCode.OWN_PASSWORD)
    accounts.set_password(connection, account_id, hashed, must_change=True)
    code_guard.reset(connection, account_id)  # guesses required the old password
    ended = sessions.end_all(connection, account_id)
    _record(connection, actor, Act.PASSWORD_RESET, person, sessions=ended)
    return person


def remove_second_factor(connection: Connection, actor: Actor, account_id: int) -> Account:
    """Remove a person's second factor, e.g. after a lost phone, and end all their sessions.

    Raises NotAllowed, NoAccount.
    """
    _require(actor)
    person = _account(connection, account_id)
    _require_other(actor, person, AccountCode.OWN_FACTOR)
    if not person.secured:
        return person
    accounts.set_totp(connection, account_id, None, [])
    ended = sessions.end_all(connection, account_id)
    states = {"before": {"second_factor": True}, "after": {"second_factor": False}}
    _record(connection, actor, Act.SECOND_FACTOR_REMOVED, person, **states, sessions=ended)
    return replace(person, secured=False)


def end_sessions(connection: Connection, actor: Actor, account_id: int) -> int:
    """End all sessions of a person and return their number. Raises NotAllowed, NoAccount."""
    _require(actor)
    person = _account(connection, account_id)
    ended = sessions.end_all(connection, account_id)
    if ended:
        _record(connection, actor, Act.SESSIONS_END, person, sessions=ended)
    return ended


def account_details(account: Account) -> dict[str, Any]:
    """Return an account's fields for the audit, with the mail address masked: audit entries are
    never erased.
    """
    return {
        "full_name": account.full_name,
        "roles": list(account.roles),
        "agencies": list(account.agencies),
        "areas": list(account.areas),
        "mail": masked(account.email),
    }


def masked(mail: str) -> str:
    """Mask an address: "wa***@contoh.example"."""
    name, at, domain = mail.rpartition("@")
    return f"{name[: min(2, len(name) // 2)]}***@{domain}" if at else ""


def masked_apart(before: str, after: str) -> str:
    """Mask a new address, marked as another one if its mask equals the previous address's."""
    return f"{masked(after)} (alamat lain)" if masked(before) == masked(after) else masked(after)


def differing(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the differing entries of both mappings."""
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return (
        {k: before[k] for k in changed if k in before},
        {k: after[k] for k in changed if k in after},
    )


def _require(actor: Actor) -> None:
    if actor.account is None and actor.name == COMMAND:
        return  # the command line has full access to the database anyway
    if actor.account is None or not actor.account.may("manage"):
        raise NotAllowed(AccountCode.ADMIN_ONLY)
    if not actor.account.everywhere:
        raise NotAllowed(AccountCode.CITYWIDE_ADMIN_ONLY)


def _require_other(actor: Actor, person: Account, code: AccountCode) -> None:
    if actor.account is not None and actor.account.id == person.id:
        raise NotAllowed(code)


def _account(connection: Connection, account_id: int) -> Account:
    person = accounts.by_id(connection, account_id)
    if person is None:
        raise NoAccount(account_id)
    return person


def _record(
    connection: Connection,
    actor: Actor,
    act: Act,
    person: Account,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    **details: Any,
) -> None:
    """Audit the changed fields, record who gained control of the account, and queue alerts.

    The audit detail `own` marks a change to the actor's own account.
    """
    was, became = differing(before or {}, after or {})
    changes = {"before": was, "after": became} if was or became else {}
    own = actor.account is not None and actor.account.id == person.id
    powers = act != Act.ACCOUNT_CHANGE or bool(set(became) & account_alerts.POWERS)
    if act not in _WITHOUT_CONTROL and powers and actor.account is not None and not own:
        control = Control(account=person.id, maker=actor.account.id, at=actor.at)
        controls.record(connection, control, act.value)
    if act in account_alerts.REASONS and (powers or set(became) & account_alerts.ALERTED):
        account_alerts.queue(connection, act, person, by=actor.name, at=actor.at)
    owned = {"own": True} if own else {}
    audit.append(connection, actor, act, person.actor, **changes, **details, **owned)
