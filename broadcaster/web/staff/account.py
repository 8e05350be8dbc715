"""The account page: profile, notification address, sign-in methods and open sessions."""

from collections.abc import Sequence

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
SIGN_IN_METHODS = ("password", "totp", "recovery", "oidc", HALF)
"""Sign-in methods of a session that the catalogue has words for."""
DONE = ("sandi", "kabar", "kode-mati", "sesi", "lepas")
"""Confirmations that the page can show; keys below "staff.account.done."."""


async def show(request: Request) -> Response:
    """Show the page."""
    own_actor(request)
    return await page(request)


async def end_session(request: Request) -> Response:
    """Sign out another browser; 404 if the session belongs to another account."""
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
    """Return the signed-in person.

    Redirects to the password page if a new password is due, except on that page (`choosing`).
    """
    session = session_of(request)
    if session.account.must_change and not choosing:
        raise HTTPException(303, headers={"Location": CHOOSE_PASSWORD})
    return actor_of(request)


async def confirm_password(request: Request, password: str) -> Outcome:
    """Check the password of the signed-in account again."""
    account = account_of(request)
    browser = browser_of(request, account.name)
    return await sign_in.confirm_password(app_of(request), browser, account, password)


def done(what: str) -> Response:
    """Redirect to the account page with the confirmation `what`, one of DONE."""
    return RedirectResponse(f"{ADDRESS}?selesai={what}", 303)


def place_names(app: App, account: Account) -> Sequence[str]:
    """List the labels of the areas that the account is responsible for."""
    areas = [app.tree.get(code) for code in account.areas]
    return [area.label for area in areas if area is not None]


async def page(
    request: Request, *, problem: str = "", mail: str | None = None, status: int = 200
) -> Response:
    """Render the page; `problem` says what is wrong with the address typed as `mail`."""
    app, session = app_of(request), session_of(request)

    def read(connection: Connection) -> tuple[list[sessions.Session], int]:
        own = sessions.of(connection, session.account, app.clock().timestamp())
        return sorted(own, key=lambda entry: entry.id != session.id), accounts.recovery_codes_left(
            connection, session.account.id
        )

    own, codes = await app.database.read(read)
    confirmation = request.query_params.get("selesai", "")
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
        ways=SIGN_IN_METHODS,
        places=place_names(app, account),
        said=confirmation if confirmation in DONE else "",
        nudge_ways=link_chat.nudge_channels(request),
    )
