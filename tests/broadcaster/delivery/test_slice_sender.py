"""Senders side by side: a failing one leaves the others at work, slow providers outlast the job,
clocks differ.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from broadcaster.app import App
from broadcaster.store import ledger
from broadcaster.store.database import now
from channels.base.contract import Deferred, Edition, MayWrite, Message, Outgoing, Receipt, Result
from support.email_program import email_program
from support.fakes import FakeChannel
from support.sending import drain_until_quiet, with_channels
from support.world import deliverer, notice, publish, rows, states

PEOPLE = [(f"warga{n:03}@contoh.example", "cibabat") for n in range(12)]


@dataclass
class SlowChannel(FakeChannel):
    """A channel that takes its time for every message; `third` is set when it begins the third."""

    seconds: float = 0.05
    third: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(
        self, messages: Sequence[Outgoing], *, may_write: MayWrite
    ) -> AsyncIterator[Result]:
        """Send one after the other."""
        for outgoing in messages:
            if not may_write():
                return
            self.accepted[outgoing.recipient.address] += 1
            if sum(self.accepted.values()) == 3:
                self.third.set()
            await asyncio.sleep(self.seconds)
            yield Result(outgoing=outgoing, outcome=Receipt())


@dataclass
class FailingChannel(SlowChannel):
    """A slow channel that cannot render an edition called "Rusak" and fails to send one called
    "Macet".
    """

    def render(self, edition: Edition, lang: str) -> Message:
        """Return the title, except for the edition that cannot be rendered."""
        if edition.wording(lang).title == "Rusak":
            raise TypeError("cannot render")
        return super().render(edition, lang)

    async def send(
        self, messages: Sequence[Outgoing], *, may_write: MayWrite
    ) -> AsyncIterator[Result]:
        """Send slowly, except the edition that fails."""
        if messages and messages[0].payload == "Macet":
            raise RuntimeError("broken")
        async for result in super().send(messages, may_write=may_write):
            yield result


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    async with email_program(database_url, tmp_path, PEOPLE) as opened:
        yield opened


async def test_an_edition_that_cannot_be_rendered_waits_for_a_person_and_others_go_on(
    app: App,
) -> None:
    channel = FailingChannel()
    app = with_channels(app, channel)
    unrenderable = await publish(app, notice(title="Rusak"))
    good = await publish(app, notice())
    await drain_until_quiet(deliverer(app))
    progress = app.database.read_now(ledger.progress, unrenderable.id)
    assert (progress.sending, progress.why) == (
        "paused",
        {"email": "Pesan tidak dapat dibuat (TypeError)."},
    )
    assert (progress.deliveries["email"]["pending"], progress.possible_duplicates) == (12, 0)
    assert app.database.read_now(ledger.progress, good.id).sending == "done"
    assert set(channel.accepted.values()) == {1}


async def test_a_failing_sender_does_not_interrupt_the_others(app: App) -> None:
    channel = FailingChannel()
    app = with_channels(app, channel)
    broken = await publish(app, notice(title="Macet"))
    good = await publish(app, notice())
    engine = deliverer(app)
    for _ring in range(6):
        with suppress(ExceptionGroup):
            await engine.drain("email", "routine")
    done = app.database.read_now(ledger.progress, good.id)
    assert (done.sending, done.possible_duplicates) == ("done", 0)
    assert set(channel.accepted.values()) == {1}
    assert (
        app.database.read_now(ledger.progress, broken.id).deliveries["email"]["unconfirmed"] == 12
    )


async def test_nothing_is_begun_once_the_time_of_the_job_is_over(app: App) -> None:
    channel = SlowChannel(seconds=0.3)
    app = with_channels(app, channel)
    await publish(app, notice())
    assert await deliverer(app).drain("email", "routine", seconds=1.5)
    assert states(app)["pending"] >= 6
    assert states(app).get("sent", 0) == sum(channel.accepted.values())


async def test_what_is_known_when_a_job_is_cancelled_is_recorded(app: App) -> None:
    channel = SlowChannel(seconds=0.03)
    app = with_channels(app, channel)
    await publish(app, notice())
    job = asyncio.create_task(deliverer(app).drain("email", "routine"))
    await channel.third.wait()
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert (states(app)["sent"], states(app)["sending"]) == (2, 10)


@pytest.mark.parametrize("hours", [-3, 3])
async def test_retries_count_by_the_clock_of_the_database_not_of_the_worker(
    app: App, hours: int
) -> None:
    await publish(app, notice())
    app = replace(app, clock=lambda: datetime.now(UTC) + timedelta(hours=hours))
    app = with_channels(app, FakeChannel(provider=lambda _r: Deferred(code="451")))
    before = app.database.read_now(now)
    await deliverer(app).drain("email", "routine", seconds=30)
    after = app.database.read_now(now)
    assert all(before + 55 < row.due_at <= after + 61 for row in rows(app))


async def test_a_provider_id_that_no_database_stores_as_text_is_still_recorded(app: App) -> None:
    await publish(app, notice())
    app = with_channels(
        app, FakeChannel(provider=lambda _r: Receipt(provider_id="a\0b\ud800"), receipt_wait=30)
    )
    await drain_until_quiet(deliverer(app))
    assert {row.provider_key for row in rows(app)} == {
        app.vault.provider_key("email", "a\0b\ud800")
    }
    assert states(app) == {"sent": 12}


async def test_no_ids_are_stored_of_a_provider_that_never_reports_later(app: App) -> None:
    await publish(app, notice())
    app = with_channels(
        app,
        FakeChannel(provider=lambda _r: Receipt(provider_id="<1@mail.example>", message_number=7)),
    )
    await drain_until_quiet(deliverer(app))
    assert {(row.provider_key, row.message_number) for row in rows(app)} == {(None, 7)}
