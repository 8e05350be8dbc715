"""Slow and missing answers: everyone who can be reached is reached meanwhile, over real sockets and
with fakes that hang.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest
from aiohttp import web

from broadcaster.app import App
from broadcaster.delivery.in_flight import Window
from broadcaster.delivery.sending_state import RESERVED, WINDOW
from broadcaster.simulation.bot_api import BotApi
from broadcaster.simulation.bot_requests import fields_of
from channels import telegram
from channels.base.contract import Deferred, MayWrite, Outcome, Outgoing, Receipt, Result
from channels.base.sending import each
from support.bad_recipients import chat, in_slot_order, telegram_city
from support.fakes import FakeChannel
from support.sending import with_channels
from support.waiting import until
from support.world import deliverer, emergency, program, publish, states, subscribe, variables

TAKES_LONG = 0.15
"""Seconds of an answer: longer than a sender waits before it goes on with the next rows."""


class SilentApi(BotApi):
    """A Bot API that answers after a while, and the `silent` chats only once `answering` is set."""

    def __init__(self, silent: Sequence[str] = ()) -> None:
        super().__init__(record=True)
        self.silent, self.answering = {int(chat_id) for chat_id in silent}, asyncio.Event()

    async def _handle(self, request: web.Request) -> web.Response:
        fields = await fields_of(request)
        await asyncio.sleep(TAKES_LONG)
        if int(str(fields.get("chat_id", 0))) in self.silent:
            await self.answering.wait()
        return await super()._handle(request)


async def test_silent_chats_hold_up_none_of_four_hundred_others(
    sqlite_url: str, tmp_path: Path
) -> None:
    api = SilentApi()
    async with telegram_city(sqlite_url, tmp_path, api, map(chat, range(401))) as city:
        settings = cast(telegram.Settings, city.loaded.channel_settings["telegram"])
        async with aclosing(telegram.Telegram(settings, total_seconds=120.0)) as patient:
            app = with_channels(city, patient)
            order = in_slot_order(app, "telegram")
            api.silent = {int(order[place]) for place in (0, 130, 260)}
            await publish(app, emergency())
            draining = asyncio.create_task(
                deliverer(app).drain("telegram", "emergency", seconds=60)
            )
            await until(lambda: len(api.accepted) == 398, seconds=60, what="all others")
            assert states(app)["sending"] >= 3  # the silent ones have not timed out yet
            api.answering.set()
            await draining
            assert states(app) == {"sent": 401}


@dataclass
class HangingChannel(FakeChannel):
    """A channel that sends all at once and answers the addresses that hang only once `answering` is
    set.
    """

    hangs: Callable[[str], bool] = lambda _address: False
    answering: asyncio.Event = field(default_factory=asyncio.Event)
    begun: int = 0
    unsettled: Callable[[], int] = lambda: 0
    most_unsettled: int = 0
    """The highest `unsettled()` right after rows were marked."""

    async def send(
        self, messages: Sequence[Outgoing], *, may_write: MayWrite
    ) -> AsyncIterator[Result]:
        """Send each message in a task of its own."""
        self.most_unsettled = max(self.most_unsettled, self.unsettled())
        async for result in each(
            messages, self._send_one, concurrency=len(messages), may_write=may_write
        ):
            yield result

    async def _send_one(self, outgoing: Outgoing) -> Outcome:
        self.begun += 1
        if self.hangs(outgoing.recipient.address):
            await self.answering.wait()
        outcome = self.provider(outgoing.recipient) or Receipt()
        self.accepted[outgoing.recipient.address] += isinstance(outcome, Receipt)
        return outcome


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[App]:
    settings = {
        "EMAIL_URL": "smtp://127.0.0.1:1",
        "EMAIL_FROM": "info@cimahi.example",
        "TELEGRAM_TOKEN": "1:abc",
    }
    async with program(variables(database_url, tmp_path, **settings)) as opened:
        yield opened


async def test_a_retry_that_is_due_goes_out_while_a_slow_answer_is_awaited(app: App) -> None:
    put_off = Deferred(retry_after=0.1, throttle=True, scope="address")
    channel = HangingChannel(hangs="bisu@contoh.example".__eq__)
    channel.provider = lambda recipient: (
        put_off if recipient.attempt == 1 and recipient.address[0] == "w" else Receipt()
    )
    app = with_channels(app, channel)
    await subscribe(
        app, "email", [("bisu@contoh.example", "cibabat"), ("warga@contoh.example", "cibabat")]
    )
    await publish(app, emergency())
    draining = asyncio.create_task(deliverer(app).drain("email", "emergency", seconds=60))
    await until(lambda: channel.accepted["warga@contoh.example"], what="the second try")
    assert states(app)["sending"] >= 1
    channel.answering.set()
    await draining
    assert channel.accepted == {"bisu@contoh.example": 1, "warga@contoh.example": 1}


async def test_a_provider_that_answers_nobody_holds_up_no_other_channel(app: App) -> None:
    silent, good = HangingChannel(hangs=lambda _address: True), FakeChannel(name="telegram")
    app = with_channels(app, silent, good)
    await subscribe(
        app,
        "email",
        [(f"warga{number}@contoh.example", "cibabat") for number in range(WINDOW + 50)],
    )
    await subscribe(app, "telegram", [(chat(number), "cibabat") for number in range(30)])
    await publish(app, emergency())
    worker = deliverer(app)
    hanging = asyncio.create_task(worker.drain("email", "emergency", seconds=60))
    await until(lambda: silent.begun >= WINDOW - 10, what="the window fills")
    async with asyncio.timeout(60):
        await worker.drain("telegram", "emergency", seconds=60)
    assert states(app, "telegram") == {"sent": 30}
    assert states(app, "email")["sending"] <= WINDOW
    silent.answering.set()
    await hanging
    assert states(app, "email") == {"sent": WINDOW + 50}


class WatchedWindow(Window):
    """A window that counts those who wait for a place."""

    waiting = 0

    async def acquire(self, wanted: int, channel: str = "") -> int:
        """Acquire as usual, counted while waiting."""
        self.waiting += 1
        try:
            return await super().acquire(wanted, channel)
        finally:
            self.waiting -= 1


async def test_never_more_rows_are_unsettled_than_the_window_holds(app: App) -> None:
    silent = HangingChannel(hangs=lambda _address: True)
    app = with_channels(app, silent)
    silent.unsettled = lambda: states(app)["sending"]
    await subscribe(
        app, "email", [(f"warga{number}@contoh.example", "cibabat") for number in range(2 * WINDOW)]
    )
    await publish(app, emergency())
    worker = deliverer(app)
    window = WatchedWindow(WINDOW, reserved=RESERVED)
    worker.state = replace(worker.state, window=window)
    draining = asyncio.create_task(worker.drain("email", "emergency", seconds=60))
    await until(lambda: window.waiting or silent.begun > WINDOW, what="the window is full")
    assert silent.begun <= states(app)["sending"] <= WINDOW
    silent.answering.set()
    await draining
    assert WINDOW - RESERVED <= silent.most_unsettled <= WINDOW
    assert states(app) == {"sent": 2 * WINDOW}
