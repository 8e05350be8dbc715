"""A feed page as RSS, Atom or JSON Feed 1.1: feedgen corrected with lxml, JSON built by hand."""

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import unescape
from typing import Any

import msgspec
from feedgen.entry import FeedEntry
from feedgen.feed import FeedGenerator
from lxml import etree

from channels.base.edition import Image

RSS = "application/rss+xml; charset=utf-8"
ATOM = "application/atom+xml; charset=utf-8"
JSON = "application/feed+json"

_ATOM = "http://www.w3.org/2005/Atom"
_DC = "http://purl.org/dc/elements/1.1/"
_MEDIA = "http://search.yahoo.com/mrss/"
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

_TAG_BEGINS = re.compile(r"<(?=[A-Za-z/!?])")
_REFERENCE = re.compile(r"&(?:#[0-9]+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]{1,31});?")

_rss_builder = threading.Lock()
"""feedgen writes RSS dates under another locale, which is process-wide: one builder at a time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """A link of a feed or an entry, with Atom's attribute names."""

    rel: str
    href: str
    type: str = ""
    hreflang: str = ""
    length: int = 0
    """Bytes of the target; 0 if unknown."""

    def attributes(self) -> dict[str, str]:
        """Return only the attributes that are set."""
        return {
            name: str(getattr(self, name))
            for name in ("rel", "type", "hreflang", "length", "href")
            if getattr(self, name)
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """An announcement for all formats: every text is clean, every time has a zone and whole
    seconds.
    """

    id: str
    title: str
    summary: str
    html: str
    text: str
    lang: str
    author: str
    topic: str
    topic_label: str
    published: datetime
    updated: datetime
    links: tuple[Link, ...]
    facts: Mapping[str, Any]
    """Members for JSON readers only, under `_cimahi`."""
    image: Image | None = None
    """The picture of the enclosure, with an absolute URL."""

    def link(self, rel: str) -> Link | None:
        """Return its first link of that relation."""
        return next((link for link in self.links if link.rel == rel), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page of a feed, newest entry first; `canonical` is the URL of the first page, `url` of this
    one.
    """

    id: str
    title: str
    description: str
    lang: str
    author: str
    home: str
    canonical: str
    url: str
    next_url: str
    hub: str
    updated: datetime
    entries: tuple[Entry, ...]
    facts: Mapping[str, Any]
    plain: bool = False
    """True if without HTML, for signage systems."""

    def links(self, media_type: str) -> tuple[Link, ...]:
        """Return the links of the feed itself; the web page is last, because feedgen uses the last
        one for RSS.
        """
        bare = media_type.split(";")[0]
        links = [Link(rel="self", href=self.url, type=bare)]
        if self.hub:
            links.append(Link(rel="hub", href=self.hub))
        if self.next_url:
            links.append(Link(rel="next", href=self.next_url, type=bare))
        return (*links, Link(rel="alternate", href=self.home, type="text/html", hreflang=self.lang))


def rss(page: Page) -> bytes:
    """Build RSS 2.0 with what feedgen omits: hub, language-neutral author, time of the last
    change.
    """
    with _rss_builder:
        root = etree.fromstring(_generator(page, RSS).rss_str())
    channel = root[0]
    for link in page.links(RSS):
        if link.rel == "hub":
            channel.insert(1, etree.Element(f"{{{_ATOM}}}link", link.attributes()))
    items = channel.findall("item")
    _pair([item.findtext("guid") for item in items], page.entries)
    for element in (channel, *items):
        for name in ("title", "description"):
            _keep_seen(element.find(name))
    for item, entry in zip(items, page.entries, strict=True):
        if entry.lang != page.lang:
            etree.SubElement(item, f"{{{_DC}}}language").text = entry.lang
        etree.SubElement(item, f"{{{_DC}}}creator").text = entry.author
        etree.SubElement(item, f"{{{_ATOM}}}updated").text = entry.updated.isoformat()
        _add_picture(item, entry)
    pictured = {"media": _MEDIA} if any(entry.image for entry in page.entries) else {}
    etree.cleanup_namespaces(
        root, top_nsmap={"dc": _DC, **pictured}, keep_ns_prefixes=["atom", "content", "dc"]
    )
    return _bytes(root)


def escaped(text: str) -> str:
    """Escape plain text for readers that treat it as HTML: "<x>" and "&lt;" become character
    references.

    RSS does not say whether a title is HTML; only what HTML would swallow is escaped, so that plain
    text readers show the rest correctly.
    """
    escaped = _REFERENCE.sub(
        lambda match: match[0] if unescape(match[0]) == match[0] else f"&#x26;{match[0][1:]}", text
    )
    return _TAG_BEGINS.sub("&#x3C;", escaped)


def _keep_seen(element: etree._Element | None) -> None:
    if element is not None and element.text:
        element.text = escaped(element.text)


def _add_picture(item: etree._Element, entry: Entry) -> None:
    """Add Media RSS to the enclosure: readers learn size and description of the picture before they
    fetch it.
    """
    enclosure, image = entry.link("enclosure"), entry.image
    if enclosure is None or image is None:
        return
    known = {"fileSize": enclosure.length, "width": image.width, "height": image.height}
    size = {name: str(value) for name, value in known.items() if value}
    content = {"url": enclosure.href, "type": enclosure.type, "medium": "image", **size}
    etree.SubElement(
        etree.SubElement(item, f"{{{_MEDIA}}}content", content), f"{{{_MEDIA}}}description"
    ).text = image.alt


def atom(page: Page) -> bytes:
    """Build Atom 1.0 whose links have relation, type and language; feedgen keeps only their
    URLs.
    """
    root = etree.fromstring(_generator(page, ATOM).atom_str())
    elements = root.findall(f"{{{_ATOM}}}entry")
    _pair([element.findtext(f"{{{_ATOM}}}id") for element in elements], page.entries)
    _replace_links(root, page.links(ATOM))
    for element, entry in zip(elements, page.entries, strict=True):
        element.set(_LANG, entry.lang)
        for name in ("title", "summary"):
            for text in element.findall(f"{{{_ATOM}}}{name}"):
                text.set("type", "text")
        _replace_links(element, entry.links)
    return _bytes(root)


def json_feed(page: Page) -> bytes:
    """Build JSON Feed 1.1; the members of `_cimahi` are this city's own."""
    feed: dict[str, Any] = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": page.title,
        "home_page_url": page.home,
        "feed_url": page.canonical,
        "description": page.description,
        "language": page.lang,
        "authors": [{"name": page.author, "url": page.home}],
    }
    if page.next_url:
        feed["next_url"] = page.next_url
    if page.hub:
        feed["hubs"] = [{"type": "WebSub", "url": page.hub}]
    feed["_cimahi"] = dict(page.facts)
    feed["items"] = [_json_item(entry) for entry in page.entries]
    return msgspec.json.format(msgspec.json.encode(feed), indent=1)


def _json_item(entry: Entry) -> dict[str, Any]:
    item: dict[str, Any] = {"id": entry.id}
    if link := entry.link("alternate"):
        item["url"] = link.href
    item |= {
        "title": entry.title,
        "summary": entry.summary,
        "content_html": entry.html,
        "content_text": entry.text,
        "date_published": entry.published.isoformat(),
        "date_modified": entry.updated.isoformat(),
        "language": entry.lang,
        "authors": [{"name": entry.author}],
        "tags": [entry.topic_label],
    }
    if enclosure := entry.link("enclosure"):
        item["image"] = enclosure.href
        size = {"size_in_bytes": enclosure.length} if enclosure.length else {}
        item["attachments"] = [{"url": enclosure.href, "mime_type": enclosure.type, **size}]
    return item | {"_cimahi": dict(entry.facts)}


def _generator(page: Page, media_type: str) -> FeedGenerator:
    feed = FeedGenerator()
    feed.id(page.id)
    feed.title(page.title)
    feed.description(page.description)
    feed.subtitle(page.description)
    feed.language(page.lang)
    feed.author({"name": page.author})
    feed.generator("Siaran Cimahi")
    feed.updated(
        page.updated
    )  # also RSS's lastBuildDate; both default to now, which differs at each build
    for link in page.links(media_type):
        if link.rel in {"self", "alternate"}:
            feed.link(link.attributes())
    for entry in page.entries:
        feed.add_entry(_feed_entry(entry, plain=page.plain), order="append")
    return feed


def _feed_entry(entry: Entry, *, plain: bool) -> FeedEntry:
    element = FeedEntry()
    element.id(entry.id)
    element.title(entry.title)
    element.summary(entry.summary)
    if not plain:
        element.content(entry.html, type="html")
    element.author({"name": entry.author})
    element.category({"term": entry.topic, "label": entry.topic_label})
    element.published(entry.published)
    element.updated(entry.updated)
    for link in entry.links:
        element.link(link.attributes())
    return element


def _pair(ids: Sequence[str | None], entries: Sequence[Entry]) -> None:
    if list(ids) != [entry.id for entry in entries]:
        raise RuntimeError(
            f"feed of {len(entries)} entries came back with {len(ids)}, or in another order"
        )


def _replace_links(element: etree._Element, links: Sequence[Link]) -> None:
    present = element.findall(f"{{{_ATOM}}}link")
    place = element.index(present[0]) if present else len(element)
    for link in present:
        element.remove(link)
    for offset, wanted in enumerate(links):
        element.insert(place + offset, etree.Element(f"{{{_ATOM}}}link", wanted.attributes()))


def _bytes(root: etree._Element) -> bytes:
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)
