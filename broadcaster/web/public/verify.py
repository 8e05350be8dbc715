"""Verification of messages: looks up a code or link of ours and compares a pasted text with the
edition.

There are four distinct verdicts: official; the code is genuine but the text differs; a link leads
to a foreign host; not found yet, which never means "hoax".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from broadcaster.app import App
from broadcaster.domain.codes import ALPHABET, normalise_code
from broadcaster.newsroom import authenticity
from broadcaster.newsroom.authenticity import Official
from broadcaster.runtime.i18n import words
from broadcaster.store import announcements
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import app_of, note_miss
from broadcaster.web.base.bulkhead import read
from broadcaster.web.base.edition_view import View, view
from broadcaster.web.base.http_cache import BoundedCache
from channels.base import hyperlinks
from channels.base.contract import Area, Edition

TEXT_LIMIT = 6_000
"""Most characters examined of a pasted text; a longer one is never called official, as its end is
not examined.
"""
SHOWN_HOSTS = 3
"""Most foreign hosts named; more would not make the warning clearer."""

Verdict = Literal["official", "different", "foreign", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Result for a pasted text; `view` is the newest edition, `hosts` are the foreign ones."""

    verdict: Verdict
    view: View | None = None
    hosts: tuple[str, ...] = ()
    has_code: bool = False
    misspelt: str = ""
    """Misspelt code, if the text has no valid one."""


def known_query(_app: App, query: Mapping[str, str]) -> Mapping[str, str]:
    """Return the pasted text of a query, cut off."""
    # one character more than the limit shows that the text was longer
    asked = query.get("kode", "").strip()[: TEXT_LIMIT + 1]
    return {"kode": asked} if asked else {}


async def show(request: Request) -> Response:
    """Render the page with the input, and the verdict on the text in the query."""
    asked = request.query_params.get("kode", "").strip()
    answer = await _answer(request, asked) if asked else None
    if answer is not None and answer.view is None:
        note_miss(request)
    sample = sample_code(app_of(request).settings.code_prefix)
    return pages.page(
        request, "verify.html", asked=asked[:TEXT_LIMIT], answer=answer, sample=sample
    )


async def _answer(request: Request, asked: str) -> Verification:
    app, text = app_of(request), asked[:TEXT_LIMIT]
    hosts = set(hyperlinks.hosts_in(text)) - {hyperlinks.host_of(app.site.base_url)}
    codes = codes_in(text, app.settings.code_prefix)
    for code in codes:
        versions = await read(request, announcements.versions, code)
        if versions:
            newest = view(
                versions[-1].edition,
                now=app.clock(),
                lang=pages.lang_of(request),
                base_url=app.site.base_url,
            )
            if normalise_code(asked, app.settings.code_prefix) == code or authenticity.is_bare(
                asked, code, app.site
            ):
                return Verification(verdict="official", view=newest, has_code=True)
            officials = [_official(request, version.edition) for version in versions]
            known_hosts = {host for official in officials for host in official.hosts}
            foreign = tuple(sorted(hosts - known_hosts))
            same = len(asked) <= TEXT_LIMIT and any(official.says(text) for official in officials)
            verdict: Verdict = "official" if same else "foreign" if foreign else "different"
            return Verification(
                verdict=verdict, view=newest, hosts=foreign[:SHOWN_HOSTS], has_code=True
            )
    wrong = "" if codes else _misspelt(text, app.settings.code_prefix)
    return Verification(
        verdict="unknown",
        hosts=tuple(sorted(hosts))[:SHOWN_HOSTS],
        has_code=bool(codes),
        misspelt=wrong,
    )


class Officials(BoundedCache[str, Official]):
    """Cached official texts by edition, so that a pasted text costs no rendering."""

    def __init__(self) -> None:
        super().__init__(entries=128, bytes_=8 * 1024 * 1024)


def _official(request: Request, edition: Edition) -> Official:
    """Return the official texts of an edition, which never change."""
    cache: Officials = request.app.state.officials
    official = cache.get(edition.key)
    if official is None:
        official = _read_out(app_of(request), edition)
        cache.put(edition.key, official, official.size)
    return official


def _read_out(app: App, edition: Edition) -> Official:
    """Collect an edition's text on every channel and the text that its page offers for sharing."""
    areas = [Area(code=area.code, name=area.name, slug=area.slug) for area in app.tree.all()]
    shared = {
        lang: words(lang)(
            "announcement.share_text",
            title=wording.title,
            summary=wording.summary,
            city=app.site.city,
            address=app.site.permalink(edition.code),
        )
        for lang, wording in edition.wordings.items()
        if lang in ("id", "en")
    }
    return authenticity.official(
        edition, channels=app.push.values(), site=app.site, areas=areas, shared=shared
    )


def codes_in(text: str, prefix: str) -> list[str]:
    """Find at most three valid codes: the whole text as one, else those within it."""
    whole = normalise_code(text, prefix)
    if whole is not None:
        return [whole]
    codes = [normalise_code(match, prefix) for match in _like_codes(text, prefix)]
    return list(dict.fromkeys(code for code in codes if code is not None))[:3]


def _like_codes(text: str, prefix: str) -> list[str]:
    pattern = (
        rf"(?<![A-Za-z0-9]){re.escape(prefix)}[-\s]?"
        r"[A-Za-z0-9]{4}[-\s]?[A-Za-z0-9]{2}(?![A-Za-z0-9])"
    )
    return re.findall(pattern, text, re.IGNORECASE)


def _misspelt(text: str, prefix: str) -> str:
    """Return the first text spelt like a code, with both hyphens; empty if there is none."""
    return next((match.upper() for match in _like_codes(text, prefix) if match.count("-") == 2), "")


def sample_code(prefix: str) -> str:
    """Return an example code that cannot exist, as its check character is wrong."""
    return f"{prefix}-7K4Q-2{ALPHABET[0]}"
