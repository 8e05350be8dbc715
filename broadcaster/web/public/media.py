"""Public pictures uploaded by staff; the content of an address never changes, so it is cached for
ever.
"""

import re

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.media import library
from broadcaster.media.images import VARIANTS
from broadcaster.store.s3 import StoreDown
from broadcaster.web.base.authorization import app_of
from broadcaster.web.base.http_cache import BoundedCache, CachedResponse, prepare, serve
from broadcaster.web.base.static_files import IMMUTABLE
from channels.base.pictures import MEDIA_TYPE

CACHE_BYTES = 32 * 1024 * 1024
"""Most bytes of pictures cached by a web process: right after publication everyone requests the
same ones.
"""
CACHE_ENTRIES = 10_000
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    # web mail and web feed readers show them too
    "Cross-Origin-Resource-Policy": "cross-origin",
}

log = structlog.get_logger(__name__)
_ID = re.compile(r"[0-9a-f]{32}")


class MediaCache(BoundedCache[tuple[str, str], CachedResponse]):
    """Recently requested pictures, by id and variant."""

    def __init__(self) -> None:
        super().__init__(entries=CACHE_ENTRIES, bytes_=CACHE_BYTES)


async def show(request: Request) -> Response:
    """Serve one size of a picture."""
    key = (request.path_params["id"], request.path_params["variant"])
    cache: MediaCache = request.app.state.pictures
    response = cache.get(key)
    if response is None:
        response = prepare(await _body(request, *key), media_type=MEDIA_TYPE, headers=HEADERS)
        cache.put(key, response, response.size)
    return serve(request, response, cache_control=IMMUTABLE)


async def _body(request: Request, picture_id: str, variant: str) -> bytes:
    if variant not in VARIANTS or not _ID.fullmatch(picture_id):
        raise HTTPException(404)
    try:
        body = await library.file(app_of(request), picture_id, variant)
    except StoreDown as error:
        log.error("pictures_unreachable", why=str(error))
        raise HTTPException(503, headers={"Retry-After": "5"}) from error
    if body is None:
        raise HTTPException(404)
    return body
