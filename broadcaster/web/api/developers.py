"""Page for developers: the open interfaces and the key that verifies announcements."""

from starlette.requests import Request
from starlette.responses import Response

from broadcaster.web.base import pages
from broadcaster.web.base.authorization import Row, app_of


async def show(request: Request) -> Response:
    """Render the page."""
    app = app_of(request)
    rows: tuple[Row, ...] = request.app.state.rows
    return pages.page(
        request,
        "developers.html",
        patterns=[path for channel in app.pull.values() for path in channel.paths],
        rows=[row for row in rows if row.operation is not None],
        key_id=app.signer.key_id,
        public_key=app.signer.public_pem,
    )
