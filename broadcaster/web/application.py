"""Web application: the route table behind its guards and middleware."""

from collections.abc import Iterable, Mapping
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from broadcaster.app import App
from broadcaster.runtime.password_hashing import Busy
from broadcaster.staff.oidc_client import SignOn
from broadcaster.web.base import errors
from broadcaster.web.base.authorization import Endpoint, RateLimits, Row, guarded
from broadcaster.web.base.body_limits import BodyShares
from broadcaster.web.base.middleware import AccessLog, Failures, SecurityHeaders
from broadcaster.web.base.page_cache import PageCache
from broadcaster.web.base.proxy_watch import ProxyWatch
from broadcaster.web.base.refusals import RefusalCounters
from broadcaster.web.public.media import MediaCache
from broadcaster.web.public.pull_channels import PullCache
from broadcaster.web.public.verify import Officials
from broadcaster.web.routes import table
from broadcaster.web.staff.audience_estimate import Estimates
from broadcaster.web.staff.live_progress import LiveProgress


def create_web(app: App, *, limits: RateLimits | None = None) -> Starlette:
    """Build the site for an open App; the caller closes the App."""
    rows = table(app)
    web = Starlette(
        routes=_routes(rows),
        middleware=[
            Middleware(ProxyWatch, program=app),
            Middleware(AccessLog),
            Middleware(SecurityHeaders, https=app.site.base_url.startswith("https://")),
            Middleware(Failures, answer=errors.on_failure),
        ],
        exception_handlers={HTTPException: errors.on_http_exception, Busy: errors.on_busy},
    )
    web.router.redirect_slashes = False  # Starlette's redirect would trust the Host header
    web.router.default = _without_slash(web)
    web.state.app = app
    web.state.rows = rows
    web.state.limits = limits or RateLimits()
    web.state.refusals = RefusalCounters()
    web.state.bodies = BodyShares(web.state.refusals)
    web.state.documents = PullCache()
    web.state.pictures = MediaCache()
    web.state.officials = Officials()
    web.state.page_cache = PageCache()
    web.state.error_pages = {}
    web.state.live_progress = LiveProgress()
    web.state.estimates = Estimates()
    web.state.sign_on = SignOn(app.settings, app.clock)
    return web


def _without_slash(web: Starlette) -> ASGIApp:
    """Return the handler of unknown paths.

    Redirects to the path without its trailing slash if that exists, relative to our own host;
    answers 404 otherwise.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope["path"]).removesuffix("/")
        handler: ASGIApp = web.router.not_found
        if scope["type"] == "http" and path and path != scope["path"]:
            without_slash = {**scope, "path": path}
            if any(route.matches(without_slash)[0] is Match.FULL for route in web.routes):
                query = scope["query_string"].decode("latin-1")
                handler = RedirectResponse(quote(path) + (f"?{query}" if query else ""), 307)
        await handler(scope, receive, send)

    return answer


def _routes(rows: Iterable[Row]) -> list[Route]:
    """Build one Starlette route per path, so that a 405 lists every allowed method."""
    by_path: dict[str, list[Row]] = {}
    for row in rows:
        by_path.setdefault(row.path, []).append(row)
    return [
        Route(path, _by_method(same), methods=[m for row in same for m in row.methods])
        for path, same in by_path.items()
    ]


def _by_method(rows: list[Row]) -> Endpoint:
    endpoints: Mapping[str, Endpoint] = {
        method: guarded(row) for row in rows for method in row.methods
    }

    async def endpoint(request: Request) -> Response:
        return await endpoints["GET" if request.method == "HEAD" else request.method](request)

    return endpoint
