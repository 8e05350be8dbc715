""" "Kirim uji ke saya": what was sent to the writer's own addresses, or what is missing and how to add it."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broadcaster import trial_send
from broadcaster.announcements import NotAllowed
from broadcaster.store.announcements import Announcement
from broadcaster.web.access import account_of, app_of
from broadcaster.web.staff import frame
from broadcaster.web.staff.reading import found


async def send(request: Request) -> Response:
    """Send what is stored of the announcement that the path names."""
    return await answer(request, await found(request))


async def answer(request: Request, row: Announcement) -> Response:
    """Send this announcement's stored draft to whoever asks, and say what came of it; at most five a minute."""
    trials, who = request.app.state.limits.trials, str(account_of(request).id)
    if not trials.take(who):
        wait = trials.wait(who)
        headers = {"Retry-After": str(wait)}
        return frame.page(request, "trial_send.html", status=429, headers=headers, row=row, tried=(), mark="", wait=wait)
    try:
        tried = await trial_send.send(app_of(request), frame.desk_of(request), row)
    except NotAllowed as refused:
        raise HTTPException(403) from refused
    return frame.page(request, "trial_send.html", row=row, tried=tried, mark=trial_send.MARK, wait=0)
