"""Links to the documents of pull channels, labelled by the ending of their path, whatever the
channel.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from channels.base.contract import PullChannel
from subscribers.areas import Area

FORMATS = {
    "rss": ("RSS", "application/rss+xml"),
    "atom": ("Atom", "application/atom+xml"),
    "json": ("JSON", "application/feed+json"),
}


@dataclass(frozen=True, kw_only=True)
class FeedLink:
    """Address of an area's feed or page; `media_type` is empty for a page."""

    label: str
    address: str
    media_type: str


def of_area(
    channels: Iterable[PullChannel], area: Area, query: Mapping[str, str] | None = None
) -> list[FeedLink]:
    """List the addresses at which an area's announcements can be followed, feeds before pages."""
    links = [
        link
        for channel in channels
        for path in channel.paths
        if (link := _link(channel, path, area, query))
    ]
    return sorted(links, key=lambda link: not link.media_type)


def _link(
    channel: PullChannel, path: str, area: Area, query: Mapping[str, str] | None
) -> FeedLink | None:
    before, _, ending = path.partition("{area}")
    address = before + area.slug + ending
    if not ending:
        return FeedLink(label=channel.label, address=address, media_type="")
    label, media_type = FORMATS.get(ending.removeprefix("."), ("", ""))
    if not ending.startswith(".") or not label:
        return None
    return FeedLink(
        label=label,
        address=f"{address}?{urlencode(query)}" if query else address,
        media_type=media_type,
    )
