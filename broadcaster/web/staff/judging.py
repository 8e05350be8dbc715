"""Who may decide on a text: whether that is the person who looks at it, why not, and who else can."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from broadcaster import second_person
from broadcaster.accounts import Account
from broadcaster.publishing import Press
from broadcaster.store.announcements import Announcement

MOST = 5
"""People named at most."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """`may`: the person may decide; else `why` not, in words, where they would have the right. `others` can, by name."""

    may: bool
    why: str = ""
    others: tuple[str, ...] = ()


def judgement(
    connection: Connection, press: Press, row: Announcement, account: Account, writers: Collection[str], now: datetime
) -> Judgement:
    """As the decision itself asks it, so that nobody is offered what they are refused."""
    if row.training:
        return Judgement(may=account.may("approve"))
    agency, codes = row.fields.agency or press.site.city, second_person.codes_of(row.fields, press.tree)
    people = [
        one
        for one in second_person.able(connection, agency, codes, writers)
        if not second_person.barred(connection, one, writers, now)
    ]
    others = tuple(one.full_name for one in people if one.id != account.id)[:MOST]
    if any(one.id == account.id for one in people):
        return Judgement(may=True, others=others)
    judges = account.may("approve") and account.actor not in writers
    return Judgement(may=False, why=second_person.barred(connection, account, writers, now) if judges else "", others=others)
