"""The version history of an announcement: authors, times and differences; any can be restored."""

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
from broadcaster.web.staff.announcement_page import find_announcement
from broadcaster.web.staff.differences import FieldDifference, differences

VERSIONS = 30
"""Number of newest versions on the page; comparing two long bodies takes milliseconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A version, its author's name, and its changes since the one before; None for the first."""

    version: DraftVersion
    who: str
    changes: list[FieldDifference] | None


async def show(request: Request) -> Response:
    """Show the page."""
    app, row, t = app_of(request), await find_announcement(request), words(pages.lang_of(request))

    def read(connection: Connection) -> list[Step]:
        versions = drafts.history(connection, row.id, limit=VERSIONS + 1)
        names = actors.display_names(connection, [version.actor for version in versions], t)
        earlier = [*versions[1:], None]
        return [
            Step(
                version=version,
                who=names[version.actor],
                changes=_changes(request, previous, version) if previous else None,
            )
            for version, previous in zip(versions[:VERSIONS], earlier, strict=False)
        ]

    steps = await app.database.read(read)
    restorable = account_of(request).may("write") and row.state in EDITABLE
    return frame.page(request, "history.html", row=row, steps=steps, restorable=restorable)


def _changes(request: Request, before: DraftVersion, after: DraftVersion) -> list[FieldDifference]:
    app = app_of(request)
    return differences(_fields(before), _fields(after), tree=app.tree, topics=app.settings.topics)


def _fields(version: DraftVersion) -> Fields:
    return read_leniently(version.form)[0]
