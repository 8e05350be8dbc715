"""WebSub hubs over real HTTP, on both databases: notified of every changed feed after the commit,
until they accept.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from aiohttp import web
from sqlalchemy import Connection

from broadcaster.app import App
from broadcaster.publishing.websub import AT_ONCE, HubNotifier
from broadcaster.runtime import config
from broadcaster.simulation.serving import running
from broadcaster.store import custody
from broadcaster.worker import LaneWorker
from channels.base.contract import Area, PageRequest
from support.waiting import until
from support.world import notice, program, publish, variables

SITE = "https://info.cimahi.example"


@dataclass
class Hub:
    """A hub that records its notifications and answers as the test says."""

    status: int = 204
    forms: list[list[tuple[str, str]]] = field(default_factory=list)

    @property
    def app(self) -> web.Application:
        """Return its application."""
        app = web.Application()
        app.router.add_post("/", self._receive)
        return app

    async def _receive(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.forms.append([(name, str(value)) for name, value in form.items()])
        return web.Response(
            status=self.status, headers={"Location": "/elsewhere"} if self.status == 302 else None
        )

    @property
    def urls(self) -> list[str]:
        """Return every feed address that it was notified of."""
        return [value for form in self.forms for name, value in form if name == "hub.url"]


@asynccontextmanager
async def program_with_hub(
    database_url: str, folder: Path, hub: Hub, *, named: bool = True
) -> AsyncIterator[App]:
    """Open a program whose feeds name the hub (`named`), or none."""
    async with running(hub.app) as url:
        settings = {"FEED_HUB": f"{url}/" if named else "", "BROADCASTER_BASE_URL": SITE}
        async with program(variables(database_url, folder, **settings)) as app:
            yield app


def notifier_later(app: App, seconds: float) -> HubNotifier:
    """Return the notifier of a process whose clock is so many seconds ahead."""
    return HubNotifier(replace(app, clock=lambda: datetime.now(UTC) + timedelta(seconds=seconds)))


async def test_a_hub_is_told_once_of_every_feed_that_a_publication_changed(
    database_url: str, tmp_path: Path
) -> None:
    hub = Hub()
    async with program_with_hub(database_url, tmp_path, hub) as app:
        await publish(app, notice(areas=["cibabat"]))
        hubs = notifier_later(app, 5)
        assert await hubs.notify_due()
        assert not await hubs.notify_due()
        assert not await notifier_later(app, 60).notify_due()
    assert {form[0] for form in hub.forms} == {("hub.mode", "publish")}
    assert all(len(form) <= AT_ONCE + 1 for form in hub.forms)
    for area in ("cibabat", "cimahi-utara", "cimahi"):
        for form in (
            "rss",
            "rss?bahasa=en",
            "rss?bentuk=layar",
            "atom",
            "atom?bahasa=en",
            "json",
            "json?bahasa=en",
        ):
            assert hub.urls.count(f"{SITE}/feed/{area}.{form}") == 1
    assert not [url for url in hub.urls if "melong" in url]


async def test_every_address_told_is_what_the_feed_calls_itself(
    database_url: str, tmp_path: Path
) -> None:
    hub = Hub()
    async with program_with_hub(database_url, tmp_path, hub) as app:
        await publish(app, notice(areas=["cimahi"]))
        await notifier_later(app, 5).notify_due()
        for url in hub.urls:
            path, _, query = url.removeprefix(SITE).partition("?")
            node = app.tree[path.split("/")[2].partition(".")[0]]
            feed_area = Area(code=node.code, name=node.name, slug=node.slug)
            request = PageRequest(
                path=path,
                area=feed_area,
                query=dict(parse_qsl(query)),
                editions=[],
                now=datetime.now(UTC),
            )
            assert f'<{url}>; rel="self"' in app.pull["feed"].render_page(request).headers["Link"]
    assert len(hub.urls) == len(set(hub.urls)) == 7 * len(app.tree.all())


@pytest.mark.parametrize("status", [500, 429, 404, 302])
async def test_a_hub_that_did_not_accept_is_told_again_also_by_another_process(
    sqlite_url: str, tmp_path: Path, status: int
) -> None:
    hub = Hub(status=status)
    async with program_with_hub(sqlite_url, tmp_path, hub) as app:
        await publish(app, notice())
        hubs = notifier_later(app, 5)
        assert await hubs.notify_due()
        assert not await hubs.notify_due(), "not again at once"
        tries = len(hub.forms)
        hub.status = 202
        assert await notifier_later(app, 11).notify_due()
        assert len(hub.forms) > tries
        assert not await notifier_later(app, 600).notify_due()


async def test_a_correction_that_changes_areas_is_told_for_both(
    sqlite_url: str, tmp_path: Path
) -> None:
    hub = Hub()
    async with program_with_hub(sqlite_url, tmp_path, hub) as app:
        await publish(app, notice(areas=["cibabat"]))
        await notifier_later(app, 5).notify_due()
        hub.forms.clear()
        app.database.write_now(_second_edition)
        await notifier_later(app, 10).notify_due()
    assert f"{SITE}/feed/cibabat.rss" in hub.urls
    assert f"{SITE}/feed/melong.rss" in hub.urls


def _second_edition(connection: Connection) -> None:
    """Insert another edition of the announcement, for another area."""
    connection.exec_driver_sql(
        "INSERT INTO edition (announcement, number, document, signature, key_id, level, topic, channels, published_at,"
        " first_published_at, newest, withdrawn) SELECT announcement, 2, document, signature, key_id, level, topic, channels,"
        " published_at, first_published_at, 0, 0 FROM edition WHERE number = 1"
    )
    connection.exec_driver_sql(
        "INSERT INTO edition_area (edition, area) SELECT max(id), '32.77.01.1001' FROM edition"
    )


async def test_without_a_hub_nothing_is_declared_and_nobody_told(
    sqlite_url: str, tmp_path: Path
) -> None:
    hub = Hub()
    async with program_with_hub(sqlite_url, tmp_path, hub, named=False) as app:
        await publish(app, notice())
        assert not await notifier_later(app, 5).notify_due()
    assert hub.forms == []


async def test_the_worker_tells_the_hub(sqlite_url: str, tmp_path: Path) -> None:
    hub = Hub()
    async with program_with_hub(sqlite_url, tmp_path, hub) as app:
        worker = LaneWorker(app, "routine")
        working = asyncio.create_task(worker.run())
        await publish(app, notice())
        await until(lambda: hub.urls, seconds=30, what="the hub is told")
        worker.stop()
        await working


@pytest.mark.parametrize(
    "hub",
    [
        "hub.example",
        "http://hub.example/",
        "ftp://hub.example/",
        "https://a:b@hub.example/",
        "https://",
    ],
)
def test_an_invalid_hub_address_is_an_error_at_the_start(hub: str) -> None:
    with pytest.raises(config.BadSettings) as wrong:
        config.read({"FEED_HUB": hub})
    assert "FEED_HUB: harus satu alamat https, misalnya https://hub.contoh.id/." in str(wrong.value)


async def test_a_moved_database_tells_no_hub_until_it_is_settled(
    database_url: str, tmp_path: Path
) -> None:
    hub = Hub()
    async with program_with_hub(database_url, tmp_path, hub) as app:
        await publish(app, notice())
        record = app.database.read_now(custody.read)
        assert record is not None
        app.database.write_now(custody.hold, "moved", 1.0)
        assert not await notifier_later(app, 5).notify_due()
        assert hub.forms == []
        app.database.write_now(custody.settle, record.home, record.mark)
        assert await notifier_later(app, 6).notify_due()
    assert hub.forms
