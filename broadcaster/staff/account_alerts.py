"""Alerts about changed accounts, to every other administrator and to the person concerned."""

from collections.abc import Mapping

from sqlalchemy import Connection

from broadcaster.domain.accounts import Account
from broadcaster.domain.audit_acts import Act
from broadcaster.staff import second_person
from broadcaster.store import nudges
from broadcaster.store.nudges import AccountReason

POWERS = frozenset({"roles", "agencies", "areas", "mail"})
"""Fields of an account that decide what its person may do and where alerts reach them."""
ALERTED = POWERS | {"full_name"}
"""Fields whose change others are alerted of: also the name by which they know the person."""
REASONS: Mapping[Act, AccountReason] = {
    Act.ACCOUNT_ADD: "account_add",
    Act.ACCOUNT_CHANGE: "account_change",
    Act.ACCOUNT_ROLES: "account_roles",
    Act.ACCOUNT_DISABLE: "account_disable",
    Act.ACCOUNT_ENABLE: "account_enable",
    Act.PASSWORD_RESET: "password_reset",
    Act.SECOND_FACTOR_REMOVED: "second_factor_removed",
}
"""Acts that people are alerted of, with the reason that the alert carries."""


def queue(connection: Connection, act: Act, person: Account, *, by: str, at: float) -> None:
    """Queue alerts that `by` (an actor) did this act on a person's account."""
    apart = {by, person.actor} if act == Act.ACCOUNT_ADD else {by}
    people = {account.id: account for account in second_person.watchers(connection, apart)}
    if act != Act.ACCOUNT_ADD and person.actor != by:
        people[person.id] = person
    nudges.add(connection, people.values(), person.actor, REASONS[act], at)
