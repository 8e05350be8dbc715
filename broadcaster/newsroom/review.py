"""Review by a second person: submit, approve, return, reject, call back within the hold."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from sqlalchemy import Connection

from broadcaster.domain import lifecycle
from broadcaster.domain.actor import require
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.lifecycle import NotAllowed, OwnWork, may
from broadcaster.domain.refusal_codes import StepCode
from broadcaster.domain.rules import CheckedAnnouncement, approval_hash
from broadcaster.newsroom.approvals import examined, still_bound
from broadcaster.newsroom.desk import (
    Desk,
    acting_role,
    require_access,
    require_cover,
)
from broadcaster.newsroom.forms import Outdated, form_of, keep_version
from broadcaster.newsroom.reviewers import ask_reviewers
from broadcaster.publishing import press, publications, reasons
from broadcaster.publishing.press import StoredAnnouncement
from broadcaster.publishing.transitions import held, moved, row_details
from broadcaster.staff import second_person
from broadcaster.store import accounts, audit, drafts, nudges
from broadcaster.store.announcements import Announcement

_ACTS: Mapping[lifecycle.Action, Act] = {"send_back": Act.SEND_BACK, "reject": Act.REJECT}


def submit(
    connection: Connection, desk: Desk, announcement_id: str, *, version: int | None = None
) -> Announcement:
    """Ask a second person to approve what is bound now. Raises NotAllowed, Outdated, or
    InvalidAnnouncement with every problem.
    """
    require(desk, "write")
    row = held(connection, announcement_id)
    if version is not None and version != row.version:
        raise Outdated
    may(row.state, "submit", "author")
    checked = examined(desk.press, form_of(row), desk.now)
    require_cover(desk, checked)
    row = moved(
        connection,
        row,
        "submit",
        "author",
        desk.now,
        fields=checked.fields,
        bound=approval_hash(checked),
        note="",
        submitted_by=desk.account.actor,
        submitted_at=desk.at,
        version=row.version + 1,
    )
    keep_version(connection, desk, row, form_of(row), "submit")
    ask_reviewers(connection, desk, row, checked)
    audit.append(connection, desk, Act.SUBMIT, row.id, **row_details(row), content=row.bound)
    return row


def approve(
    connection: Connection,
    desk: Desk,
    announcement_id: str,
    *,
    seen: str,
    version: int,
    read: bool = False,
) -> StoredAnnouncement:
    """Approve the content whose bound is `seen`: routine news goes out after the hold, scheduled
    news at its time, an emergency at once.

    `read`: the person confirmed having read text and area of an emergency. Raises NotAllowed,
    Outdated, InvalidAnnouncement.
    """
    desk, row, checked = require_decidable(connection, desk, announcement_id)
    may(row.state, "approve", "approver")
    if version != row.version:
        raise Outdated
    if row.training:
        return _rehearse(connection, desk, row, seen=seen, checked=checked)
    editors = drafts.editors(connection, row.id) | {row.submitted_by}
    lifecycle.approve(
        row.state,
        editors=editors,
        approver=desk.account.actor,
        seen=seen,
        current=still_bound(row, checked),
    )
    second_person.require_independent(connection, desk.account, editors, desk.now)
    if checked.fields.level == "emergency" and not read:
        raise NotAllowed(StepCode.NOT_READ)
    approved = {"approved_by": desk.account.actor, "approved_at": desk.at, "note": ""}
    at_once = checked.fields.level == "emergency"
    release = None if at_once or checked.fields.publish_at else (desk.now + desk.hold).timestamp()
    row = moved(connection, row, "approve", "approver", desk.now, **approved, release_at=release)
    audit.append(connection, desk, Act.APPROVE, row.id, **row_details(row), content=row.bound)
    return _after_approval(connection, desk, row, checked)


def _after_approval(
    connection: Connection, desk: Desk, row: Announcement, checked: CheckedAnnouncement
) -> StoredAnnouncement:
    """Schedule an approved announcement, publish an emergency, or leave the rest to its hold."""
    if checked.fields.publish_at is not None:
        return publications.schedule(
            connection,
            desk.press,
            checked,
            actor=desk,
            announcement_id=row.id,
            role="approver",
        )
    if checked.fields.level == "emergency":
        return publications.publish_stored(
            connection, desk.press, row.id, actor=desk, role="approver"
        )
    return press.stored_as(desk.press, row)


def _rehearse(
    connection: Connection,
    desk: Desk,
    row: Announcement,
    *,
    seen: str,
    checked: CheckedAnnouncement,
) -> StoredAnnouncement:
    """End an exercise: approved, even by its author, and sent to nobody."""
    lifecycle.approve(
        row.state,
        editors=(),
        approver=desk.account.actor,
        seen=seen,
        current=still_bound(row, checked),
    )
    approved = {"approved_by": desk.account.actor, "approved_at": desk.at}
    row = moved(
        connection,
        row,
        "rehearse",
        "approver",
        desk.now,
        note="Latihan selesai. Tidak ada yang dikirim.",
        **approved,
    )
    audit.append(connection, desk, Act.REHEARSE, row.id, **row_details(row))
    return press.stored_as(desk.press, row)


def call_back(connection: Connection, desk: Desk, announcement_id: str) -> Announcement:
    """Take an approved announcement back within its hold: nothing was sent. Raises NotAllowed."""
    row = held(connection, announcement_id)
    require_access(desk, row)
    row = moved(
        connection,
        row,
        "call_back",
        acting_role(desk),
        desk.now,
        release_at=None,
        approved_by="",
        approved_at=None,
    )
    audit.append(connection, desk, Act.CALL_BACK, row.id, **row_details(row))
    return row


def send_back(
    connection: Connection, desk: Desk, announcement_id: str, reason: str
) -> Announcement:
    """Return it to its author, who reads the reason. Raises NotAllowed, InvalidAnnouncement."""
    return _decide(connection, desk, announcement_id, "send_back", reason)


def reject(connection: Connection, desk: Desk, announcement_id: str, reason: str) -> Announcement:
    """Refuse it for good. Raises NotAllowed, InvalidAnnouncement."""
    return _decide(connection, desk, announcement_id, "reject", reason)


def _decide(
    connection: Connection,
    desk: Desk,
    announcement_id: str,
    action: Literal["send_back", "reject"],
    reason: str,
) -> Announcement:
    require(desk, "approve")
    why = reasons.read(reason)
    row = held(connection, announcement_id)
    require_access(desk, row)
    if desk.account.actor in drafts.editors(connection, row.id) and not row.training:
        raise OwnWork(StepCode.OWN_DECISION)
    row = moved(
        connection, row, action, "approver", desk.now, note=why, bound="", version=row.version + 1
    )
    if action == "send_back":
        keep_version(connection, desk, row, form_of(row), "send_back")
    author = accounts.acting(connection, row.submitted_by)
    nudges.add(
        connection, author, row.id, "returned" if action == "send_back" else "rejected", desk.at
    )
    audit.append(connection, desk, _ACTS[action], row.id, **row_details(row), reason=why)
    return row


def require_decidable(
    connection: Connection, desk: Desk, announcement_id: str
) -> tuple[Desk, Announcement, CheckedAnnouncement]:
    """Return the announcement, locked and checked for publication now, for a person who may decide
    on it; a missed schedule is dropped.
    """
    desk = replace(desk, account=second_person.as_of_now(connection, desk.account))
    require(desk, "approve")
    row = held(connection, announcement_id)
    missed = (
        row.state == "approved"
        and row.fields.publish_at is not None
        and row.fields.publish_at <= desk.now
    )
    checked = desk.press.check(
        row.fields.model_copy(update={"publish_at": None}) if missed else row.fields, desk.now
    )
    require_cover(desk, checked)
    return desk, row, checked
