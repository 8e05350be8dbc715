"""Feeds of an area as RSS, Atom and JSON: selects the entries and their content."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote, urlencode, urljoin, urlsplit

import msgspec
import nh3
import structlog
from pydantic import field_validator

from channels.base import moments, rendering, syndication, validity
from channels.base.contract import Document, PageRequest, PullChannel
from channels.base.edition import Area, Edition, Lang, Wording
from channels.base.settings import ChannelSettings
from channels.base.syndication import Entry, Link, Page

PAGE_SIZE = 50
MAX_AGE = 60
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""Last update of an empty feed: the current time would change the bytes at each build."""

FORMATS = {
    "rss": (syndication.rss, syndication.RSS),
    "atom": (syndication.atom, syndication.ATOM),
    "json": (syndication.json_feed, syndication.JSON),
}
FORMS = {"rss": "layar", "json": "concerto"}
"""Values of `bentuk`, for clients that are not feed readers."""
IMAGE_TYPES = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
}
PREFIXES = {
    "original": {"id": "", "en": ""},
    "correction": {"id": "[RALAT]", "en": "[CORRECTION]"},
    "withdrawal": {"id": "[DICABUT]", "en": "[WITHDRAWN]"},
}
STATUSES = {"original": "published", "correction": "corrected", "withdrawal": "withdrawn"}
SEVERITIES = {"emergency": "Severe", "important": "Moderate", "info": "Minor"}
HEADINGS = {
    "id": (
        "Pengumuman resmi {area}",
        "Pengumuman, peringatan dan klarifikasi hoaks dari Pemerintah {city} untuk {area}.",
    ),
    "en": (
        "Official announcements, {area}",
        "Announcements, alerts and hoax clarifications of the government of {city} for {area}.",
    ),
}

_CURSOR = re.compile(r"(-?\d{1,18})\.([A-Z0-9-]{1,20})", re.ASCII)
_log = structlog.get_logger(__name__)


class Settings(ChannelSettings):
    """FEED_HUB: URL of a WebSub hub, named in every feed and notified of changes; empty = none."""

    prefix: ClassVar[str] = "FEED_"

    hub: str = ""

    @field_validator("hub")
    @classmethod
    def _web(cls, address: str) -> str:
        if address and not is_hub(address):
            raise ValueError("harus satu alamat https, misalnya https://hub.contoh.id/")
        return address


def is_hub(address: str) -> bool:
    """True if a hub can be notified at this URL: https, or plain http on this machine; no
    credentials.
    """
    try:
        url = urlsplit(address)
        _port = url.port
    except ValueError:
        return False
    if address.count("://") > 1 or re.search(r"\s", address) or "," in url.netloc:
        return False  # several URLs, but only one hub is allowed
    loopback = url.scheme == "http" and url.hostname in ("127.0.0.1", "localhost", "::1")
    return (
        bool(url.hostname)
        and not url.username
        and not url.fragment
        and (url.scheme == "https" or loopback)
    )


class FeedChannel:
    """The feeds of every area.

    Query parameters: `sebelum` (a further page), `bahasa=en`, `bentuk=layar` and `bentuk=concerto`.
    """

    name = "feed"
    label = "Umpan RSS"
    paths = ("/feed/{area}.rss", "/feed/{area}.atom", "/feed/{area}.json")

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._site = settings.site

    @property
    def hub(self) -> str:
        """The hub that every feed names; empty if none."""
        return self._settings.hub

    def addresses(self, area: Area) -> list[str]:
        """Return the URL of every feed of an area that names the hub, as in its self link."""
        forms: tuple[dict[str, str], ...] = ({}, {"bahasa": "en"})
        signage: tuple[dict[str, str], ...] = ({"bentuk": "layar"},)
        extensions = (("rss", forms + signage), ("atom", forms), ("json", forms))
        return [
            self._url(f"/feed/{area.slug}.{extension}", form)
            for extension, known in extensions
            for form in known
        ]

    def known_query(self, path: str, query: Mapping[str, str]) -> Mapping[str, str]:
        """Return the form alone, or the language and, for formats with pages, the page."""
        extension = path.rsplit(".", 1)[-1]
        form = FORMS.get(extension)
        if form is not None and query.get("bentuk") == form:
            return {"bentuk": form}
        known = {"bahasa": "en"} if query.get("bahasa") == "en" else {}
        cursor = query.get("sebelum", "")
        return known | (
            {"sebelum": cursor} if extension != "rss" and _CURSOR.fullmatch(cursor) else {}
        )

    def render_page(self, request: PageRequest) -> Document:
        """Render a feed. Pure.

        The same editions and query give the same bytes, whatever `now` is between two changes.
        """
        request = replace(request, editions=list(_sound(request.editions)))
        extension = request.path.rsplit(".", 1)[-1]
        if extension == "json" and request.query.get("bentuk") == "concerto":
            return self._document(request, self._concerto(request), "application/json", {})
        write, media_type = FORMATS[extension]
        page = self._page(request, extension)
        hub = {"Link": f'<{page.url}>; rel="self", <{page.hub}>; rel="hub"'} if page.hub else {}
        return self._document(request, write(page), media_type, hub)

    def _document(
        self, request: PageRequest, body: bytes, media_type: str, headers: Mapping[str, str]
    ) -> Document:
        return Document(
            body=body,
            media_type=media_type,
            max_age=MAX_AGE,
            headers={"Access-Control-Allow-Origin": "*", **headers},
            updated=validity.last_change(request.editions, request.now),
            fresh_until=validity.next_change(request.editions, request.now),
        )

    def _page(self, request: PageRequest, extension: str) -> Page:
        screen = extension == "rss" and request.query.get("bentuk") == "layar"
        lang: Lang = "en" if request.query.get("bahasa") == "en" and not screen else "id"
        cursor = "" if extension == "rss" else request.query.get("sebelum", "")
        stands = validity.on_screen if screen else validity.listed
        editions, further = _cut(
            [edition for edition in request.editions if stands(edition, request.now)], cursor
        )
        entries = tuple(self.entry(edition, lang) for edition in editions)
        fixed = ({"bahasa": "en"} if lang == "en" else {}) | ({"bentuk": "layar"} if screen else {})
        path = f"/feed/{request.area.slug}.{extension}"
        title, description = HEADINGS[lang]
        return Page(
            id=f"tag:{self._site.domain},2026:feed/{request.area.slug}",
            title=self._marked(title.format(area=request.area.full_name)),
            description=description.format(area=request.area.full_name, city=self._site.city),
            lang=lang,
            author=self._site.sender,
            home=self._url("/", {"wilayah": request.area.slug}),
            canonical=self._url(path, fixed),
            url=self._url(path, fixed | ({"sebelum": cursor} if cursor else {})),
            next_url=self._url(path, fixed | {"sebelum": _cursor(editions[-1])})
            if further and extension != "rss"
            else "",
            hub=self._settings.hub,
            updated=max((entry.updated for entry in entries), default=EPOCH),
            entries=entries,
            facts={"about": self._url("/api/v1/"), "area": request.area.code},
            plain=screen,
        )

    def entry(self, edition: Edition, wanted: Lang) -> Entry:
        """Return the edition's entry for all formats, in language `wanted` if translated, else in
        Indonesian.
        """
        edition = rendering.with_addresses(rendering.scrubbed(edition), self._site.base_url)
        lang = wanted if wanted in edition.wordings else "id"
        wording, links = edition.wording(lang), tuple(self._links(edition, lang))
        published = edition.first_published_at.astimezone(moments.WIB).replace(microsecond=0)
        withdrawn = edition.change == "withdrawal"
        return Entry(
            id=f"tag:{self._site.domain},{published.year}:p/{edition.code}",
            title=self._marked(f"{PREFIXES[edition.change][lang]} {wording.title}".strip()),
            summary=edition.reason if withdrawn else wording.summary,
            html=self._html(edition, wording, lang),
            text=re.sub(r"\n{3,}", "\n\n", self._filled(edition, wording, lang, "txt")),
            lang=lang,
            author=edition.agency,
            topic=edition.topic.slug,
            topic_label=edition.topic.label(lang),
            published=published,
            updated=edition.published_at.astimezone(moments.WIB).replace(microsecond=0),
            links=links,
            facts=self._facts(edition),
            image=edition.image if any(link.rel == "enclosure" for link in links) else None,
        )

    def _html(self, edition: Edition, wording: Wording, lang: Lang) -> str:
        return nh3.clean(
            self._filled(edition, wording, lang, "html"),
            tags={"p", "br", "strong", "em", "a", "ul", "ol", "li", "blockquote", "img", "span"},
            attributes={"a": {"href"}, "ol": {"start"}, "img": {"src", "alt"}, "span": {"lang"}},
            attribute_filter=lambda _tag, name, value: (
                self._absolute(value) if name in {"href", "src"} else value
            ),
            url_schemes={"http", "https", "mailto", "tel"},
            link_rel="noopener nofollow",
        )

    def _filled(self, edition: Edition, wording: Wording, lang: Lang, extension: str) -> str:
        values = {
            "edition": edition,
            "wording": wording,
            "areas": rendering.area_names(edition),
            "verdict": rendering.verdict_text(edition.claim, lang) if edition.claim else "",
            "url": self._site.permalink(edition.code),
            "link": self._web_address(edition.link or ""),
            "image": self._web_address(edition.image.url) if edition.image else "",
            "evidence": [
                self._web_address(proof) or proof
                for proof in (edition.claim.evidence if edition.claim else ())
            ],
        }
        return rendering.fill(rendering.template_name("feed", edition, lang, extension), values)

    def _links(self, edition: Edition, lang: Lang) -> Iterator[Link]:
        yield Link(
            rel="alternate",
            href=self._site.permalink(edition.code),
            type="text/html",
            hreflang=lang,
        )
        if edition.change == "withdrawal":
            return
        if related := self._web_address(edition.link or ""):
            yield Link(rel="related", href=related)
        image = self._web_address(edition.image.url) if edition.image else ""
        if media_type := IMAGE_TYPES.get(image.rsplit(".", 1)[-1].lower()):
            length = edition.image.length if edition.image else 0
            yield Link(rel="enclosure", href=image, type=media_type, length=length)

    def _facts(self, edition: Edition) -> dict[str, Any]:
        return {
            "about": self._url("/api/v1/"),
            "code": edition.code,
            "edition": edition.number,
            "status": STATUSES[edition.change],
            "kind": edition.kind,
            "level": edition.level,
            "severity": SEVERITIES[edition.level] if edition.kind == "alert" else None,
            "effective": _stamp(edition.effective),
            "expires": _stamp(edition.expires) if edition.expires else None,
            "areas": [area.code for area in edition.areas],
        }

    def _concerto(self, request: PageRequest) -> bytes:
        """Build Concerto's remote feed; it identifies content by type and name, so the name is the
        announcement's code.
        """
        editions, _ = _cut(
            [edition for edition in request.editions if validity.on_screen(edition, request.now)],
            "",
        )
        return msgspec.json.encode([self._rich_text(edition) for edition in editions])

    def _rich_text(self, edition: Edition) -> dict[str, Any]:
        entry = self.entry(edition, "id")
        text = f"{entry.title}\n{entry.summary}\n{self._site.host}/p/{edition.code}"
        return {
            "type": "RichText",
            "name": edition.code,
            "text": text,
            "render_as": "plaintext",
            "duration": min(60, round(12 + 0.35 * len(text.split()))),
            "start_time": _stamp(
                edition.effective if edition.kind == "alert" else edition.published_at
            ),
            "end_time": _stamp(edition.expires) if edition.expires else None,
        }

    def _marked(self, title: str) -> str:
        return f"[SIMULASI] {title}" if self._site.simulated else title

    def _url(self, path: str, query: Mapping[str, str] | None = None) -> str:
        return f"{self._site.base_url.rstrip('/')}{path}{'?' + urlencode(query) if query else ''}"

    def _absolute(self, url: str) -> str | None:
        """Return the URL as seen from outside our site; None if it cannot be parsed."""
        try:
            return urljoin(f"{self._site.base_url.rstrip('/')}/", url)
        except ValueError:
            return None

    def _web_address(self, url: str) -> str:
        """Return an absolute http(s) URL safe for an attribute, else ""."""
        absolute = self._absolute(url) if url else ""
        if not absolute or not absolute.startswith(("https://", "http://")):
            return ""
        return quote(absolute, safe=":/?#[]@!$&'()*+,;=%~")


def _sound(editions: Sequence[Edition]) -> Iterator[Edition]:
    """Yield all editions but those with a naive time: one of these would break the whole feed."""
    for edition in editions:
        times = (
            edition.first_published_at,
            edition.published_at,
            edition.effective,
            edition.expires,
        )
        if any(moment is not None and moment.tzinfo is None for moment in times):
            _log.error("edition left out of the feed: time without a zone", code=edition.code)
        else:
            yield edition


def _place(edition: Edition) -> tuple[int, str]:
    """Return its permanent position in a feed: microseconds of its first publication, then its
    code.
    """
    return (edition.first_published_at - EPOCH) // timedelta(microseconds=1), edition.code


def _cursor(edition: Edition) -> str:
    microseconds, code = _place(edition)
    return f"{microseconds}.{code}"


def _cut(editions: Sequence[Edition], cursor: str) -> tuple[Sequence[Edition], bool]:
    """Return the page after `cursor`, newest first, and True if more follow; an unreadable cursor
    gives the first page.
    """
    place = _CURSOR.fullmatch(cursor)
    ordered = sorted(editions, key=_place, reverse=True)
    if place is not None:
        edge = (int(place[1]), place[2])
        ordered = [edition for edition in ordered if _place(edition) < edge]
    return ordered[:PAGE_SIZE], len(ordered) > PAGE_SIZE


def _stamp(moment: datetime) -> str:
    return moment.astimezone(moments.WIB).replace(microsecond=0).isoformat()


def open_channel(settings: Settings) -> PullChannel:
    """Open the channel with these settings."""
    return FeedChannel(settings)
