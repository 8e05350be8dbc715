"""Provisioning of accounts from the city's identity provider: created at the first sign-in, their
roles updated at each.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.domain.accounts import (
    ACCOUNT_ROLES,
    NAME_LIMIT,
    Account,
    AccountRole,
    BadAccount,
    mapped_roles,
    name_from,
    read_role_mapping,
)
from broadcaster.domain.actor import SIGN_ON, StaffActor
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.refusal_codes import AccountCode
from broadcaster.staff import account_alerts
from broadcaster.staff.oidc_claims import Identity
from broadcaster.staff.sign_in import open_session
from broadcaster.staff.sign_in_throttle import Browser
from broadcaster.store import accounts, audit, sessions
from broadcaster.store.accounts import LastAdmin
from broadcaster.store.sessions import Session

NAMES_TRIED = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class ProvisioningOutcome:
    """Result of a sign-in through the provider; a `problem` means that the person is not let in.

    `account` is None if the person has no account and no role. `kept_admin`: the provider withdrew
    the role of pengelola from the last one, who keeps it and must be notified.
    """

    account: Account | None
    problem: Literal["", "no_role", "disabled"] = ""
    kept_admin: bool = False


def enter(
    connection: Connection,
    app: App,
    browser: Browser,
    identity: Identity,
    *,
    hint: str,
    before: Session | None,
) -> tuple[ProvisioningOutcome, str]:
    """Sign in a person whom the provider authenticated; return also the new session's cookie value.

    The browser's session `before` ends. `hint` is the sealed id token.
    """
    mapping = read_role_mapping(app.settings.oidc_roles)
    admission = admit(
        connection,
        identity,
        mapping,
        now=app.clock(),
        place=browser.address,
        agent=browser.agent,
    )
    if admission.problem or admission.account is None:
        return admission, ""
    if before is not None:
        sessions.end(connection, before.id, before.account.id)
    return admission, open_session(connection, app, admission.account, browser, SIGN_ON, hint=hint)


def admit(
    connection: Connection,
    identity: Identity,
    mapping: Mapping[str, AccountRole],
    *,
    now: datetime,
    place: str,
    agent: str,
) -> ProvisioningOutcome:
    """Find or create the account of an authenticated person and give it the provider's roles.

    A person without a role gets no account, or loses roles and sessions of an existing one. The
    last pengelola keeps the role. `place` and `agent`, the browser, go into the audit. Accounts are
    matched by issuer and subject only, so that none can be taken over by name or email.
    """
    roles = mapped_roles(identity.values, mapping)
    account = accounts.by_subject(connection, identity.issuer, identity.subject)
    if account is None and not roles:
        return ProvisioningOutcome(account=None, problem="no_role")
    if account is None:
        account = _make(connection, identity, roles, now)
        account_alerts.queue(connection, Act.ACCOUNT_ADD, account, by=SIGN_ON, at=now.timestamp())
        actor = StaffActor(account=account, now=now, place=place)
        _append(connection, actor, Act.ACCOUNT_ADD, agent, roles=roles)
    elif account.disabled_at is not None:
        actor = StaffActor(account=account, now=now, place=place)
        _append(connection, actor, Act.SIGN_IN_FAILED, agent, why="disabled")
        return ProvisioningOutcome(account=account, problem="disabled")
    actor = StaffActor(account=account, now=now, place=place)
    admission = _follow(connection, actor, roles, agent)
    if admission.problem:
        sessions.end_all(connection, account.id)
        _append(connection, actor, Act.SIGN_IN_FAILED, agent, why=admission.problem)
    return admission


def _append(
    connection: Connection, actor: StaffActor, act: Act, agent: str, /, **details: Any
) -> None:
    """Audit an act of the identity provider."""
    audit.append(connection, actor, act, actor.name, agent=agent, way=SIGN_ON, **details)


def _follow(
    connection: Connection, actor: StaffActor, roles: tuple[AccountRole, ...], agent: str
) -> ProvisioningOutcome:
    """Give an account the provider's roles; the last pengelola keeps that role as well."""
    account = actor.account
    changed, last_admin = _with_roles(connection, account, roles)
    if changed.roles != account.roles:
        account_alerts.queue(connection, Act.ACCOUNT_ROLES, changed, by=SIGN_ON, at=actor.at)
        states = {"before": account.roles, "after": changed.roles}
        _append(connection, actor, Act.ACCOUNT_ROLES, agent, **states)
    if last_admin:
        _append(connection, actor, Act.LAST_ADMIN_KEPT, agent, provider=roles)
    problem: Literal["", "no_role"] = "" if roles else "no_role"
    return ProvisioningOutcome(account=changed, problem=problem, kept_admin=last_admin)


def _with_roles(
    connection: Connection, account: Account, roles: tuple[AccountRole, ...]
) -> tuple[Account, bool]:
    """Store an account with these roles; True if it stays pengelola because it is the last."""
    changed = replace(account, roles=roles)
    try:
        accounts.change(connection, changed)
    except LastAdmin:
        wanted = {*roles, "admin"}
        kept_roles = tuple(role for role in ACCOUNT_ROLES if role in wanted)
        changed = replace(account, roles=kept_roles)
        accounts.change(connection, changed)
        return changed, True
    return changed, False


def _make(
    connection: Connection, identity: Identity, roles: tuple[AccountRole, ...], now: datetime
) -> Account:
    """Add an account under the first free name, or return one just added by another process."""
    for name in _names(identity):
        if accounts.find(connection, name) is not None:
            continue
        account = Account(
            id=0,
            name=name,
            full_name=identity.full_name or name,
            roles=roles,
            email=_email(identity.email),
            local=False,
            issuer=identity.issuer,
            subject=identity.subject,
        )
        try:
            return accounts.add(connection, account, at=now.timestamp())
        except BadAccount:
            other = accounts.by_subject(connection, identity.issuer, identity.subject)
            if other is not None:
                return other
    raise BadAccount(AccountCode.NAME_EXHAUSTED)


def _names(identity: Identity) -> Iterator[str]:
    """Yield rina, rina2, rina3, ..."""
    first = name_from(identity.name)
    yield first
    for number in range(2, NAMES_TRIED):
        yield f"{first}{number}"[:NAME_LIMIT]


def _email(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False).normalized if text else ""
    except EmailNotValidError:
        return ""
