"""Pull channels over HTTP: the right areas, strong tags, 304 without a body, and never older than
max-age + 5 s.
"""

import asyncio
import contextlib
import gzip
import json
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from broadcaster.web.base.http_cache import prepare
from broadcaster.web.public.pull_channels import QUERIED_BYTES, PullCache, _Built
from broadcaster.web.server import serve
from channels.base.contract import Document, PageRequest, PullChannel
from support.browsing import EMERGENCY, Running, listening, running

FEEDS = [".rss", ".atom", ".json"]
PLAIN = {"Accept-Encoding": "identity"}
PACKED = {"Accept-Encoding": "gzip"}


async def test_an_announcement_is_in_the_feeds_of_its_area_those_above_and_no_other(
    site: Running,
) -> None:
    announcement = await site.publish()
    slugs = [
        area.slug
        for area in site.app.tree.all()
        if announcement.code in (await site.ask(f"/feed/{area.slug}.json")).text
    ]
    assert slugs == ["cimahi", "cimahi-utara", "cibabat"]


@pytest.mark.parametrize("ending", FEEDS)
async def test_the_dotted_code_gives_the_same_bytes_as_the_slug(site: Running, ending: str) -> None:
    await site.publish()
    by_slug = await site.ask(f"/feed/cibabat{ending}", headers=PLAIN)
    by_code = await site.ask(f"/feed/32.77.03.1002{ending}", headers=PLAIN)
    assert by_slug.raw == by_code.raw
    assert by_slug.headers["ETag"] == by_code.headers["ETag"]


@pytest.mark.parametrize(
    "path",
    ["/feed/lembang.rss", "/feed/.rss", "/feed/cibabat.pdf", "/layar/lembang", "/layar/x/data"],
)
async def test_an_unknown_area_or_format_is_not_found(site: Running, path: str) -> None:
    assert (await site.ask(path)).status == 404


@pytest.mark.parametrize("ending", FEEDS)
async def test_a_feed_says_what_it_is_and_may_be_read_from_anywhere(
    site: Running, ending: str
) -> None:
    types = {
        ".rss": "application/rss+xml",
        ".atom": "application/atom+xml",
        ".json": "application/feed+json",
    }
    answer = await site.ask(f"/feed/cibabat{ending}")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith(types[ending])
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert "max-age=60" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("ending", FEEDS)
async def test_a_reader_that_has_it_gets_304_without_a_body(site: Running, ending: str) -> None:
    await site.publish()
    first = await site.ask(f"/feed/cibabat{ending}", headers=PLAIN)
    again = await site.ask(
        f"/feed/cibabat{ending}", headers={**PLAIN, "If-None-Match": first.headers["ETag"]}
    )
    assert again.status == 304
    assert again.raw == b""
    assert "Content-Length" not in again.headers or again.headers["Content-Length"] == "0"
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert not first.headers["ETag"].startswith("W/")


async def test_gzip_has_a_tag_of_its_own_and_either_tag_matches(site: Running) -> None:
    await site.publish()
    plain = await site.ask("/feed/cibabat.rss", headers=PLAIN)
    packed = await site.ask("/feed/cibabat.rss", headers=PACKED)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert gzip.decompress(packed.raw) == plain.raw
    assert len(packed.raw) < len(plain.raw)
    for tag in (
        plain.headers["ETag"],
        packed.headers["ETag"],
        f'"other", W/{plain.headers["ETag"]}',
        "*",
    ):
        for coding in (PLAIN, PACKED):
            assert (
                await site.ask("/feed/cibabat.rss", headers={**coding, "If-None-Match": tag})
            ).status == 304, tag


async def test_if_none_match_wins_over_if_modified_since(site: Running) -> None:
    await site.publish()
    site.clock.now += timedelta(minutes=2)
    first = await site.ask("/feed/cibabat.rss")
    date = first.headers["Last-Modified"]
    assert (await site.ask("/feed/cibabat.rss", headers={"If-Modified-Since": date})).status == 304
    headers = {"If-Modified-Since": date, "If-None-Match": '"something-else"'}
    assert (await site.ask("/feed/cibabat.rss", headers=headers)).status == 200
    assert (
        await site.ask("/feed/cibabat.rss", headers={"If-Modified-Since": "yesterday"})
    ).status == 200


DATED = ["/feed/cibabat.rss", "/feed/cibabat.atom", "/feed/cibabat.json", "/layar/cibabat/data"]
SCREEN = "/layar/cibabat"
UNDATED = [SCREEN, "/"]


@pytest.mark.parametrize("path", [*DATED, *UNDATED])
async def test_two_publications_of_one_second_never_hide_each_other(
    site: Running, path: str
) -> None:
    site.clock.now = site.clock.now.replace(second=59, microsecond=300_000)
    await site.publish(title="Kabar pertama")
    first = await site.ask(path)
    dates = [
        first.headers.get("Last-Modified"),
        format_datetime(site.clock.now.astimezone(UTC), usegmt=True),
    ]
    site.clock.now += timedelta(milliseconds=30)
    await site.publish(title="Kabar kedua")
    words = (
        f'data-source="{SCREEN}/data"' if path == SCREEN else "Kabar kedua"
    )  # a screen's page asks for its announcements
    await wait_for_words(site, path, words)
    for wait in (0, 1, 30, 31, 3600):
        site.clock.now += timedelta(seconds=wait)
        for date in filter(None, dates):
            for method in ("GET", "HEAD"):
                answer = await site.ask(path, method, headers={"If-Modified-Since": date})
                assert (answer.status, words in answer.text) == (200, method == "GET"), (
                    date,
                    wait,
                    method,
                )


async def wait_for_words(site: Running, path: str, words: str) -> None:
    """Wait until the path shows what was published: the stamp is believed for a second."""
    for _ in range(300):
        if words in (await site.ask(path)).text:
            return
        await asyncio.sleep(0.05)
    raise TimeoutError(path)


@pytest.mark.parametrize("path", DATED)
async def test_a_reader_that_knows_dates_alone_gets_304_in_the_end(
    site: Running, path: str
) -> None:
    await site.publish()
    site.clock.now += timedelta(minutes=2)
    date = (await site.ask(path)).headers["Last-Modified"]
    site.clock.now += timedelta(minutes=2)
    answer = await site.ask(path, headers={"If-Modified-Since": date})
    assert (answer.status, answer.raw, answer.headers["Last-Modified"]) == (304, b"", date)


@pytest.mark.parametrize(
    "path",
    ["/feed/cibabat.rss", "/feed/cibabat.json", "/layar/cibabat", "/layar/cibabat/data", "/"],
)
async def test_head_answers_like_get_without_the_body(site: Running, path: str) -> None:
    await site.publish()
    get, head = await site.ask(path), await site.ask(path, "HEAD")
    assert head.status == 200
    assert head.raw == b""
    for name in ("Content-Length", "ETag", "Content-Type", "Cache-Control"):
        assert head.headers[name] == get.headers[name]


async def test_the_tag_is_the_same_after_a_restart(sqlite_url: str, tmp_path: Path) -> None:
    tags = []
    async with running(
        sqlite_url, tmp_path, BROADCASTER_BASE_URL="https://info.cimahi.example"
    ) as site:
        await site.publish()
        tags.append((await site.ask("/feed/cibabat.atom")).headers["ETag"])
    async with running(
        sqlite_url, tmp_path, BROADCASTER_BASE_URL="https://info.cimahi.example"
    ) as site:
        site.clock.now += timedelta(minutes=30)
        tags.append((await site.ask("/feed/cibabat.atom")).headers["ETag"])
    assert tags[0] == tags[1]


async def test_what_is_published_shows_within_two_seconds(site: Running) -> None:
    assert "Banjir" not in (await site.ask("/feed/cibabat.json")).text
    assert json.loads((await site.ask("/layar/cibabat/data")).text)["count"] == 0
    await site.publish(EMERGENCY)
    await asyncio.sleep(1.2)
    assert "Banjir" in (await site.ask("/feed/cibabat.json")).text
    assert json.loads((await site.ask("/layar/cibabat/data")).text)["count"] == 1


async def test_what_expires_leaves_by_itself_and_is_never_kept_beyond_that(site: Running) -> None:
    announcement = await site.publish()
    site.clock.now = site.clock.now.replace(hour=13, minute=59, second=40)
    before = await site.ask("/feed/cibabat.json")
    assert announcement.code in before.text
    assert before.headers["Cache-Control"] == "public, max-age=20"
    site.clock.now += timedelta(seconds=20)
    assert announcement.code not in (await site.ask("/feed/cibabat.json")).text


async def test_an_announcement_for_other_channels_only_is_not_in_the_feed(site: Running) -> None:
    announcement = await site.publish(channels=["display"])
    assert announcement.code not in (await site.ask("/feed/cibabat.json")).text
    assert announcement.code in (await site.ask("/layar/cibabat/data")).text


async def test_many_readers_cost_no_rendering(site: Running) -> None:
    await site.publish()
    tag = (await site.ask("/feed/cibabat.rss")).headers["ETag"]
    statuses = [
        (await site.ask("/feed/cibabat.rss", headers={"If-None-Match": tag})).status
        for _ in range(100)
    ]
    assert set(statuses) == {304}


@dataclass(kw_only=True)
class CountingChannel:
    """A pull channel that records what it is asked to build."""

    channel: PullChannel
    built: list[PageRequest] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The channel's name."""
        return self.channel.name

    @property
    def label(self) -> str:
        """The channel's label."""
        return self.channel.label

    @property
    def paths(self) -> tuple[str, ...]:
        """The channel's paths."""
        return self.channel.paths

    def known_query(self, path: str, query: Mapping[str, str]) -> Mapping[str, str]:
        """Return what the channel knows of a query."""
        return self.channel.known_query(path, query)

    def render_page(self, request: PageRequest) -> Document:
        """Record the request and render it by the channel."""
        self.built.append(request)
        return self.channel.render_page(request)


@contextlib.asynccontextmanager
async def counting_site(site: Running) -> AsyncIterator[tuple[Running, list[PageRequest]]]:
    """Serve the site with counting channels on a port of its own; yield it and what they built."""
    built: list[PageRequest] = []
    pull = {
        name: CountingChannel(channel=channel, built=built)
        for name, channel in site.app.pull.items()
    }
    with listening() as (sock, port):
        ready = asyncio.Event()
        serving = asyncio.create_task(
            serve(replace(site.app, pull=pull), "127.0.0.1", port, ready, listening=sock)
        )
        await ready.wait()
        yield replace(site, url=f"http://127.0.0.1:{port}"), built
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


ODD = (
    "x=1",
    "x=2",
    "utm_source=wa",
    "bahasa=xx",
    "bentuk=",
    "bentuk=../x",
    "sebelum=rusak",
    "halaman=9&x=%00",
    "x=%F0%9F%98%80&" + "y=1&" * 20,
)


@pytest.mark.parametrize(
    "path",
    [
        "/feed/cibabat.rss",
        "/feed/cibabat.atom",
        "/feed/cibabat.json",
        "/layar/cibabat",
        "/layar/cibabat/data",
    ],
)
async def test_what_a_document_does_not_know_builds_nothing_anew(site: Running, path: str) -> None:
    await site.publish()
    async with counting_site(site) as (counting, built):
        plain = await counting.ask(path, headers=PLAIN)
        for query in ODD:
            answer = await counting.ask(f"{path}?{query}", headers=PLAIN)
            assert (answer.status, answer.raw, answer.headers["ETag"]) == (
                200,
                plain.raw,
                plain.headers["ETag"],
            ), query
        assert len(built) == 1


async def test_random_queries_cost_few_builds_and_bounded_memory(site: Running) -> None:
    await site.publish()
    dice = random.Random(7)
    async with counting_site(site) as (counting, built):
        for _ in range(150):
            name = dice.choice(["x", "bahasa", "bentuk", "語", "wilayah"])
            value = dice.choice(["en", "id", "layar", "concerto", str(dice.random()), "語" * 5])
            assert (await counting.ask("/feed/cibabat.json", params={name: value})).status == 200
        assert len(built) <= 3


async def test_a_document_that_many_ask_for_at_once_is_built_once(site: Running) -> None:
    await site.publish()
    async with counting_site(site) as (counting, built):
        answers = await asyncio.gather(
            *(counting.ask("/feed/cibabat.atom?bahasa=en") for _ in range(60))
        )
        assert {answer.status for answer in answers} == {200}
        assert len(built) == 1


async def test_documents_that_strangers_choose_never_push_out_the_plain_ones(site: Running) -> None:
    cache = PullCache()
    response = prepare(b"x" * 1_000_000, media_type="image/png")
    cache.put(
        ("plain",), _Built(stamp=1, response=response, max_age=0, fresh_until=None), queried=False
    )
    for number in range(100):
        cache.put(
            ("chosen", number),
            _Built(stamp=1, response=response, max_age=0, fresh_until=None),
            queried=True,
        )
    assert cache.get(("plain",), 1, site.clock(), queried=False) is not None
    assert cache.get(("chosen", 99), 1, site.clock(), queried=True) is not None
    assert cache.shelf(queried=True).used <= QUERIED_BYTES
    assert (await site.ask("/feed/cibabat.json?" + "x" * 500)).status == 400


async def test_old_parts_of_a_feed_are_refused_to_who_asks_for_ever_more(
    site: Running,
) -> None:
    statuses = [
        (await site.ask(f"/feed/cibabat.json?sebelum={number}.CMH-2222-22")).status
        for number in range(80)
    ]
    assert statuses[0] == 200
    assert statuses[-1] == 429
    assert (await site.ask("/feed/cibabat.json")).status == 200
    assert (await site.ask("/layar/cibabat/data")).status == 200


async def test_a_screen_may_be_framed_by_our_own_pages_only(site: Running) -> None:
    policy = (await site.ask("/layar/cibabat")).headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in policy
    assert "unsafe" not in policy


async def test_the_demos_screen_tokens_are_slugs_in_disguise(demo: Running, site: Running) -> None:
    assert (await demo.ask("/layar/demo-cibabat")).status == 200
    assert (await site.ask("/layar/demo-cibabat")).status == 404


async def test_every_path_of_every_pull_channel_is_served(site: Running) -> None:
    for channel in site.app.pull.values():
        for path in channel.paths:
            assert (await site.ask(path.replace("{area}", "cibabat"))).status == 200, path
