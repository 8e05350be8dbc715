"""Authorization of routes: the access that a row declares, and the guards that enforce it before
the endpoint runs.
"""

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, cast
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.app import App
from broadcaster.domain.accounts import Account, Right
from broadcaster.domain.actor import NamedActor, StaffActor
from broadcaster.store import audit, sessions, sign_in_throttle, tokens
from broadcaster.store.sessions import HALF, Session
from broadcaster.web.base import csrf
from broadcaster.web.base.body_limits import LimitedBody
from broadcaster.web.base.form_values import text_of
from broadcaster.web.base.storable import StorableRequest
from broadcaster.web.base.token_bucket import Buckets

Access = Literal[
    "public", "signed token", "provider signature", "demo",
    "token:read", "token:write", "token:publish",
    "staff:read", "staff:write", "staff:approve", "staff:steer", "staff:screens", "staff:manage",
    "staff:own",
]  # fmt: skip
"""`staff:own` is the person's own account, open even while they must choose a new password."""
Endpoint = Callable[[Request], Awaitable[Response]]

FORM_BYTES = 16 * 1024
"""Largest form or other small body."""
FORM_FIELDS = 400
"""Most fields of a staff form: the composer has one per area, channel and language."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
SIGN_IN = "/redaksi/masuk"
CHOOSE_PASSWORD = "/redaksi/akun/sandi"  # noqa: S105  an address


@dataclass(frozen=True, kw_only=True)
class Operation:
    """Description of a row for the OpenAPI document."""

    summary: str
    body: type | None = None
    answer: type | None = None
    status: int = 200
    idempotent: bool = False


@dataclass(frozen=True)
class Row:
    """Row of the route table."""

    path: str
    endpoint: Endpoint
    access: Access = field(kw_only=True)
    methods: tuple[str, ...] = field(default=("GET",), kw_only=True)
    cap: int = field(default=FORM_BYTES, kw_only=True)
    """Largest body, in bytes."""
    guessing: bool = field(default=False, kw_only=True)
    """True if the path takes a value that a client could guess: misses are rate limited."""
    files: int = field(default=0, kw_only=True)
    """Most uploads in a form."""
    operation: Operation | None = field(default=None, kw_only=True)
    again: Endpoint | None = field(default=None, kw_only=True)
    """Endpoint that redisplays a form whose token is from an earlier session, so that signing in
    again loses no text. It changes nothing.
    """
    by_itself: bool = field(default=False, kw_only=True)
    """True if pages request it in the background: it does not extend the session."""


@dataclass(frozen=True, kw_only=True)
class RateLimits:
    """Token buckets of one web process."""

    forms: Buckets = field(default_factory=lambda: Buckets(burst=30, per_second=1))
    """Public forms, by client."""
    calls: Buckets = field(default_factory=lambda: Buckets(burst=200, per_second=50))
    """API calls by token, and staff forms by account."""
    misses: Buckets = field(default_factory=lambda: Buckets(burst=30, per_second=0.5))
    """Wrong guesses, by client."""
    trials: Buckets = field(default_factory=lambda: Buckets(burst=5, per_second=5 / 60))
    """Trial sends of drafts."""
    letters: Buckets = field(default_factory=lambda: Buckets(burst=5, per_second=5 / 3600))
    """Codes sent to addresses that may belong to somebody else."""
    chosen: Buckets = field(default_factory=lambda: Buckets(burst=60, per_second=2))
    """Pages rendered for a query that a visitor chose, by client."""


def app_of(request: Request) -> App:
    """Return the App that the caller of `create_web` opened."""
    app: App = request.app.state.app
    return app


def token_of(request: Request) -> tokens.Token:
    """Return the API token that the guard accepted."""
    token: tokens.Token = request.state.token
    return token


def session_of(request: Request) -> Session:
    """Return the staff session that the guard accepted."""
    return cast("Session", request.state.session)


def account_of(request: Request) -> Account:
    """Return the account that is signed in."""
    return session_of(request).account


def cookie_name(request: Request) -> str:
    """Return the name of the session cookie; under https it is bound to this host."""
    return "__Host-redaksi" if app_of(request).site.base_url.startswith("https://") else "redaksi"


async def current_session(request: Request) -> Session | None:
    """Return the session of the request's cookie, even if half signed in; None if there is none."""
    value = request.cookies.get(cookie_name(request), "")
    app = app_of(request)
    return await app.database.read(sessions.find, value, app.clock().timestamp()) if value else None


def client_of(request: Request) -> str:
    """Return the client's IP address; never log it."""
    return request.client.host if request.client else ""


def actor_of(request: Request, account: Account | None = None) -> StaffActor:
    """Return the person who acts; `account` where nobody is signed in yet."""
    person = account or account_of(request)
    return StaffActor(account=person, now=app_of(request).clock(), place=client_of(request))


def token_actor(request: Request) -> NamedActor:
    """Return the API token as the actor."""
    name = f"token:{token_of(request).name}"
    return NamedActor(name=name, now=app_of(request).clock(), place=client_of(request))


def household_of(request: Request) -> str:
    """Return the key for rate limits: an IPv4 address, or a household's IPv6 network."""
    return sign_in_throttle.place_of(client_of(request))


def note_miss(request: Request) -> None:
    """Record that the requested value does not exist; too many misses and the client must wait."""
    request.state.missed = True


def guarded(row: Row) -> Endpoint:
    """Wrap the row's endpoint in the checks that the row declares."""

    async def endpoint(request: Request) -> Response:
        limits: RateLimits = request.app.state.limits
        request.state.route = row.path
        if row.access == "demo" and not app_of(request).site.simulated:
            raise HTTPException(404)
        body = LimitedBody(request, row.cap, request.app.state.bodies.of(row.access))
        request = StorableRequest(request.scope, body.receive)
        client = household_of(request)
        audit.set_place(client_of(request))
        if row.guessing and not limits.misses.has(client):
            raise _too_many(limits.misses.wait(client))
        try:
            if row.access.startswith("token:"):
                await _require_token(request, row.access.removeprefix("token:"), limits)
            elif row.access.startswith("staff:"):
                await _require_staff(request, row, limits)
            elif row.access in {"public", "demo"} and request.method not in SAFE:
                await _require_form(request, limits)
            stale = getattr(request.state, "stale", False)
            response = await (row.again if stale and row.again is not None else row.endpoint)(
                request
            )
        finally:
            await request.close()  # deletes the uploaded files of a form
            body.release()
        if row.guessing and getattr(request.state, "missed", False):
            limits.misses.take(client)
        return response

    return endpoint


async def _require_form(request: Request, limits: RateLimits) -> None:
    """Require a form from our own page with the visitor's CSRF token, within the rate limit."""
    client = household_of(request)
    if not limits.forms.take(client):
        raise _too_many(limits.forms.wait(client))
    await csrf.check(request, app_of(request).site.base_url)


async def _require_staff(request: Request, row: Row, limits: RateLimits) -> None:
    """Require a session with the row's right; unsafe methods also require our own page's form with
    the session's token.
    """
    app, session = app_of(request), await _entitled(request, row)
    if request.method not in SAFE:
        if not limits.calls.take(f"staff {session.account.id}"):
            raise _too_many(limits.calls.wait(f"staff {session.account.id}"))
        await _require_own_form(request, session, row)
        # re-check: rights may change while the body uploads
        session = await _entitled(request, row)
    if not row.by_itself and sessions.needs_mark(session, app.clock().timestamp()):
        await app.database.write(sessions.mark, session.id, app.clock().timestamp())


async def _entitled(request: Request, row: Row) -> Session:
    """Return the current session if its account may use the row.

    Raises HTTPException: a redirect (or 401) to sign in or to choose a password, 403 without the
    right.
    """
    session = await current_session(request)
    if session is None or session.way == HALF:
        raise _sign_in(request)
    request.state.session = session
    right = row.access.removeprefix("staff:")
    if session.account.must_change and right != "own":
        raise _elsewhere(request, CHOOSE_PASSWORD)
    if right != "own" and not session.account.may(cast("Right", right)):
        raise HTTPException(403)
    return session


async def _require_own_form(request: Request, session: Session, row: Row) -> None:
    """Require the session's token, in the form or in a header; raises 403.

    A form with an old token is marked stale if the row can redisplay it.
    """
    form = await request.form(max_files=row.files, max_fields=FORM_FIELDS, max_part_size=row.cap)
    sent = request.headers.get(csrf.HEADER, "") or text_of(form, csrf.FIELD)
    if not csrf.same_origin(request, app_of(request).site.base_url):
        raise HTTPException(403, detail="form")
    request.state.stale = not hmac.compare_digest(session.csrf.encode(), sent.encode())
    if request.state.stale and row.again is None:
        raise HTTPException(403, detail="form")


def _elsewhere(request: Request, address: str) -> HTTPException:
    """Redirect to another page; a background request (htmx) moves the whole page there."""
    if request.headers.get("hx-request"):
        return HTTPException(401, headers={"HX-Redirect": address})
    return HTTPException(303, headers={"Location": address})


def _sign_in(request: Request) -> HTTPException:
    """Redirect to the sign-in page, which leads back; 401 for unsafe methods."""
    if request.headers.get("hx-request"):
        return _elsewhere(request, SIGN_IN)
    if request.method not in SAFE:
        return HTTPException(401)
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return HTTPException(303, headers={"Location": f"{SIGN_IN}?ke={quote(back, safe='')}"})


async def _require_token(request: Request, scope: str, limits: RateLimits) -> None:
    """Require a valid token with the scope.

    Only clients without a valid token are limited by address, so that guessing from the same
    address never locks a token out.
    """
    app, client = app_of(request), household_of(request)
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    token = (
        await app.database.read(tokens.find, secret.strip())
        if kind.lower() == "bearer" and secret.strip()
        else None
    )
    if token is None:
        if not limits.misses.take(client):
            raise _too_many(limits.misses.wait(client))
        raise HTTPException(401, headers={"WWW-Authenticate": 'Bearer realm="Siaran Cimahi"'})
    if not limits.calls.take(str(token.id)):
        raise _too_many(limits.calls.wait(str(token.id)))
    if not token.may(scope):
        lacking = f'Bearer error="insufficient_scope", scope="{scope}"'
        raise HTTPException(403, headers={"WWW-Authenticate": lacking})
    if tokens.needs_mark(token, app.clock()):
        await app.database.write(tokens.mark_used, token.id)
    request.state.token = token


def _too_many(seconds: int) -> HTTPException:
    return HTTPException(429, headers={"Retry-After": str(seconds)})
