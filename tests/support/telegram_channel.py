"""The Telegram channel of tests, and the Bot API on loopback that it speaks to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from broadcaster.simulation.bot_api import BotApi
from broadcaster.simulation.serving import running
from channels import telegram
from channels.base.moments import WIB
from channels.base.sign_in import PATIENCE
from support import samples

TOKEN = "110112:contoh"
SECRET = "rahasia-contoh"
RINA = 7_000_000_001
DEWI = 7_000_000_002
GROUP = -1_007_000_000_003
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=WIB)


def channel_at(
    url: str = "http://127.0.0.1:9",
    *,
    now: datetime = NOON,
    patience: float = PATIENCE,
    **changes: Any,
) -> telegram.Telegram:
    """Return the channel with sample settings, its clock standing at `now`."""
    values = {
        "token": TOKEN,
        "webhook_secret": SECRET,
        "api_url": url,
        "site": samples.site(),
        **changes,
    }
    return telegram.Telegram(telegram.Settings(**values), now=lambda: now, patience=patience)


@asynccontextmanager
async def connected(
    api: BotApi | None = None, **changes: Any
) -> AsyncIterator[tuple[BotApi, telegram.Telegram]]:
    """Yield a Bot API and the channel that speaks to it."""
    api = api or BotApi(token=TOKEN, record=True)
    async with running(api.app) as url:
        channel = channel_at(url, **changes)
        try:
            yield api, channel
        finally:
            await channel.aclose()
