"""Four-eyes rule: eligibility of the second person, at the decision and until it is carried out.

Functions with a Connection run in the transaction that decides or publishes. It locks the account,
so that an account cannot be disabled between check and decision.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection

from broadcaster.domain.accounts import Account
from broadcaster.domain.fields import Fields
from broadcaster.domain.independence import HOLD_SECONDS, bond
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusal_codes import StepCode
from broadcaster.domain.rules import named_areas
from broadcaster.store import accounts, controls, tokens
from broadcaster.store.announcements import Announcement
from subscribers.areas import AreaTree


class NotIndependent(NotAllowed):
    """The same person recently controlled both accounts and is no second person."""


def as_of_now(connection: Connection, account: Account) -> Account:
    """Return the account as it is in this transaction. Raises NotAllowed if disabled or gone."""
    current = accounts.locked(connection, account.id)
    if current is None or current.disabled_at is not None:
        raise NotAllowed(StepCode.APPROVER_DISABLED)
    return current


def require_independent(
    connection: Connection, approver: Account, writers: Collection[str], now: datetime
) -> None:
    """Raise NotIndependent if one person recently controlled both the approver's account and one of
    the writers' (actors).
    """
    recent = controls.since(connection, now.timestamp() - HOLD_SECONDS)
    people = {
        person.id: person for actor in writers for person in accounts.acting(connection, actor)
    }
    bound = bond(recent, approver.id, people) if recent else None
    if bound is None:
        return
    author = people[bound.writer].full_name
    until = datetime.fromtimestamp(bound.until, UTC)
    if bound.controller == bound.writer:
        raise NotIndependent(StepCode.AUTHOR_CONTROLS_YOU, author=author, until=until)
    if bound.controller == approver.id:
        raise NotIndependent(StepCode.YOU_CONTROL_AUTHOR, author=author, until=until)
    controller = accounts.by_id(connection, bound.controller)
    if controller is None:
        raise NotIndependent(StepCode.SAME_CONTROL_UNNAMED, author=author, until=until)
    name = controller.full_name
    raise NotIndependent(StepCode.SAME_CONTROL, controller=name, author=author, until=until)


def barred(
    connection: Connection, approver: Account, writers: Collection[str], now: datetime
) -> NotIndependent | None:
    """Return why the approver is no second person for these writers; None if they are."""
    try:
        require_independent(connection, approver, writers, now)
    except NotIndependent as refused:
        return refused
    return None


def able(
    connection: Connection, agency: str, codes: Collection[str], but: Collection[str] = ()
) -> list[Account]:
    """Return all who may approve for this agency and these areas, except `but` (actors)."""
    return _able(connection, [(agency, codes)], but)


def able_for_all(
    connection: Connection,
    texts: Iterable[Fields],
    *,
    tree: AreaTree,
    city: str,
    but: Collection[str] = (),
) -> list[Account]:
    """Return all who may approve every one of these texts, e.g. published and corrected."""
    return _able(
        connection, [(fields.agency or city, codes_of(fields, tree)) for fields in texts], but
    )


def _able(
    connection: Connection, places: Sequence[tuple[str, Collection[str]]], but: Collection[str]
) -> list[Account]:
    approvers = accounts.with_role(connection, "approver")
    return [
        account
        for account in approvers
        if account.actor not in but and all(account.covers(*place) for place in places)
    ]


def lapsed(
    connection: Connection,
    row: Announcement,
    changed: Sequence[Fields] = (),
    *,
    tree: AreaTree,
    city: str,
) -> str:
    """Return why an approval or a token's right has lapsed, in words; "" while it holds.

    `changed` holds the corrected versions.
    """
    if not row.approved_by:
        kind, _, name = row.created_by.partition(":")
        gone = kind == "token" and not tokens.in_force(connection, name)
        return f"Token {name}, yang menjadwalkan ini, sudah dicabut." if gone else ""
    approvers = accounts.acting(connection, row.approved_by)
    approver = accounts.locked(connection, approvers[0].id) if approvers else None
    if approver is None or approver.disabled_at is not None:
        return "Akun yang menyetujui ini sudah dinonaktifkan."
    if not approver.may("approve"):
        return f"{approver.full_name}, yang menyetujui ini, bukan penyetuju lagi."
    if not all(
        approver.covers(fields.agency or city, codes_of(fields, tree))
        for fields in (row.fields, *changed)
    ):
        return (
            "Perangkat daerah atau wilayah pengumuman ini sudah di luar tugas "
            f"{approver.full_name}, yang menyetujuinya."
        )
    return ""


def people_of(
    connection: Connection, row: Announcement, *, tree: AreaTree, city: str
) -> list[Account]:
    """Return the author of an announcement and all who may approve it."""
    author = accounts.acting(connection, row.submitted_by or row.created_by)
    approvers = able(connection, row.fields.agency or city, codes_of(row.fields, tree))
    return list({person.id: person for person in (*author, *approvers)}.values())


def watchers(connection: Connection, but: Iterable[str]) -> list[Account]:
    """Return all administrators except `but` (actors), or all approvers if there are none."""
    apart = set(but)
    admins = [
        account for account in accounts.with_role(connection, "admin") if account.actor not in apart
    ]
    return admins or [
        account
        for account in accounts.with_role(connection, "approver")
        if account.actor not in apart
    ]


def codes_of(fields: Fields, tree: AreaTree) -> list[str]:
    """Return the codes of the areas that fields name, without unknown areas."""
    return [area.code for area in named_areas(fields.areas, tree)]
