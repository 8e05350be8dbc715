"""Corrections and withdrawals by staff: one person proposes, another approves; until then what is published stays as it is.

Each function with a Connection is one transaction, to be run through `Database.write`.
"""

import hashlib
import hmac
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from broadcaster import announcements, filling, publishing, reasons, second_person
from broadcaster.announcements import Act, CheckedAnnouncement, NotAllowed, OwnWork, bound_of
from broadcaster.newsroom import Desk, Form, form_text, judges, require, require_cover
from broadcaster.publishing import Stored, held
from broadcaster.store import accounts, audit, drafts, nudges
from broadcaster.store.announcements import Announcement
from broadcaster.store.drafts import Proposal
from broadcaster.vouching import require_own_picture


def propose_correction(connection: Connection, desk: Desk, announcement_id: str, form: Form, *, reason: str) -> Proposal:
    """Ask a second person to publish the next edition. Raises NotAllowed, InvalidAnnouncement."""
    checked = examined(desk, held(connection, announcement_id), form)
    row = _open_for(connection, desk, announcement_id, "correct", checked)
    if checked.fields.image != row.fields.image:
        require_own_picture(desk.press, checked.fields)
    if checked.fields == row.fields:
        raise NotAllowed("Isi ralat sama dengan yang sudah terbit. Ubah dulu yang salah.")
    why = reasons.read_public(connection, reason, link_hosts=desk.press.allowed_hosts)
    filling.require_filled(connection, checked.fields, row.blanks)
    form_text(form)
    bound = _bound(row, bound_of(checked), why)
    wanted = Proposal(
        announcement=row.id, change="correction", form=form, reason=why, bound=bound, actor=desk.account.actor, at=desk.at
    )
    return _propose(connection, desk, row, wanted, checked)


def propose_withdrawal(connection: Connection, desk: Desk, announcement_id: str, *, reason: str) -> Proposal:
    """Ask a second person to take the announcement back. Raises NotAllowed, InvalidAnnouncement."""
    why = reasons.read_public(connection, reason, link_hosts=desk.press.allowed_hosts)
    row = held(connection, announcement_id)
    checked = _as_published(desk, row)
    row = _open_for(connection, desk, announcement_id, "withdraw", checked)
    wanted = Proposal(
        announcement=row.id, change="withdrawal", form={}, reason=why, bound=_bound(row, "withdrawal", why),
        actor=desk.account.actor, at=desk.at,
    )  # fmt: skip
    return _propose(connection, desk, row, wanted, checked)


def approve(connection: Connection, desk: Desk, announcement_id: str, *, seen: str) -> Stored:
    """Publish what was proposed, if it is what was seen (its `bound`). Raises NotAllowed, InvalidAnnouncement."""
    desk = replace(desk, account=second_person.as_of_now(connection, desk.account))
    row, waiting = _judged(connection, desk, announcement_id)
    second_person.require_independent(connection, desk.account, {waiting.actor}, desk.now)
    if not hmac.compare_digest(seen.encode(), waiting.bound.encode()):
        raise NotAllowed("Usulan ini berubah sesudah Anda melihatnya. Periksa lagi, lalu setujui.")
    drafts.drop_proposal(connection, announcement_id)
    who: dict[str, Any] = {"actor": desk.account.actor, "now": desk.now, "role": "approver"}
    if waiting.change == "withdrawal":
        return publishing.withdraw(connection, desk.press, announcement_id, reason=waiting.reason, **who)
    checked = examined(desk, row, waiting.form)
    require_cover(desk, checked)
    if _bound(row, bound_of(checked), waiting.reason) != waiting.bound:
        raise NotAllowed("Yang terbit atau ralatnya tidak lagi sama. Tolak ralat ini, lalu susun yang baru.")
    return publishing.correct(connection, desk.press, announcement_id, checked, reason=waiting.reason, **who)


def refuse(connection: Connection, desk: Desk, announcement_id: str, reason: str) -> None:
    """Turn the proposal down; whoever made it reads why. Raises NotAllowed, InvalidAnnouncement."""
    why = reasons.read(reason)
    _row, waiting = _judged(connection, desk, announcement_id)
    drafts.drop_proposal(connection, announcement_id)
    nudges.add(connection, accounts.acting(connection, waiting.actor), announcement_id, "rejected", desk.at)
    _note(connection, desk, f"refuse_{waiting.change}", announcement_id, reason=why)


def take_back(connection: Connection, desk: Desk, announcement_id: str) -> None:
    """Its author no longer wants it. Raises NotAllowed."""
    waiting = _waiting(connection, announcement_id)
    if waiting.actor != desk.account.actor:
        raise NotAllowed("Hanya yang mengusulkan dapat menarik usulannya.")
    drafts.drop_proposal(connection, announcement_id)
    _note(connection, desk, f"take_back_{waiting.change}", announcement_id)


def _propose(connection: Connection, desk: Desk, row: Announcement, wanted: Proposal, checked: CheckedAnnouncement) -> Proposal:
    if not drafts.propose(connection, wanted):
        raise NotAllowed("Sudah ada ralat atau pencabutan yang menunggu persetujuan untuk pengumuman ini.")
    nudges.add(connection, judges(connection, desk, checked, {desk.account.actor}), row.id, "review", desk.at)
    _note(connection, desk, f"propose_{wanted.change}", row.id, reason=wanted.reason, content=wanted.bound)
    return wanted


def _open_for(connection: Connection, desk: Desk, announcement_id: str, act: Act, checked: CheckedAnnouncement) -> Announcement:
    require(desk, "write")
    row = held(connection, announcement_id)
    announcements.may(row.state, act, "approver")
    require_cover(desk, _as_published(desk, row))
    require_cover(desk, checked)
    return row


def _judged(connection: Connection, desk: Desk, announcement_id: str) -> tuple[Announcement, Proposal]:
    require(desk, "approve")
    row = held(connection, announcement_id)
    waiting = _waiting(connection, announcement_id)
    require_cover(desk, _as_published(desk, row))
    if waiting.actor == desk.account.actor:
        raise OwnWork("Pengusul tidak dapat memutuskan usulannya sendiri. Minta orang lain memeriksanya.")
    return row, waiting


def _waiting(connection: Connection, announcement_id: str) -> Proposal:
    waiting = drafts.proposed(connection, announcement_id)
    if waiting is None:
        raise NotAllowed("Tidak ada ralat atau pencabutan yang menunggu persetujuan.")
    return waiting


def examined(desk: Desk, row: Announcement, form: Form) -> CheckedAnnouncement:
    """Hold a correction of `row` against the rules; it goes out at once, so it has no schedule. Raises InvalidAnnouncement."""
    unscheduled = {name: value for name, value in form.items() if name != "publish_at"}
    return desk.press.examine(unscheduled, desk.now, corrected=row)


def _as_published(desk: Desk, row: Announcement) -> CheckedAnnouncement:
    """The published fields, with their areas; what has expired meanwhile is no matter here."""
    return announcements.as_it_stands(row.fields, tree=desk.press.tree, topics=desk.press.topics)


def _bound(row: Announcement, content: str, reason: str) -> str:
    """What an approval is bound to: the new text, its reason, and the published text from which it was told apart."""
    return hashlib.sha256(f"{row.fields.as_json()}\0{content}\0{reason}".encode()).hexdigest()


def _note(connection: Connection, desk: Desk, act: str, announcement_id: str, **more: Any) -> None:
    audit.append(
        connection, at=desk.now, actor=desk.account.actor, act=act, subject=announcement_id, detail={"from": desk.place, **more}
    )
