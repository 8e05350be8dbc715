"""Floods of statuses that match no message of ours, over HTTP into a real worker: a stop is applied
within one round.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from broadcaster.app import App, open_app
from broadcaster.domain import inbox_events
from broadcaster.inbound.inbox import _read_batch, accept
from broadcaster.runtime import config
from broadcaster.store import inbox
from broadcaster.store.tables import receipt
from broadcaster.web.server import serve
from broadcaster.worker import LaneWorker
from channels.base.contract import AddressEvent, InboundEvent
from subscribers import residents
from support.browsing import CREDENTIALS, listening
from support.flooding import flood, post_webhook, text_message
from support.inboxes import apply_and_answer
from support.sending import table
from support.waiting import until
from support.world import subscribe, variables

SITI = "6281200000001"
COUNT = 7_000
FIRST_WAIT = 5
ROUND = 300
"""Events other than residents' words that one round looks at."""


@asynccontextmanager
async def served(
    database_url: str, folder: Path
) -> AsyncIterator[tuple[App, str, aiohttp.ClientSession]]:
    """Serve the web process by the wall clock, with Siti among its subscribers."""
    environ = variables(
        database_url, folder, **{**CREDENTIALS, "WHATSAPP_API_URL": "http://127.0.0.1:9/v25.0"}
    )
    with listening() as (sock, port):
        async with open_app(config.read(environ)) as app, aiohttp.ClientSession() as session:
            await subscribe(app, "whatsapp", [(SITI, "cibabat")])
            ready = asyncio.Event()
            serving = asyncio.create_task(serve(app, "127.0.0.1", port, ready, listening=sock))
            await ready.wait()
            yield app, f"http://127.0.0.1:{port}", session
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


@asynccontextmanager
async def running_worker(app: App) -> AsyncIterator[LaneWorker]:
    """Run a worker until the block ends."""
    worker = LaneWorker(app, "routine")
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(task, 20)


def is_stopped(app: App) -> bool:
    """Tell whether Siti's subscription has ended."""
    address = app.database.read_now(residents.find, app.vault, "whatsapp", SITI)
    assert address is not None
    return not address.confirmed


def last_looks(app: App) -> list[float]:
    """Return the time of the last look at each postponed status."""
    return [
        row.due_at - FIRST_WAIT * 2 ** (row.tries - 1) for row in table(app, receipt) if row.tries
    ]


def newest(app: App) -> Any:
    """Return the event that came last."""
    return table(app, receipt)[-1]


async def test_a_stop_behind_7000_statuses_that_are_nobodys_is_applied_first(
    database_url: str, tmp_path: Path
) -> None:
    async with served(database_url, tmp_path) as (app, url, session):
        await flood(session, url, COUNT)
        await post_webhook(session, url, text_message(SITI, "BERHENTI"))
        async with running_worker(app):
            await until(lambda: is_stopped(app), seconds=60, what="the stop is applied")
            await until(lambda: newest(app).applied_at, seconds=60)
            await until(lambda: last_looks(app), seconds=60, what="statuses are looked at after it")
        assert newest(app).applied_at <= min(last_looks(app))


async def test_a_stop_in_the_middle_of_a_flood_waits_for_one_round_at_most(
    database_url: str, tmp_path: Path
) -> None:
    async with served(database_url, tmp_path) as (app, url, session):
        await flood(session, url, COUNT)
        async with running_worker(app):
            await until(lambda: last_looks(app), seconds=60, what="the flood is being looked at")
            await post_webhook(session, url, text_message(SITI, "BERHENTI"))
            await until(lambda: is_stopped(app), seconds=60, what="the stop is applied")
        stop = newest(app)
        looks_before_the_stop = [
            at for at in last_looks(app) if stop.received_at < at <= stop.applied_at
        ]
        assert len(looks_before_the_stop) <= ROUND


async def test_a_stop_to_another_number_of_the_app_stops_nobody_and_is_not_answered(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with served(sqlite_url, tmp_path) as (app, url, session):
        await post_webhook(session, url, text_message(SITI, "STOP"), number="999")
        await post_webhook(
            session,
            url,
            {"statuses": [{"id": "wamid.X", "status": "failed", "timestamp": "1795567380"}]},
            number="999",
        )
        assert table(app, receipt) == []
        await post_webhook(session, url, text_message(SITI, "STOP", mark="2"))
        assert len(table(app, receipt)) == 1
        assert not is_stopped(app)


async def flood_with_words(app: App, words: str, count: int) -> None:
    """Accept `count` messages with these words, from fifty strangers in turn."""
    events = [
        InboundEvent(dedupe=f"{words}.{n}", address=f"62877{n % 50:08}", text=words)
        for n in range(count)
    ]
    await accept(app, "whatsapp", events)


@pytest.mark.parametrize("words", ["halo", "BERHENTI"])
@pytest.mark.parametrize(
    "stop",
    [
        InboundEvent(dedupe="stop", address=SITI, text="BERHENTI"),
        InboundEvent(dedupe="stop", address="ID.77", payload="stop", aliases=(SITI,)),
        AddressEvent(dedupe="stop", address=SITI, state="opted_out"),
    ],
    ids=["written", "pressed", "preferred"],
)
async def test_a_stop_behind_7000_words_of_strangers_is_applied_first(
    sqlite_url: str, tmp_path: Path, stop: InboundEvent | AddressEvent, words: str
) -> None:
    async with served(sqlite_url, tmp_path) as (app, _url, _session):
        await flood_with_words(app, words, COUNT)
        await accept(app, "whatsapp", [stop])
        batch = await app.database.read(_read_batch, app, next(iter(inbox.KINDS)))
        assert [item.event for item in batch.ready] == [stop]
        assert await apply_and_answer(app)
        assert is_stopped(app)
        assert (
            len([row for row in table(app, receipt) if row.applied_at])
            == 1 + inbox.AT_ONCE[inbox.WORDS]
        )


async def test_a_stop_by_an_id_that_waiting_words_tell_of_is_applied_after_them(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with served(sqlite_url, tmp_path) as (app, _url, _session):
        hello = InboundEvent(dedupe="1", address=SITI, text="halo", aliases=("ID.77",))
        await accept(
            app, "whatsapp", [hello, InboundEvent(dedupe="2", address="ID.77", text="BERHENTI")]
        )
        await apply_and_answer(app)
        assert is_stopped(app)


async def test_a_stop_that_waits_since_an_earlier_version_is_applied(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with served(sqlite_url, tmp_path) as (app, _url, _session):
        stop = InboundEvent(dedupe="stop", address=SITI, text="BERHENTI")
        sealed = app.vault.seal(inbox_events.sealed_as("whatsapp"), inbox_events.encode(stop))
        await app.database.write(
            inbox.keep, "whatsapp", [inbox.InboxEvent(dedupe=b"x", body=sealed, priority=0)], 0.0
        )
        await apply_and_answer(app)
        assert is_stopped(app)


@pytest.mark.parametrize("words", ["BERHENTI", "halo"])
async def test_what_a_resident_says_is_kept_before_every_status(
    words: str, sqlite_url: str, tmp_path: Path
) -> None:
    async with served(sqlite_url, tmp_path) as (app, url, session):
        await post_webhook(
            session,
            url,
            {"statuses": [{"id": "wamid.Y", "status": "sent", "timestamp": "1795567380"}]},
        )
        await post_webhook(session, url, text_message(SITI, words))
        status, message = table(app, receipt)
        assert message.priority < status.priority
