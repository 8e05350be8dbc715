"""Actions of a pengelola on an account: disable, enable, reset the password, remove the second
factor, end the sessions.
"""

from collections.abc import Awaitable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.domain import credentials
from broadcaster.domain.accounts import Account, BadAccount
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.staff import administration
from broadcaster.web.base.authorization import actor_of, app_of
from broadcaster.web.staff import frame, idempotent_forms
from broadcaster.web.staff.users import ADDRESS, person_of, person_page


async def disable(request: Request) -> Response:
    """Disable the account."""
    person = await person_of(request)
    return await _run(
        request,
        person,
        app_of(request).database.write(administration.disable, actor_of(request), person.id),
        "nonaktif",
    )


async def enable(request: Request) -> Response:
    """Enable the account again."""
    person = await person_of(request)
    return await _run(
        request,
        person,
        app_of(request).database.write(administration.enable, actor_of(request), person.id),
        "aktif",
    )


async def remove_second_factor(request: Request) -> Response:
    """Remove the second factor, say because the phone is lost."""
    person = await person_of(request)
    act = app_of(request).database.write(
        administration.remove_second_factor, actor_of(request), person.id
    )
    return await _run(request, person, act, "kode")


async def end_sessions(request: Request) -> Response:
    """Sign the person out everywhere."""
    person = await person_of(request)
    act = app_of(request).database.write(administration.end_sessions, actor_of(request), person.id)
    return await _run(request, person, act, "sesi")


async def reset_password(request: Request) -> Response:
    """Set a one-time password and show it; it cannot be shown again."""
    person, password, data = (
        await person_of(request),
        credentials.new_password(),
        await request.form(),
    )
    hashed = await app_of(request).hasher.run(partial(credentials.hash_password, password))
    actor = actor_of(request)
    try:
        reset = await idempotent_forms.write(
            request,
            data,
            "password",
            lambda c: administration.reset_password(c, actor, person.id, hashed=hashed),
            lambda _: "reset",
        )
    except NotAllowed as error:
        return await person_page(
            request, person, problem=frame.sentence(request, error), status=409
        )
    if reset.made is None:
        return RedirectResponse(f"{ADDRESS}/{person.id}?selesai=sekali", 303)
    return frame.page(request, "user_password.html", person=person, password=password, fresh=False)


async def _run(request: Request, person: Account, act: Awaitable[Any], confirmed: str) -> Response:
    try:
        await act
    except (BadAccount, NotAllowed) as error:
        return await person_page(
            request, person, problem=frame.sentence(request, error), status=409
        )
    return RedirectResponse(f"{ADDRESS}/{person.id}?selesai={confirmed}", 303)
