"""Signing in and out: name and password, then the second factor where there is one. Who guesses
waits longer and longer.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

import structlog
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.app import App
from broadcaster.domain import accounts as rules
from broadcaster.domain import credentials
from broadcaster.domain.accounts import Account
from broadcaster.domain.audit_acts import Act
from broadcaster.runtime.i18n import words
from broadcaster.runtime.password_hashing import RETRY_SECONDS, Busy
from broadcaster.store import accounts, audit, code_guard, nudges, sessions, sign_in_throttle
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import (
    HALF,
    SIGN_IN,
    actor_of,
    app_of,
    client_of,
    cookie_name,
    current_session,
    session_of,
)
from broadcaster.web.staff import trusted_browsers
from broadcaster.web.staff.addresses import HOME, safe_target
from broadcaster.web.staff.sign_in_throttle import asker_of, begin_try, rank_of, spelled
from subscribers.vault import SealBroken

CODE = "/redaksi/masuk/kode"
BUSY = "signin.busy"
"""Key of the words for who finds no place to have a password looked at."""
STOPPED = "signin.code.stopped"
"""Key of the words for whose codes are not looked at any more."""
HALF_SECONDS = 300.0
"""How long the second factor may take."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a try ended: the value of a session's cookie, or why not (key of words) and how many
    seconds to wait.
    """

    cookie: str = ""
    half: bool = False
    problem: str = ""
    wait: int = 0


async def show(request: Request) -> Response:
    """The form."""
    found = await current_session(request)
    if found is not None and found.way != HALF:
        return RedirectResponse(safe_target(request.query_params.get("ke", "")), 303)
    return _form(request)


async def enter(request: Request) -> Response:
    """Check name and password; a new session, or one that waits for the second factor."""
    form = await request.form()
    name, password, target = (_text(form, key) for key in ("nama", "sandi", "ke"))
    done = await _try_password(request, name, password)
    if done.problem:
        return _form(request, name=name, target=target, problem=done.problem, wait=done.wait)
    return _entered(request, done, safe_target(target), name)


async def ask_code(request: Request) -> Response:
    """The form of the second factor."""
    if await _half(request) is None:
        return RedirectResponse(SIGN_IN, 303)
    return _code_form(request)


async def enter_code(request: Request) -> Response:
    """Check the second factor or a recovery code; only now the session is whole."""
    form = await request.form()
    code, target = _text(form, "kode"), _text(form, "ke")
    found = await _half(request)
    if found is None:
        return RedirectResponse(SIGN_IN, 303)
    done = await _try_code(request, found, code)
    if done.problem:
        return _code_form(request, target=target, problem=done.problem, wait=done.wait)
    return _entered(request, done, safe_target(target), found.account.name)


async def leave(request: Request) -> Response:
    """End this session."""
    app, found, actor = app_of(request), session_of(request), actor_of(request)

    def act(connection: Connection) -> None:
        sessions.end(connection, found.id, found.account.id)
        audit.append(connection, actor, Act.SIGN_OUT, actor.name, agent=agent_of(request))

    await app.database.write(act)
    response = RedirectResponse(f"{SIGN_IN}?keluar=1", 303)
    response.delete_cookie(
        cookie_name(request), path="/", secure=_secure(app), httponly=True, samesite="lax"
    )
    return response


def give_cookie(request: Request, response: Response, value: str) -> None:
    """Hand a session to the browser."""
    secure = _secure(app_of(request))
    response.set_cookie(
        cookie_name(request), value, httponly=True, samesite="lax", secure=secure, path="/"
    )


def agent_of(request: Request) -> str:
    """Browser and system in a few words, for the list of sessions."""
    text = request.headers.get("user-agent", "")
    browsers = (
        ("Edg/", "Edge"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    )
    systems = (
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "Mac"),
    )
    browser = next((name for mark, name in browsers if mark in text), "")
    system = next((name for mark, name in (*systems, ("Linux", "Linux")) if mark in text), "")
    return ", ".join(part for part in (browser, system) if part) or "?"


# --- the two steps ------------------------------------------------------------------------------------


async def _try_password(request: Request, name: str, password: str) -> Outcome:
    app = app_of(request)
    asker = asker_of(app, request, name)
    turn = await begin_try(app, asker)
    if turn.wait:
        return Outcome(problem="signin.wait", wait=turn.wait)
    found, stored = await app.database.read(_with_hash, name)
    try:
        right, rehashed = await app.hasher.run(
            partial(_check, stored, password), rank=rank_of(asker, turn)
        )
    except Busy:
        return Outcome(problem=BUSY, wait=RETRY_SECONDS)
    if not right or found is None or found.disabled_at is not None:
        await _note_failure(request, found)
        return Outcome(problem="signin.wrong")

    def succeed(connection: Connection) -> Outcome:
        account = accounts.by_id(connection, found.id)
        unchanged = accounts.secrets_of(connection, found.id)[0] == stored
        if account is None or account.disabled_at is not None or not unchanged:
            return Outcome(
                problem="signin.wrong"
            )  # shut out, or given a new password, while we looked at the old one
        sign_in_throttle.succeed(connection, asker)
        if rehashed:
            accounts.set_password(connection, account.id, rehashed, must_change=account.must_change)
        cookie = _open(connection, request, account, HALF if account.secured else "password")
        return Outcome(cookie=cookie, half=account.secured)

    return await app.database.write(succeed)


def _check(stored: str, password: str) -> tuple[bool, str]:
    """Compare a password with its hash; the second value is a new hash where the stored one was
    made at a lower cost.
    """
    right = credentials.password_fits(stored, password)
    return right, credentials.hash_password(password) if right and credentials.needs_new_hash(
        stored
    ) else ""


async def _try_code(request: Request, found: sessions.Session, code: str) -> Outcome:
    app, account = app_of(request), found.account
    asker = asker_of(app, request, account.name, step="code")
    at, browser = app.clock().timestamp(), b"" if asker.name is not None else asker.own[0][0]

    def begin(connection: Connection) -> Outcome:
        if rest := code_guard.rests(connection, account.id, browser, at):
            return Outcome(problem=STOPPED, wait=math.ceil(rest))
        turn = sign_in_throttle.begin(connection, asker, at)
        return Outcome(problem="signin.wait" if turn.wait else "", wait=turn.wait)

    def act(connection: Connection) -> Outcome:
        code_guard.lock(connection, account.id)
        if rest := code_guard.rests(connection, account.id, browser, at):
            return Outcome(problem=STOPPED, wait=math.ceil(rest))
        way = spend_code(connection, app, account, code)
        if not way:
            return _wrong_code(connection, request, account, browser)
        if not sessions.end(connection, found.id, account.id):
            return Outcome(problem="signin.code.wrong")  # the half session was ended meanwhile
        sign_in_throttle.succeed(connection, asker)
        code_guard.begin_anew(connection, account.id, browser)
        return Outcome(cookie=_open(connection, request, account, way))

    begun = await app.database.write(begin)
    done = begun if begun.problem else await app.database.write(act)
    if not done.cookie and not begun.problem:
        await _note_failure(request, account)
    return done


def _wrong_code(
    connection: Connection, request: Request, account: Account, browser: bytes
) -> Outcome:
    """Count a wrong code; with the last that may be, every half session ends and the owner is told."""
    app = app_of(request)
    at = app.clock().timestamp()
    if not code_guard.count_wrong(connection, account.id, browser, at):
        return Outcome(problem="signin.code.wrong")
    sessions.end_way(connection, account.id, HALF)
    actor = actor_of(request, account)
    audit.append(connection, actor, Act.CODES_STOPPED, actor.name, agent=agent_of(request))
    if code_guard.must_tell(connection, account.id, at):
        nudges.add(connection, [account], account.actor, "codes_stopped", at)
    return Outcome(problem=STOPPED, wait=int(code_guard.COOLING_SECONDS))


def spend_code(connection: Connection, app: App, account: Account, code: str) -> str:
    """Spend a code of the second factor: "totp" or "recovery", or "" when it is wrong or was used
    before.
    """
    _password, sealed, last = accounts.secrets_of(connection, account.id)
    if sealed is None:
        return ""
    step = _totp_step(app, account, sealed, code, last)
    if step is not None:
        return "totp" if accounts.use_totp_step(connection, account.id, step) else ""
    digest = app.vault.lookup("recovery", f"{account.id}:{credentials.read_recovery_code(code)}")
    return (
        "recovery"
        if accounts.use_recovery_code(connection, account.id, digest, app.clock().timestamp())
        else ""
    )


def _totp_step(app: App, account: Account, sealed: bytes, code: str, last: int) -> int | None:
    """The step of a right code; None for a wrong one, and where the secret cannot be opened: a
    recovery code still serves.
    """
    try:
        secret = app.vault.open("totp", sealed)
    except SealBroken:
        log.error("second_factor_not_opened", account=account.id)
        return None
    return credentials.totp_step(secret, code, app.clock(), last=last)


def _with_hash(connection: Connection, name: str) -> tuple[Account | None, str]:
    try:
        found = accounts.find(connection, rules.read_known_name(name))
    except rules.BadAccount:
        found = None
    return found, accounts.secrets_of(connection, found.id)[0] if found else ""


def _open(connection: Connection, request: Request, account: Account, way: str) -> str:
    app = app_of(request)
    value = sessions.start(
        connection,
        account.id,
        way=way,
        agent=agent_of(request),
        place=client_of(request),
        at=app.clock().timestamp(),
    )
    if way != HALF:
        actor = actor_of(request, account)
        agent = agent_of(request)
        audit.append(connection, actor, Act.SIGN_IN, actor.name, agent=agent, way=way)
    return value


async def _note_failure(request: Request, account: Account | None) -> None:
    """Whose account was tried; a name that we do not know may be a mistyped password, and is
    written nowhere.
    """
    log.warning("sign_in_failed", known=account is not None)
    if account is not None:
        actor, agent = actor_of(request, account), agent_of(request)
        await app_of(request).database.write(
            audit.append, actor, Act.SIGN_IN_FAILED, actor.name, agent=agent
        )


async def _half(request: Request) -> sessions.Session | None:
    found = await current_session(request)
    now = app_of(request).clock().timestamp()
    return (
        found
        if found is not None and found.way == HALF and now - found.started_at < HALF_SECONDS
        else None
    )


# --- answers ------------------------------------------------------------------------------------------


def _entered(request: Request, done: Outcome, target: str, name: str) -> Response:
    there = (
        CODE + (f"?ke={quote(target, safe='')}" if target != HOME else "") if done.half else target
    )
    response = RedirectResponse(there, 303, headers={"Cache-Control": "no-store"})
    give_cookie(request, response, done.cookie)
    if not done.half:
        trusted_browsers.remember(request, response, spelled(name))
    return response


def _form(
    request: Request, *, name: str = "", target: str = "", problem: str = "", wait: int = 0
) -> Response:
    target = target or request.query_params.get("ke", "")
    return _page(
        request,
        "staff/signin.html",
        problem,
        wait,
        name=name,
        target=safe_target(target),
        left="keluar" in request.query_params,
    )


def _code_form(request: Request, *, target: str = "", problem: str = "", wait: int = 0) -> Response:
    target = target or request.query_params.get("ke", "")
    return _page(request, "staff/code.html", problem, wait, target=safe_target(target))


def _page(request: Request, template: str, problem: str, wait: int, **values: Any) -> Response:
    said = (
        words(pages.lang_of(request))(problem, n=wait)
        if wait
        else problem and words(pages.lang_of(request))(problem)
    )
    status = 503 if problem == BUSY else 429 if wait else 401 if problem else 200
    headers = {"Retry-After": str(wait)} if wait else None
    return pages.page(
        request,
        template,
        status=status,
        cache_control=pages.PRIVATE,
        headers=headers,
        problem=said,
        single_sign_on=app_of(request).settings.oidc_issuer,
        **values,
    )


def _text(form: Any, name: str) -> str:
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def _secure(app: App) -> bool:
    return app.site.base_url.startswith("https://")
