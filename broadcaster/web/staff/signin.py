"""Pages for signing in and out: name and password, then the second factor if there is one."""

from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.app import App
from broadcaster.runtime.i18n import words
from broadcaster.staff import second_factor, sign_in
from broadcaster.staff.sign_in import Outcome
from broadcaster.staff.sign_in_throttle import spelled
from broadcaster.store.sessions import HALF, Session
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import (
    SIGN_IN,
    app_of,
    cookie_name,
    current_session,
    session_of,
)
from broadcaster.web.base.form_values import text_of
from broadcaster.web.staff import trusted_browsers
from broadcaster.web.staff.addresses import HOME, safe_target
from broadcaster.web.staff.browsers import browser_of

CODE = "/redaksi/masuk/kode"
UNTRIED = Outcome()


async def show(request: Request) -> Response:
    """Show the form."""
    session = await current_session(request)
    if session is not None and session.way != HALF:
        return RedirectResponse(safe_target(request.query_params.get("ke", "")), 303)
    return _form(request)


async def enter_password(request: Request) -> Response:
    """Check name and password; on success sign in or ask for the second factor."""
    form = await request.form()
    name, password, target = (text_of(form, key) for key in ("nama", "sandi", "ke"))
    browser = browser_of(request, name)
    outcome = await sign_in.enter_password(app_of(request), browser, name, password)
    if outcome.problem:
        return _form(request, outcome, name=name, target=target)
    return _entered(request, outcome, safe_target(target), name)


async def ask_code(request: Request) -> Response:
    """Show the form of the second factor."""
    if await _half_session(request) is None:
        return RedirectResponse(SIGN_IN, 303)
    return _code_form(request)


async def enter_code(request: Request) -> Response:
    """Check a code of the second factor or a recovery code."""
    form = await request.form()
    code, target = text_of(form, "kode"), text_of(form, "ke")
    session = await _half_session(request)
    if session is None:
        return RedirectResponse(SIGN_IN, 303)
    name = session.account.name
    browser = browser_of(request, name)
    outcome = await second_factor.enter_code(app_of(request), browser, session, code)
    if outcome.problem:
        return _code_form(request, outcome, target=target)
    return _entered(request, outcome, safe_target(target), name)


async def sign_out(request: Request) -> Response:
    """End this session."""
    app = app_of(request)
    await app.database.write(sign_in.sign_out, app, session_of(request), browser_of(request))
    response = RedirectResponse(f"{SIGN_IN}?keluar=1", 303)
    response.delete_cookie(
        cookie_name(request), path="/", secure=_secure(app), httponly=True, samesite="lax"
    )
    return response


def give_cookie(request: Request, response: Response, value: str) -> None:
    """Set the session cookie."""
    secure = _secure(app_of(request))
    response.set_cookie(
        cookie_name(request), value, httponly=True, samesite="lax", secure=secure, path="/"
    )


async def _half_session(request: Request) -> Session | None:
    """Return the session that waits for its second factor; None if there is none."""
    session = await current_session(request)
    at = app_of(request).clock().timestamp()
    return session if session is not None and second_factor.is_awaited(session, at) else None


def _entered(request: Request, outcome: Outcome, target: str, name: str) -> Response:
    after_code = f"?ke={quote(target, safe='')}" if target != HOME else ""
    location = CODE + after_code if outcome.half else target
    response = RedirectResponse(location, 303, headers={"Cache-Control": "no-store"})
    give_cookie(request, response, outcome.cookie)
    if not outcome.half:
        trusted_browsers.remember(request, response, spelled(name))
    return response


def _form(
    request: Request, outcome: Outcome = UNTRIED, *, name: str = "", target: str = ""
) -> Response:
    target = target or request.query_params.get("ke", "")
    return _page(
        request,
        "staff/signin.html",
        outcome,
        name=name,
        target=safe_target(target),
        left="keluar" in request.query_params,
    )


def _code_form(request: Request, outcome: Outcome = UNTRIED, *, target: str = "") -> Response:
    target = target or request.query_params.get("ke", "")
    return _page(request, "staff/signin_code.html", outcome, target=safe_target(target))


def _page(request: Request, template: str, outcome: Outcome, **values: Any) -> Response:
    problem, wait = outcome.problem, outcome.wait
    status = 503 if problem == "signin.busy" else 429 if wait else 401 if problem else 200
    headers = {"Retry-After": str(wait)} if wait else None
    return pages.page(
        request,
        template,
        status=status,
        cache_control=pages.PRIVATE,
        headers=headers,
        problem=outcome.text(words(pages.lang_of(request))),
        single_sign_on=app_of(request).settings.oidc_issuer,
        **values,
    )


def _secure(app: App) -> bool:
    return app.site.base_url.startswith("https://")
