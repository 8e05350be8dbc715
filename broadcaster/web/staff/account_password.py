"""Change of the password: checks the old one and signs out every other browser."""

from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.domain.accounts import BadAccount
from broadcaster.domain.credentials import PASSWORD_LONGEST, PASSWORD_SHORTEST
from broadcaster.staff import own_account
from broadcaster.web.base.authorization import account_of, app_of, session_of
from broadcaster.web.base.form_values import text_of
from broadcaster.web.staff import frame
from broadcaster.web.staff.account import confirm_password, done, own_actor

HOME = "/redaksi/"


async def show(request: Request) -> Response:
    """Show the form."""
    return _form(request)


async def change(request: Request) -> Response:
    """Check the old password and store the new one."""
    app, actor = app_of(request), own_actor(request, choosing=True)
    if not actor.account.local:
        raise HTTPException(403)
    form = await request.form()
    confirmed = await confirm_password(request, text_of(form, "lama"))
    if confirmed.problem:
        problem = confirmed.text(frame.words_of(request))
        return _form(request, field="lama", problem=problem, wait=confirmed.wait)
    try:
        typed = (text_of(form, "baru"), text_of(form, "ulang"))
        hashed = await app.hasher.run(
            partial(own_account.hash_new_password, confirmed.stored, *typed, actor.account)
        )
    except BadAccount as error:
        return _form(request, field="baru", problem=frame.sentence(request, error))
    await app.database.write(
        own_account.change_password, actor, hashed, session=session_of(request).id
    )
    return RedirectResponse(HOME, 303) if actor.account.must_change else done("sandi")


def _form(request: Request, *, field: str = "", problem: str = "", wait: int = 0) -> Response:
    status = 429 if wait else 422 if problem else 200
    response = frame.page(
        request,
        "account_password.html",
        status=status,
        field=field,
        problem=problem,
        shortest=PASSWORD_SHORTEST,
        longest=PASSWORD_LONGEST,
        must=account_of(request).must_change,
    )
    if wait:
        response.headers["Retry-After"] = str(wait)
    return response
