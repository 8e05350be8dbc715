"""Spacing of messages to one person: each channel's interval, and a second edition waits for it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broadcaster.app import App
from channels import email, telegram, whatsapp
from support.email_program import email_program
from support.fakes import FakeChannel
from support.sending import drain_until_quiet, everything_due, with_channels
from support.world import deliverer, notice, publish, rows, states


def test_each_channel_says_its_distance() -> None:
    bot = telegram.Telegram(telegram.Settings())
    phone = whatsapp.WhatsApp(whatsapp.Settings())
    mail = email.Email(email.Settings())
    assert (bot.spacing("12345"), bot.spacing("-100777")) == (1.0, 3.0)
    assert (phone.spacing("6281200000001"), mail.spacing("a@x.example")) == (6.0, 0.0)
    assert (bot.spaced, phone.spaced, mail.spaced) == (True, True, False)


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    async with email_program(
        database_url, tmp_path, [(f"w{n:02}@x.example", "cibabat") for n in range(8)]
    ) as opened:
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
    assert [(row.spent, row.uncertain, row.provider_code) for row in waiting] == [
        (0, 0, "spacing")
    ] * 8
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
    assert engine.state.limiter._spaced == {}
