"""Error responses: pages for people, problem details (RFC 9457) under /api."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.runtime.i18n import LANGUAGES, Words, words
from broadcaster.runtime.password_hashing import RETRY_SECONDS
from broadcaster.web.base import pages
from broadcaster.web.base.bulkhead import BUSY
from broadcaster.web.base.http_cache import prepare

WORDED = frozenset({400, 401, 403, 404, 405, 409, 413, 422, 429, 500, 503})
"""Statuses with a text of their own; any other uses that of its class (400 or 500)."""
ErrorPages = dict[tuple[int, str, bool, str], pages.Rendered]
"""Error pages of one web process, each rendered once: a mass refusal must be cheap."""
_LANGUAGE_RANGE = re.compile(
    r"(?P<lang>[a-z]{2})(?:-[a-z0-9-]+)? *(?:; *q=(?P<weight>[01](?:\.\d{0,3})?))?"
)
BUSY_WORDS = ("error.busy.title", "error.busy.advice")


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer an HTTPException."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 303:
        return Response(
            status_code=303, headers={**(error.headers or {}), "Cache-Control": "no-store"}
        )
    return answer(request, error.status_code, headers=error.headers, busy=error.detail == BUSY)


async def on_busy(request: Request, _error: Exception) -> Response:
    """Answer 503 when too many passwords wait to be checked."""
    return answer(request, 503, headers={"Retry-After": str(RETRY_SECONDS)})


async def on_failure(request: Request) -> Response:
    """Answer 500 to an unforeseen failure."""
    return answer(request, 500)


def answer(
    request: Request, status: int, *, headers: Mapping[str, str] | None = None, busy: bool = False
) -> Response:
    """Return an error page, or problem details under /api.

    `busy` marks a refusal by a bulkhead, which has its own text.
    """
    if request.url.path.startswith("/api/"):
        return problem(status, words_of(request), headers=headers)
    newsroom = request.url.path.startswith("/redaksi/")
    worded = f"staff.{status}" if newsroom and status in (401, 403) else str(_worded(status))
    title, advice = BUSY_WORDS if busy else (f"error.{worded}.title", f"error.{worded}.advice")
    cache: ErrorPages = request.app.state.error_pages
    key = (status, title, newsroom, pages.lang_of(request))
    if key not in cache:
        cache[key] = _rendered(request, status, title, advice, newsroom=newsroom)
    response = replace(cache[key].response, headers=headers or {})
    return pages.answer(request, replace(cache[key], response=response))


def _rendered(
    request: Request, status: int, title: str, advice: str, *, newsroom: bool
) -> pages.Rendered:
    """Render an error page that depends on neither visitor nor path, so that it can be shared."""
    translate = words(pages.lang_of(request))
    languages = [(lang, f"/?bahasa={lang}") for lang in LANGUAGES]
    values = {"status_code": status, "path": "", "newsroom": newsroom, "languages": languages}
    text = pages.render(
        request, "error.html", **values, title=translate(title), advice=translate(advice)
    )
    return pages.Rendered(
        response=prepare(text.encode(), media_type=pages.HTML),
        cache_control="no-store",
        status=status,
    )


def words_of(request: Request) -> Words:
    """The words that a program asks for by Accept-Language; Indonesian where it asks for none of
    ours.
    """
    return words(_accepted(request.headers.get("accept-language", "")))


def _accepted(header: str) -> str:
    """The language of ours with the highest weight in an Accept-Language header; the first named
    wins a tie, "" for none.
    """
    weights: dict[str, float] = {}
    for part in header.lower().split(","):
        match = _LANGUAGE_RANGE.fullmatch(part.strip())
        if match is not None and match["lang"] in LANGUAGES:
            weights.setdefault(match["lang"], float(match["weight"] or 1))
    best = max(weights, key=lambda lang: weights[lang], default="")
    return best if best and weights[best] > 0 else ""


def problem(
    status: int,
    t: Words,
    *,
    code: str = "",
    detail: str = "",
    problems: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return problem details; `problems` lists {field, code, reason, remedy} per invalid field."""
    title, advice = f"error.{_worded(status)}.title", f"error.{_worded(status)}.api"
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail or f"{t(title)} {t(advice)}".strip(),
    }
    if code:
        content["code"] = code
    if problems:
        content["problems"] = list(problems)
    return Response(
        msgspec.json.encode(content),
        status_code=status,
        media_type="application/problem+json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def _worded(status: int) -> int:
    if status in WORDED:
        return status
    return 500 if status >= 500 else 400
