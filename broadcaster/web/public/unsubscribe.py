"""Unsubscribing: GET asks and changes nothing, POST stops at once, from the page's button or from a
mail program (RFC 8058).
"""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.web.base import pages
from broadcaster.web.base.authorization import app_of
from subscribers import consent, residents

ONE_CLICK = (b"List-Unsubscribe=One-Click", b'name="List-Unsubscribe"')
"""Signs of a one-click request in the body, as a form or as multipart."""
PRIVATE_HEADERS = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}


async def ask(request: Request) -> Response:
    """Render the page with the button."""
    return await _page(request, await _address(request), stopped=False)


async def stop(request: Request) -> Response:
    """Stop sending to the address of the link; idempotent, needs neither cookie nor login."""
    app, address = app_of(request), await _address(request)
    body = await request.body()
    source = "one-click" if any(sign in body for sign in ONE_CLICK) else "web"
    await app.database.write(consent.stop, address, source=source, at=app.clock().timestamp())
    return await _page(request, address, stopped=True)


async def _address(request: Request) -> int:
    """Return the id of the link's address; raises HTTPException (404) for a forged link."""
    app = app_of(request)
    address_id = app.vault.read_token(request.path_params["token"])
    if address_id is None:
        raise HTTPException(404)
    return await app.database.read(residents.remaining_id, address_id)


async def _page(request: Request, address: int, *, stopped: bool) -> Response:
    """Render the page; an erased address counts as stopped."""
    app = app_of(request)
    channel = await app.database.read(residents.channel_of, address)
    return pages.page(
        request,
        "unsubscribe.html",
        cache_control=pages.PRIVATE,
        headers=PRIVATE_HEADERS,
        stopped=stopped or channel is None,
        channel=app.push[channel].label if channel is not None and channel in app.push else "",
    )
