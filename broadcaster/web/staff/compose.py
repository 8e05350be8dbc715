"""The composer: one form, five previews that move with it; every save is a version, and the rules are asked at the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from broadcaster import newsroom, previewing
from broadcaster.announcements import NotAllowed
from broadcaster.fields import BODY_LIMIT, VERDICTS, InvalidAnnouncement, Problem
from broadcaster.store.announcements import Announcement
from broadcaster.web.access import account_of, app_of
from broadcaster.web.home import groups
from broadcaster.web.staff import form as forms
from broadcaster.web.staff import frame, reach
from broadcaster.web.staff.reading import found
from channels.base.contract import SUMMARY_LIMIT, TITLE_LIMIT, Level
from subscribers.areas import Area

FORM_BYTES = 128 * 1024
"""Bytes of the composer's form as a browser sends it."""
LIMITS = {"title": TITLE_LIMIT, "summary": SUMMARY_LIMIT, "body": BODY_LIMIT}
"""Code points of each field, as fields.py refuses more."""
NOBODY, NO_CODE = "0" * 32, "CMH-????-??"
"""What stands in previews before the first save draws a code."""
ANCHORS = {
    "title": "judul", "summary": "ringkasan", "body": "isi", "instruction": "petunjuk", "areas": "wilayah",
    "category": "kategori",
    "level": "tingkat", "kind": "jenis", "link": "tautan", "expires": "sampai", "effective": "mulai", "publish_at": "jadwal",
    "agency": "opd", "channels": "kanal", "claim": "klaim", "verdict": "putusan", "fact": "fakta", "evidence": "bukti",
    "image": "gambar", "image_alt": "alt",
}  # fmt: skip
"""Where on the page a refused field stands."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A kelurahan on the grid."""

    area: Area
    column: int
    row: int
    group: int


async def begin(request: Request) -> Response:
    """An empty composer; ?latihan=1 begins an exercise."""
    return await _page(request, None, {}, training=bool(request.query_params.get("latihan")))


async def create(request: Request) -> Response:
    """The first save."""
    data = await request.form()
    form, training = forms.read(data), bool(data.get("latihan"))
    try:
        row = await app_of(request).database.write(newsroom.save, frame.desk_of(request), form, training=training)
    except (InvalidAnnouncement, NotAllowed) as refused:
        return await _page(request, None, form, training=training, problems=_problems(refused), status=422)
    return await _next(request, row, str(data.get("aksi", "")))


async def edit(request: Request) -> Response:
    """The composer with what is stored."""
    row = await found(request)
    if row.state not in ("draft", "returned", "review", "approved", "scheduled"):
        return RedirectResponse(f"/redaksi/pengumuman/{row.id}", 303)
    return await _page(request, row, newsroom.form_of(row), training=row.training)


async def save(request: Request) -> Response:
    """Save, and submit where that button was pressed; nothing typed is lost where it is refused."""
    row, data = await found(request), await request.form()
    form = forms.read(data)
    try:
        row = await _save(request, row, form, _version(data))
    except (InvalidAnnouncement, NotAllowed) as refused:
        return await _page(request, row, form, training=row.training, problems=_problems(refused), status=422)
    return await _next(request, row, str(data.get("aksi", "")))


async def autosave(request: Request) -> Response:
    """Save from a page that goes on being written; answers the version to name next time, or why not."""
    row, data = await found(request), await request.form()
    try:
        row = await _save(request, row, forms.read(data), _version(data))
    except (InvalidAnnouncement, NotAllowed) as refused:
        return JSONResponse({"problem": " ".join(problem.reason for problem in _problems(refused))}, 409)
    said = frame.words_of(request)("staff.compose.saved", at=frame.clock_text(app_of(request).clock()))
    return JSONResponse({"version": row.version, "said": said})


async def preview(request: Request) -> Response:
    """The previews alone, of what the form holds now; nothing is stored."""
    data = await request.form()
    return await _previews(request, forms.read(data), code=str(data.get("kode") or NO_CODE))


async def letter(request: Request) -> Response:
    """The stored form's mail as a document of its own, framed by our page; any part that is a document."""
    row = await found(request)
    edition = previewing.draft_edition(app_of(request), newsroom.form_of(row), announcement=row.id, code=row.code)
    for pushed in previewing.of_edition(app_of(request), edition).pushed:
        if pushed.name == request.path_params["channel"] and "html" in pushed.parts:
            return frame.framed(pushed.parts["html"])
    raise HTTPException(404)


async def _save(request: Request, row: Announcement, form: dict[str, Any], version: int | None) -> Announcement:
    desk = frame.desk_of(request)
    return await app_of(request).database.write(newsroom.save, desk, form, announcement_id=row.id, version=version)


async def _next(request: Request, row: Announcement, wanted: str) -> Response:
    """Where a save leads: to the check before submitting, or back to the composer."""
    there = f"/redaksi/pengumuman/{row.id}/periksa" if wanted == "periksa" else f"/redaksi/pengumuman/{row.id}/tulis?tersimpan=1"
    return RedirectResponse(there, 303)


async def _page(
    request: Request, row: Announcement | None, form: dict[str, Any], *,
    training: bool, problems: Sequence[Problem] = (), status: int = 200,
) -> Response:  # fmt: skip
    app = app_of(request)
    announcement, code = (row.id, row.code) if row is not None else (NOBODY, NO_CODE)
    previews = previewing.look(app, form, announcement=announcement, code=code)
    own = account_of(request).agencies
    return frame.page(
        request, "compose.html", status=status, row=row, form=forms.shown(form), training=training, problems=problems,
        anchors=ANCHORS, previews=previews, reach=await reach.of(app, previews.edition), levels=get_args(Level),
        topics=app.settings.topics, agencies=own or await reach.agencies(app), verdicts=VERDICTS, groups=groups(app),
        places=places(request), channels=[*app.push.values(), *app.pull.values()], limits=LIMITS,
        saved="tersimpan" in request.query_params and not problems, broken={problem.field for problem in problems},
    )  # fmt: skip


async def _previews(request: Request, form: dict[str, Any], *, code: str) -> Response:
    app = app_of(request)
    previews = previewing.look(app, form, announcement=NOBODY, code=code)
    found_reach = await reach.of(app, previews.edition)
    return frame.page(request, "previews.html", previews=previews, reach=found_reach, row=None)


def places(request: Request) -> list[Place]:
    """The kelurahan on their grid, by row and column; `group` numbers the kecamatan."""
    listed = [
        Place(area=area, column=area.tile[0], row=area.tile[1], group=number)
        for number, group in enumerate(groups(app_of(request)))
        for area in group.kelurahan
        if area.tile is not None
    ]
    return sorted(listed, key=lambda place: (place.row, place.column))


def _version(data: Any) -> int | None:
    text = str(data.get("versi", ""))
    return int(text) if text.isdecimal() and len(text) < 10 else None


def _problems(refused: Exception) -> Sequence[Problem]:
    if isinstance(refused, InvalidAnnouncement):
        return refused.problems
    return (Problem(field="", reason=str(refused), remedy=""),)
