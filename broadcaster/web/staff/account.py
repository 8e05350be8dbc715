"""One's own account: who one is here, where nudges go, how one signs in, and where one is signed
in.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.app import App
from broadcaster.domain.accounts import Account
from broadcaster.domain.actor import StaffActor
from broadcaster.staff import own_account, sign_in
from broadcaster.staff.sign_in import Outcome
from broadcaster.store import accounts, sessions
from broadcaster.store.sessions import HALF
from broadcaster.web.base.authorization import (
    CHOOSE_PASSWORD,
    account_of,
    actor_of,
    app_of,
    session_of,
)
from broadcaster.web.staff import frame, link_chat
from broadcaster.web.staff.browsers import browser_of

ADDRESS = "/redaksi/akun"
WAYS = ("password", "totp", "recovery", "oidc", HALF)
"""How a session began, as there are words for."""
DONE = ("sandi", "kabar", "kode-mati", "sesi", "lepas")
"""What this page says was done; keys below "staff.account.done."."""


async def show(request: Request) -> Response:
    """The page."""
    own_actor(request)
    return await page(request)


async def end_session(request: Request) -> Response:
    """Sign out another browser; 404 when it is none of one's own."""
    ended = await app_of(request).database.write(
        own_account.end_session, own_actor(request), str(request.path_params["id"])
    )
    if not ended:
        raise HTTPException(404)
    return done("sesi")


async def end_sessions(request: Request) -> Response:
    """Sign out every other browser."""
    await app_of(request).database.write(
        own_account.end_other_sessions, own_actor(request), session=session_of(request).id
    )
    return done("sesi")


def own_actor(request: Request, *, choosing: bool = False) -> StaffActor:
    """Return the person who acts; redirect whoever must choose a password first (`choosing`: this is
    that page).
    """
    session = session_of(request)
    if session.account.must_change and not choosing:
        raise HTTPException(303, headers={"Location": CHOOSE_PASSWORD})
    return actor_of(request)


async def confirm_password(request: Request, password: str) -> Outcome:
    """Ask who is signed in for the password once more."""
    account = account_of(request)
    browser = browser_of(request, account.name)
    return await sign_in.confirm_password(app_of(request), browser, account, password)


def done(what: str) -> Response:
    """Back to the page, which says so."""
    return RedirectResponse(f"{ADDRESS}?selesai={what}", 303)


def text_of(form: Any, name: str) -> str:
    """A field of a form as text; an upload is none."""
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def place_names(app: App, account: Account) -> Sequence[str]:
    """The areas that a person holds for, in words."""
    found = [app.tree.get(code) for code in account.areas]
    return [area.label for area in found if area is not None]


async def page(
    request: Request, *, problem: str = "", mail: str | None = None, status: int = 200
) -> Response:
    """The page; `problem` is what was wrong with the address in `mail`."""
    app, session = app_of(request), session_of(request)

    def look(connection: Connection) -> tuple[list[sessions.Session], int]:
        own = sessions.of(connection, session.account, app.clock().timestamp())
        return sorted(own, key=lambda one: one.id != session.id), accounts.recovery_codes_left(
            connection, session.account.id
        )

    own, codes = await app.database.read(look)
    said = request.query_params.get("selesai", "")
    account = account_of(request)
    return frame.page(
        request,
        "account.html",
        status=status,
        problem=problem,
        mail=account.email if mail is None else mail,
        sessions=own,
        here=session.id,
        codes=codes,
        ways=WAYS,
        places=place_names(app, account),
        said=said if said in DONE else "",
        nudge_ways=link_chat.nudge_channels(request),
    )
