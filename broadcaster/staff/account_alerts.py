"""Nobody changes accounts unseen: what was done to one is told to every other administrator, and to
whose account it is.
"""

from collections.abc import Mapping

from sqlalchemy import Connection

from broadcaster.domain.accounts import Account
from broadcaster.domain.audit_acts import Act
from broadcaster.staff import second_person
from broadcaster.store import nudges
from broadcaster.store.nudges import AccountReason

POWERS = frozenset({"roles", "agencies", "areas", "mail"})
"""What of a person decides on what they may do, and on whom warnings reach."""
TOLD = POWERS | {"full_name"}
"""What of a person others are told of when it is changed: also by which name they know them."""
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


def tell(connection: Connection, act: Act, person: Account, *, by: str, at: float) -> None:
    """Have everybody told who must know that somebody (`by`, an actor) did this to a person's
    account.
    """
    apart = {by, person.actor} if act == Act.ACCOUNT_ADD else {by}
    people = {one.id: one for one in second_person.watchers(connection, apart)}
    if act != Act.ACCOUNT_ADD and person.actor != by:
        people[person.id] = person
    nudges.add(connection, people.values(), person.actor, REASONS[act], at)
