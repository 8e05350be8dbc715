"""Signing in and out by the city's own account (OpenID Connect). Whatever goes wrong is said in
words, and lets nobody in.
"""

import base64
import binascii
from typing import Any
from urllib.parse import quote

import msgspec
import structlog
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.app import App
from broadcaster.domain import accounts as rules
from broadcaster.domain.actor import StaffActor
from broadcaster.domain.audit_acts import Act
from broadcaster.runtime.i18n import LANGUAGES, words
from broadcaster.staff import oidc
from broadcaster.staff.oidc import Attempt, Identity, SignOnError
from broadcaster.staff.oidc_client import PAUSE_SECONDS, SignOn
from broadcaster.staff.provisioning import Admission, admit
from broadcaster.store import accounts, audit, sessions
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import (
    HALF,
    SIGN_IN,
    app_of,
    client_of,
    current_session,
    note_miss,
    session_of,
)
from broadcaster.web.staff import frame, signin
from broadcaster.web.staff.addresses import HOME, safe_target
from subscribers.vault import SealBroken

WAY = "oidc"
"""How a session says that it began here."""
KEPT = "/redaksi/masuk/sso/tetap"
_ATTEMPT, _HINT = "sso attempt", "sso hint"
"""What a seal serves: one made for the one opens nothing of the other."""

log = structlog.get_logger(__name__)


def sign_on_of(request: Request) -> SignOn:
    """The city's sign-on; 404 where none was plugged in."""
    found: SignOn = request.app.state.sign_on
    if not found.configured:
        raise HTTPException(404)
    return found


async def begin(request: Request) -> Response:
    """To the provider; state, nonce and verifier stay in this browser's sealed cookie. `akun=lain`:
    it asks anew who it is.
    """
    sign_on, app = sign_on_of(request), app_of(request)
    target = safe_target(request.query_params.get("ke", ""))
    found = await current_session(request)
    if found is not None and found.way != HALF:
        return RedirectResponse(target, 303, headers={"Cache-Control": "no-store"})
    attempt = Attempt.begin(target, app.clock().timestamp())
    try:
        there = await sign_on.begin(attempt, anew=request.query_params.get("akun") == "lain")
    except SignOnError as error:
        return _refuse(request, error, target)
    response = RedirectResponse(there, 303, headers={"Cache-Control": "no-store"})
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


async def come_back(request: Request) -> Response:
    """Check what the provider sent, find or make the account, begin a new session."""
    sign_on, app, query = sign_on_of(request), app_of(request), request.query_params
    try:
        attempt = oidc.check_state(_attempt(request), query, app.clock().timestamp())
    except SignOnError as error:
        return _refuse(request, error)
    try:
        identity, token = await sign_on.finish(query, attempt)
    except SignOnError as error:
        return _spent(app, _refuse(request, error, attempt.target))
    admission, value = await _enter(request, identity, token)
    if admission.problem:
        log.warning("sso_refused", reason=admission.problem)
        return _spent(app, await _turned_away(request, identity, admission))
    target = (
        f"{KEPT}?ke={quote(attempt.target, safe='')}" if admission.kept_admin else attempt.target
    )
    response = RedirectResponse(target, 303, headers={"Cache-Control": "no-store"})
    signin.give_cookie(request, response, value)
    return _spent(app, response)


async def show_kept(request: Request) -> Response:
    """Tell the last pengelola that the role stays although the provider took it away, and what to
    do.
    """
    target = safe_target(request.query_params.get("ke", ""))
    return frame.page(request, "sso_kept.html", target=target)


async def leave(request: Request) -> Response:
    """End this session, and the provider's too where the person came in by it."""
    found = session_of(request)
    response = await signin.leave(request)
    if found.way != WAY:
        return response
    sign_on: SignOn = request.app.state.sign_on
    there = (
        await sign_on.sign_out_address(_open_hint(app_of(request), found.hint))
        if sign_on.configured
        else ""
    )
    request.state.session = None  # so that the page is that of a stranger
    page = _page(request, "sso_left.html", there=there)
    page.raw_headers += [header for header in response.raw_headers if header[0] == b"set-cookie"]
    return page


async def left(request: Request) -> Response:
    """Signed out at the provider as well."""
    sign_on_of(request)
    return RedirectResponse(f"{SIGN_IN}?keluar=1", 303, headers={"Cache-Control": "no-store"})


# --- inside ---------------------------------------------------------------------------------------------


async def _enter(request: Request, identity: Identity, token: str) -> tuple[Admission, str]:
    """What becomes of somebody proved, and the value of their new session's cookie; the session of
    before ends.
    """
    app, before = app_of(request), await current_session(request)
    place, agent = client_of(request), signin.agent_of(request)
    mapping, now = rules.read_role_mapping(app.settings.oidc_roles), app.clock()
    hint = base64.b64encode(app.vault.seal(_HINT, token)).decode()

    def act(connection: Connection) -> tuple[Admission, str]:
        admission = admit(connection, identity, mapping, now=now, place=place, agent=agent)
        if admission.problem or admission.account is None:
            return admission, ""
        person = admission.account
        if before is not None:
            sessions.end(connection, before.id, before.account.id)
        value = sessions.start(
            connection,
            person.id,
            way=WAY,
            agent=agent,
            place=place,
            at=now.timestamp(),
            hint=hint,
        )
        actor = StaffActor(account=person, now=now, place=place)
        audit.append(connection, actor, Act.SIGN_IN, person.actor, agent=agent, way=WAY)
        return admission, value

    return await app.database.write(act)


def _attempt(request: Request) -> Attempt | None:
    """The sign-in that this browser has under way, out of its sealed cookie."""
    app = app_of(request)
    try:
        sealed = base64.urlsafe_b64decode(request.cookies.get(_cookie_name(app), ""))
        return msgspec.json.decode(app.vault.open(_ATTEMPT, sealed), type=Attempt)
    except (binascii.Error, ValueError, SealBroken, msgspec.DecodeError):
        return None


def _open_hint(app: App, hint: str) -> str:
    try:
        return app.vault.open(_HINT, base64.b64decode(hint))
    except (binascii.Error, SealBroken):
        return ""


def _refuse(request: Request, error: SignOnError, target: str = HOME) -> Response:
    """The sign-in page, which says what happened and what to do; the local accounts still open it."""
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


async def _turned_away(request: Request, identity: Identity, admission: Admission) -> Response:
    """A plain page for somebody who is known and may not come in: why, and whom to ask."""
    whom = await app_of(request).database.read(accounts.with_role, "admin")
    return _page(
        request,
        "sso_refused.html",
        status=403,
        reason=admission.problem,
        full_name=identity.full_name or identity.subject,
        whom=[
            one.full_name
            for one in whom
            if admission.account is None or one.id != admission.account.id
        ],
    )


def _page(request: Request, template: str, **values: Any) -> Response:
    """A page for a stranger. Its address serves once, so the other languages lead to the sign-in
    page.
    """
    languages = [(lang, f"{SIGN_IN}?bahasa={lang}") for lang in LANGUAGES]
    return pages.page(
        request, f"staff/{template}", cache_control=pages.PRIVATE, languages=languages, **values
    )


def _spent(app: App, response: Response) -> Response:
    """The attempt is over: its cookie serves no second time."""
    response.delete_cookie(
        _cookie_name(app), path="/", secure=_secure(app), httponly=True, samesite="lax"
    )
    return response


def _cookie_name(app: App) -> str:
    return "__Host-masuk-sso" if _secure(app) else "masuk-sso"


def _secure(app: App) -> bool:
    return app.site.base_url.startswith("https://")
