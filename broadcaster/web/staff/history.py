"""The versions of one announcement: who left which, when, and what differs from the one before; an
older one can be put back.
"""

from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.domain.fields import Fields, read_leniently
from broadcaster.newsroom.forms import EDITABLE
from broadcaster.runtime.i18n import words
from broadcaster.store import drafts
from broadcaster.store.drafts import DraftVersion
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import account_of, app_of
from broadcaster.web.staff import actors, frame
from broadcaster.web.staff.announcement import found
from broadcaster.web.staff.differences import Difference, differences

SHOWN = 30
"""Versions on the page, the newest; comparing two long bodies takes milliseconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A version, who left it in words, and its differences from the one before; None for the first."""

    version: DraftVersion
    who: str
    changes: list[Difference] | None


async def show(request: Request) -> Response:
    """The page."""
    app, row, t = app_of(request), await found(request), words(pages.lang_of(request))

    def look(connection: Connection) -> list[Step]:
        versions = drafts.history(connection, row.id, limit=SHOWN + 1)
        spoken = actors.spoken(connection, [one.actor for one in versions], t)
        before = [*versions[1:], None]
        return [
            Step(
                version=one,
                who=spoken[one.actor],
                changes=_changes(request, last, one) if last else None,
            )
            for one, last in zip(versions[:SHOWN], before, strict=False)
        ]

    steps = await app.database.read(look)
    restorable = account_of(request).may("write") and row.state in EDITABLE
    return frame.page(request, "history.html", row=row, steps=steps, restorable=restorable)


def _changes(request: Request, before: DraftVersion, after: DraftVersion) -> list[Difference]:
    app = app_of(request)
    return differences(_fields(before), _fields(after), tree=app.tree, topics=app.settings.topics)


def _fields(version: DraftVersion) -> Fields:
    return read_leniently(version.form)[0]
