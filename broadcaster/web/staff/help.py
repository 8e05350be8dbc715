"""The help page: the six steps of an announcement, and the administrators to ask."""

from starlette.requests import Request
from starlette.responses import Response

from broadcaster.newsroom.desk import HOLD
from broadcaster.store import accounts
from broadcaster.web.base.authorization import app_of
from broadcaster.web.staff import frame

STEPS = ("write", "check", "approve", "hold", "follow", "amend")
"""Catalogue keys below "staff.help.step."."""


async def show(request: Request) -> Response:
    """Show the page."""
    app = app_of(request)
    keepers = await app.database.read(accounts.with_role, "admin")
    return frame.page(
        request, "help.html", steps=STEPS, seconds=round(HOLD.total_seconds()), keepers=keepers
    )
