"""Addresses for machines: alive, ready, figures."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, make_url, text, update

from broadcaster.domain.deliveries import STATES
from broadcaster.inbound import inbox
from broadcaster.store import channels
from broadcaster.store.channel_tables import channel_state, held_suppression
from broadcaster.store.migrate import migrate
from broadcaster.store.tables import run, slice_
from channels.base.contract import InboundEvent, StatusEvent
from support.browsing import Running, running
from support.inboxes import apply_and_answer


@pytest.fixture
def migrated(tmp_path: Path) -> str:
    """Return the URL of a SQLite file that the migrations brought to this version."""
    url = f"sqlite:///{tmp_path / 'migrated.db'}"
    migrate(url)
    return url


async def test_the_process_is_alive_whatever_else_is_not(site: Running) -> None:
    answer = await site.ask("/healthz")
    assert (answer.status, answer.text) == (200, "ok\n")
    assert answer.headers["Cache-Control"] == "no-store"


async def test_ready_without_redis_says_so_and_serves(migrated: str, tmp_path: Path) -> None:
    async with running(migrated, tmp_path) as site:
        answer = await site.ask("/readyz")
        assert answer.status == 200
        assert json.loads(answer.text) == {"ready": True, "database": "ok", "redis": "degraded"}


async def test_ready_with_redis(migrated: str, tmp_path: Path, valkey_url: str) -> None:
    async with running(migrated, tmp_path, BROADCASTER_REDIS_URL=valkey_url) as site:
        assert json.loads((await site.ask("/readyz")).text)["redis"] == "ok"


async def test_not_ready_before_the_migrations_and_ready_after_them(site: Running) -> None:
    answer = await site.ask("/readyz")
    assert answer.status == 503
    assert json.loads(answer.text)["database"] == "not migrated"
    await site.app.database.write(
        lambda connection: connection.execute(
            text("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32))")
        )
    )
    assert (await site.ask("/readyz")).status == 503


async def test_not_ready_once_the_database_is_gone(migrated: str, tmp_path: Path) -> None:
    async with running(migrated, tmp_path) as site:
        assert (await site.ask("/readyz")).status == 200
        site.app.database.reader_engine.dispose()
        file = Path(str(make_url(migrated).database))
        for piece in tmp_path.glob(f"{file.name}*"):
            piece.unlink()
        file.mkdir()
        answer = await site.ask("/readyz")
        assert answer.status == 503
        assert json.loads(answer.text)["database"] == "unreachable"
        assert (await site.ask("/healthz")).status == 200


def figures_of(exposition: str) -> dict[str, float]:
    """Return every sample of a scrape by its name and labels."""
    lines = [line for line in exposition.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def test_figures_are_in_prometheus_format_and_count_the_ledger(site: Running) -> None:
    await site.publish()

    def slices(connection: Connection) -> None:
        counts = {f"n_{state}": 0 for state in STATES} | {
            "n_pending": 3,
            "n_sent": 5,
            "n_failed": 1,
        }
        place = {
            "edition": 1,
            "channel": "email",
            "number": 0,
            "lane": "routine",
            "after_slot": -1,
            "last_slot": 9,
        }
        connection.execute(
            insert(slice_).values({**place, **counts, "open": 3, "possible_duplicates": 2})
        )

    await site.app.database.write(slices)
    site.clock.now = site.clock.now.replace(hour=8)
    answer = await site.ask("/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    figures = figures_of(answer.text)
    assert figures['siaran_deliveries{channel="email",state="pending"}'] == 3
    assert figures['siaran_deliveries{channel="email",state="sent"}'] == 5
    assert figures['siaran_possible_duplicates{channel="email"}'] == 2
    assert figures['siaran_lag_seconds{lane="routine"}'] == 60 * 60
    assert figures['siaran_lag_seconds{lane="emergency"}'] == 0
    assert figures['siaran_rings_waiting{lane="routine"}'] == 0
    assert any(name.startswith("siaran_build_info{") for name in figures)


async def test_what_holds_the_sending_up_is_a_figure(site: Running) -> None:
    await site.publish()

    def trouble(connection: Connection) -> None:
        channels.halt_channel(connection, "email", "token ditolak", "manual")
        connection.execute(update(run).where(run.c.channel == "email").values(state="paused"))
        connection.execute(
            insert(held_suppression).values(address=1, channel="email", reason="address_dead", at=0)
        )
        paused = site.clock.now.timestamp() + 30
        connection.execute(insert(channel_state).values(channel="telegram", paused_until=paused))

    await site.app.database.write(trouble)
    figures = figures_of((await site.ask("/metrics")).text)
    assert figures['siaran_channel_halted{channel="email"}'] == 1
    assert figures['siaran_runs_paused{channel="email"}'] == 1
    assert figures['siaran_held_suppressions{channel="email"}'] == 1
    assert figures['siaran_channel_paused_seconds{channel="telegram"}'] == 30


async def test_what_waits_in_the_inbox_is_a_figure_by_kind_with_the_age_of_the_oldest(
    site: Running,
) -> None:
    empty = figures_of((await site.ask("/metrics")).text)
    for kind in ("stops", "words", "statuses", "postponed", "unmatched"):
        assert empty[f'siaran_inbox_waiting{{kind="{kind}"}}'] == 0
        assert empty[f'siaran_inbox_oldest_seconds{{kind="{kind}"}}'] == 0
    foreign = StatusEvent(dedupe="s", provider_id="nobody's", state="sent", at=site.clock.now)
    await inbox.accept(site.app, "whatsapp", [foreign, replace(foreign, dedupe="t")])
    site.clock.now += timedelta(seconds=30)
    await inbox.accept(
        site.app, "whatsapp", [InboundEvent(dedupe="m", address="6281200000001", text="BERHENTI")]
    )
    site.clock.now += timedelta(seconds=12)
    figures = figures_of((await site.ask("/metrics")).text)
    assert [
        figures[f'siaran_inbox_{name}{{kind="words"}}']
        for name in ("waiting", "oldest_seconds", "late_seconds")
    ] == [
        1,
        12,
        12,
    ]
    assert [
        figures[f'siaran_inbox_{name}{{kind="statuses"}}'] for name in ("waiting", "oldest_seconds")
    ] == [2, 42]
    await apply_and_answer(site.app)
    site.clock.now += timedelta(seconds=8)
    figures = figures_of((await site.ask("/metrics")).text)
    assert figures['siaran_inbox_waiting{kind="words"}'] == 0
    names = ("waiting", "oldest_seconds", "late_seconds")
    assert [figures[f'siaran_inbox_{name}{{kind="unmatched"}}'] for name in names] == [2, 50, 3]


async def test_figures_hold_nothing_of_a_person(site: Running) -> None:
    await site.subscriber("rahasia@contoh.example")
    await site.publish()
    assert "rahasia" not in (await site.ask("/metrics")).text


async def test_rings_in_the_queue_are_counted(
    sqlite_url: str, tmp_path: Path, valkey_url: str
) -> None:
    async with running(sqlite_url, tmp_path, BROADCASTER_REDIS_URL=valkey_url) as site:
        await site.app.queue.ring("email", "routine")
        assert (
            figures_of((await site.ask("/metrics")).text)['siaran_rings_waiting{lane="routine"}']
            == 1
        )
