"""Trial send ("Kirim uji ke saya"): what was sent to the writer's own addresses, or which address
is missing and how to add it.

A send redirects to the page of its result, so that reloading that page sends nothing.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.newsroom import trial_sends
from broadcaster.newsroom.trial_sends import SEND_SECONDS, TrialChannel, TrialOutcome
from broadcaster.store import form_acts
from broadcaster.store.announcements import Announcement
from broadcaster.web.base import csrf
from broadcaster.web.base.authorization import account_of, app_of
from broadcaster.web.staff import frame, idempotent_forms
from broadcaster.web.staff.announcement_page import find_announcement

_RESULT = re.compile(r"[0-9a-f]{12}\.[A-Za-z0-9_-]{16,64}", re.ASCII)


async def show(request: Request) -> Response:
    """Show the result of the trial that `?hasil=` names. Raises 404."""
    row, name = await find_announcement(request), request.query_params.get("hasil", "")
    if not _RESULT.fullmatch(name):
        return RedirectResponse(f"/redaksi/pengumuman/{row.id}", 303)
    app, account = app_of(request), account_of(request)
    act = await app.database.read(form_acts.find, account.id, _key(row, name))
    if act is None:
        raise HTTPException(404)
    if not act.result:
        going = app.clock().timestamp() - act.at <= 2 * SEND_SECONDS
        return _page(request, row, state="going" if going else "unknown")
    attempts = msgspec.json.decode(act.result, type=list[TrialOutcome])
    return _page(request, row, tried=trial_sends.tried(app, account, attempts))


async def send(request: Request) -> Response:
    """Send the stored draft of the announcement that the path names."""
    return await send_draft(request, await find_announcement(request), await request.form())


async def send_draft(request: Request, row: Announcement, data: Mapping[str, Any]) -> Response:
    """Send the stored draft to the person who asks, once for each form and text.

    Answers with status 429 above the limit on trials per account. Raises 403 if not allowed.
    """
    app, account = app_of(request), account_of(request)
    text_hash = hashlib.sha256(row.form.encode()).hexdigest()[:12]
    name = f"{text_hash}.{idempotent_forms.id_of(data) or csrf.fresh_id()}"
    result_page = RedirectResponse(f"/redaksi/pengumuman/{row.id}/uji?hasil={name}", 303)
    if await app.database.read(form_acts.find, account.id, _key(row, name)) is not None:
        return result_page
    trials, key = request.app.state.limits.trials, str(account.id)
    if not trials.take(key):
        wait = trials.wait(key)
        return _page(
            request, row, state="wait", wait=wait, status=429, headers={"Retry-After": str(wait)}
        )
    if (
        await app.database.write(
            form_acts.take, account.id, _key(row, name), app.clock().timestamp()
        )
        is not None
    ):
        return result_page
    try:
        attempts = await trial_sends.send(app, frame.desk_of(request), row)
    except NotAllowed as error:
        await app.database.write(form_acts.forget, account.id, _key(row, name))
        raise HTTPException(403) from error
    result = msgspec.json.encode(attempts).decode()
    await app.database.write(form_acts.keep, account.id, _key(row, name), result)
    return result_page


def _key(row: Announcement, name: str) -> str:
    return f"trial {row.id} {name}"


def _page(
    request: Request,
    row: Announcement,
    *,
    tried: list[TrialChannel] | None = None,
    state: str = "",
    wait: int = 0,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    return frame.page(
        request,
        "trial_send.html",
        status=status,
        headers=headers,
        row=row,
        tried=tried or [],
        state=state,
        wait=wait,
        mark=trial_sends.MARK,
        query=request.url.query,
    )
