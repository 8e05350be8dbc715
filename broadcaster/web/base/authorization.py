"""Who may use a route: what its row declares, and the guards that enforce it before the endpoint
runs.
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
from broadcaster.web.base import csrf as forms
from broadcaster.web.base.body_limits import Body
from broadcaster.web.base.storable import StorableRequest
from broadcaster.web.base.token_bucket import Buckets

Access = Literal[
    "public", "token:read", "token:write", "token:publish", "signed token", "provider signature", "demo",
    "staff:read", "staff:write", "staff:approve", "staff:steer", "staff:screens", "staff:manage", "staff:own",
]  # fmt: skip
"""staff:own: one's own account, which also those may reach who must first choose a password."""
Endpoint = Callable[[Request], Awaitable[Response]]

FORM_BYTES = 16 * 1024
"""Bytes of a form or of any other small body."""
FORM_FIELDS = 400
"""Fields of a form of staff: the composer has each area, channel and language."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
SIGN_IN = "/redaksi/masuk"
CHOOSE_PASSWORD = "/redaksi/akun/sandi"  # noqa: S105  an address


@dataclass(frozen=True, kw_only=True)
class Operation:
    """What the OpenAPI document says of a row, beyond its path."""

    summary: str
    body: type | None = None
    answer: type | None = None
    status: int = 200
    idempotent: bool = False


@dataclass(frozen=True)
class Row:
    """One line of the route table. `cap` is the largest body taken, in bytes; `guessing` marks what
    could be guessed at; `files` is how many uploads a form may carry; `again` shows a form of
    ours once more whose token is an earlier session's (whoever signed in again loses no text),
    and changes nothing; `by_itself`: pages ask for it unasked, so it is no sign that somebody is
    there.
    """

    path: str
    endpoint: Endpoint
    access: Access = field(kw_only=True)
    methods: tuple[str, ...] = field(default=("GET",), kw_only=True)
    cap: int = field(default=FORM_BYTES, kw_only=True)
    guessing: bool = field(default=False, kw_only=True)
    files: int = field(default=0, kw_only=True)
    operation: Operation | None = field(default=None, kw_only=True)
    again: Endpoint | None = field(default=None, kw_only=True)
    by_itself: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The buckets of one web process: forms sent, API calls by token, misses of those who guess,
    drafts sent to oneself, codes sent to addresses that may be a stranger's, pages rendered for
    what a stranger chose.
    """

    forms: Buckets = field(default_factory=lambda: Buckets(burst=30, per_second=1))
    calls: Buckets = field(default_factory=lambda: Buckets(burst=200, per_second=50))
    misses: Buckets = field(default_factory=lambda: Buckets(burst=30, per_second=0.5))
    trials: Buckets = field(default_factory=lambda: Buckets(burst=5, per_second=5 / 60))
    letters: Buckets = field(default_factory=lambda: Buckets(burst=5, per_second=5 / 3600))
    chosen: Buckets = field(default_factory=lambda: Buckets(burst=60, per_second=2))


def app_of(request: Request) -> App:
    """The running program, as the caller of create_web opened it."""
    found: App = request.app.state.app
    return found


def token_of(request: Request) -> tokens.Token:
    """The API token that the guard found."""
    found: tokens.Token = request.state.token
    return found


def session_of(request: Request) -> Session:
    """The session of the member of staff who asks, as the guard found it."""
    return cast("Session", request.state.session)


def account_of(request: Request) -> Account:
    """Who of the staff asks."""
    return session_of(request).account


def cookie_name(request: Request) -> str:
    """The session cookie; on https a browser takes it from this host alone."""
    return "__Host-redaksi" if app_of(request).site.base_url.startswith("https://") else "redaksi"


async def current_session(request: Request) -> Session | None:
    """The session whose cookie came with the request, of whatever way."""
    value = request.cookies.get(cookie_name(request), "")
    app = app_of(request)
    return await app.database.read(sessions.find, value, app.clock().timestamp()) if value else None


def client_of(request: Request) -> str:
    """The IP address that asks; never logged."""
    return request.client.host if request.client else ""


def actor_of(request: Request, account: Account | None = None) -> StaffActor:
    """The person who acts by this request; `account` where nobody is signed in yet."""
    person = account or account_of(request)
    return StaffActor(account=person, now=app_of(request).clock(), place=client_of(request))


def token_actor(request: Request) -> NamedActor:
    """The API token that acts by this request."""
    name = f"token:{token_of(request).name}"
    return NamedActor(name=name, now=app_of(request).clock(), place=client_of(request))


def household_of(request: Request) -> str:
    """What counts as one client for limits: an address, of IPv6 those that one household has to
    itself.
    """
    return sign_in_throttle.place_of(client_of(request))


def note_miss(request: Request) -> None:
    """Say that what was asked for does not exist; too many of these and the client must wait."""
    request.state.missed = True


def guarded(row: Row) -> Endpoint:
    """The endpoint behind the checks that its row declares."""

    async def endpoint(request: Request) -> Response:
        limits: Limits = request.app.state.limits
        request.state.route = row.path
        if row.access == "demo" and not app_of(request).site.simulated:
            raise HTTPException(404)
        body = Body(request, row.cap, request.app.state.bodies.of(row.access))
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
            await request.close()  # the files that a form brought
            body.release()
        if row.guessing and getattr(request.state, "missed", False):
            limits.misses.take(client)
        return response

    return endpoint


async def _require_form(request: Request, limits: Limits) -> None:
    """A form of our own pages: same origin, the visitor's own CSRF token, and not too often."""
    client = household_of(request)
    if not limits.forms.take(client):
        raise _too_many(limits.forms.wait(client))
    await forms.check(request, app_of(request).site.base_url)


async def _require_staff(request: Request, row: Row, limits: Limits) -> None:
    """Somebody signed in with the right; what changes something comes from our own page with the
    session's token.
    """
    app, found = app_of(request), await _entitled(request, row)
    if request.method not in SAFE:
        if not limits.calls.take(f"staff {found.account.id}"):
            raise _too_many(limits.calls.wait(f"staff {found.account.id}"))
        await _require_own_form(request, found, row)
        found = await _entitled(
            request, row
        )  # a form may come slowly: rights that were lost meanwhile are lost
    if not row.by_itself and sessions.needs_mark(found, app.clock().timestamp()):
        await app.database.write(sessions.mark, found.id, app.clock().timestamp())


async def _entitled(request: Request, row: Row) -> Session:
    """The session that asks, as it stands now, if its person may use the row."""
    found = await current_session(request)
    if found is None or found.way == HALF:
        raise _sign_in(request)
    request.state.session = found
    right = row.access.removeprefix("staff:")
    if found.account.must_change and right != "own":
        raise _elsewhere(request, CHOOSE_PASSWORD)
    if right != "own" and not found.account.may(cast("Right", right)):
        raise HTTPException(403)
    return found


async def _require_own_form(request: Request, found: Session, row: Row) -> None:
    """The whole form, with the session's token in it or in a header; where a row says how, an old
    token's form is shown again.
    """
    value = (
        await request.form(max_files=row.files, max_fields=FORM_FIELDS, max_part_size=row.cap)
    ).get(forms.FIELD, "")
    sent = request.headers.get(forms.HEADER, "") or (value if isinstance(value, str) else "")
    if not forms.same_origin(request, app_of(request).site.base_url):
        raise HTTPException(403, detail="form")
    request.state.stale = not hmac.compare_digest(found.csrf.encode(), sent.encode())
    if request.state.stale and row.again is None:
        raise HTTPException(403, detail="form")


def _elsewhere(request: Request, address: str) -> HTTPException:
    """To another page; what a page of ours asked for in the background goes there as a whole, or
    one page would hold another.
    """
    if request.headers.get("hx-request"):
        return HTTPException(401, headers={"HX-Redirect": address})
    return HTTPException(303, headers={"Location": address})


def _sign_in(request: Request) -> HTTPException:
    """To the sign-in page and back; what a page of ours asked for in the background is told to go
    there itself.
    """
    if request.headers.get("hx-request"):
        return _elsewhere(request, SIGN_IN)
    if request.method not in SAFE:
        return HTTPException(401)
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return HTTPException(303, headers={"Location": f"{SIGN_IN}?ke={quote(back, safe='')}"})


async def _require_token(request: Request, scope: str, limits: Limits) -> None:
    """A token that holds and has the scope. Only those without one are made to wait: what others
    try never shuts a token out.
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
