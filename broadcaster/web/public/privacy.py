"""Page about privacy, this service and its accessibility."""

from starlette.requests import Request
from starlette.responses import Response

from broadcaster.web.base import pages


async def show(request: Request) -> Response:
    """Render the page, with its sections #tentang and #aksesibilitas."""
    return pages.page(request, "privacy.html")
