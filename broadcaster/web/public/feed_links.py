"""Links to what pull channels serve, named by what each path's ending says: nothing here knows a
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
class Link:
    """One address of an area; `media_type` is empty for a page."""

    label: str
    address: str
    media_type: str


def of_area(
    channels: Iterable[PullChannel], area: Area, query: Mapping[str, str] | None = None
) -> list[Link]:
    """Every address at which this area's announcements can be followed: formats first, then pages."""
    found = [
        link
        for channel in channels
        for path in channel.paths
        if (link := _link(channel, path, area, query))
    ]
    return sorted(found, key=lambda link: not link.media_type)


def _link(
    channel: PullChannel, path: str, area: Area, query: Mapping[str, str] | None
) -> Link | None:
    before, _, ending = path.partition("{area}")
    address = before + area.slug + ending
    if not ending:
        return Link(label=channel.label, address=address, media_type="")
    label, media_type = FORMATS.get(ending.removeprefix("."), ("", ""))
    if not ending.startswith(".") or not label:
        return None
    return Link(
        label=label,
        address=f"{address}?{urlencode(query)}" if query else address,
        media_type=media_type,
    )
