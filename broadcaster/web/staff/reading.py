"""One announcement as staff read it: what it says, where it stands, who did what."""

from collections.abc import Mapping

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.overview import identify
from broadcaster.store import announcements as rows
from broadcaster.store import audit
from broadcaster.store.announcements import Announcement
from broadcaster.store.audit import Entry
from broadcaster.web import pages
from broadcaster.web.access import account_of, app_of
from broadcaster.web.staff import actors, frame
from broadcaster.wording import words


async def show(request: Request) -> Response:
    """The page."""
    app = app_of(request)
    row = await found(request)
    if row.state in ("draft", "returned") and account_of(request).may("write"):
        return RedirectResponse(f"/redaksi/pengumuman/{row.id}/tulis", 303)
    if row.state in ("draft", "returned", "review", "approved", "scheduled"):
        return RedirectResponse(f"/redaksi/pengumuman/{row.id}/periksa", 303)

    def look(connection: Connection) -> tuple[list[Entry], Mapping[str, str]]:
        acts = audit.about(connection, row.id)
        return acts, actors.spoken(connection, [entry.actor for entry in acts], words(pages.lang_of(request)))

    acts, names = await app.database.read(look)
    areas = [app.tree.get(name) for name in row.fields.areas]
    topic = next((topic for topic in app.settings.topics if topic.slug == row.fields.category), None)
    return frame.page(
        request, "reading.html", row=row, fields=row.fields, acts=acts, names=names,
        areas=[area.label for area in areas if area is not None], topic=topic,
    )  # fmt: skip


async def found(request: Request) -> Announcement:
    """The announcement that the path names by id or code; raises 404."""

    def look(connection: Connection) -> Announcement | None:
        identity = identify(connection, request.path_params["id"])
        return rows.find(connection, identity) if identity else None

    row = await app_of(request).database.read(look)
    if row is None:
        raise HTTPException(404)
    return row
