"""The web application: the route table behind its guards and middleware. The caller opens and
closes the App.
"""

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
from broadcaster.web.base.authorization import Endpoint, Limits, Row, guarded
from broadcaster.web.base.body_limits import Bodies
from broadcaster.web.base.middleware import AccessLog, Failures, SecurityHeaders
from broadcaster.web.base.page_cache import Rush
from broadcaster.web.base.proxy_watch import ProxyWatch
from broadcaster.web.base.refusals import Refusals
from broadcaster.web.public.media import MediaCache
from broadcaster.web.public.pull_channels import PullCache
from broadcaster.web.public.verify import Officials
from broadcaster.web.routes import table
from broadcaster.web.staff.audience_estimate import Estimates
from broadcaster.web.staff.live_progress import LiveProgress


def create_web(app: App, *, limits: Limits | None = None) -> Starlette:
    """The whole site for an open App."""
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
    web.router.redirect_slashes = False  # Starlette's would name whatever host the visitor does
    web.router.default = _without_slash(web)
    web.state.app = app
    web.state.rows = rows
    web.state.limits = limits or Limits()
    web.state.refusals = Refusals()
    web.state.bodies = Bodies(web.state.refusals)
    web.state.documents = PullCache()
    web.state.pictures = MediaCache()
    web.state.officials = Officials()
    web.state.rush = Rush()
    web.state.error_pages = {}
    web.state.live_progress = LiveProgress()
    web.state.estimates = Estimates()
    web.state.sign_on = SignOn(app.settings, app.clock)
    return web


def _without_slash(web: Starlette) -> ASGIApp:
    """What answers a path beyond the table: one that is there without its last slash is named, as a
    path of our own.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope["path"]).removesuffix("/")
        elsewhere = web.router.not_found
        if scope["type"] == "http" and path and path != scope["path"]:
            meant = {**scope, "path": path}
            if any(route.matches(meant)[0] is Match.FULL for route in web.routes):
                query = scope["query_string"].decode("latin-1")
                elsewhere = RedirectResponse(quote(path) + (f"?{query}" if query else ""), 307)
        await elsewhere(scope, receive, send)

    return answer


def _routes(rows: Iterable[Row]) -> list[Route]:
    """One Starlette route per path, so that a wrong method is answered with all that are right."""
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
