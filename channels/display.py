"""Screens of an area: a page that never changes, and its announcements in rotation, as JSON."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar

import msgspec
import segno

from channels.base import moments, pictures, rendering, truncation, validity
from channels.base.contract import Document, PageRequest, PullChannel
from channels.base.edition import SUMMARY_LIMIT, Area, Edition, Image, Wording
from channels.base.running_text import repeats, running
from channels.base.settings import ChannelSettings

VERSION = 1
"""JSON version; a screen that meets another one keeps its current content."""
MOST_ITEMS = 20
"""More than a screen rotates (5), so that others move up when some expire while it is offline."""
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""The generation time given for an area without any edition."""

_DARK = re.compile("x+")

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",  # a screen tries its page in a frame before reloading
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    ]
)


class Settings(ChannelSettings):
    """Only the site: screens poll us."""

    prefix: ClassVar[str] = "DISPLAY_"


class DisplayChannel:
    """The public, unpaired screens of every area."""

    name = "display"
    label = "Layar"
    paths = ("/layar/{area}", "/layar/{area}/data")

    def __init__(self, settings: Settings) -> None:
        self._site = settings.site

    def known_query(self, path: str, query: Mapping[str, str]) -> Mapping[str, str]:
        """Return no parameters: every screen of an area shows the same."""
        return {}

    def render_page(self, request: PageRequest) -> Document:
        """Return the page or its data. Pure.

        Neither contains the current time; screens take it from the Date header.
        """
        return self._data(request) if request.path.endswith("/data") else self._page(request.area)

    def _page(self, area: Area) -> Document:
        signup = f"{self._site.base_url.rstrip('/')}/daftar"
        body = rendering.fill(
            "display/page.id.html", {"area": area, "site": self._site, "qr": qr(signup)}
        )
        return Document(
            body=rendering.clean(body).encode(),
            media_type="text/html; charset=utf-8",
            max_age=0,
            headers={
                "Content-Security-Policy": POLICY,
                "Referrer-Policy": "no-referrer",
                "X-Robots-Tag": "noindex",
            },
        )

    def _data(self, request: PageRequest) -> Document:
        editions = [
            _as_seen_in(request.area, edition)
            for edition in request.editions
            if _to_come_or_on(edition, request.now)
        ]
        editions.sort(key=lambda edition: (edition.first_published_at, edition.code), reverse=True)
        editions.sort(key=_rank)
        generated = max((edition.published_at for edition in request.editions), default=EPOCH)
        items = [self.item(edition) for edition in editions[:MOST_ITEMS]]
        beyond = sum(validity.on_screen(edition, request.now) for edition in editions[MOST_ITEMS:])
        payload = {
            "version": VERSION,
            "generated": _instant(generated),
            "area": {
                "code": request.area.code,
                "name": request.area.full_name,
                "slug": request.area.slug,
            },
            "count": len(items),
            "beyond": beyond,
            "items": items,
        }
        return Document(
            body=msgspec.json.encode(payload),
            media_type="application/json",
            max_age=0,
            headers={"X-Robots-Tag": "noindex"},
            updated=validity.last_change(request.editions, request.now),
            fresh_until=validity.next_change(request.editions, request.now),
        )

    def item(self, edition: Edition) -> dict[str, Any]:
        """Return an announcement for screens: single-line texts, times in UTC, the QR code as an
        SVG path.
        """
        edition = rendering.with_addresses(rendering.scrubbed(edition), self._site.base_url)
        wording, picture = edition.wording("id"), pictures.own_picture(edition, self._site)
        return {
            "code": edition.code,
            "number": edition.number,
            "kind": edition.kind,
            "level": edition.level,
            "change": edition.change,
            "lang": "id",
            "topic": edition.topic.label("id"),
            "tag": tag(edition),
            "title": f"[SIMULASI] {wording.title}" if self._site.simulated else wording.title,
            "summary": _lead(wording),
            "agency": edition.agency,
            "areas": [area.label for area in edition.areas],
            "effective": _instant(edition.effective),
            "expires": _instant(edition.expires) if edition.expires else None,
            "url": self._site.permalink(edition.code),
            "short": f"{self._site.host}/p/{edition.code}",
            "qr": qr(self._site.permalink(edition.code)),
            **({"picture": self._shown(picture)} if picture is not None else {}),
        }

    def _shown(self, picture: Image) -> dict[str, str]:
        """Return our own picture as a path: screens load nothing from other hosts; other pictures
        are only on the web page.
        """
        return {"url": pictures.own_path(picture, self._site, "layar"), "alt": picture.alt}


def tag(edition: Edition) -> str:
    """Return the coloured label above a headline."""
    if edition.kind == "alert":
        return "PERINGATAN DARURAT" if edition.emergency else "Peringatan dini"
    if edition.kind == "clarification":
        return "Klarifikasi hoaks"
    return edition.topic.label("id")


@lru_cache(maxsize=512)
def qr(text: str) -> dict[str, Any]:
    """Return a QR code (medium error correction) as an SVG path on a grid of `size` modules,
    without quiet zone.
    """
    rows = segno.make(text, error="m", micro=False).matrix
    return {
        "size": len(rows),
        "path": "".join(_runs(number, row) for number, row in enumerate(rows)),
    }


def _runs(number: int, row: Sequence[int]) -> str:
    """Return a row of modules as rectangles, one per unbroken run of dark modules."""
    dark = "".join("x" if module else " " for module in row)
    return "".join(
        f"M{run.start()} {number}h{len(run[0])}v1h-{len(run[0])}z" for run in _DARK.finditer(dark)
    )


def _rank(edition: Edition) -> int:
    """Rank emergencies first, then alerts by level, then important announcements, then the rest;
    newest first within each.
    """
    if edition.emergency:
        return 0
    if edition.kind == "alert":
        return 1 if edition.level == "important" else 2
    return 3 if edition.level == "important" else 4


def _as_seen_in(area: Area, edition: Edition) -> Edition:
    """Return an alert that a correction moved elsewhere as corrected, so that it takes over no
    screen in the area it left.
    """
    if edition.kind != "alert" or validity.concerns(edition, area.code):
        return edition
    return msgspec.structs.replace(edition, level="info")


def _to_come_or_on(edition: Edition, now: datetime) -> bool:
    """True if it is valid or starts later: the screen starts such an alert by its own clock, even
    offline.
    """
    return edition.change != "withdrawal" and not validity.expired(edition, now)


def _lead(wording: Wording) -> str:
    """Return the summary, else the instruction, else the start of the body; empty if it repeats the
    title.
    """
    text = running(rendering.plain(wording.instruction or wording.body))
    lead = wording.summary or truncation.cut(text, SUMMARY_LIMIT)
    return "" if repeats(lead, (wording.title,)) else lead


def _instant(moment: datetime) -> str:
    return moments.utc(moment).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def open_channel(settings: Settings) -> PullChannel:
    """Open the channel with these settings."""
    return DisplayChannel(settings)
