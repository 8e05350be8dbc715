"""Templates for recurring announcements: list, save from an announcement, start a draft, rename,
delete.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.app import App
from broadcaster.domain.fields import read_leniently
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.domain.refusals import InvalidAnnouncement
from broadcaster.newsroom import forms, templates
from broadcaster.runtime.refusal_words import WordedProblem
from broadcaster.store.announcements import Announcement
from broadcaster.store.templates import Template, everything
from broadcaster.web.base.authorization import account_of, app_of
from broadcaster.web.staff import actors, frame, idempotent_forms, refusals
from broadcaster.web.staff.announcement_page import find_announcement
from channels.base.contract import Level, Topic

ADDRESS = "/redaksi/templat"
CONFIRMED = ("disimpan", "diganti", "dihapus")
"""Acts that the page can confirm."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """Template as the list shows it."""

    template: Template
    title: str
    level: Level
    topic: Topic | None
    agency: str
    areas: tuple[str, ...]


async def show(request: Request) -> Response:
    """Show the list."""
    return await _page(request)


async def keep(request: Request) -> Response:
    """Save the announcement that the path names as a template."""
    row, data, desk = await find_announcement(request), await request.form(), frame.desk_of(request)
    name = str(data.get("nama", ""))
    try:
        await idempotent_forms.write(
            request,
            data,
            "template",
            lambda c: templates.keep(c, desk, row.id, name),
            lambda template: str(template.id),
        )
    except (InvalidAnnouncement, NotAllowed) as error:
        return await _page(
            request,
            problems=refusals.of(error, frame.words_of(request)),
            status=422,
            source=row,
            typed=name,
        )
    return RedirectResponse(f"{ADDRESS}?selesai=disimpan", 303)


async def use(request: Request) -> Response:
    """Create a draft from the template and open it in the composer."""
    template, data, desk = _id(request), await request.form(), frame.desk_of(request)
    try:
        draft = await idempotent_forms.write(
            request,
            data,
            "use",
            lambda c: templates.use(c, desk, template),
            lambda row: str(row.id),
        )
    except NotAllowed as error:
        return await _page(
            request, problems=refusals.of(error, frame.words_of(request)), status=409
        )
    return RedirectResponse(f"/redaksi/pengumuman/{draft.result}/tulis", 303)


async def rename(request: Request) -> Response:
    """Rename the template."""
    data = await request.form()
    name = str(data.get("nama", ""))
    try:
        await app_of(request).database.write(
            templates.rename, frame.desk_of(request), _id(request), name
        )
    except (InvalidAnnouncement, NotAllowed) as error:
        return await _page(
            request,
            problems=refusals.of(error, frame.words_of(request)),
            status=422,
            renamed=_id(request),
            typed=name,
        )
    return RedirectResponse(f"{ADDRESS}?selesai=diganti", 303)


async def delete(request: Request) -> Response:
    """Delete the template."""
    try:
        await app_of(request).database.write(templates.delete, frame.desk_of(request), _id(request))
    except NotAllowed as error:
        return await _page(
            request, problems=refusals.of(error, frame.words_of(request)), status=409
        )
    return RedirectResponse(f"{ADDRESS}?selesai=dihapus", 303)


def cards(app: App, stored: Sequence[Template]) -> list[Card]:
    """Return the templates as the list shows them."""
    return [_card(app, template) for template in stored]


def _card(app: App, template: Template) -> Card:
    fields = read_leniently(template.form)[0]
    areas = [
        area.label for area in (app.tree.get(name) for name in fields.areas) if area is not None
    ]
    topic = next((topic for topic in app.settings.topics if topic.slug == fields.category), None)
    title = str(template.form.get("title") or "")
    return Card(
        template=template,
        title=title,
        level=fields.level,
        topic=topic,
        agency=fields.agency or "",
        areas=tuple(areas),
    )


async def _page(
    request: Request,
    *,
    problems: Sequence[WordedProblem] = (),
    status: int = 200,
    source: Announcement | None = None,
    renamed: int = 0,
    typed: str = "",
) -> Response:
    """Render the list.

    After a refused name: `source` is the announcement to save, or `renamed` the template's id, and
    `typed` the name.
    """
    app, t = app_of(request), frame.words_of(request)
    stored = await app.database.read(everything)
    names = await app.database.read(
        actors.display_names, {template.actor for template in stored}, t
    )
    act = request.query_params.get("selesai", "")
    return frame.page(
        request,
        "templates.html",
        status=status,
        cards=cards(app, stored),
        names=names,
        problems=problems,
        source=source,
        renamed=renamed,
        typed=typed,
        limit=templates.NAME_LIMIT,
        said=act if act in CONFIRMED else "",
        may_write=account_of(request).may("write"),
        heading=forms.form_of(source).get("title", "") if source else "",
    )


def _id(request: Request) -> int:
    text = str(request.path_params["id"])
    if not text.isdecimal() or len(text) > 15:
        raise HTTPException(404)
    return int(text)
