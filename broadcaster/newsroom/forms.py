"""Stored forms: announcements as typed, complete or not, and their versions."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from broadcaster.domain import lifecycle
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusal_codes import NewsroomCode, StepCode
from broadcaster.domain.refusals import InvalidAnnouncement, Problem
from broadcaster.newsroom.desk import Desk
from broadcaster.store import drafts
from broadcaster.store.announcements import Announcement
from broadcaster.store.drafts import DraftVersion, VersionAct

FORM_BYTES = 64 * 1024
"""Maximum bytes of a form as JSON: twice the longest announcement in three languages with its
channels' own words.
"""
EDITABLE: tuple[lifecycle.State, ...] = ("draft", "returned", "review", "approved", "scheduled")
"""States in which the form may be changed; each change voids review and approval."""
Form = Mapping[str, Any]
"""A form as typed: the names of `Fields`, each value as the page sends it (texts, lists,
mappings).
"""


class Outdated(NotAllowed):
    """The form was changed meanwhile, by another person or in another tab."""

    def __init__(self) -> None:
        super().__init__(StepCode.OUTDATED)


def form_text(form: Form) -> str:
    """Return a form as it is stored; raises InvalidAnnouncement if it is too long."""
    text = json.dumps(form, ensure_ascii=False, sort_keys=True)
    if len(text.encode()) > FORM_BYTES:
        raise InvalidAnnouncement([Problem(field="body", code=NewsroomCode.FORM_TOO_LONG)])
    return text


def form_of(row: Announcement) -> dict[str, Any]:
    """Return the form for the composer: as typed, or else from the fields if it came another way or
    was corrected since.
    """
    return (
        dict(json.loads(row.form))
        if row.form and row.published_at is None
        else row.fields.model_dump(mode="json", exclude_defaults=True)
    )


def keep_version(
    connection: Connection,
    desk: Desk,
    row: Announcement,
    form: Form,
    act: VersionAct,
    *,
    apart: bool = False,
) -> bool:
    """Store the form as a version; `apart` keeps it from being folded into the one before."""
    version = DraftVersion(
        announcement=row.id,
        number=row.version,
        at=desk.at,
        actor=desk.account.actor,
        act=act,
        form=form,
    )
    return drafts.keep(connection, version, apart=apart)


def keep_original(connection: Connection, row: Announcement) -> None:
    """Store an announcement that came another way as a version, before the composer first changes
    it.
    """
    if drafts.newest(connection, row.id) is None:
        original = DraftVersion(
            announcement=row.id,
            number=row.version,
            at=row.created_at,
            actor=row.created_by,
            act="edit",
            form=form_of(row),
        )
        drafts.keep(connection, original)
