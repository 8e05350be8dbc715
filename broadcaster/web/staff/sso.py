"""Pages for signing in and out with the city's own account (OpenID Connect).

Every failure shows a page that explains it, and signs nobody in.
"""

import base64
import binascii
from typing import Any
from urllib.parse import quote

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.app import App
from broadcaster.domain.actor import SIGN_ON
from broadcaster.runtime.i18n import LANGUAGES, words
from broadcaster.staff import oidc, provisioning
from broadcaster.staff.oidc import SignInAttempt, SignOnError
from broadcaster.staff.oidc_claims import Identity
from broadcaster.staff.oidc_client import PAUSE_SECONDS, SignOn
from broadcaster.staff.provisioning import ProvisioningOutcome
from broadcaster.store import accounts
from broadcaster.store.sessions import HALF
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import (
    SIGN_IN,
    app_of,
    current_session,
    note_miss,
    session_of,
)
from broadcaster.web.staff import frame, signin
from broadcaster.web.staff.addresses import HOME, safe_target
from broadcaster.web.staff.browsers import browser_of
from subscribers.vault import SealBroken

ROLE_KEPT_PAGE = "/redaksi/masuk/sso/tetap"
_ATTEMPT, _HINT = "sso attempt", "sso hint"
"""Purposes of sealed values; a value sealed for one does not open as the other."""

log = structlog.get_logger(__name__)


def sign_on_of(request: Request) -> SignOn:
    """Return the city's sign-on. Raises 404 if none is configured."""
    sign_on: SignOn = request.app.state.sign_on
    if not sign_on.configured:
        raise HTTPException(404)
    return sign_on


async def begin(request: Request) -> Response:
    """Redirect to the provider; state, nonce and verifier stay in a sealed cookie.

    `?akun=lain` makes the provider ask for the account again.
    """
    sign_on, app = sign_on_of(request), app_of(request)
    target = safe_target(request.query_params.get("ke", ""))
    session = await current_session(request)
    if session is not None and session.way != HALF:
        return RedirectResponse(target, 303, headers={"Cache-Control": "no-store"})
    attempt = SignInAttempt.begin(target, app.clock().timestamp())
    try:
        address = await sign_on.begin(attempt, anew=request.query_params.get("akun") == "lain")
    except SignOnError as error:
        return _refuse(request, error, target)
    response = RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})
    sealed = base64.urlsafe_b64encode(
        app.vault.seal(_ATTEMPT, msgspec.json.encode(attempt).decode())
    ).decode()
    response.set_cookie(
        _cookie_name(app),
        sealed,
        max_age=int(oidc.ATTEMPT_SECONDS),
        httponly=True,
        samesite="lax",
        secure=_secure(app),
        path="/",
    )
    return response


async def callback(request: Request) -> Response:
    """Check the provider's response, find or create the account and start a session."""
    sign_on, app, query = sign_on_of(request), app_of(request), request.query_params
    try:
        attempt = oidc.check_state(_attempt(request), query, app.clock().timestamp())
    except SignOnError as error:
        return _refuse(request, error)
    try:
        identity, token = await sign_on.finish(query, attempt)
    except SignOnError as error:
        return _end_attempt(app, _refuse(request, error, attempt.target))
    admission, value = await _enter(request, identity, token)
    if admission.problem:
        log.warning("sso_refused", reason=admission.problem)
        return _end_attempt(app, await _not_admitted(request, identity, admission))
    target = (
        f"{ROLE_KEPT_PAGE}?ke={quote(attempt.target, safe='')}"
        if admission.kept_admin
        else attempt.target
    )
    response = RedirectResponse(target, 303, headers={"Cache-Control": "no-store"})
    signin.give_cookie(request, response, value)
    return _end_attempt(app, response)


async def show_kept_role(request: Request) -> Response:
    """Explain to the last pengelola that they keep the role although the provider withdrew it."""
    target = safe_target(request.query_params.get("ke", ""))
    return frame.page(request, "sso_kept.html", target=target)


async def sign_out(request: Request) -> Response:
    """End this session; offer to end the provider's too if it started there."""
    session = session_of(request)
    response = await signin.sign_out(request)
    if session.way != SIGN_ON:
        return response
    sign_on: SignOn = request.app.state.sign_on
    address = (
        await sign_on.sign_out_address(_open_hint(app_of(request), session.hint))
        if sign_on.configured
        else ""
    )
    request.state.session = None  # render the page as signed out
    page = _page(request, "sso_left.html", there=address)
    page.raw_headers += [header for header in response.raw_headers if header[0] == b"set-cookie"]
    return page


async def signed_out(request: Request) -> Response:
    """Redirect to the sign-in page after the provider ended its session too."""
    sign_on_of(request)
    return RedirectResponse(f"{SIGN_IN}?keluar=1", 303, headers={"Cache-Control": "no-store"})


async def _enter(
    request: Request, identity: Identity, token: str
) -> tuple[ProvisioningOutcome, str]:
    """Admit a person whom the provider identified; also return the new session cookie's value."""
    app = app_of(request)
    hint = base64.b64encode(app.vault.seal(_HINT, token)).decode()
    before = await current_session(request)
    return await app.database.write(
        provisioning.enter, app, browser_of(request), identity, hint=hint, before=before
    )


def _attempt(request: Request) -> SignInAttempt | None:
    """Read the sign-in attempt from the sealed cookie; None if it is missing or invalid."""
    app = app_of(request)
    try:
        sealed = base64.urlsafe_b64decode(request.cookies.get(_cookie_name(app), ""))
        return msgspec.json.decode(app.vault.open(_ATTEMPT, sealed), type=SignInAttempt)
    except (binascii.Error, ValueError, SealBroken, msgspec.DecodeError):
        return None


def _open_hint(app: App, hint: str) -> str:
    try:
        return app.vault.open(_HINT, base64.b64decode(hint))
    except (binascii.Error, SealBroken):
        return ""


def _refuse(request: Request, error: SignOnError, target: str = HOME) -> Response:
    """Show the sign-in page with the problem; local accounts can still sign in there."""
    log.warning("sso_refused", reason=error.reason)
    if isinstance(error, oidc.Refused | oidc.Stale):
        note_miss(request)
    headers = {"Retry-After": str(int(PAUSE_SECONDS))} if error.status == 503 else None
    return _page(
        request,
        "signin.html",
        status=error.status,
        headers=headers,
        problem=words(pages.lang_of(request))(error.words),
        sso_problem=True,
        single_sign_on=True,
        name="",
        target=target,
        left=False,
    )


async def _not_admitted(
    request: Request, identity: Identity, admission: ProvisioningOutcome
) -> Response:
    """Show an identified person why they may not enter, and whom to ask."""
    admins = await app_of(request).database.read(accounts.with_role, "admin")
    return _page(
        request,
        "sso_refused.html",
        status=403,
        reason=admission.problem,
        full_name=identity.full_name or identity.subject,
        whom=[
            admin.full_name
            for admin in admins
            if admission.account is None or admin.id != admission.account.id
        ],
    )


def _page(request: Request, template: str, **values: Any) -> Response:
    """Render a page for a visitor who is not signed in.

    Its address works only once, so the links to other languages lead to the sign-in page.
    """
    languages = [(lang, f"{SIGN_IN}?bahasa={lang}") for lang in LANGUAGES]
    return pages.page(
        request, f"staff/{template}", cache_control=pages.PRIVATE, languages=languages, **values
    )


def _end_attempt(app: App, response: Response) -> Response:
    """Delete the attempt's cookie, so that it cannot be used again."""
    response.delete_cookie(
        _cookie_name(app), path="/", secure=_secure(app), httponly=True, samesite="lax"
    )
    return response


def _cookie_name(app: App) -> str:
    return "__Host-masuk-sso" if _secure(app) else "masuk-sso"


def _secure(app: App) -> bool:
    return app.site.base_url.startswith("https://")
