"""What we keep of residents, what this service is, and how it can be used by everyone."""

from starlette.requests import Request
from starlette.responses import Response

from broadcaster.web.base import pages


async def show(request: Request) -> Response:
    """The page with its parts #tentang and #aksesibilitas."""
    return pages.page(request, "privacy.html")
