"""The distance between two messages to one person: who says it, and that a second edition waits for
it.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broadcaster.app import App
from channels.email import Email
from channels.email import Settings as EmailSettings
from channels.telegram import Settings as TelegramSettings
from channels.telegram import Telegram
from channels.whatsapp import Settings as WhatsAppSettings
from channels.whatsapp import WhatsApp
from support.fakes import FakeChannel
from support.sending import drain_until_quiet, everything_due, with_channels
from support.world import deliverer, notice, program, publish, rows, states, subscribe, variables


def test_each_channel_says_its_distance() -> None:
    telegram, whatsapp, email = (
        Telegram(TelegramSettings()),
        WhatsApp(WhatsAppSettings()),
        Email(EmailSettings()),
    )
    assert (telegram.spacing("12345"), telegram.spacing("-100777")) == (1.0, 3.0)
    assert (whatsapp.spacing("6281200000001"), email.spacing("a@x.example")) == (6.0, 0.0)
    assert (telegram.spaced, whatsapp.spaced, email.spaced) == (True, True, False)


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    environ = variables(
        database_url, tmp_path, EMAIL_URL="smtp://127.0.0.1:1", EMAIL_FROM="info@cimahi.example"
    )
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
