"""Save drafts from their form.

A new draft is created once however often its form is sent. A stored draft changes only if the form
was made from its newest version.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request

from broadcaster.domain.fields import read_leniently
from broadcaster.newsroom import drafts, forms
from broadcaster.newsroom.desk import Desk
from broadcaster.newsroom.forms import Form
from broadcaster.store import announcements, form_acts
from broadcaster.store.announcements import Announcement
from broadcaster.store.drafts import newest
from broadcaster.web.base.authorization import account_of, app_of
from broadcaster.web.staff import actors, frame, idempotent_forms
from broadcaster.web.staff.differences import FieldDifference, differences

KIND = "draft"
"""Kind of form act that creates a draft, by its first autosave or by its button."""
UNKNOWN = -1
"""Version of a form that names none; it matches no stored version."""


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """Draft that was stored meanwhile: who saved it, when (epoch seconds), and every field that
    differs from what was typed.
    """

    row: Announcement
    who: str
    at: float
    changes: Sequence[FieldDifference]


@dataclass(frozen=True, kw_only=True)
class _CreatedDraft:
    """Draft that a form created; `words` is the hash of the stored text."""

    announcement: str
    version: int
    words: str

    @classmethod
    def read(cls, result: str) -> "_CreatedDraft":
        announcement, version, words = result.split()
        return cls(announcement=announcement, version=int(version), words=words)

    def __str__(self) -> str:
        return f"{self.announcement} {self.version} {self.words}"


async def create(request: Request, data: Any, form: Form, *, training: bool) -> Announcement:
    """Create a draft; a repeated form updates the draft that it created before.

    Raises as broadcaster.newsroom.drafts.save.
    """
    desk, sent = frame.desk_of(request), idempotent_forms.id_of(data)
    return await app_of(request).database.write(
        _create, desk, form, sent and f"{KIND} {sent}", training
    )


def _create(
    connection: Connection, desk: Desk, form: Form, sent: str, training: bool
) -> Announcement:
    earlier = form_acts.take(connection, desk.account.id, sent, desk.at) if sent else None
    words = hashlib.sha256(forms.form_text(form).encode()).hexdigest()
    if earlier is None:
        row = drafts.save(connection, desk, form, training=training)
    else:
        created = _CreatedDraft.read(earlier.result)
        stored = announcements.find(connection, created.announcement)
        if stored is not None and created.words == words:
            # The version that this form knows, whoever changed the draft since.
            return replace(stored, version=created.version)
        row = drafts.save(
            connection, desk, form, announcement_id=created.announcement, version=created.version
        )
    if sent:
        result = _CreatedDraft(announcement=row.id, version=row.version, words=words)
        form_acts.keep(connection, desk.account.id, sent, str(result))
    return row


async def find_created(request: Request, data: Any) -> Announcement | None:
    """Find the draft that this form created when it was sent before."""

    def read(connection: Connection) -> Announcement | None:
        earlier = form_acts.find(
            connection, account_of(request).id, f"{KIND} {idempotent_forms.id_of(data)}"
        )
        return (
            announcements.find(connection, _CreatedDraft.read(earlier.result).announcement)
            if earlier and earlier.result
            else None
        )

    return await app_of(request).database.read(read)


async def update(
    request: Request, row: Announcement, form: Form, version: int, *, apart: bool = False
) -> Announcement:
    """Update a draft, based on `version`. Raises as broadcaster.newsroom.drafts.save."""
    desk = frame.desk_of(request)
    return await app_of(request).database.write(
        drafts.save, desk, form, announcement_id=row.id, version=version, apart=apart
    )


async def find_conflict(request: Request, announcement: str, form: Form) -> Conflict | None:
    """Compare the stored draft with what was typed; None if it was deleted."""
    app, t = app_of(request), frame.words_of(request)

    def read(connection: Connection) -> tuple[Announcement | None, str, float]:
        row, last = (
            announcements.find(connection, announcement),
            newest(connection, announcement),
        )
        who = last.actor if last is not None else row.created_by if row is not None else ""
        return (
            row,
            actors.display_names(connection, [who], t)[who],
            row.updated_at if row is not None else 0.0,
        )

    row, who, at = await app.database.read(read)
    if row is None:
        return None
    before, after = read_leniently(forms.form_of(row))[0], read_leniently(form)[0]
    changes = differences(before, after, tree=app.tree, topics=app.settings.topics)
    return Conflict(row=row, who=who, at=at, changes=changes)


def version_of(data: Mapping[str, Any]) -> int:
    """Return the version that a form was made from; UNKNOWN if it names none."""
    return parse_version(str(data.get("versi", "")))


def parse_version(text: str) -> int:
    """Parse a version number; UNKNOWN if it is not one."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else UNKNOWN
