"""Help, in the same place on every page: the way of an announcement in six lines, and who can help."""

from starlette.requests import Request
from starlette.responses import Response

from broadcaster.newsroom.desk import HOLD
from broadcaster.store import accounts
from broadcaster.web.base.authorization import app_of
from broadcaster.web.staff import frame

STEPS = ("write", "check", "approve", "hold", "follow", "amend")
"""Keys of words below "staff.help.step."."""


async def show(request: Request) -> Response:
    """The page."""
    app = app_of(request)
    keepers = await app.database.read(accounts.with_role, "admin")
    return frame.page(
        request, "help.html", steps=STEPS, seconds=round(HOLD.total_seconds()), keepers=keepers
    )
