"""Three formats with the same content: valid, mended where feedgen fails, equal bytes in every
process, safe from hostile text.
"""

import hashlib
import json
import locale
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import feedparser
import msgspec
import pytest
from feedgen.feed import FeedGenerator
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from channels.base.contract import Area, Edition, Image, Wording
from channels.base.syndication import escaped
from support import samples
from support.feeds import AREAS, EDITIONS, FORMATS, LATER, items, many, read_entries, render_feed

ROOT = Path(__file__).resolve().parents[3]
ATOM = "{http://www.w3.org/2005/Atom}"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
HUB = "https://hub.example/"


@pytest.mark.parametrize("extension", FORMATS)
@pytest.mark.parametrize("area", AREAS, ids=lambda area: area.slug)
def test_every_area_has_a_valid_feed_in_every_format(area: Area, extension: str) -> None:
    for editions in (EDITIONS, []):
        document = render_feed(extension, editions, area=area)
        assert len(read_entries(extension, document.body)) == len(editions)
        assert area.full_name in document.body.decode()


def test_the_three_formats_have_the_same_entries() -> None:
    first, *others = [read_entries(extension, render_feed(extension).body) for extension in FORMATS]
    assert len(first) == len(EDITIONS)
    assert all(other == first for other in others)


@pytest.mark.parametrize(
    ("extension", "media_type"),
    [
        ("rss", "application/rss+xml; charset=utf-8"),
        ("atom", "application/atom+xml; charset=utf-8"),
        ("json", "application/feed+json"),
    ],
)
def test_a_feed_is_public_for_a_minute_under_its_media_type(
    extension: str, media_type: str
) -> None:
    document = render_feed(extension)
    assert (document.media_type, document.max_age) == (media_type, 60)
    assert document.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("extension", FORMATS)
def test_the_bytes_depend_on_the_editions_alone(extension: str) -> None:
    bodies = {
        render_feed(extension, order, now=now).body
        for order in (EDITIONS, EDITIONS[::-1])
        for now in (LATER, LATER + timedelta(seconds=1), LATER + timedelta(minutes=14))
    }
    assert len(bodies) == 1


@pytest.mark.slow
def test_another_process_in_another_zone_and_locale_builds_the_same_bytes() -> None:
    program = "from support import feeds; import hashlib; print(*(hashlib.sha256(feeds.render_feed(x).body).hexdigest() for x in feeds.FORMATS))"
    environment = {
        **os.environ,
        "TZ": "America/New_York",
        "LC_ALL": "C.UTF-8",
        "PYTHONHASHSEED": "7",
    }
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    output = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert output.stdout.split() == [
        hashlib.sha256(render_feed(extension).body).hexdigest() for extension in FORMATS
    ]


def test_builders_in_several_threads_agree_and_leave_the_locale_alone() -> None:
    before = locale.setlocale(locale.LC_ALL)
    with ThreadPoolExecutor(8) as pool:
        bodies = set(pool.map(lambda _: render_feed("rss", many(20)).body, range(24)))
    assert len(bodies) == 1
    assert locale.setlocale(locale.LC_ALL) == before


def test_an_rss_item_has_a_title_a_plain_description_and_a_date() -> None:
    channel = etree.fromstring(render_feed("rss").body)[0]
    for item in channel.findall("item"):
        assert item.findtext("title")
        assert "<" not in str(item.findtext("description"))
        assert str(item.findtext("pubDate")).endswith("+0700")
        assert item.find("guid").get("isPermaLink") == "false"
        assert item.findtext("{http://purl.org/dc/elements/1.1/}creator")
    assert channel.findtext("link") == "https://info.cimahi.example/?wilayah=cibabat"


def test_atom_links_keep_their_relation_type_and_language() -> None:
    edition = samples.notice(
        link="/berkas/jadwal", image=Image(url="https://info.cimahi.example/g/pipa.png", alt="Pipa")
    )
    entry = etree.fromstring(render_feed("atom", [edition]).body).find(f"{ATOM}entry")
    assert entry is not None
    assert [dict(link.attrib) for link in entry.findall(f"{ATOM}link")] == [
        {
            "rel": "alternate",
            "type": "text/html",
            "hreflang": "id",
            "href": "https://info.cimahi.example/p/CMH-7K4Q-2M",
        },
        {"rel": "related", "href": "https://info.cimahi.example/berkas/jadwal"},
        {"rel": "enclosure", "type": "image/png", "href": "https://info.cimahi.example/g/pipa.png"},
    ]
    assert entry.get(XML_LANG) == "id"


def test_feedgen_alone_would_lose_them() -> None:
    raw = FeedGenerator()
    raw.id("tag:x,2026:y")
    raw.title("x")
    entry = raw.add_entry()
    entry.id("tag:x,2026:z")
    entry.title("z")
    entry.link(href="https://info.cimahi.example/", rel="related", type="text/html")
    entry.content("z")
    link = etree.fromstring(raw.atom_str()).find(f"{ATOM}entry/{ATOM}link")
    assert link is not None
    assert dict(link.attrib) == {"href": "https://info.cimahi.example/"}


class VisibleText(HTMLParser):
    """The text that a reader shows of HTML."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_data(self, data: str) -> None:
        self.text += data


ANGLED = [
    "Uji <x> dan </x>, <b>tebal</b>",
    "Kode &lt;A&gt; &amp; &copy2026 &#60;",
    "Air & listrik, Q&A, 3 < 5 > 2, a<b",
    "<!-- rahasia --> terlihat <?php ?>",
]


@pytest.mark.parametrize("text", ANGLED)
def test_what_stands_in_angles_is_seen_in_every_rss_reader(text: str) -> None:
    words = msgspec.structs.replace(samples.notice().wording("id"), title=text, summary=text)
    item = etree.fromstring(render_feed("rss", [samples.notice(wordings={"id": words})]).body).find(
        "channel/item"
    )
    for name in ("title", "description"):
        assert VisibleText(item.findtext(name)).text == text  # readers that take it for HTML
        assert unescape(item.findtext(name)) == text  # and those that only resolve references
    entry = etree.fromstring(
        render_feed("atom", [samples.notice(wordings={"id": words})]).body
    ).find(f"{ATOM}entry")
    for name in ("title", "summary"):
        assert (entry.findtext(f"{ATOM}{name}"), entry.find(f"{ATOM}{name}").get("type")) == (
            text,
            "text",
        )
    (json_item,) = items([samples.notice(wordings={"id": words})])
    assert (json_item["title"], json_item["summary"]) == (text, text)


@given(st.text(st.sampled_from("ab<>&;#x3/! lt"), max_size=60))
def test_text_that_html_would_change_is_seen_and_other_text_stays(text: str) -> None:
    assert VisibleText(escaped(text)).text == text
    if VisibleText(text).text == text and "<" not in text:
        assert escaped(text) == text


@pytest.mark.parametrize(
    "text", ["Air & listrik", "Q&A", "3 < 5", "AT&T", "Rp1,5 juta", "R&D; lain"]
)
def test_plain_titles_stay_plain(text: str) -> None:
    assert escaped(text) == text


def test_an_entry_without_translation_names_its_own_language() -> None:
    only = samples.notice(wordings={"id": samples.notice().wording("id")})
    item = etree.fromstring(render_feed("rss", [only], query={"bahasa": "en"}).body).find(
        "channel/item"
    )
    assert item.findtext("{http://purl.org/dc/elements/1.1/}language") == "id"
    entry = etree.fromstring(render_feed("atom", [only], query={"bahasa": "en"}).body).find(
        f"{ATOM}entry"
    )
    assert entry.get(XML_LANG) == "id"
    assert items([only], query={"bahasa": "en"})[0]["language"] == "id"
    assert "language" not in [
        child.tag.rpartition("}")[2]
        for child in etree.fromstring(render_feed("rss", [only]).body).find("channel/item")
    ]


def test_a_reason_in_an_english_feed_is_marked_as_indonesian() -> None:
    (item,) = items([samples.correction()], query={"bahasa": "en"})
    assert '<span lang="id">Air kembali pukul 16.00, bukan 14.00.</span>' in item["content_html"]


# --- hostile texts -------------------------------------------------------------------------------


HOSTILE = (
    "a\x00\x07\x1f\x85 \ud800\ufffe\uffff \u202e\u2066terbalik ]]> & <script>alert(1)</script> &#1;&#x202e; \U0001f30a "
    "مرحبا {{ 7*7 }} {% raw %} %s [x](javascript:alert(1)) <img src=x onerror=alert(1)>"
)


def hostile_fields() -> dict[str, Edition]:
    """Return one notice for each field that strangers could fill."""
    wording = samples.notice().wording("id")
    fields: dict[str, dict[str, Any]] = {
        name: {"wordings": {"id": msgspec.structs.replace(wording, **{name: HOSTILE})}}
        for name in ("title", "summary", "body")
    }
    fields |= {
        "agency": {"agency": HOSTILE},
        "reason": {"change": "correction", "reason": HOSTILE},
        "withdrawal": {"change": "withdrawal", "reason": HOSTILE},
        "link": {"link": "https://x.example/" + HOSTILE},
        "image": {"image": Image(url="https://x.example/" + HOSTILE + ".png", alt=HOSTILE)},
        "topic": {
            "topic": msgspec.structs.replace(samples.SERVICE, slug=HOSTILE, labels={"id": HOSTILE})
        },
        "area": {"areas": (msgspec.structs.replace(samples.CIBABAT, name=HOSTILE),)},
        "long": {
            "wordings": {
                "id": Wording(
                    title=HOSTILE * 40, summary=HOSTILE * 40, body=("kata " + HOSTILE) * 60
                )
            }
        },
    }
    return {name: samples.notice(code="CMH-EVIL-22", **changes) for name, changes in fields.items()}


@pytest.mark.parametrize(("name", "edition"), hostile_fields().items(), ids=hostile_fields())
def test_a_hostile_field_spoils_neither_its_feed_nor_the_other_entries(
    name: str, edition: Edition
) -> None:
    for extension in FORMATS:
        document = render_feed(extension, [edition, *EDITIONS])
        text = document.body.decode()
        assert not any(
            character in text for character in "\x00\x07\x1f\x85\ufffe\uffff\u202e\u2066"
        )
        entries = read_entries(extension, document.body)
        assert len(entries) == len(EDITIONS) + 1
        assert [entry for entry in entries if "EVIL" not in entry[0]] == read_entries(
            extension, render_feed(extension).body
        )


class Reader(HTMLParser):
    """Parser that collects the tags, attributes and addresses that a reader's browser would act on."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src"}]


@pytest.mark.parametrize("edition", hostile_fields().values(), ids=hostile_fields())
def test_no_hostile_html_reaches_the_readers(edition: Edition) -> None:
    reader = Reader()
    reader.feed(items([edition])[0]["content_html"])
    assert reader.tags <= {"p", "br", "strong", "em", "a", "ul", "ol", "li", "img"}
    assert reader.names <= {"href", "rel", "src", "alt"}
    assert all(address.startswith("https://") for address in reader.addresses)


def test_an_edition_with_a_time_without_zone_is_left_out_alone() -> None:
    broken = samples.notice(code="CMH-EVIL-22", published_at=datetime(2026, 11, 25, 7, 43))  # noqa: DTZ001 # reason: the fault under test
    for extension in FORMATS:
        assert render_feed(extension, [broken, *EDITIONS]).body == render_feed(extension).body


# --- JSON Feed's own rules -----------------------------------------------------------------------


def addresses(value: Any) -> Iterator[str]:
    """Yield every member that holds an address."""
    if isinstance(value, dict):
        for name, member in value.items():
            if name.endswith("url") or name in {"image", "about"}:
                yield member
            else:
                yield from addresses(member)
    elif isinstance(value, list):
        for member in value:
            yield from addresses(member)


def test_a_json_feed_keeps_the_rules_that_its_schema_cannot_check() -> None:
    feed = json.loads(render_feed("json", [*EDITIONS, *many(60)]).body)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    ids = [item["id"] for item in feed["items"]]
    assert len(ids) == len(set(ids)) == 50
    assert all(isinstance(identity, str) for identity in ids)
    assert feed["next_url"] != feed["feed_url"]
    assert all(address.startswith("https://info.cimahi.example/") for address in addresses(feed))
    for item in feed["items"]:
        assert item["content_html"] and item["content_text"]
        assert datetime.fromisoformat(item["date_published"]).tzinfo
        assert {"about", "status", "kind", "severity", "expires", "areas"} <= set(item["_cimahi"])


def test_severity_is_given_for_alerts_only() -> None:
    levels = [samples.alert(level=level) for level in ("emergency", "important", "info")]
    assert [items([edition])[0]["_cimahi"]["severity"] for edition in levels] == [
        "Severe",
        "Moderate",
        "Minor",
    ]
    assert items([samples.notice()])[0]["_cimahi"]["severity"] is None


# --- a hub ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("extension", FORMATS)
def test_a_hub_is_named_in_the_header_and_in_the_document_if_there_is_one(extension: str) -> None:
    self_url = f"https://info.cimahi.example/feed/cibabat.{extension}"
    with_hub, without = render_feed(extension, hub=HUB), render_feed(extension)
    assert with_hub.headers["Link"] == f'<{self_url}>; rel="self", <{HUB}>; rel="hub"'
    assert HUB in with_hub.body.decode()
    assert "Link" not in without.headers
    assert "hub" not in without.body.decode()


def test_the_hub_of_a_feed_is_a_link_and_the_page_for_people_still_the_main_one() -> None:
    for extension in ("rss", "atom"):
        parsed = feedparser.parse(render_feed(extension, hub=HUB).body).feed
        assert parsed.link == "https://info.cimahi.example/?wilayah=cibabat"
        assert {"self", "hub"} <= {link.rel for link in parsed.links}
    assert json.loads(render_feed("json", hub=HUB).body)["hubs"] == [{"type": "WebSub", "url": HUB}]
