"""Pictures that staff uploaded, for everyone: an address never changes what it shows, so whoever
has it keeps it.
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
from broadcaster.web.base.http_cache import BoundedCache, Kept, keep, serve
from broadcaster.web.base.static_files import IMMUTABLE
from channels.base.pictures import MEDIA_TYPE

CACHE_BYTES = 32 * 1024 * 1024
"""Bytes of pictures that a web process keeps at hand: a minute after publication everyone asks for
the same ones.
"""
CACHE_ENTRIES = 10_000
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",  # mail programs and feed readers on the web show them too
}

log = structlog.get_logger(__name__)
_ID = re.compile(r"[0-9a-f]{32}")


class MediaCache(BoundedCache[tuple[str, str], Kept]):
    """The pictures asked for last, by name."""

    def __init__(self) -> None:
        super().__init__(entries=CACHE_ENTRIES, bytes_=CACHE_BYTES)


async def show(request: Request) -> Response:
    """One size of one picture."""
    key = (request.path_params["id"], request.path_params["variant"])
    cache: MediaCache = request.app.state.pictures
    kept = cache.get(key)
    if kept is None:
        kept = keep(await _body(request, *key), media_type=MEDIA_TYPE, headers=HEADERS)
        cache.put(key, kept, kept.size)
    return serve(request, kept, cache_control=IMMUTABLE)


async def _body(request: Request, picture_id: str, variant: str) -> bytes:
    if variant not in VARIANTS or not _ID.fullmatch(picture_id):
        raise HTTPException(404)
    try:
        body = await library.file(app_of(request), picture_id, variant)
    except StoreDown as down:
        log.error("pictures_unreachable", why=str(down))
        raise HTTPException(503, headers={"Retry-After": "5"}) from down
    if body is None:
        raise HTTPException(404)
    return body
