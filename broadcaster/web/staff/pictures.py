"""Uploads of pictures for announcements: on their own page, by the composer's script or within the
composer's form.
"""

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from broadcaster.domain.refusal_codes import PictureCode
from broadcaster.domain.refusals import InvalidAnnouncement, Problem
from broadcaster.media import library
from broadcaster.media.images import UPLOAD_BYTES, BadPicture
from broadcaster.media.library import NotKept, Stored
from broadcaster.store import media
from broadcaster.web.base.authorization import actor_of, app_of
from broadcaster.web.staff import frame

ADDRESS = "/redaksi/gambar"
FIELD = "picture"
"""File field, here and in the composer's form."""
FORM_BYTES = UPLOAD_BYTES + 6 * 1024 * 1024
"""Limit on a form with a picture, in bytes. It exceeds the limit on the picture itself, so that a
form with one a few MB too heavy is still read, explained and shown again with all that was typed.
"""
SHOWN = 24
"""Pictures that the page lists."""


async def show(request: Request) -> Response:
    """Show the upload form and the newest pictures, the one just uploaded (`?baru=`) first."""
    app = app_of(request)
    kept = await app.database.read(media.find, request.query_params.get("baru", ""))
    return await _page(request, stored=library.stored_as(app, kept) if kept is not None else None)


async def upload(request: Request) -> Response:
    """Store a picture; answer with JSON if the request accepts it, else redirect to the page."""
    plain = "application/json" in request.headers.get("accept", "")
    try:
        stored = await _stored(request, await request.form(max_files=1))
        if stored is None:
            raise BadPicture(PictureCode.PICTURE_MISSING)
    except BadPicture as refused:
        status = 503 if isinstance(refused, NotKept) else 422
        if plain:
            return JSONResponse({"problem": frame.sentence(request, refused)}, status)
        return await _page(request, problem=frame.sentence(request, refused), status=status)
    if plain:
        return JSONResponse(_shape(stored), 201)
    return RedirectResponse(f"{ADDRESS}?baru={stored.id}", 303)


async def taken(request: Request, data: FormData) -> Mapping[str, str]:
    """Store the picture of the composer's form and return the new value of `image`.

    Empty if no picture was chosen. Raises InvalidAnnouncement for a picture that cannot be used, so
    that it is reported at its field like any other refusal.
    """
    try:
        stored = await _stored(request, data)
    except BadPicture as refused:
        raise InvalidAnnouncement(
            [Problem(field="image", code=refused.code, parameters=refused.parameters)]
        ) from refused
    return {"image": stored.url} if stored is not None else {}


async def _stored(request: Request, data: FormData) -> Stored | None:
    """Store the uploaded picture; None if the field was left empty. Raises BadPicture."""
    chosen = data.get(FIELD)
    if not isinstance(chosen, UploadFile) or not chosen.filename:
        return None
    return await library.take(app_of(request), chosen, actor=actor_of(request))


def _shape(stored: Stored) -> dict[str, Any]:
    return {
        "id": stored.id,
        "url": stored.url,
        "thumbnail": stored.thumbnail,
        "width": stored.width,
        "height": stored.height,
    }


async def _page(
    request: Request, *, stored: Stored | None = None, problem: str = "", status: int = 200
) -> Response:
    app = app_of(request)
    newest = await app.database.read(media.newest, SHOWN)
    return frame.page(
        request,
        "pictures.html",
        status=status,
        stored=stored,
        problem=problem,
        megabytes=UPLOAD_BYTES // 1024**2,
        newest=[
            (library.stored_as(app, kept), kept)
            for kept in newest
            if stored is None or kept.id != stored.id
        ],
    )
