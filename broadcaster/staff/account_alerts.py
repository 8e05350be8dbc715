"""Nobody changes accounts unseen: what was done to one is told to every other administrator, and to
whose account it is.
"""

from sqlalchemy import Connection

from broadcaster.domain.accounts import Account
from broadcaster.staff import second_person
from broadcaster.store import nudges
from broadcaster.store.nudges import AccountReason

POWERS = frozenset({"roles", "agencies", "areas", "mail"})
"""What of a person decides on what they may do, and on whom warnings reach."""
TOLD = POWERS | {"full_name"}
"""What of a person others are told of when it is changed: also by which name they know them."""


def tell(
    connection: Connection, act: AccountReason, person: Account, *, by: str, at: float
) -> None:
    """Have everybody told who must know that somebody (`by`, an actor) did this to a person's
    account.
    """
    apart = {by, person.actor} if act == "account_add" else {by}
    people = {one.id: one for one in second_person.watchers(connection, apart)}
    if act != "account_add" and person.actor != by:
        people[person.id] = person
    nudges.add(connection, people.values(), person.actor, act, at)
