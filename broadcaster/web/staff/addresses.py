"""Redirect targets within the newsroom: after sign-in, and for paths that only accept forms.

No target ever leaves this site.
"""

import posixpath
import re
from collections.abc import Sequence
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.web.base.authorization import SIGN_IN, Endpoint, Row

HOME = "/redaksi/"
LONGEST = 500
"""Characters of a redirect target; the newsroom's own are a tenth of it."""
_PATH = re.compile(r"/redaksi/[A-Za-z0-9/_.\-~]*", re.ASCII)
_QUERY = re.compile(r"[A-Za-z0-9/_.\-=&%+~]*", re.ASCII)


def safe_target(text: str) -> str:
    """Return the page to open after sign-in: `text` if it is a newsroom path, otherwise the home
    page.
    """
    path, mark, query = text.partition("?")
    plain = _plain(path)
    if (
        len(text) > LONGEST
        or not _QUERY.fullmatch(query)
        or "//" in query
        or not plain
        or plain.startswith(SIGN_IN)
    ):
        return HOME
    return plain + mark + query


def _plain(path: str) -> str:
    """Resolve dots and escapes as a browser would; "" if the result leaves the newsroom."""
    decoded = unquote(path)
    if not _PATH.fullmatch(decoded) or "//" in decoded:
        return ""
    plain = posixpath.normpath(decoded) + ("/" if decoded.endswith(("/", "/.", "/..")) else "")
    return plain if _PATH.fullmatch(plain) else ""


def ways_back(table: Sequence[Row]) -> list[Row]:
    """Return a GET row for each path that only accepts forms, redirecting to the page above.

    A browser opens such a path after signing in again, for example.
    """
    pages = {row.path for row in table if "GET" in row.methods}
    forms = {row.path: None for row in table if row.path not in pages}
    return [Row(path, _way_back(_page_above(path, pages)), access="staff:own") for path in forms]


def _page_above(path: str, pages: set[str]) -> str:
    while path:
        path = path.rpartition("/")[0]
        if above := {path, f"{path}/"} & pages:
            return above.pop()
    return HOME


def _way_back(page: str) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        values = {name: quote(str(value), safe="") for name, value in request.path_params.items()}
        return RedirectResponse(page.format(**values), 303)

    return endpoint
