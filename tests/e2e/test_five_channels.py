"""An announcement on five channels, each for the right kelurahan only; the preview is the message,
on real protocols.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from broadcaster.app import App
from broadcaster.domain.deliveries import PENDING
from broadcaster.newsroom.previews import message_parts
from broadcaster.simulation.ports import free_port
from broadcaster.simulation.providers import Providers, demo_variables, running
from broadcaster.store.announcements import edition_document
from broadcaster.store.archive import concerning
from channels.base.contract import Area, PageRequest, Recipient
from subscribers import residents
from support import inboxes
from support.sending import unfinished
from support.world import (
    deliverer,
    emergency,
    notice,
    program,
    publish,
    rows,
    states,
    subscribe,
    variables,
)

PLACES = {
    "cibabat": 1,
    "cimahi-utara": 2,
    "cimahi": 3,
    "melong": 4,
    "kelurahan-cimahi": 5,
    "citeureup": 6,
}
"""Number of the resident of each place."""
REACHED = {1, 2, 3}
"""Residents whom a Cibabat notice concerns."""
PATIENCE = 60.0
"""Seconds until every message must have left, even on a busy machine."""


def address(channel: str, number: int) -> str:
    return {
        "whatsapp": f"62860{number:08}",
        "telegram": str(7_000_000_000 + number),
        "email": f"warga{number}@surat.example",
    }[channel]


@pytest.fixture
async def city(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[App, Providers]]:
    demo = demo_variables(http_port=free_port(), smtp_port=free_port())
    demo |= {"WHATSAPP_RATE": "0", "TELEGRAM_RATE": "0"}
    environ = variables(database_url, tmp_path, BROADCASTER_SIMULATED="true", **demo)
    async with program(environ) as app, running(app.loaded) as providers:
        for channel in app.push:
            await subscribe(
                app,
                channel,
                [(address(channel, number), place) for place, number in PLACES.items()],
            )
        providers.graph.watch(*(address("whatsapp", number) for number in PLACES.values()))
        yield app, providers


def inbox(providers: Providers, channel: str, number: int) -> list[dict[str, str]]:
    """Return the messages of a resident on a channel, by part."""
    return inboxes.messages(providers, channel, address(channel, number))


async def send_all(app: App, lane: str = "routine") -> None:
    engine = deliverer(app)
    for channel in app.push:
        while await engine.drain(channel, lane, seconds=5):
            pass


async def all_sent(app: App, lane: str, count: int) -> None:
    """Send until so many messages were accepted and none is open; a chat may want a pause between
    two.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + PATIENCE
    while states(app) != {"sent": count}:
        assert clock() < end, unfinished(app)
        began = app.clock().timestamp()
        await send_all(app, lane)
        late = [row for row in rows(app) if row.state == PENDING and row.due_at <= began]
        assert late == [], "a drain that ends leaves nothing that was due"
        await asyncio.sleep(0.05)


async def recipient(app: App, channel: str, number: int) -> Recipient:
    """Return the resident as delivery addresses them."""
    row = await app.database.read(residents.find, app.vault, channel, address(channel, number))
    assert row is not None
    area = app.tree[row.home]
    return Recipient(
        delivery="0.0.1",
        attempt=1,
        address=address(channel, number),
        area=Area(code=area.code, name=area.name, slug=area.slug),
        since=date(2026, 1, 1),
        token=app.vault.token(row.id),
        address_key=app.vault.key(row.id),
    )


@pytest.mark.parametrize(
    "fields",
    [
        notice(),
        emergency(),
        notice(translations={"en": {"title": "Water off", "body": "Store water."}}),
    ],
)
async def test_each_channel_reaches_the_right_people_once_with_exactly_the_previewed_parts(
    city: tuple[App, Providers], fields: dict[str, Any]
) -> None:
    app, providers = city
    stored = await publish(app, fields)
    await all_sent(app, stored.lane, len(app.push) * len(REACHED))
    assert stored.edition is not None
    edition = await app.database.read(edition_document, stored.edition)
    for channel in app.push:
        for number in PLACES.values():
            received = inbox(providers, channel, number)
            assert len(received) == (number in REACHED), (channel, number, unfinished(app))
            if received:
                preview = message_parts(
                    app.push[channel], edition, "id", await recipient(app, channel, number)
                )
                previewed = {name: text for name, text in preview.items() if name in received[0]}
                assert received[0] == previewed
                assert set(preview) - {"silent"} <= set(received[0])
                assert "[SIMULASI]" in str(received[0])
                assert stored.code in str(received[0])
    assert states(app) == {"sent": 9}


async def test_the_feeds_and_screens_of_other_kelurahan_do_not_hold_it(
    city: tuple[App, Providers],
) -> None:
    app, _providers = city
    stored = await publish(app, notice())
    for area in app.tree.all():
        archive = await app.database.read(concerning, area.code, since=0.0, limit=100)
        page = Area(code=area.code, name=area.name, slug=area.slug)
        for channel in app.pull.values():
            for path in channel.paths:
                request = PageRequest(
                    path=path, area=page, query={}, editions=archive.editions, now=app.clock()
                )
                held = stored.code.encode() in channel.render_page(request).body
                data = not path.endswith(
                    "{area}"
                )  # the screen's page itself bears no announcement: its data does
                assert held == (data and area.slug in {"cibabat", "cimahi-utara", "cimahi"}), (
                    area.slug,
                    path,
                )


async def test_a_resident_with_two_matching_places_gets_one_copy(
    city: tuple[App, Providers],
) -> None:
    app, providers = city
    await subscribe(app, "email", [("dua@surat.example", "cibabat citeureup")])
    await publish(app, notice(areas=["cibabat", "citeureup"]))
    await send_all(app)
    assert len(providers.mail.inbox("dua@surat.example")) == 1


async def test_someone_with_three_channels_gets_it_once_on_each(
    city: tuple[App, Providers],
) -> None:
    app, providers = city
    for channel in app.push:
        await subscribe(app, channel, [(address(channel, 9), "cibabat")], subscriber="keluarga-9")
    providers.graph.watch(address("whatsapp", 9))
    await publish(app, notice())
    await send_all(app)
    assert [len(inbox(providers, channel, 9)) for channel in app.push] == [1, 1, 1]


async def test_provider_faults_lose_nobody(city: tuple[App, Providers]) -> None:
    app, providers = city
    for channel in app.push:
        await subscribe(app, channel, [(address(channel, 100 + n), "cibabat") for n in range(60)])
    providers.faults.change(rate_5xx=0.2, greylist=0.2)
    stored = await publish(app, notice())
    await send_all(app)
    waiting = states(app).get("pending", 0)
    assert waiting > 0, "some had trouble"
    assert states(app) == {"sent": 9 + 180 - waiting, "pending": waiting}
    providers.faults.change(rate_5xx=0.0, greylist=0.0)
    for _try in range(5):
        app.database.write_now(make_due)
        await send_all(app)
    assert states(app) == {"sent": 189}
    assert stored.edition is not None


def make_due(connection: Any) -> None:
    """End all waits."""
    from broadcaster.store.channels import resume_channel
    from broadcaster.store.tables import delivery, slice_

    connection.execute(delivery.update().values(due_at=0))
    connection.execute(slice_.update().values(due_at=0))
    for name in ("email", "telegram", "whatsapp"):
        resume_channel(connection, name)
