"""The page of one announcement for staff: content, state and history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.delivery.status import identify
from broadcaster.runtime.i18n import Words
from broadcaster.store import announcements, audit, drafts
from broadcaster.store.announcements import Announcement, EditionRow
from broadcaster.store.audit import AuditEntry
from broadcaster.store.drafts import Proposal
from broadcaster.web.base.authorization import account_of, app_of
from broadcaster.web.staff import actors, frame

CONFIRMATIONS = {"ditolak": "rejected", "diarsipkan": "archived"}
"""Acts that the page confirms, by the state that they leave; any other state hides the message."""
ARCHIVABLE = ("rejected", "ended")
"""States on this page from which an announcement can be archived."""


@dataclass(frozen=True, kw_only=True)
class History:
    """The announcement's audit entries with actor names, newest edition and pending proposal."""

    acts: Sequence[AuditEntry]
    names: Mapping[str, str]
    newest: EditionRow | None
    waiting: Proposal | None


async def show(request: Request) -> Response:
    """Show the page; redirects a draft to the composer and an unsent one to the review page."""
    app = app_of(request)
    row = await find_announcement(request)
    if row.state in ("draft", "returned") and account_of(request).may("write"):
        return RedirectResponse(f"/redaksi/pengumuman/{row.id}/tulis", 303)
    if row.state in ("draft", "returned", "review", "approved", "scheduled"):
        return RedirectResponse(f"/redaksi/pengumuman/{row.id}/periksa", 303)
    history = await app.database.read(_history, row.id, frame.words_of(request))
    areas = [app.tree.get(name) for name in row.fields.areas]
    topic = next(
        (topic for topic in app.settings.topics if topic.slug == row.fields.category), None
    )
    confirmation = request.query_params.get("selesai", "")
    return frame.page(
        request,
        "announcement_page.html",
        row=row,
        fields=row.fields,
        past=history,
        said=confirmation if CONFIRMATIONS.get(confirmation) == row.state else "",
        areas=[area.label for area in areas if area is not None],
        topic=topic,
        archivable=row.state in ARCHIVABLE,
        given=actors.typed_reason,
    )


def _history(connection: Connection, identity: str, t: Words) -> History:
    acts = audit.about(connection, identity)
    return History(
        acts=acts,
        names=actors.display_names(connection, [act.actor for act in acts], t),
        newest=announcements.newest_edition(connection, identity),
        waiting=drafts.proposed(connection, identity),
    )


async def find_announcement(request: Request) -> Announcement:
    """Find the announcement that the path names by id or code; 404 if there is none."""

    def read(connection: Connection) -> Announcement | None:
        identity = identify(connection, request.path_params["id"])
        return announcements.find(connection, identity) if identity else None

    row = await app_of(request).database.read(read)
    if row is None:
        raise HTTPException(404)
    return row
