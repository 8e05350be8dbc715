"""One announcement as staff read it: what it says, where it stands, who did what."""

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

SAID = {"ditolak": "rejected", "diarsipkan": "archived"}
"""Acts of which the page says that they were done, while the announcement is still as they left it."""
ARCHIVABLE = ("rejected", "ended")
"""States shown here from which an announcement may be put away."""


@dataclass(frozen=True, kw_only=True)
class Past:
    """What happened to the announcement, who is who, its newest edition and the change that waits."""

    acts: Sequence[AuditEntry]
    names: Mapping[str, str]
    newest: EditionRow | None
    waiting: Proposal | None


async def show(request: Request) -> Response:
    """The page."""
    app = app_of(request)
    row = await found(request)
    if row.state in ("draft", "returned") and account_of(request).may("write"):
        return RedirectResponse(f"/redaksi/pengumuman/{row.id}/tulis", 303)
    if row.state in ("draft", "returned", "review", "approved", "scheduled"):
        return RedirectResponse(f"/redaksi/pengumuman/{row.id}/periksa", 303)
    past = await app.database.read(_past, row.id, frame.words_of(request))
    areas = [app.tree.get(name) for name in row.fields.areas]
    topic = next(
        (topic for topic in app.settings.topics if topic.slug == row.fields.category), None
    )
    said = request.query_params.get("selesai", "")
    return frame.page(
        request,
        "reading.html",
        row=row,
        fields=row.fields,
        past=past,
        said=said if SAID.get(said) == row.state else "",
        areas=[area.label for area in areas if area is not None],
        topic=topic,
        archivable=row.state in ARCHIVABLE,
        given=actors.given,
    )


def _past(connection: Connection, identity: str, t: Words) -> Past:
    acts = audit.about(connection, identity)
    return Past(
        acts=acts,
        names=actors.spoken(connection, [act.actor for act in acts], t),
        newest=announcements.newest_edition(connection, identity),
        waiting=drafts.proposed(connection, identity),
    )


async def found(request: Request) -> Announcement:
    """The announcement that the path names by id or code; raises 404."""

    def look(connection: Connection) -> Announcement | None:
        identity = identify(connection, request.path_params["id"])
        return announcements.find(connection, identity) if identity else None

    row = await app_of(request).database.read(look)
    if row is None:
        raise HTTPException(404)
    return row
