"""CSRF protection: a page hands the visitor a token, and only our own pages can send it back."""

import hmac
import secrets
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.web.base.form_values import text_of

FIELD = "csrf"
HEADER = "x-csrf-token"
ID_FIELD = "formulir"
"""Hidden field that identifies a form sent before; see `broadcaster.web.staff.idempotent_forms`."""
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def fresh_id() -> str:
    """Return a random id for a form to render."""
    return secrets.token_urlsafe(18)


def token(request: Request) -> str:
    """Return the visitor's token for a hidden field; call `set_cookie` on the response after."""
    known = request.cookies.get(_cookie_name(request)) or getattr(request.state, "csrf", "")
    request.state.csrf = known or secrets.token_urlsafe(24)
    return str(request.state.csrf)


def set_cookie(request: Request, response: Response) -> None:
    """Set the cookie of `token`, if the page asked for one."""
    value = getattr(request.state, "csrf", "")
    if value and request.cookies.get(_cookie_name(request)) != value:
        response.set_cookie(
            _cookie_name(request),
            value,
            httponly=True,
            samesite="lax",
            secure=_secure(request),
            path="/",
        )


async def check(request: Request, base_url: str) -> None:
    """Raise HTTPException (403) unless the form is from our origin with the visitor's token."""
    if not same_origin(request, base_url):
        raise HTTPException(403, detail="form")
    known = request.cookies.get(_cookie_name(request), "")
    sent = request.headers.get(HEADER, "")
    if not sent:
        sent = text_of(await request.form(max_files=0, max_fields=50), FIELD)
    if not known or not hmac.compare_digest(known.encode(), sent.encode()):
        raise HTTPException(403, detail="form")


def same_origin(request: Request, base_url: str) -> bool:
    """True if the browser says that our own page sent this, to our own host (DNS rebinding)."""
    origin = request.headers.get("origin", "")
    host = request.headers.get("host", "")
    try:
        if not origin:
            return request.headers.get("sec-fetch-site", "") == "same-origin" and _ours(
                host, base_url
            )
        return urlsplit(origin).netloc == host and _ours(host, base_url)
    except ValueError:  # not a URL, such as "http://["
        return False


def _ours(host: str, base_url: str) -> bool:
    return host == urlsplit(base_url).netloc or urlsplit(f"//{host}").hostname in {
        name.strip("[]") for name in LOOPBACK
    }


def _secure(request: Request) -> bool:
    return str(request.app.state.app.site.base_url).startswith("https://")


def _cookie_name(request: Request) -> str:
    return "__Host-formulir" if _secure(request) else "formulir"
