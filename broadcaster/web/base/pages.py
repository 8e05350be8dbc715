"""HTML pages: the template environment, the visitor's language, and values common to all pages."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import urlencode

import jinja2
import nh3
from babel.dates import format_timedelta
from babel.numbers import format_decimal
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.runtime.i18n import LANGUAGES, words
from broadcaster.store.sessions import IDLE_SECONDS, Session
from broadcaster.web.base import csrf, static_files
from broadcaster.web.base.authorization import app_of
from broadcaster.web.base.http_cache import CachedResponse, prepare, serve
from channels.base import moments, rendering

LANGUAGE_COOKIE = "bahasa"
HTML = "text/html; charset=utf-8"
PUBLIC = "public, max-age=30"
PRIVATE = "no-store"
YEAR = 365 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """Rendered page that can be served many times."""

    response: CachedResponse
    cache_control: str
    status: int


@dataclass(frozen=True, kw_only=True)
class Format:
    """Dates, times and numbers in the visitor's language; times are WIB."""

    lang: str

    def day(self, moment: datetime) -> str:
        """Format a day: "Rabu, 25 November 2026"."""
        return moments.day(moment, self.lang)

    def moment(self, moment: datetime) -> str:
        """Format a moment: "25 Nov 2026 07.42 WIB"."""
        return moments.moment_text(moment, self.lang)

    def clock(self, moment: datetime) -> str:
        """Format a time of day: "07.42 WIB"."""
        return f"{moments.clock(moment)} WIB"

    def stamp(self, seconds: float) -> str:
        """Format epoch seconds: "25 Nov 2026 07.42 WIB"."""
        return self.moment(datetime.fromtimestamp(seconds, UTC))

    def full(self, seconds: float) -> str:
        """Format epoch seconds in full: "Rabu 25 November 2026 07.42 WIB"."""
        return moments.full_moment_text(datetime.fromtimestamp(seconds, UTC), self.lang)

    def due(self, seconds: float, now: datetime) -> str:
        """Format epoch seconds in full; of today only the time: "07.42 WIB"."""
        return moments.due_text(datetime.fromtimestamp(seconds, UTC), now, self.lang)

    def ago(self, seconds: float, now: datetime) -> str:
        """Format the time since epoch seconds: "3 menit yang lalu"."""
        passed = datetime.fromtimestamp(seconds, UTC) - now
        return format_timedelta(passed, add_direction=True, locale=self.lang)

    def number(self, count: int) -> str:
        """Format a number: "41.873"."""
        return format_decimal(count, locale=self.lang)

    def span(self, start: datetime, end: datetime | None) -> str:
        """Format a period of validity as messages do."""
        return moments.span_text(start, end, self.lang)


def lang_of(request: Request) -> str:
    """Return the language of the query, else of the cookie, else Indonesian."""
    asked = request.query_params.get(LANGUAGE_COOKIE, "")
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return next((lang for lang in (asked, chosen) if lang in LANGUAGES), LANGUAGES[0])


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    cache_control: str = PUBLIC,
    headers: Mapping[str, str] | None = None,
    updated: datetime | None = None,
    **values: Any,
) -> Response:
    """Render a template as a response with an ETag; no-store if the page is one visitor's own."""
    body = render(request, template, **values).encode()
    prepared = prepare(body, media_type=HTML, updated=updated, headers=headers)
    personal = hasattr(request.state, "csrf") or hasattr(request.state, "session")
    rendered = Rendered(
        response=prepared, cache_control=PRIVATE if personal else cache_control, status=status
    )
    if status == 200 and not personal:
        request.state.rendered = rendered
    response = answer(request, rendered)
    csrf.set_cookie(request, response)
    return response


def render(request: Request, template: str, **values: Any) -> str:
    """Render a template, of a page or of a fragment, as text."""
    return environment().get_template(template).render({**_shared(request), **values})


def answer(request: Request, rendered: Rendered) -> Response:
    """Serve a rendered page, or 304.

    A language chosen in the query is stored in a cookie; that response is not cached.
    """
    asked = request.query_params.get(LANGUAGE_COOKIE, "")
    chooses = asked in LANGUAGES
    cache_control = PRIVATE if chooses else rendered.cache_control
    response = serve(
        request,
        rendered.response,
        cache_control=cache_control,
        vary="Accept-Encoding, Cookie",
        status=rendered.status,
    )
    if chooses:
        secure = app_of(request).site.base_url.startswith("https://")
        response.set_cookie(
            LANGUAGE_COOKIE,
            asked,
            max_age=YEAR,
            samesite="lax",
            httponly=True,
            secure=secure,
            path="/",
        )
    return response


def _shared(request: Request) -> dict[str, Any]:
    app = app_of(request)
    lang = lang_of(request)
    session: Session | None = getattr(request.state, "session", None)
    return {
        "app": app,
        "site": app.site,
        "lang": lang,
        "t": words(lang),
        "show": Format(lang=lang),
        "static": static_files.address,
        "path": request.url.path,
        "canonical": app.site.base_url + request.url.path,
        "languages": [(other, address_with(request, bahasa=other)) for other in LANGUAGES],
        "csrf_token": lambda: session.csrf if session is not None else csrf.token(request),
        "form_id": csrf.fresh_id,
        "account": session.account if session is not None else None,
        "session_idle": IDLE_SECONDS,
        "session_latest": round(session.latest - app.clock().timestamp())
        if session is not None
        else 0,
    }


def address_with(request: Request, **changes: str) -> str:
    """Return this page's address with query parameters changed; an empty value removes one."""
    query = {name: value for name, value in request.query_params.items() if name not in changes}
    query |= {name: value for name, value in changes.items() if value}
    return f"{request.url.path}?{urlencode(query)}" if query else request.url.path


def address_at(request: Request, path: str) -> str:
    """Return the address of another page with this page's query."""
    return f"{path}?{request.url.query}" if request.url.query else path


@cache
def environment() -> jinja2.Environment:
    """Return the Jinja environment of pages: autoescaped, and an undefined name is an error."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(rendering.TEMPLATES / "web"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {"marked": _marked, "cleaned": _cleaned, "plain": rendering.plain}
    env.filters["md"] = lambda text: Markup(rendering.html(text))  # noqa: S704  # nh3 cleaned it
    return env


_INLINE = {"b", "i", "s", "u", "strong", "em", "a"}
_BLOCKS = _INLINE | {"p", "ul", "ol", "li", "br", "blockquote"}


_BOLD = re.compile(r"(?<![\w*])\*(?=\S)([^*\n]+)(?<=\S)\*(?![\w*])")


def _marked(text: str, marks: str) -> Markup:
    """Show a message's text with bold as its platform renders it; `marks` names the syntax."""
    if marks == "html":
        cleaned = nh3.clean(text, tags=_INLINE, attributes={"a": {"href"}})
        return Markup(cleaned)  # noqa: S704  # nh3 cleaned it
    safe = Markup.escape(text)
    if marks == "asterisks":
        bold = _BOLD.sub(r"<strong>\1</strong>", str(safe))
        return Markup(bold)  # noqa: S704  # escaped above
    return safe


def _cleaned(html: str) -> Markup:
    """Reduce a document's HTML to basic formatting."""
    cleaned = nh3.clean(html, tags=_BLOCKS, attributes={"a": {"href"}, "ol": {"start"}})
    return Markup(cleaned)  # noqa: S704  # nh3 cleaned it
