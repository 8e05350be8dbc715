"""Middleware: security headers, error pages for failures, and an access log without addresses or
tokens.
"""

import time
import traceback
from collections.abc import Awaitable, Callable, Mapping

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from broadcaster.web.base.refusals import RefusalKind

CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
FRAMED_CSP = CSP.replace("frame-ancestors 'none'", "frame-ancestors 'self'")
"""Policy of documents that our own pages frame: screens and message previews."""

NEWSROOM = "/redaksi/"
"""Path prefix of responses that are never cached, redirects and errors included, unless the
endpoint sets Cache-Control itself.
"""

HEADERS = {
    "Content-Security-Policy": CSP,
    "Permissions-Policy": (
        "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
}

_COUNTED: Mapping[int, RefusalKind] = {429: "too_often", 503: "busy"}
"""Statuses counted as refusals, which are logged as one line a minute."""

log = structlog.get_logger("broadcaster.web")


class SecurityHeaders:
    """Add every security header that the endpoint has not set."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self.app = app
        self.headers = {
            **HEADERS,
            **({"Strict-Transport-Security": "max-age=31536000"} if https else {}),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add the missing headers to the response."""
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
    """Answer unhandled exceptions with an error page; log where, never the message, which may
    contain personal data.
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
        except Exception as error:  # noqa: BLE001  # the last handler: answer and log everything
            frames = [
                f"{frame.filename}:{frame.lineno} {frame.name}"
                for frame in traceback.extract_tb(error.__traceback__)[-6:]
            ]
            log.error("unforeseen", error=type(error).__name__, route=_route(scope), frames=frames)
            if not begun and scope["type"] == "http":
                await (await self.answer(Request(scope)))(scope, receive, send)


class AccessLog:
    """Log method, route pattern, status and milliseconds of each request.

    Never the path, which may hold a token. Statuses 429 and 503 are counted as refusals instead.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; log its status and duration."""
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
            # a line for each refusal would cost more than the refusal, and fill the disk
            if kind := _COUNTED.get(status):
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
