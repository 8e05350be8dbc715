"""Stored forms: what was typed, complete or not, and the versions it leaves behind."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from broadcaster.domain import lifecycle
from broadcaster.domain.fields import InvalidAnnouncement, Problem
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.newsroom.desk import Desk
from broadcaster.store import drafts
from broadcaster.store.announcements import Announcement
from broadcaster.store.drafts import DraftVersion, VersionAct

FORM_BYTES = 64 * 1024
"""Bytes of a form as JSON: the longest announcement in three languages, and its channels' own
words, are half of it.
"""
EDITABLE: tuple[lifecycle.State, ...] = ("draft", "returned", "review", "approved", "scheduled")
"""States in which the form may be changed; each change voids review and approval."""
Form = Mapping[str, Any]
"""What was typed: the names of `Fields`, each value as the page sends it (texts, lists, mappings)."""


class Outdated(NotAllowed):
    """Somebody else, or another tab, changed it meanwhile."""

    def __init__(self) -> None:
        super().__init__(
            "Pengumuman ini sudah diubah di tempat lain. Muat ulang, lalu ulangi perubahan Anda."
        )


def form_text(form: Form) -> str:
    """A form as it is stored; raises InvalidAnnouncement when it is too long."""
    text = json.dumps(form, ensure_ascii=False, sort_keys=True)
    if len(text.encode()) > FORM_BYTES:
        raise InvalidAnnouncement(
            [
                Problem(
                    field="body",
                    reason="Terlalu panjang untuk disimpan.",
                    remedy="Persingkat isinya.",
                )
            ]
        )
    return text


def form_of(row: Announcement) -> dict[str, Any]:
    """What the composer shows: the form as typed, else the fields of what came another way, or was
    corrected since.
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
    """Keep what came another way than by the composer, before it is written over there for the
    first time.
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
