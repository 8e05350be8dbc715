"""The distance between two messages to one person: kept by all processes through Redis, by each for itself without it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis
from structlog.testing import capture_logs

from broadcaster.app import App
from broadcaster.limits import SPACED, Limiter
from broadcaster.queue import Queue
from channels.email import Email
from channels.email import Settings as EmailSettings
from channels.telegram import Settings as TelegramSettings
from channels.telegram import Telegram
from channels.whatsapp import Settings as WhatsAppSettings
from channels.whatsapp import WhatsApp
from fakes import FakeChannel
from sending import drain_until_quiet, everything_due, with_channels
from world import deliverer, notice, program, publish, rows, states, subscribe, variables


@pytest.fixture
async def limiters(valkey_url: str) -> AsyncIterator[list[Limiter]]:
    """The limiters of two processes."""
    queues = [Queue(valkey_url), Queue(valkey_url)]
    yield [Limiter(queue, lambda: 2) for queue in queues]
    for queue in queues:
        await queue.aclose()


async def test_the_second_message_to_one_person_waits_on_every_worker(limiters: list[Limiter]) -> None:
    first, second = limiters
    assert await first.space("whatsapp", {1: 6.0, 2: 6.0}) == {1: 0, 2: 0}
    waits = await second.space("whatsapp", {2: 6.0, 3: 6.0})
    assert 5 < waits[2] <= 6
    assert waits[3] == 0
    assert await second.space("telegram", {2: 1.0}) == {2: 0}, "each channel for itself"


async def test_waiting_does_not_prolong_the_wait(limiters: list[Limiter], valkey_url: str) -> None:
    await limiters[0].space("whatsapp", {1: 6.0})
    waits = [(await limiters[0].space("whatsapp", {1: 6.0}))[1] for _again in range(5)]
    assert waits == sorted(waits, reverse=True)
    with redis.Redis.from_url(valkey_url) as client:
        client.delete("siaran:space:whatsapp:1")
    assert await limiters[1].space("whatsapp", {1: 6.0}) == {1: 0}


async def test_the_shortest_distance_is_one_too(limiters: list[Limiter]) -> None:
    assert await limiters[0].space("whatsapp", {1: 1e-9}) == {1: 0}
    assert await limiters[0].space("whatsapp", {}) == {}


@pytest.mark.parametrize("url", ["", "redis://127.0.0.1:1/0"])
async def test_without_redis_a_process_keeps_the_distance_for_itself(url: str) -> None:
    with capture_logs():
        limiter = Limiter(Queue(url), lambda: 1)
        assert await limiter.space("whatsapp", {1: 6.0}) == {1: 0}
        waits = await limiter.space("whatsapp", {1: 6.0, 2: 6.0})
    assert 5 < waits[1] <= 6
    assert waits[2] == 0


async def test_without_redis_those_free_again_are_forgotten() -> None:
    limiter = Limiter(Queue(""), lambda: 1)
    await limiter.space("whatsapp", dict.fromkeys(range(SPACED + 1), -1.0))
    await limiter.space("whatsapp", {-1: 6.0})
    assert list(limiter._spaced) == [("whatsapp", -1)]


def test_each_channel_says_its_distance() -> None:
    telegram, whatsapp, email = Telegram(TelegramSettings()), WhatsApp(WhatsAppSettings()), Email(EmailSettings())
    assert (telegram.spacing("12345"), telegram.spacing("-100777")) == (1.0, 3.0)
    assert (whatsapp.spacing("6281200000001"), email.spacing("a@x.example")) == (6.0, 0.0)
    assert (telegram.spaced, whatsapp.spaced, email.spaced) == (True, True, False)


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    environ = variables(database_url, tmp_path, EMAIL_URL="smtp://127.0.0.1:1", EMAIL_FROM="info@cimahi.example")
    async with program(environ) as opened:
        await subscribe(opened, "email", [(f"w{n:02}@x.example", "cibabat") for n in range(8)])
        yield opened


async def test_a_second_edition_waits_for_its_distance_and_spends_no_attempt(app: App) -> None:
    channel = FakeChannel(between=6.0)
    app = with_channels(app, channel)
    for number in range(2):
        await publish(app, notice(title=f"Kabar {number}"))
    engine = deliverer(app)
    await drain_until_quiet(engine)
    assert set(channel.accepted.values()) == {1}
    waiting = [row for row in rows(app) if not row.closed_at]
    assert [(row.spent, row.uncertain, row.provider_code) for row in waiting] == [(0, 0, "spacing")] * 8
    everything_due(app)
    await drain_until_quiet(deliverer(app))
    assert states(app) == {"sent": 16}
    assert set(channel.accepted.values()) == {2}


async def test_a_channel_without_distance_is_not_held_back(app: App) -> None:
    channel = FakeChannel()
    app = with_channels(app, channel)
    for number in range(2):
        await publish(app, notice(title=f"Kabar {number}"))
    engine = deliverer(app)
    await drain_until_quiet(engine)
    assert states(app) == {"sent": 16}
    assert engine.limiter._spaced == {}
