"""Permanent address of an announcement: its status, text and signature, as a page and as JSON."""

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.app import App
from broadcaster.domain.codes import normalise_code
from broadcaster.runtime.i18n import words
from broadcaster.store import announcements
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import app_of
from broadcaster.web.base.bulkhead import read
from broadcaster.web.base.edition_view import history, view
from broadcaster.web.base.http_cache import prepare, serve
from broadcaster.web.base.qr_codes import qr
from channels.base import pictures


async def show(request: Request) -> Response:
    """Render the page; redirect a loosely typed code to its official spelling."""
    code = _code(request)
    if code != request.path_params["code"]:
        return RedirectResponse(pages.address_at(request, f"/p/{code}"), 301)
    app, lang = app_of(request), pages.lang_of(request)
    versions = await read(request, announcements.versions, code)
    if not versions:
        raise HTTPException(404)
    newest = versions[-1]
    edition_view = view(newest.edition, now=app.clock(), lang=lang, base_url=app.site.base_url)
    wording, permalink = edition_view.edition.wording(lang), app.site.permalink(code)
    picture = pictures.own_picture(edition_view.edition, app.site)
    return pages.page(
        request,
        "announcement.html",
        view=edition_view,
        picture=pictures.own_path(picture, app.site, "pesan") if picture is not None else "",
        versions=history([version.edition for version in versions], lang),
        permalink=permalink,
        share_text=words(lang)(
            "announcement.share_text",
            title=wording.title,
            summary=wording.summary,
            city=app.site.city,
            address=permalink,
        ),
        qr=qr(permalink),
        key_id=newest.key_id,
        signature=newest.signature,
        public_key=app.signer.public_pem,
    )


async def signed(request: Request) -> Response:
    """Answer every edition's document exactly as signed, so that anyone can verify it."""
    code = _code(request)
    app = app_of(request)
    versions = await read(request, announcements.versions, code)
    if not versions:
        raise HTTPException(404)
    content = {
        "code": code,
        "url": app.site.permalink(code),
        "algorithm": "Ed25519 over the UTF-8 bytes of document",
        "keys": {app.signer.key_id: app.signer.public_pem},
        "editions": [
            {
                "number": version.edition.number,
                "document": version.document,
                "signature": version.signature,
                "key_id": version.key_id,
            }
            for version in reversed(versions)
        ],
    }
    response = prepare(
        msgspec.json.encode(content),
        media_type="application/json",
        headers={"Access-Control-Allow-Origin": "*"},
    )
    return serve(request, response, cache_control=pages.PUBLIC)


def _code(request: Request) -> str:
    app: App = app_of(request)
    code = normalise_code(request.path_params["code"], app.settings.code_prefix)
    if code is None:
        raise HTTPException(404)
    return code
