"""Is this message ours? A code or link of ours is looked up; a text around a code is held against
what the edition says.

Four answers, none of which can be read as another: official; the code is genuine but the text is
another; a link leads to a foreign host; not found yet, which never means "hoax".
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
"""Characters looked at of what was pasted; a longer text is never called official, as its end was
not looked at.
"""
SHOWN_HOSTS = 3
"""Foreign hosts that are named; more make the warning no clearer."""

Verdict = Literal["official", "different", "foreign", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is said of a pasted text; `view` is the newest edition of the code in it, `hosts` are
    those that are not ours.
    """

    verdict: Verdict
    view: View | None = None
    hosts: tuple[str, ...] = ()
    has_code: bool = False
    misspelt: str = ""
    """What begins like a code and cannot be one, where there is no other."""


def known_query(_app: App, query: Mapping[str, str]) -> Mapping[str, str]:
    """What of a query changes the page."""
    asked = query.get("kode", "").strip()[
        : TEXT_LIMIT + 1
    ]  # the one more tells that there was more
    return {"kode": asked} if asked else {}


async def show(request: Request) -> Response:
    """The page with the box, and the answer where something was asked."""
    asked = request.query_params.get("kode", "").strip()
    answer = await _answer(request, asked) if asked else None
    if answer is not None and answer.view is None:
        note_miss(request)
    sample = sample_code(app_of(request).settings.code_prefix)
    return pages.page(request, "check.html", asked=asked[:TEXT_LIMIT], answer=answer, sample=sample)


async def _answer(request: Request, asked: str) -> Answer:
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
                return Answer(verdict="official", view=newest, has_code=True)
            spoken = [_official(request, version.edition) for version in versions]
            foreign = tuple(sorted(hosts - {host for one in spoken for host in one.hosts}))
            same = len(asked) <= TEXT_LIMIT and any(one.says(text) for one in spoken)
            verdict: Verdict = "official" if same else "foreign" if foreign else "different"
            return Answer(verdict=verdict, view=newest, hosts=foreign[:SHOWN_HOSTS], has_code=True)
    wrong = "" if codes else _misspelt(text, app.settings.code_prefix)
    return Answer(
        verdict="unknown",
        hosts=tuple(sorted(hosts))[:SHOWN_HOSTS],
        has_code=bool(codes),
        misspelt=wrong,
    )


class Officials(BoundedCache[str, Official]):
    """What the editions last asked for say, so that pasting costs no rendering."""

    def __init__(self) -> None:
        super().__init__(entries=128, bytes_=8 * 1024 * 1024)


def _official(request: Request, edition: Edition) -> Official:
    """Everything that we say of an edition; it never changes."""
    kept: Officials = request.app.state.officials
    official = kept.get(edition.key)
    if official is None:
        official = _read_out(app_of(request), edition)
        kept.put(edition.key, official, official.size)
    return official


def _read_out(app: App, edition: Edition) -> Official:
    """Collect what every channel says of an edition, and the text that its page offers for sharing."""
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
    """The codes that a text may hold, at most three: the whole text as one, else whatever in it
    begins like one.
    """
    whole = normalise_code(text, prefix)
    if whole is not None:
        return [whole]
    found = [normalise_code(match, prefix) for match in _like_codes(text, prefix)]
    return list(dict.fromkeys(code for code in found if code is not None))[:3]


def _like_codes(text: str, prefix: str) -> list[str]:
    pattern = rf"(?<![A-Za-z0-9]){re.escape(prefix)}[-\s]?[A-Za-z0-9]{{4}}[-\s]?[A-Za-z0-9]{{2}}(?![A-Za-z0-9])"
    return re.findall(pattern, text, re.IGNORECASE)


def _misspelt(text: str, prefix: str) -> str:
    """What is written like a code, with its hyphens, and is none: a letter must be wrong."""
    return next((match.upper() for match in _like_codes(text, prefix) if match.count("-") == 2), "")


def sample_code(prefix: str) -> str:
    """What a code looks like; never one that exists, as its check character is wrong."""
    return f"{prefix}-7K4Q-2{ALPHABET[0]}"
