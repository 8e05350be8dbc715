"""The second-factor pages: set up with a QR code, confirm, renew recovery codes, turn off."""

import base64

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.domain import credentials
from broadcaster.domain.accounts import BadAccount
from broadcaster.domain.actor import StaffActor
from broadcaster.staff import own_account
from broadcaster.web.base.authorization import app_of, session_of
from broadcaster.web.base.form_values import bytes_of, text_of
from broadcaster.web.base.qr_codes import qr
from broadcaster.web.staff import frame
from broadcaster.web.staff.account import ADDRESS, confirm_password, done, own_actor

ACTS = {"hapus": "off", "pemulihan": "renew"}
"""Last path segments of the acts that ask for the password alone; values are keys below
"staff.account.".
"""


async def show(request: Request) -> Response:
    """Show the QR code and the form.

    Redirects to the account page if a second factor is on or the account has no local password.
    """
    actor = own_actor(request)
    if actor.account.secured or not actor.account.local:
        return RedirectResponse(ADDRESS, 303)
    return _setup(request, *own_account.begin_second_factor(app_of(request).vault, actor))


async def turn_on(request: Request) -> Response:
    """Turn on the second factor after checking a code and the password; show the recovery codes."""
    app, actor, form = app_of(request), own_actor(request), await request.form()
    try:
        sealed = bytes_of(form, "mulai")
        secret = own_account.begun_second_factor(app.vault, actor, sealed)
    except BadAccount as error:
        return _setup(
            request,
            *own_account.begin_second_factor(app.vault, actor),
            problem=frame.sentence(request, error),
        )
    confirmed = await confirm_password(request, text_of(form, "sandi"))
    if confirmed.problem:
        return _setup(
            request,
            secret,
            sealed,
            problem=confirmed.text(frame.words_of(request)),
            field="sandi",
            wait=confirmed.wait,
        )
    try:
        codes = await app.database.write(
            lambda connection: own_account.turn_on(
                connection,
                app.vault,
                actor,
                session=session_of(request).id,
                secret=secret,
                code=text_of(form, "kode"),
            )
        )
    except BadAccount as error:
        return _setup(request, secret, sealed, problem=frame.sentence(request, error), field="kode")
    return _codes(request, codes, fresh=True)


async def ask(request: Request) -> Response:
    """Show the page that confirms turning it off or renewing the recovery codes."""
    return _confirm(request, own_actor(request))


async def act(request: Request) -> Response:
    """Turn it off or renew the recovery codes, after checking the password."""
    app, actor, form = app_of(request), own_actor(request), await request.form()
    confirmed = await confirm_password(request, text_of(form, "sandi"))
    if confirmed.problem:
        problem = confirmed.text(frame.words_of(request))
        return _confirm(request, actor, problem=problem, wait=confirmed.wait)
    if _act(request) == "off":
        await app.database.write(own_account.turn_off, actor)
        return done("kode-mati")
    try:
        return _codes(
            request,
            await app.database.write(own_account.renew_recovery, app.vault, actor),
            fresh=False,
        )
    except BadAccount:
        return RedirectResponse(ADDRESS, 303)


def _act(request: Request) -> str:
    return ACTS[request.url.path.rsplit("/", 1)[-1]]


def _setup(
    request: Request,
    secret: str,
    sealed: bytes,
    *,
    problem: str = "",
    field: str = "",
    wait: int = 0,
) -> Response:
    account = own_actor(request).account
    address = credentials.totp_address(secret, account.name, frame.words_of(request)("staff.brand"))
    response = frame.page(
        request,
        "account_factor.html",
        status=429 if wait else 422 if problem else 200,
        problem=problem,
        field=field,
        picture=qr(address),
        secret=" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
        address=address,
        begun=base64.urlsafe_b64encode(sealed).decode(),
    )
    return _waiting(response, wait)


def _confirm(request: Request, actor: StaffActor, *, problem: str = "", wait: int = 0) -> Response:
    if not actor.account.secured:
        return RedirectResponse(ADDRESS, 303)
    status = 429 if wait else 422 if problem else 200
    return _waiting(
        frame.page(
            request,
            "account_factor_confirm.html",
            status=status,
            problem=problem,
            act=_act(request),
        ),
        wait,
    )


def _codes(request: Request, codes: list[str], *, fresh: bool) -> Response:
    return frame.page(request, "account_factor_codes.html", codes=codes, fresh=fresh)


def _waiting(response: Response, wait: int) -> Response:
    if wait:
        response.headers["Retry-After"] = str(wait)
    return response
