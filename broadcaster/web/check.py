"""Is this message ours? By code, by link or by a message that holds one; not found never means "hoax"."""

import re
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from broadcaster.app import App
from broadcaster.signing import ALPHABET, normalise_code
from broadcaster.store import announcements
from broadcaster.web import pages
from broadcaster.web.access import app_of, note_miss
from broadcaster.web.bulkhead import read
from broadcaster.web.standing import View, view

TEXT_LIMIT = 2_000
"""Characters looked at of what was pasted."""


def known_query(_app: App, query: Mapping[str, str]) -> Mapping[str, str]:
    """What of a query changes the page."""
    asked = query.get("kode", "")[:TEXT_LIMIT].strip()
    return {"kode": asked} if asked else {}


async def show(request: Request) -> Response:
    """The page with the box, and the answer where something was asked."""
    app = app_of(request)
    asked = request.query_params.get("kode", "")
    found = await _find(request, asked) if asked else None
    if asked and found is None:
        note_miss(request)
    return pages.page(request, "check.html", asked=asked, view=found, sample=sample_code(app.settings.code_prefix))


async def _find(request: Request, asked: str) -> View | None:
    app = app_of(request)
    for code in codes_in(asked, app.settings.code_prefix):
        row = await read(request, announcements.newest_edition, code)
        if row is not None:
            return view(row.edition, now=app.clock(), lang=pages.lang_of(request), base_url=app.site.base_url)
    return None


def codes_in(text: str, prefix: str) -> list[str]:
    """The codes that a text may hold, at most three: the whole text as one, else whatever in it begins like one."""
    whole = normalise_code(text, prefix)
    if whole is not None:
        return [whole]
    pattern = rf"(?<![A-Za-z0-9]){re.escape(prefix)}[-\s]?[A-Za-z0-9]{{4}}[-\s]?[A-Za-z0-9]{{2}}(?![A-Za-z0-9])"
    found = [normalise_code(match, prefix) for match in re.findall(pattern, text, re.IGNORECASE)]
    return list(dict.fromkeys(code for code in found if code is not None))[:3]


def sample_code(prefix: str) -> str:
    """What a code looks like; never one that exists, as its check character is wrong."""
    return f"{prefix}-7K4Q-2{ALPHABET[0]}"
