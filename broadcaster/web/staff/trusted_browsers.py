"""Browsers in which somebody signed in before, known by a cookie of ours: they are counted by
themselves.

So neither who guesses at a name from everywhere, nor a colleague's mistakes at the same address,
holds its owner up.
"""

import hmac
import secrets

from starlette.requests import Request
from starlette.responses import Response

from broadcaster.web.base.authorization import app_of

DAYS = 180
"""How long a browser is known after a sign-in."""
_NONCE = 22
"""Characters of 16 random bytes."""


def mark_of(request: Request, name: str) -> str:
    """Return the mark of this browser if this name signed in in it; else ""."""
    nonce, _, proof = request.cookies.get(_cookie_name(request), "").partition(".")
    fits = len(nonce) == _NONCE and hmac.compare_digest(
        proof.encode(), _proof(request, name, nonce).encode()
    )
    return nonce if fits else ""


def remember(request: Request, response: Response, name: str) -> None:
    """Give this browser the mark of one in which `name` signed in."""
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
