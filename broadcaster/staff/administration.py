"""Administration of accounts, by a pengelola or the command line: add, change, disable, reset.
Every act is audited.

Each function with a Connection is one transaction, to be run through `Database.write`. What a
person does with their own account stands in own_account.py.
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
from broadcaster.staff import account_alerts
from broadcaster.store import accounts, audit, code_guard, controls, former_mails, sessions
from subscribers.areas import AreaTree, UnknownArea
from subscribers.vault import Vault, identity

_WITHOUT_CONTROL = (Act.SESSIONS_END, Act.ACCOUNT_DISABLE)
"""Acts that give whoever does them no means to use the account."""


class NoAccount(LookupError):
    """There is no such account."""


@dataclass(frozen=True, kw_only=True)
class Particulars:
    """The fields of an account that a pengelola sets; no agencies or areas named: every one. `mail`
    is the address for notifications.
    """

    full_name: str
    roles: tuple[AccountRole, ...]
    agencies: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    mail: str = ""

    def of(self, account: Account) -> Account:
        """The account with these particulars."""
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
    """Particulars as they were typed; raises BadAccount with the first that cannot be so."""
    return Particulars(
        full_name=read_full_name(full_name),
        roles=read_roles(roles),
        agencies=read_agency_names(agencies),
        areas=read_areas(tree, areas),
        mail=read_mail(mail),
    )


def read_areas(tree: AreaTree, names: Iterable[str]) -> tuple[str, ...]:
    """Codes of the areas named by slug or code, without those that lie within another; () for the
    city. Raises BadAccount.
    """
    codes = set()
    for name in names:
        area = tree.get(name)
        if area is None:
            raise BadAccount(str(UnknownArea(name, ())))
        codes.add(area.code)
    if tree.city.code in codes:
        return ()
    return tuple(
        sorted(code for code in codes if not any(code.startswith(f"{other}.") for other in codes))
    )


def hire(
    connection: Connection, actor: Actor, name: str, particulars: Particulars, *, hashed: str
) -> Account:
    """Add a person, whose password others know and who must choose their own first. Raises
    NotAllowed, BadAccount.
    """
    _require(actor)
    wanted = particulars.of(Account(id=0, name=name, full_name="", roles=(), must_change=True))
    accounts.require_own_name(connection, wanted)
    added = accounts.add(connection, wanted, password=hashed, at=actor.at)
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
    """Give a person another name, other roles or places. Raises NotAllowed, NoAccount, BadAccount,
    LastAdmin.
    """
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
    """Shut a person out, at once. Raises NotAllowed, NoAccount, LastAdmin."""
    _require(actor)
    before = _account(connection, account_id)
    if before.disabled_at is not None:
        return before
    _require_other(
        actor, before, "Anda tidak dapat menonaktifkan akun Anda sendiri. Minta pengelola lain."
    )
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
    """Let a person in again. Raises NotAllowed, NoAccount, BadAccount."""
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
    """Give a person a password that they must replace; all their sessions end. Raises NotAllowed,
    NoAccount.
    """
    _require(actor)
    person = _account(connection, account_id)
    _require_other(actor, person, "Ganti kata sandi Anda sendiri di halaman Akun saya.")
    accounts.set_password(connection, account_id, hashed, must_change=True)
    code_guard.reset(connection, account_id)  # who guessed codes knew the old password
    ended = sessions.end_all(connection, account_id)
    _record(connection, actor, Act.PASSWORD_RESET, person, sessions=ended)
    return person


def remove_second_factor(connection: Connection, actor: Actor, account_id: int) -> Account:
    """Let a person in without their second factor, say because the phone is lost. Raises
    NotAllowed, NoAccount.
    """
    _require(actor)
    person = _account(connection, account_id)
    _require_other(actor, person, "Matikan langkah kedua Anda sendiri di halaman Akun saya.")
    if not person.secured:
        return person
    accounts.set_totp(connection, account_id, None, [])
    ended = sessions.end_all(connection, account_id)
    states = {"before": {"second_factor": True}, "after": {"second_factor": False}}
    _record(connection, actor, Act.SECOND_FACTOR_REMOVED, person, **states, sessions=ended)
    return replace(person, secured=False)


def end_sessions(connection: Connection, actor: Actor, account_id: int) -> int:
    """Sign a person out everywhere; how many sessions that ended. Raises NotAllowed, NoAccount."""
    _require(actor)
    person = _account(connection, account_id)
    ended = sessions.end_all(connection, account_id)
    if ended:
        _record(connection, actor, Act.SESSIONS_END, person, sessions=ended)
    return ended


def account_details(account: Account) -> dict[str, Any]:
    """Return what the audit holds of an account. The mail address is masked: nothing is ever erased
    there.
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
    """Mask a new address so that it is not taken for the one before."""
    return f"{masked(after)} (alamat lain)" if masked(before) == masked(after) else masked(after)


def differing(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the entries of both that differ."""
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return (
        {k: before[k] for k in changed if k in before},
        {k: after[k] for k in changed if k in after},
    )


def _require(actor: Actor) -> None:
    if actor.account is None and actor.name == COMMAND:
        return  # its user has every right over the database anyway
    if actor.account is None or not actor.account.may("manage"):
        raise NotAllowed("Hanya pengelola yang dapat mengatur akun.")
    if not actor.account.everywhere:
        raise NotAllowed(
            "Akun hanya diatur oleh pengelola untuk seluruh kota. Minta pengelola lain."
        )


def _require_other(actor: Actor, person: Account, refusal: str) -> None:
    if actor.account is not None and actor.account.id == person.id:
        raise NotAllowed(refusal)


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
    """Audit what changed, as it was and as it is; record who controls the account, and alert those
    concerned. `own`: somebody changed their own account so; pages show it.
    """
    was, became = differing(before or {}, after or {})
    changes = {"before": was, "after": became} if was or became else {}
    own = actor.account is not None and actor.account.id == person.id
    powers = act != Act.ACCOUNT_CHANGE or bool(set(became) & account_alerts.POWERS)
    if act not in _WITHOUT_CONTROL and powers and actor.account is not None and not own:
        control = Control(account=person.id, maker=actor.account.id, at=actor.at)
        controls.record(connection, control, act.value)
    if act in account_alerts.REASONS and (powers or set(became) & account_alerts.TOLD):
        account_alerts.tell(connection, act, person, by=actor.name, at=actor.at)
    owned = {"own": True} if own else {}
    audit.append(connection, actor, act, person.actor, **changes, **details, **owned)
