"""Browsers in which an account signed in before, recognised by a cookie.

Their failed sign-ins are counted apart, so that neither attackers guessing from many addresses nor
a colleague's mistakes behind the same address lock the owner out.
"""

import hmac
import secrets

from starlette.requests import Request
from starlette.responses import Response

from broadcaster.web.base.authorization import app_of

DAYS = 180
"""Days for which a browser is recognised after a sign-in."""
_NONCE = 22
"""Length of 16 random bytes in base64url."""


def mark_of(request: Request, name: str) -> str:
    """Return the mark of this browser if this account name signed in here before; else ""."""
    nonce, _, proof = request.cookies.get(_cookie_name(request), "").partition(".")
    fits = len(nonce) == _NONCE and hmac.compare_digest(
        proof.encode(), _proof(request, name, nonce).encode()
    )
    return nonce if fits else ""


def remember(request: Request, response: Response, name: str) -> None:
    """Mark this browser as one in which `name` signed in."""
    nonce = mark_of(request, name) or secrets.token_urlsafe(16)
    response.set_cookie(
        _cookie_name(request),
        f"{nonce}.{_proof(request, name, nonce)}",
        max_age=DAYS * 24 * 3600,
        httponly=True,
        samesite="lax",
        secure=_secure(request),
        path="/",
    )


def _proof(request: Request, name: str, nonce: str) -> str:
    return app_of(request).vault.lookup("known browser", f"{name}\0{nonce}").hex()


def _cookie_name(request: Request) -> str:
    return "__Host-kenal" if _secure(request) else "kenal"


def _secure(request: Request) -> bool:
    return app_of(request).site.base_url.startswith("https://")
