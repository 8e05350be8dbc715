"""Saving a draft from its form: a new one is made once however often it is sent, a stored one only
changed by who has seen it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request

from broadcaster.domain.fields import read_leniently
from broadcaster.newsroom import drafts as newsroom
from broadcaster.newsroom import forms
from broadcaster.newsroom.desk import Desk
from broadcaster.newsroom.forms import Form
from broadcaster.store import announcements, drafts, form_acts
from broadcaster.store.announcements import Announcement
from broadcaster.web.base.authorization import account_of, app_of
from broadcaster.web.staff import actors, frame, once
from broadcaster.web.staff.differences import FieldDifference, differences

KIND = "draft"
"""What a form is called that makes a draft: its first autosave, and its button."""
UNKNOWN = -1
"""The version of a form that names none: nobody has seen what it would write over."""


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """A text that was stored meanwhile, beside what was typed: who left it, when, and every field
    that differs.
    """

    row: Announcement
    who: str
    at: float
    changes: Sequence[FieldDifference]


@dataclass(frozen=True, kw_only=True)
class _First:
    """What a form's first saving made; `words` is the hash of the text that it stored."""

    announcement: str
    version: int
    words: str

    @classmethod
    def read(cls, result: str) -> "_First":
        announcement, version, words = result.split()
        return cls(announcement=announcement, version=int(version), words=words)

    def __str__(self) -> str:
        return f"{self.announcement} {self.version} {self.words}"


async def first(request: Request, data: Any, form: Form, *, training: bool) -> Announcement:
    """Store a new draft; sent again, it is the same draft, with what was typed since. Raises as
    newsroom.save.
    """
    desk, sent = frame.desk_of(request), once.id_of(data)
    return await app_of(request).database.write(
        _first, desk, form, sent and f"{KIND} {sent}", training
    )


def _first(
    connection: Connection, desk: Desk, form: Form, sent: str, training: bool
) -> Announcement:
    earlier = form_acts.take(connection, desk.account.id, sent, desk.at) if sent else None
    words = hashlib.sha256(forms.form_text(form).encode()).hexdigest()
    if earlier is None:
        row = newsroom.save(connection, desk, form, training=training)
    else:
        made = _First.read(earlier.result)
        stored = announcements.find(connection, made.announcement)
        if stored is not None and made.words == words:
            return replace(
                stored, version=made.version
            )  # what this form has seen, whoever changed it since
        row = newsroom.save(
            connection, desk, form, announcement_id=made.announcement, version=made.version
        )
    if sent:
        result = _First(announcement=row.id, version=row.version, words=words)
        form_acts.keep(connection, desk.account.id, sent, str(result))
    return row


async def made_before(request: Request, data: Any) -> Announcement | None:
    """Find the draft that this form made when it was sent before."""

    def look(connection: Connection) -> Announcement | None:
        earlier = form_acts.find(connection, account_of(request).id, f"{KIND} {once.id_of(data)}")
        return (
            announcements.find(connection, _First.read(earlier.result).announcement)
            if earlier and earlier.result
            else None
        )

    return await app_of(request).database.read(look)


async def later(
    request: Request, row: Announcement, form: Form, version: int, *, apart: bool = False
) -> Announcement:
    """Store a draft that is there already, over the version that was seen. Raises as newsroom.save."""
    desk = frame.desk_of(request)
    return await app_of(request).database.write(
        newsroom.save, desk, form, announcement_id=row.id, version=version, apart=apart
    )


async def conflict(request: Request, announcement: str, form: Form) -> Conflict | None:
    """What is stored, beside what was typed; None where it is gone."""
    app, t = app_of(request), frame.words_of(request)

    def look(connection: Connection) -> tuple[Announcement | None, str, float]:
        row, last = (
            announcements.find(connection, announcement),
            drafts.newest(connection, announcement),
        )
        who = last.actor if last is not None else row.created_by if row is not None else ""
        return (
            row,
            actors.display_names(connection, [who], t)[who],
            row.updated_at if row is not None else 0.0,
        )

    row, who, at = await app.database.read(look)
    if row is None:
        return None
    before, after = read_leniently(forms.form_of(row))[0], read_leniently(form)[0]
    changes = differences(before, after, tree=app.tree, topics=app.settings.topics)
    return Conflict(row=row, who=who, at=at, changes=changes)


def version_of(data: Mapping[str, Any]) -> int:
    """Read the version that a form was filled in from."""
    return number(str(data.get("versi", "")))


def number(text: str) -> int:
    """Read a version; UNKNOWN where it is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else UNKNOWN
