"""A resident stops: GET asks and changes nothing, POST stops at once, by button or by mail program
(RFC 8058).
"""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.web.base import pages
from broadcaster.web.base.authorization import app_of
from subscribers import consent, residents

ONE_CLICK = (b"List-Unsubscribe=One-Click", b'name="List-Unsubscribe"')
"""How a mail program's body begins, as a form or as multipart."""
PRIVATE_HEADERS = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}


async def ask(request: Request) -> Response:
    """The page with the button."""
    return await _page(request, await _address(request), stopped=False)


async def stop(request: Request) -> Response:
    """Stop the address that the link names. No cookie, no login; a second time changes nothing and
    says the same.
    """
    app, address = app_of(request), await _address(request)
    body = await request.body()
    source = "one-click" if any(sign in body for sign in ONE_CLICK) else "web"
    await app.database.write(consent.stop, address, source=source, at=app.clock().timestamp())
    return await _page(request, address, stopped=True)


async def _address(request: Request) -> int:
    """The address that the link names; 404 for one that we never made."""
    app = app_of(request)
    named = app.vault.read_token(request.path_params["token"])
    if named is None:
        raise HTTPException(404)
    return await app.database.read(residents.remaining_id, named)


async def _page(request: Request, address: int, *, stopped: bool) -> Response:
    """An erased address is stopped too, for good."""
    app = app_of(request)
    channel = await app.database.read(residents.channel_of, address)
    return pages.page(
        request,
        "stop.html",
        cache_control=pages.PRIVATE,
        headers=PRIVATE_HEADERS,
        stopped=stopped or channel is None,
        channel=app.push[channel].label if channel is not None and channel in app.push else "",
    )
