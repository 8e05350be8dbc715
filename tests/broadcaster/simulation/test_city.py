"""The sample city in the store: complete, quickly seeded, taken up by a later start, and its drafts
published by a button.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, func, select

from broadcaster.app import App, open_app
from broadcaster.publishing.press import Press
from broadcaster.runtime import config
from broadcaster.simulation import city, news, providers
from broadcaster.simulation.residents import RESIDENTS, neighbours
from broadcaster.store import announcements, archive
from broadcaster.store.tables import announcement, edition, run
from subscribers import residents
from subscribers.store import address, subscription

NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)


@asynccontextmanager
async def open_demo(url: str, folder: Path, now: datetime = NOW) -> AsyncIterator[App]:
    """Open the program under the demo's settings, at a fixed time."""
    variables = providers.demo_variables(http_port=1, smtp_port=2)
    loaded = config.read(
        {**variables, "BROADCASTER_SIMULATED": "true", "BROADCASTER_DATABASE_URL": url},
        data_dir=folder,
    )
    async with open_app(loaded, clock=lambda: now) as app:
        yield app


def count(connection: Connection, table: object) -> int:
    """Return the number of rows of a table."""
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())  # type: ignore[arg-type]


async def test_the_sample_city_is_complete(database_url: str, tmp_path: Path) -> None:
    async with open_demo(database_url, tmp_path) as app:
        seeded = await city.seed(app)
        assert (
            seeded.sentence
            == "15 kelurahan, 12.480 warga contoh, 15 layar, 38 pengumuman, 5 klarifikasi"
        )
        addresses = await app.database.read(count, address)
        assert addresses > RESIDENTS
        assert await app.database.read(count, run) == 0, "what was sent weeks ago is not sent again"
        resident = await app.database.read(
            residents.find, app.vault, "whatsapp", neighbours()["cibabat"].phone
        )
        assert resident is not None
        areas = await app.database.read(
            lambda connection: (
                connection.execute(
                    select(subscription.c.area).where(subscription.c.address == resident.id)
                )
                .scalars()
                .all()
            )
        )
        assert list(areas) == [app.tree["cibabat"].code]


async def test_the_history_is_signed_dated_and_partly_over(sqlite_url: str, tmp_path: Path) -> None:
    async with open_demo(sqlite_url, tmp_path) as app:
        await city.seed(app)
        page = await app.database.read(archive.list_public, archive.ArchiveFilter(), limit=100)
        times = [edition.first_published_at for edition in page.editions]
        assert times == sorted(times, reverse=True)
        assert page.editions[0].first_published_at < NOW
        assert page.editions[-1].first_published_at > NOW - timedelta(weeks=13)
        states = await app.database.read(
            lambda connection: (
                connection.execute(
                    select(announcement.c.state).where(announcement.c.created_by == "simulasi")
                )
                .scalars()
                .all()
            )
        )
        assert states.count("ended") > 25
        assert states.count("published") >= 7
        concerning = await app.database.read(
            archive.concerning,
            app.tree["cibabat"].code,
            since=NOW.timestamp(),
            channel="display",
        )
        assert len(concerning.editions) >= 4


async def test_seeding_takes_at_most_a_few_seconds(sqlite_url: str, tmp_path: Path) -> None:
    async with open_demo(sqlite_url, tmp_path) as app:
        start = time.process_time()
        await city.seed(app)
        assert time.process_time() - start < 8, "seconds of one processor; about two on an idle one"


async def test_fast_skips_the_history_and_a_later_start_adds_it(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with open_demo(sqlite_url, tmp_path) as app:
        quick = await city.seed(app, fast=True)
        assert (quick.residents, quick.announcements, quick.clarifications) == (RESIDENTS, 0, 0)
        full = await city.seed(app)
        assert (full.announcements, full.clarifications) == (38, 5)


async def test_a_second_start_takes_up_the_data_and_renews_stale_drafts(
    database_url: str, tmp_path: Path
) -> None:
    async with open_demo(database_url, tmp_path) as app:
        first = await city.seed(app)
        before = await app.database.read(count, announcement)
        await city.seed(app)
    async with open_demo(database_url, tmp_path, NOW + timedelta(days=9)) as app:
        assert await city.seed(app) == first
        assert await app.database.read(count, announcement) == before
        drafts = await app.database.read(city.announcements_of)
        water = await app.database.read(announcements.find, drafts["air"])
        assert water is not None
        assert "Kamis 3 Des" in water.fields.title


async def test_a_draft_is_published_once_and_can_be_made_again(
    database_url: str, tmp_path: Path
) -> None:
    async with open_demo(database_url, tmp_path) as app:
        await city.seed(app, fast=True)
        press = Press.of(app)
        for draft in news.drafts(NOW):
            published = await app.database.write(city.publish_draft, press, draft.key, NOW)
            assert published is not None
            assert published.status == "published"
            assert set(published.channels) == {"email", "telegram", "whatsapp"}
            assert published.lane == ("emergency" if draft.key == "banjir" else "routine")
            assert await app.database.write(city.publish_draft, press, draft.key, NOW) is None
        assert await app.database.read(count, edition) == len(news.drafts(NOW))
        later = NOW + timedelta(minutes=1)
        await app.database.write(city.add_drafts, press, later)
        republished = await app.database.write(city.publish_draft, press, "air", later)
        assert republished is not None
        assert (await app.database.read(city.announcements_of))["air"] == republished.id


async def test_an_old_draft_is_dated_anew_when_it_is_published(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with open_demo(sqlite_url, tmp_path) as app:
        await city.seed(app, fast=True)
        later = NOW + timedelta(days=30)
        stored = await app.database.write(city.publish_draft, Press.of(app), "banjir", later)
        assert stored is not None
        newest = await app.database.read(announcements.newest_edition, stored.id)
        assert newest is not None
        assert newest.expires_at == (later + timedelta(hours=3)).timestamp()


async def test_an_unknown_draft_is_no_draft(sqlite_url: str, tmp_path: Path) -> None:
    async with open_demo(sqlite_url, tmp_path) as app:
        assert await app.database.write(city.publish_draft, Press.of(app), "nothing", NOW) is None
