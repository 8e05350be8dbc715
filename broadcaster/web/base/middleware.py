"""Around every request: security headers, an answer to every failure, and a log line without
address or token.
"""

import time
import traceback
from collections.abc import Awaitable, Callable, Mapping

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from broadcaster.web.base.refusals import Kind

CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
FRAMED_CSP = CSP.replace("frame-ancestors 'none'", "frame-ancestors 'self'")
"""For documents of their own that our pages show in a frame: screens and message previews."""

NEWSROOM = "/redaksi/"
"""Below this nothing is kept by anybody, redirects and errors included, unless the endpoint says
otherwise.
"""

HEADERS = {
    "Content-Security-Policy": CSP,
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}

_COUNTED: Mapping[int, Kind] = {429: "too_often", 503: "busy"}
"""Refusals that are counted and logged together, a line a minute."""

log = structlog.get_logger("broadcaster.web")


class SecurityHeaders:
    """Add each header that the endpoint has not set itself."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self.app = app
        self.headers = {
            **HEADERS,
            **({"Strict-Transport-Security": "max-age=31536000"} if https else {}),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; complete the response's head."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
                if str(scope["path"]).startswith(NEWSROOM):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self.app(scope, receive, send_with_headers)


class Failures:
    """Answer what no endpoint foresaw with a page of our own; log where it happened, never the
    message: it may quote data.
    """

    def __init__(self, app: ASGIApp, *, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self.app = app
        self.answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; turn an exception into an answer unless one has begun."""
        begun = False

        async def watched_send(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        except ClientDisconnect:
            log.info("left_early", route=_route(scope))
        except Exception as error:  # noqa: BLE001  # reason: the last handler; everything unforeseen must be answered and logged
            frames = [
                f"{frame.filename}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(error.__traceback__)[-6:]
            ]
            log.error("unforeseen", error=type(error).__name__, route=_route(scope), frames=frames)
            if not begun and scope["type"] == "http":
                await (await self.answer(Request(scope)))(scope, receive, send)


class AccessLog:
    """One line per request, refusals of too many apart: method, route pattern (never the path:
    tokens), status, milliseconds.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and time it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = time.perf_counter()
        status = 0

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting_send)
        finally:
            if kind := _COUNTED.get(
                status
            ):  # a line for each would cost more than the refusal, and fill the disk
                scope["app"].state.refusals.note(kind)
            else:
                elapsed = round((time.perf_counter() - begun) * 1000, 1)
                log.info(
                    "request",
                    method=scope["method"],
                    route=_route(scope),
                    status=status,
                    ms=elapsed,
                )


def _route(scope: Scope) -> str:
    return str(scope.get("state", {}).get("route", "")) or "-"
