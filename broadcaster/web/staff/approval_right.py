"""Right to decide on a text: does this person have it, why not, and who else has it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from broadcaster.domain.accounts import Account
from broadcaster.domain.fields import Fields
from broadcaster.publishing.press import Press
from broadcaster.runtime.i18n import Words
from broadcaster.runtime.refusal_words import sentence
from broadcaster.staff import second_person
from broadcaster.store.announcements import Announcement

NAMED_LIMIT = 5
"""Upper limit on the colleagues who are named."""


@dataclass(frozen=True, kw_only=True)
class ApprovalRight:
    """Answer for one person and one text.

    `may`: True if the person may decide. `why`: the reason against it in words, "" where the
    person's role has no such right. `others`: full names of colleagues who may.
    """

    may: bool
    why: str = ""
    others: tuple[str, ...] = ()


def approval_right(
    connection: Connection,
    press: Press,
    row: Announcement,
    account: Account,
    writers: Collection[str],
    now: datetime,
    t: Words,
    changed: Fields | None = None,
) -> ApprovalRight:
    """Apply the checks of the decision itself, so that a page offers nothing that is refused.

    `writers`: actors who wrote or submitted the text. `changed`: the corrected text, if any.
    """
    if row.training:
        return ApprovalRight(may=account.may("approve"))
    texts = [row.fields] if changed is None else [row.fields, changed]
    candidates = second_person.able_for_all(
        connection, texts, tree=press.tree, city=press.site.city, but=writers
    )
    deciders = [
        colleague
        for colleague in candidates
        if not second_person.barred(connection, colleague, writers, now)
    ]
    others = tuple(colleague.full_name for colleague in deciders if colleague.id != account.id)[
        :NAMED_LIMIT
    ]
    if any(colleague.id == account.id for colleague in deciders):
        return ApprovalRight(may=True, others=others)
    has_role = account.may("approve") and account.actor not in writers
    refusal = second_person.barred(connection, account, writers, now) if has_role else None
    why = sentence(refusal, t) if refusal is not None else ""
    return ApprovalRight(may=False, why=why, others=others)
