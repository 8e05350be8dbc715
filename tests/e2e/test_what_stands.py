"""Announcements of awkward parts, corrected and withdrawn through the stand-ins: every phone,
inbox, feed and screen is true.

STANDING_ANNOUNCEMENTS sets how many for each database (40; the full trial has 500), STANDING_SEED
the seed.
"""

import asyncio
import contextlib
import itertools
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from broadcaster.app import App
from broadcaster.delivery.sending_state import RenderCache
from broadcaster.simulation import providers
from broadcaster.simulation.ports import free_port
from broadcaster.simulation.providers import demo_variables
from broadcaster.web.server import serve
from support.browsing import listening
from support.own_words import KELURAHAN, PUSH, Writer, found_in
from support.standing import (
    Chronicle,
    City,
    Resident,
    Story,
    wrong_entry,
    wrong_item,
    wrong_on_phones,
)
from support.world import program, subscribe, variables

MANY = int(os.environ.get("STANDING_ANNOUNCEMENTS") or 40)
SEED = int(os.environ.get("STANDING_SEED") or 10)
KEPT = 100_000
"""Messages that a phone of the trial keeps: as good as all."""
OLD = 49 * 3600
"""Seconds after which Telegram deletes nothing any more."""


def residents() -> Iterator[Resident]:
    """Yield a resident of each kelurahan on each channel, every third reads English; a group; two
    who follow more than a kelurahan.
    """
    shapes = {"whatsapp": "62812{:08}", "telegram": "70000{:05}", "email": "warga{}@surat.example"}
    for place, area in enumerate(KELURAHAN):
        for at, (channel, shape) in enumerate(shapes.items()):
            yield Resident(
                channel=channel,
                address=shape.format(place + 1),
                area=area,
                lang="id" if (place + at) % 3 else "en",
            )
    yield Resident(channel="telegram", address="-1007000000003", area="melong", lang="id")
    yield Resident(channel="email", address="kota@surat.example", area="cimahi", lang="id")
    yield Resident(channel="email", address="utara@surat.example", area="cimahi-utara", lang="id")


@contextlib.asynccontextmanager
async def site(app: App, sock: socket.socket, port: int) -> AsyncIterator[None]:
    """Serve the pages, and the webhooks that the stand-ins call."""
    ready = asyncio.Event()
    task = asyncio.create_task(serve(app, "127.0.0.1", port, ready, listening=sock))
    await ready.wait()
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def city(database_url: str, tmp_path: Path) -> AsyncIterator[City]:
    with listening() as (sock, port):
        demo = demo_variables(http_port=free_port(), smtp_port=free_port()) | {
            "WHATSAPP_RATE": "0",
            "TELEGRAM_RATE": "0",
        }
        own = {"BROADCASTER_PORT": str(port), "BROADCASTER_BASE_URL": f"http://127.0.0.1:{port}"}
        environ = variables(database_url, tmp_path, BROADCASTER_SIMULATED="true", **demo, **own)
        async with (
            program(environ) as app,
            providers.running(app.loaded) as stand_ins,
            site(app, sock, port),
        ):
            stand_ins.graph.inbox_size = stand_ins.bot.inbox_size = stand_ins.mail.inbox_size = KEPT
            people = list(residents())
            for channel, lang in itertools.product(PUSH, ("id", "en")):
                same = [
                    (each.address, each.area)
                    for each in people
                    if (each.channel, each.lang) == (channel, lang)
                ]
                await subscribe(app, channel, same, language=lang)
            stand_ins.graph.watch(
                *(person.address for person in people if person.channel == "whatsapp")
            )
            renders = RenderCache(database=app.database)
            yield City(app=app, providers=stand_ins, residents=people, renders=renders)


async def live(city: City, many: int) -> Chronicle:
    """Publish that many, and correct and withdraw what was published, a few acts at a time; some
    messages grow old in between.
    """
    chronicle = Chronicle(city, Writer(SEED, city.app.site.base_url))
    dice = chronicle.writer.dice
    waiting: list[Story] = []
    while len(chronicle.stories) < many or waiting:
        for _act in range(dice.randint(1, 4)):
            if len(chronicle.stories) < many and (len(waiting) < 8 or dice.random() < 0.5):
                chronicle.publish()
                waiting.append(chronicle.stories[-1])
            elif waiting:
                act_on(chronicle, waiting)
        if dice.random() < 0.9:  # else the next acts overtake what was to leave
            await city.send_everything()
            chronicle.sent()
        if dice.random() < 0.1:
            grow_old(city)
    await city.send_everything()
    chronicle.sent()
    return chronicle


def act_on(chronicle: Chronicle, waiting: list[Story]) -> None:
    """Correct a story, withdraw it, or leave it for good."""
    dice = chronicle.writer.dice
    story = dice.choice(waiting)
    chance = dice.random()
    if story.newest < 5 and chance < 0.55:
        chronicle.correct(story)
    else:
        waiting.remove(story)
        if chance < 0.8:
            chronicle.withdraw(story)


def grow_old(city: City) -> None:
    """Make the messages on the phones two days older."""
    for person in city.residents:
        if person.channel == "telegram":
            for message in city.providers.bot.inbox(int(person.address)):
                message.at -= OLD


async def wrong_on_pages(chronicle: Chronicle) -> list[str]:
    """Return what a feed, a screen or the first page shows wrongly or fails to show."""
    app = chronicle.city.app
    faults: list[str] = []
    for number, area in enumerate(app.tree.all()):
        # a visitor of each area: one alone would be asked to wait
        visitor = {"X-Forwarded-For": f"203.0.113.{number}"}
        async with aiohttp.ClientSession(app.site.base_url, headers=visitor) as session:
            faults += await wrong_in_area(session, chronicle, area.slug)
    return faults


async def wrong_in_area(
    session: aiohttp.ClientSession, chronicle: Chronicle, slug: str
) -> list[str]:
    """Return what is wrong on the pages of an area."""
    faults: list[str] = []
    former = chronicle.former_words()
    for lang in ("", "?bahasa=en"):
        faults += [
            f"feed {slug}{lang}: {fault}" for fault in await in_feed(session, chronicle, slug, lang)
        ]
    for path in (f"/feed/{slug}.rss", f"/feed/{slug}.atom", f"/?wilayah={slug}"):
        faults += [
            f"{path}: {old} stands" for old in former & found_in(await text_of(session, path))
        ]
    faults += [f"screen {slug}: {fault}" for fault in await on_screen(session, chronicle, slug)]
    return faults


async def text_of(session: aiohttp.ClientSession, path: str) -> str:
    """Return a page; repeats the request when the site asks to come again later."""
    while True:
        async with session.get(path) as response:
            if response.status == 200:
                return await response.text()
            assert response.status == 429, (path, response.status)
            await asyncio.sleep(float(response.headers["Retry-After"]))


async def in_feed(
    session: aiohttp.ClientSession, chronicle: Chronicle, slug: str, query: str
) -> list[str]:
    """Return what is wrong with all pages of a JSON feed."""
    entries: dict[str, str] = {}
    faults: list[str] = []
    page = f"/feed/{slug}.json{query}"
    while page:
        text = await text_of(session, page)
        faults += [f"{old} stands" for old in chronicle.former_words() & found_in(text)]
        entries |= {item["_cimahi"]["code"]: item["title"] for item in json.loads(text)["items"]}
        page = json.loads(text).get("next_url", "").removeprefix(chronicle.city.app.site.base_url)
    code = chronicle.city.app.tree[slug].code
    for story in chronicle.stories:
        if (story.stored.code in entries) != (story.goes("feed") and code in story.places):
            faults.append(f"{story.number} listed: {story.stored.code in entries}")
        elif story.stored.code in entries and not query:
            faults += wrong_entry(story, entries[story.stored.code])
    return faults


async def on_screen(session: aiohttp.ClientSession, chronicle: Chronicle, slug: str) -> list[str]:
    """Return what is wrong with a screen's data."""
    text = await text_of(session, f"/layar/{slug}/data")
    faults = [f"{old} stands" for old in chronicle.former_words() & found_in(text)]
    items = {item["code"]: item for item in json.loads(text)["items"]}
    code = chronicle.city.app.tree[slug].code
    for story in chronicle.stories:
        here = not story.withdrawn and code in chronicle.concerned(story.fields)
        listed = story.stored.code in items
        if listed and not (story.goes("display") and code in story.places):
            faults.append(f"{story.number} does not belong there")
        elif listed:
            faults += wrong_item(story, items[story.stored.code], here=here)
        elif (
            len(items) < 20
            and story.goes("display")
            and code in story.places
            and not story.withdrawn
        ):
            faults.append(f"{story.number} is missing")
    return faults


async def test_at_the_end_everything_shows_what_is_true_and_nothing_that_is_not(city: City) -> None:
    chronicle = await live(city, MANY)
    faults = [*wrong_on_phones(chronicle), *await wrong_on_pages(chronicle)]
    assert not faults, "\n".join([f"{len(faults)} faults", *faults[:40]])
    counts = {story.newest for story in chronicle.stories}
    assert counts >= {1, 2, 3}
    assert any(story.withdrawn for story in chronicle.stories)
