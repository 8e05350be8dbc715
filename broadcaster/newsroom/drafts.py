"""Drafts: forms stored as typed, restored, duplicated and archived.

Each function with a Connection is one transaction, to be run through `Database.write`. The rules of
an announcement and of its moves are in domain/rules.py and domain/lifecycle.py; here they are
applied to staff.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from broadcaster.domain.actor import require
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.codes import draw_code
from broadcaster.domain.fields import Fields, audited_changes, read_leniently
from broadcaster.domain.lifecycle import NotAllowed, may
from broadcaster.domain.refusal_codes import StepCode
from broadcaster.newsroom.approvals import bound_anew
from broadcaster.newsroom.desk import (
    OWN_STATES,
    Desk,
    acting_role,
    require_access,
    require_jurisdiction,
)
from broadcaster.newsroom.forms import (
    Form,
    Outdated,
    form_of,
    form_text,
    keep_original,
    keep_version,
)
from broadcaster.newsroom.reviewers import ask_reviewers
from broadcaster.publishing import transitions
from broadcaster.publishing.transitions import held, moved, row_details
from broadcaster.store import announcements, audit, drafts
from broadcaster.store.announcements import Announcement
from broadcaster.store.drafts import VersionAct


def save(
    connection: Connection,
    desk: Desk,
    form: Form,
    *,
    announcement_id: str | None = None,
    version: int | None = None,
    training: bool = False,
    act: VersionAct = "edit",
    apart: bool = False,
) -> Announcement:
    """Store a form as it stands, complete or not; an approval is void. Raises NotAllowed, Outdated,
    InvalidAnnouncement.

    `apart`: the previous text stays a version of its own, however small the change.
    """
    require(desk, "write")
    text = form_text(form)
    fields = read_leniently(form)[0]
    if announcement_id is None:
        return _begin(connection, desk, form, text, fields, training=training)
    row = held(connection, announcement_id)
    if row.form == text:
        return row
    if version is not None and version != row.version:
        raise Outdated
    if desk.account.actor in drafts.returners(connection, row.id):
        raise NotAllowed(StepCode.RETURNED_BY_YOU)
    require_access(desk, row)
    if row.state not in OWN_STATES:
        require_jurisdiction(desk, replace(row, fields=fields))
    bound = "" if row.state in OWN_STATES else bound_anew(desk.press, form, desk.now)
    keep_original(connection, row)
    before, values = row, {**_UNAPPROVED, "bound": bound, "form": text, "version": row.version + 1}
    row = moved(connection, row, "edit", "author", desk.now, fields=fields, **values)
    if keep_version(connection, desk, row, form, act, apart=apart) or before.state in (
        "approved",
        "scheduled",
    ):
        details = {
            "was": before.state,
            "number": row.version,
            **audited_changes(before.fields, fields),
        }
        audit.append(connection, desk, Act.EDIT, row.id, **row_details(row), **details)
    if before.state in ("approved", "scheduled") and row.bound:
        ask_reviewers(connection, desk, row, desk.press.check(fields, desk.now))
    return row


def _begin(
    connection: Connection, desk: Desk, form: Form, text: str, fields: Fields, *, training: bool
) -> Announcement:
    row = Announcement(
        id=transitions.new_id(desk.now),
        code="",
        state=may("draft", "edit", "author"),
        fields=fields,
        created_at=desk.at,
        updated_at=desk.at,
        publish_at=None,
        published_at=None,
        created_by=desk.account.actor,
        note="",
        training=training,
        form=text,
        version=1,
    )
    stored = announcements.insert_announcement(
        connection, row, lambda: draw_code(desk.press.code_prefix)
    )
    keep_version(connection, desk, stored, form, "edit")
    audit.append(connection, desk, Act.CREATE, stored.id, **row_details(stored))
    return stored


def restore(
    connection: Connection,
    desk: Desk,
    announcement_id: str,
    number: int,
    *,
    version: int | None = None,
) -> Announcement:
    """Store an earlier version as the newest one; `version` is the newest that the person saw.
    Raises NotAllowed, Outdated.
    """
    earlier = drafts.version(connection, announcement_id, number)
    if earlier is None:
        raise NotAllowed(StepCode.NO_VERSION)
    return save(
        connection,
        desk,
        earlier.form,
        announcement_id=announcement_id,
        version=version,
        act="restore",
    )


def duplicate(
    connection: Connection, desk: Desk, announcement_id: str, *, training: bool = False
) -> Announcement:
    """Create a draft with the same words and areas, without times; the copy of an exercise is an
    exercise. Raises NotAllowed.
    """
    row = held(connection, announcement_id)
    timeless = {
        name: value
        for name, value in form_of(row).items()
        if name not in ("effective", "expires", "publish_at")
    }
    copy = save(connection, desk, timeless, training=training or row.training)
    announcements.carry_blanks(connection, copy.id, row.blanks)
    return replace(copy, blanks=row.blanks)


def archive(connection: Connection, desk: Desk, announcement_id: str) -> Announcement:
    """Archive an announcement that is over or will never be published. Raises NotAllowed."""
    row = held(connection, announcement_id)
    require_access(desk, row)
    row = moved(connection, row, "archive", acting_role(desk), desk.now)
    audit.append(connection, desk, Act.ARCHIVE, row.id, **row_details(row))
    return row


_UNAPPROVED: Mapping[str, Any] = {
    "approved_by": "",
    "approved_at": None,
    "release_at": None,
    "publish_at": None,
}
"""Columns by which an edit voids an approval."""
