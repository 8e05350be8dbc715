"""Who works here, as a pengelola or the command line decides: hired, changed, shut out, given a new
password. All is audited.

Each function with a Connection is one transaction, to be run through `Database.write`. What a
person does with their own account stands in own_account.py.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

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
from broadcaster.domain.independence import Control
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.staff import account_alerts
from broadcaster.store import accounts, audit, code_guard, controls, former_mails, sessions
from broadcaster.store.nudges import AccountReason
from subscribers.areas import AreaTree, UnknownArea
from subscribers.vault import Vault, identity

AccountAct = AccountReason | Literal["sessions_end"]
"""What is done to accounts, as the audit names it."""


class NoAccount(LookupError):
    """There is no such account."""


@dataclass(frozen=True, kw_only=True)
class Keeper:
    """Who acts, and when; `account` None: the command line, whose user has every right over the
    database anyway.
    """

    now: datetime
    account: Account | None = None

    @property
    def actor(self) -> str:
        """How the audit names them."""
        return self.account.actor if self.account is not None else "cli"

    @property
    def at(self) -> float:
        """Epoch seconds."""
        return self.now.timestamp()


@dataclass(frozen=True, kw_only=True)
class Particulars:
    """What a pengelola decides of a person; no agencies or areas named: every one. `mail`: where
    nudges go.
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
    found = set()
    for name in names:
        area = tree.get(name)
        if area is None:
            raise BadAccount(str(UnknownArea(name, ())))
        found.add(area.code)
    if tree.city.code in found:
        return ()
    return tuple(
        sorted(code for code in found if not any(code.startswith(f"{other}.") for other in found))
    )


def hire(
    connection: Connection, keeper: Keeper, name: str, particulars: Particulars, *, hashed: str
) -> Account:
    """Add a person, whose password others know and who must choose their own first. Raises
    NotAllowed, BadAccount.
    """
    _require(keeper)
    wanted = particulars.of(Account(id=0, name=name, full_name="", roles=(), must_change=True))
    accounts.require_own_name(connection, wanted)
    added = accounts.add(connection, wanted, password=hashed, at=keeper.at)
    _note(connection, keeper, "account_add", added, before={}, after=told(added))
    return added


def change(
    connection: Connection,
    keeper: Keeper,
    account_id: int,
    particulars: Particulars,
    *,
    vault: Vault,
) -> Account:
    """Give a person another name, other roles or places. Raises NotAllowed, NoAccount, BadAccount,
    LastAdmin.
    """
    _require(keeper)
    before = _found(connection, account_id)
    after = particulars.of(before)
    if after == before:
        return before
    if after.full_name != before.full_name:
        accounts.require_own_name(connection, after)
    accounts.change(connection, after)
    was, became = told(before), told(after)
    if identity(after.email) != identity(before.email):
        former_mails.keep(connection, vault, account_id, before.email, keeper.at)
        became["mail"] = masked_apart(before.email, after.email)
    _note(connection, keeper, "account_change", after, before=was, after=became)
    return after


def disable(connection: Connection, keeper: Keeper, account_id: int) -> Account:
    """Shut a person out, at once. Raises NotAllowed, NoAccount, LastAdmin."""
    _require(keeper)
    before = _found(connection, account_id)
    if before.disabled_at is not None:
        return before
    _require_other(
        keeper, before, "Anda tidak dapat menonaktifkan akun Anda sendiri. Minta pengelola lain."
    )
    accounts.disable(connection, account_id, keeper.at)
    _note(
        connection,
        keeper,
        "account_disable",
        before,
        before={"active": True},
        after={"active": False},
    )
    return replace(before, disabled_at=keeper.at)


def enable(connection: Connection, keeper: Keeper, account_id: int) -> Account:
    """Let a person in again. Raises NotAllowed, NoAccount, BadAccount."""
    _require(keeper)
    before = _found(connection, account_id)
    if before.disabled_at is None:
        return before
    accounts.require_own_name(connection, before)
    accounts.enable(connection, account_id)
    _note(
        connection,
        keeper,
        "account_enable",
        before,
        before={"active": False},
        after={"active": True},
    )
    return replace(before, disabled_at=None)


def reset_password(
    connection: Connection, keeper: Keeper, account_id: int, *, hashed: str
) -> Account:
    """Give a person a password that they must replace; all their sessions end. Raises NotAllowed,
    NoAccount.
    """
    _require(keeper)
    person = _found(connection, account_id)
    _require_other(keeper, person, "Ganti kata sandi Anda sendiri di halaman Akun saya.")
    accounts.set_password(connection, account_id, hashed, must_change=True)
    code_guard.begin_anew(connection, account_id)  # who guessed codes knew the old password
    ended = sessions.end_all(connection, account_id)
    _note(connection, keeper, "password_reset", person, sessions=ended)
    return person


def remove_second_factor(connection: Connection, keeper: Keeper, account_id: int) -> Account:
    """Let a person in without their second factor, say because the phone is lost. Raises
    NotAllowed, NoAccount.
    """
    _require(keeper)
    person = _found(connection, account_id)
    _require_other(keeper, person, "Matikan langkah kedua Anda sendiri di halaman Akun saya.")
    if not person.secured:
        return person
    accounts.set_totp(connection, account_id, None, [])
    ended = sessions.end_all(connection, account_id)
    states = {"before": {"second_factor": True}, "after": {"second_factor": False}}
    _note(connection, keeper, "second_factor_removed", person, **states, sessions=ended)
    return replace(person, secured=False)


def end_sessions(connection: Connection, keeper: Keeper, account_id: int) -> int:
    """Sign a person out everywhere; how many sessions that ended. Raises NotAllowed, NoAccount."""
    _require(keeper)
    person = _found(connection, account_id)
    ended = sessions.end_all(connection, account_id)
    if ended:
        _note(connection, keeper, "sessions_end", person, sessions=ended)
    return ended


def told(account: Account) -> dict[str, Any]:
    """What the audit says of an account; a mail address only so that its owner can be told apart:
    nothing is erased there.
    """
    return {
        "full_name": account.full_name,
        "roles": list(account.roles),
        "agencies": list(account.agencies),
        "areas": list(account.areas),
        "mail": masked(account.email),
    }


def masked(mail: str) -> str:
    """ "wa***@contoh.example"."""
    name, at, domain = mail.rpartition("@")
    return f"{name[: min(2, len(name) // 2)]}***@{domain}" if at else ""


def masked_apart(before: str, after: str) -> str:
    """A new address masked, so that it is not taken for the one before."""
    return f"{masked(after)} (alamat lain)" if masked(before) == masked(after) else masked(after)


def differing(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Of both, only what is not the same."""
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return (
        {k: before[k] for k in changed if k in before},
        {k: after[k] for k in changed if k in after},
    )


def _require(keeper: Keeper) -> None:
    if keeper.account is not None and not keeper.account.may("manage"):
        raise NotAllowed("Hanya pengelola yang dapat mengatur akun.")
    if keeper.account is not None and not keeper.account.everywhere:
        raise NotAllowed(
            "Akun hanya diatur oleh pengelola untuk seluruh kota. Minta pengelola lain."
        )


def _require_other(keeper: Keeper, person: Account, refusal: str) -> None:
    if keeper.account is not None and keeper.account.id == person.id:
        raise NotAllowed(refusal)


def _found(connection: Connection, account_id: int) -> Account:
    person = accounts.by_id(connection, account_id)
    if person is None:
        raise NoAccount(account_id)
    return person


def _note(
    connection: Connection,
    keeper: Keeper,
    act: AccountAct,
    person: Account,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    **more: Any,
) -> None:
    """Into the audit: what changed, as it was and as it is. `own`: somebody changed their own
    account so; pages show it.
    """
    was, became = differing(before or {}, after or {})
    detail = {"before": was, "after": became, **more} if was or became else dict(more)
    own = keeper.account is not None and keeper.account.id == person.id
    if own:
        detail["own"] = True
    powers = act != "account_change" or bool(set(became) & account_alerts.POWERS)
    if (
        act not in ("sessions_end", "account_disable")
        and powers
        and keeper.account is not None
        and not own
    ):
        controls.record(
            connection, Control(account=person.id, maker=keeper.account.id, at=keeper.at), act
        )
    if act != "sessions_end" and (powers or set(became) & account_alerts.TOLD):
        account_alerts.tell(connection, act, person, by=keeper.actor, at=keeper.at)
    audit.append(
        connection, at=keeper.now, actor=keeper.actor, act=act, subject=person.actor, detail=detail
    )
