"""The second person: who may decide on somebody else's work, at the moment of the decision and
while it waits to be carried out.

Each function with a Connection runs in the transaction that decides or publishes; the account is
kept from other writers there, so that whoever is shut out meanwhile is shut out before or after,
never in between.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection

from broadcaster.domain.accounts import Account
from broadcaster.domain.fields import Fields
from broadcaster.domain.independence import HOLD_SECONDS, bond
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.rules import named_areas
from broadcaster.store import accounts, controls, tokens
from broadcaster.store.announcements import Announcement
from channels.base.moments import moment_text
from subscribers.areas import AreaTree


class NotIndependent(NotAllowed):
    """One person had both accounts in hand lately: nobody is their own second person."""


def as_of_now(connection: Connection, account: Account) -> Account:
    """The account as it stands in this transaction; raises NotAllowed for one that is shut out or
    gone.
    """
    current = accounts.locked(connection, account.id)
    if current is None or current.disabled_at is not None:
        raise NotAllowed("Akun Anda sudah dinonaktifkan. Minta penyetuju lain.")
    return current


def require_independent(
    connection: Connection, approver: Account, writers: Collection[str], now: datetime
) -> None:
    """Raises NotIndependent where an account of those who wrote it (actors) and the approver's were
    in one hand lately.
    """
    recent = controls.since(connection, now.timestamp() - HOLD_SECONDS)
    people = {
        person.id: person for actor in writers for person in accounts.acting(connection, actor)
    }
    bound = bond(recent, approver.id, people) if recent else None
    if bound is None:
        return
    writer = people[bound.writer].full_name
    if bound.hand == bound.writer:
        why = f"{writer}, yang menyusun ini, baru saja mengatur akun Anda."
    elif bound.hand == approver.id:
        why = f"Anda baru saja mengatur akun {writer}, yang menyusun ini."
    else:
        hand = accounts.by_id(connection, bound.hand)
        who = hand.full_name if hand is not None else "Orang yang sama"
        why = f"{who} baru saja mengatur akun Anda dan akun {writer}, yang menyusun ini."
    until = moment_text(datetime.fromtimestamp(bound.until, UTC))
    raise NotIndependent(f"{why} Minta penyetuju lain, atau tunggu sampai {until}.")


def barred(
    connection: Connection, approver: Account, writers: Collection[str], now: datetime
) -> str:
    """Say why somebody is no second person for those who wrote it; "" where they are."""
    try:
        require_independent(connection, approver, writers, now)
    except NotIndependent as refused:
        return str(refused)
    return ""


def able(
    connection: Connection, agency: str, codes: Collection[str], but: Collection[str] = ()
) -> list[Account]:
    """Everyone who may approve what is of this agency and these areas, without some (`but`,
    actors).
    """
    return _able(connection, [(agency, codes)], but)


def able_for_all(
    connection: Connection,
    texts: Iterable[Fields],
    *,
    tree: AreaTree,
    city: str,
    but: Collection[str] = (),
) -> list[Account]:
    """Everyone who may approve each of these texts: what is published, and what a correction makes
    of it.
    """
    return _able(
        connection, [(fields.agency or city, codes_of(fields, tree)) for fields in texts], but
    )


def _able(
    connection: Connection, places: Sequence[tuple[str, Collection[str]]], but: Collection[str]
) -> list[Account]:
    approvers = accounts.with_role(connection, "approver")
    return [
        one
        for one in approvers
        if one.actor not in but and all(one.covers(*place) for place in places)
    ]


def lapsed(
    connection: Connection,
    row: Announcement,
    changed: Sequence[Fields] = (),
    *,
    tree: AreaTree,
    city: str,
) -> str:
    """Why what was approved, or granted, stands no longer, in words; "" while it does. `changed`:
    as corrected.
    """
    if not row.approved_by:
        kind, _, name = row.created_by.partition(":")
        gone = kind == "token" and not tokens.in_force(connection, name)
        return f"Token {name}, yang menjadwalkan ini, sudah dicabut." if gone else ""
    found = accounts.acting(connection, row.approved_by)
    approver = accounts.locked(connection, found[0].id) if found else None
    if approver is None or approver.disabled_at is not None:
        return "Akun yang menyetujui ini sudah dinonaktifkan."
    if not approver.may("approve"):
        return f"{approver.full_name}, yang menyetujui ini, bukan penyetuju lagi."
    if not all(
        approver.covers(fields.agency or city, codes_of(fields, tree))
        for fields in (row.fields, *changed)
    ):
        return f"Perangkat daerah atau wilayah pengumuman ini sudah di luar tugas {approver.full_name}, yang menyetujuinya."
    return ""


def people_of(
    connection: Connection, row: Announcement, *, tree: AreaTree, city: str
) -> list[Account]:
    """Its author, and everyone who may approve it."""
    author = accounts.acting(connection, row.submitted_by or row.created_by)
    judges = able(connection, row.fields.agency or city, codes_of(row.fields, tree))
    return list({person.id: person for person in (*author, *judges)}.values())


def watchers(connection: Connection, but: Iterable[str]) -> list[Account]:
    """Every administrator but some (actors); where that is nobody, every approver but them."""
    apart = set(but)
    admins = [one for one in accounts.with_role(connection, "admin") if one.actor not in apart]
    return admins or [
        one for one in accounts.with_role(connection, "approver") if one.actor not in apart
    ]


def codes_of(fields: Fields, tree: AreaTree) -> list[str]:
    """Codes of the areas that fields name, as far as they are known."""
    return [area.code for area in named_areas(fields.areas, tree)]
