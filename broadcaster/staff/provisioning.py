"""Provisioning by the city's sign-on: accounts are created when first needed, and their roles
follow the provider at each sign-in.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import Connection

from broadcaster.domain import accounts as rules
from broadcaster.domain.accounts import NAME_LIMIT, Account, AccountRole, BadAccount
from broadcaster.domain.actor import SIGN_ON, StaffActor
from broadcaster.domain.audit_acts import Act
from broadcaster.staff import account_alerts
from broadcaster.staff.oidc import Identity
from broadcaster.store import accounts, audit, sessions
from broadcaster.store.accounts import LastAdmin

NAMES_TRIED = 1000

Problem = Literal["", "no_role", "disabled"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Admission:
    """The outcome of a sign-in. `account` is None for somebody who has none and gets none; with a problem
    nobody may come in.

    `kept_admin`: the provider takes the role of pengelola from the last one; it stays, and that
    person must be told.
    """

    account: Account | None
    problem: Problem = ""
    kept_admin: bool = False


def admit(
    connection: Connection,
    identity: Identity,
    mapping: Mapping[str, AccountRole],
    *,
    now: datetime,
    place: str,
    agent: str,
) -> Admission:
    """Find or make the account of somebody whom the provider proved, and give it the roles that the
    provider names.

    Who has no role gets no account; who had one loses it, with every session, and cannot come in.
    The last pengelola is kept. `place` and `agent`, the browser, go into the audit. Only issuer and
    subject find an account: nobody takes one over by its name or email.
    """
    roles = rules.mapped_roles(identity.values, mapping)
    found = accounts.by_subject(connection, identity.issuer, identity.subject)
    if found is None and not roles:
        return Admission(account=None, problem="no_role")
    if found is None:
        found = _make(connection, identity, roles, now)
        account_alerts.tell(connection, Act.ACCOUNT_ADD, found, by=SIGN_ON, at=now.timestamp())
        actor = StaffActor(account=found, now=now, place=place)
        audit.append(
            connection, actor, Act.ACCOUNT_ADD, actor.name, agent=agent, way=SIGN_ON, roles=roles
        )
    elif found.disabled_at is not None:
        actor = StaffActor(account=found, now=now, place=place)
        return _turn_away(connection, actor, Admission(account=found, problem="disabled"), agent)
    actor = StaffActor(account=found, now=now, place=place)
    admission = _follow(connection, actor, roles, agent)
    if admission.problem:
        sessions.end_all(connection, found.id)
        return _turn_away(connection, actor, admission, agent)
    return admission


def _turn_away(
    connection: Connection, actor: StaffActor, admission: Admission, agent: str
) -> Admission:
    """Audit why somebody who is known may not come in."""
    why = admission.problem
    audit.append(
        connection, actor, Act.SIGN_IN_FAILED, actor.name, agent=agent, way=SIGN_ON, why=why
    )
    return admission


def _follow(
    connection: Connection, actor: StaffActor, roles: tuple[AccountRole, ...], agent: str
) -> Admission:
    """Give an account the provider's roles, and the last pengelola their own besides."""
    found = actor.account
    kept, changed = False, replace(found, roles=roles)
    try:
        accounts.change(connection, changed)
    except LastAdmin:
        kept, changed = (
            True,
            replace(
                found,
                roles=tuple(role for role in rules.ACCOUNT_ROLES if role in {*roles, "admin"}),
            ),
        )
        accounts.change(connection, changed)
    if changed.roles != found.roles:
        account_alerts.tell(connection, Act.ACCOUNT_ROLES, changed, by=SIGN_ON, at=actor.at)
        audit.append(
            connection,
            actor,
            Act.ACCOUNT_ROLES,
            actor.name,
            agent=agent,
            way=SIGN_ON,
            before=found.roles,
            after=changed.roles,
        )
    if kept:
        audit.append(
            connection,
            actor,
            Act.LAST_ADMIN_KEPT,
            actor.name,
            agent=agent,
            way=SIGN_ON,
            provider=roles,
        )
    return Admission(account=changed, problem="" if roles else "no_role", kept_admin=kept)


def _make(
    connection: Connection, identity: Identity, roles: tuple[AccountRole, ...], now: datetime
) -> Account:
    """A new account under the first free name; that of another web process which was quicker, where
    there is one.
    """
    for name in _names(identity):
        wanted = Account(
            id=0,
            name=name,
            full_name=identity.full_name or name,
            roles=roles,
            email=_email(identity.email),
            local=False,
            issuer=identity.issuer,
            subject=identity.subject,
        )
        if accounts.find(connection, name) is not None:
            continue
        try:
            return accounts.add(connection, wanted, at=now.timestamp())
        except BadAccount:
            other = accounts.by_subject(connection, identity.issuer, identity.subject)
            if other is not None:
                return other
    raise BadAccount("Nama pengguna ini sudah dipakai terlalu banyak orang.")


def _names(identity: Identity) -> Iterator[str]:
    """rina, rina2, rina3, ..."""
    first = rules.name_from(identity.name)
    yield first
    for number in range(2, NAMES_TRIED):
        yield f"{first}{number}"[:NAME_LIMIT]


def _email(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False).normalized if text else ""
    except EmailNotValidError:
        return ""
