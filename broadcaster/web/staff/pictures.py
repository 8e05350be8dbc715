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
from broadcaster.media.library import NotStored, StoredPicture
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
PAGE_SIZE = 24
"""Pictures that the page lists."""


async def show(request: Request) -> Response:
    """Show the upload form and the newest pictures, the one just uploaded (`?baru=`) first."""
    app = app_of(request)
    picture = await app.database.read(media.find, request.query_params.get("baru", ""))
    return await _page(
        request, stored=library.stored_as(app, picture) if picture is not None else None
    )


async def upload(request: Request) -> Response:
    """Store a picture; answer with JSON if the request accepts it, else redirect to the page."""
    wants_json = "application/json" in request.headers.get("accept", "")
    try:
        stored = await _store(request, await request.form(max_files=1))
        if stored is None:
            raise BadPicture(PictureCode.PICTURE_MISSING)
    except BadPicture as error:
        status = 503 if isinstance(error, NotStored) else 422
        if wants_json:
            return JSONResponse({"problem": frame.sentence(request, error)}, status)
        return await _page(request, problem=frame.sentence(request, error), status=status)
    if wants_json:
        return JSONResponse(_json_of(stored), 201)
    return RedirectResponse(f"{ADDRESS}?baru={stored.id}", 303)


async def uploaded_image(request: Request, data: FormData) -> Mapping[str, str]:
    """Store the picture of the composer's form and return the new value of `image`.

    Empty if no picture was chosen. Raises InvalidAnnouncement for a picture that cannot be used, so
    that it is reported at its field like any other refusal.
    """
    try:
        stored = await _store(request, data)
    except BadPicture as error:
        raise InvalidAnnouncement(
            [Problem(field="image", code=error.code, parameters=error.parameters)]
        ) from error
    return {"image": stored.url} if stored is not None else {}


async def _store(request: Request, data: FormData) -> StoredPicture | None:
    """Store the uploaded picture; None if the field was left empty. Raises BadPicture."""
    chosen = data.get(FIELD)
    if not isinstance(chosen, UploadFile) or not chosen.filename:
        return None
    return await library.take(app_of(request), chosen, actor=actor_of(request))


def _json_of(stored: StoredPicture) -> dict[str, Any]:
    return {
        "id": stored.id,
        "url": stored.url,
        "thumbnail": stored.thumbnail,
        "width": stored.width,
        "height": stored.height,
    }


async def _page(
    request: Request, *, stored: StoredPicture | None = None, problem: str = "", status: int = 200
) -> Response:
    app = app_of(request)
    newest = await app.database.read(media.newest, PAGE_SIZE)
    return frame.page(
        request,
        "pictures.html",
        status=status,
        stored=stored,
        problem=problem,
        megabytes=UPLOAD_BYTES // 1024**2,
        newest=[
            (library.stored_as(app, picture), picture)
            for picture in newest
            if stored is None or picture.id != stored.id
        ],
    )
