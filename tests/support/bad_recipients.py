"""Cities whose channel talks to a server on loopback that refuses some of the recipients."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy import select

from broadcaster.app import App
from broadcaster.simulation.bot_api import BotApi
from broadcaster.simulation.graph_api import GraphApi, _Request
from broadcaster.simulation.graph_templates import ApiError
from broadcaster.simulation.smtp import SmtpStandIn
from broadcaster.store import channels, throttling
from broadcaster.store.channels import ChannelState
from broadcaster.store.tables import run
from channels import whatsapp
from subscribers.store import address
from support import samples
from support.world import program, subscribe, variables

PHONE, TOKEN = "112", "token"


def mailbox(number: int, domain: str = "contoh.example") -> str:
    """Return the address of a resident with mail."""
    return f"warga{number:04}@{domain}"


def phone(number: int) -> str:
    """Return the number of a resident with WhatsApp."""
    return f"62812{number:08}"


def chat(number: int) -> str:
    """Return the chat of a resident with Telegram."""
    return str(700_000_000 + number)


NAMES: Mapping[str, Callable[[int], str]] = {"email": mailbox, "whatsapp": phone, "telegram": chat}


def state(app: App, channel: str) -> ChannelState:
    """Return the state of a channel."""
    return app.database.read_now(channels.channel_states).get(channel, ChannelState())


def stopped(app: App) -> list[Any]:
    """Return the runs that are paused."""
    return list(
        app.database.read_now(lambda c: c.execute(select(run).where(run.c.state == "paused")).all())
    )


def held(app: App) -> list[str]:
    """Return the mail domains that are held."""
    return list(app.database.read_now(throttling.held_domains, app.vault, "email"))


def undisturbed(app: App, channel: str) -> bool:
    """True if the channel is open and all editions run."""
    current = state(app, channel)
    return not (
        current.halted or current.paused_until or current.holding or stopped(app) or held(app)
    )


def in_slot_order(app: App, channel: str) -> list[str]:
    """Return every address of a channel in slot order."""
    query = select(address.c.cipher).where(address.c.channel == channel).order_by(address.c.slot)
    rows = app.database.read_now(lambda c: c.execute(query).scalars().all())
    return [app.vault.open(channel, bytes(row)) for row in rows]


@dataclass(kw_only=True)
class PickyGraph(GraphApi):
    """Graph API that answers some addresses with an error (code and HTTP status), or holds its
    answer back, see `hold`.
    """

    errors: dict[str, tuple[int, int]] = field(default_factory=dict)
    arrived: dict[str, float] = field(default_factory=dict)
    tried: int = 0
    held: int = 0
    gates: dict[str, asyncio.Event] = field(default_factory=dict)

    def hold(self, recipient: str) -> asyncio.Event:
        """Answer nothing about this recipient until the event is set."""
        self.gates[recipient] = asyncio.Event()
        return self.gates[recipient]

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        for recipient, gate in self.gates.items():
            if recipient.encode() in body:
                self.held += 1
                await gate.wait()
        return await super()._messages(request)

    def _take(self, message: _Request) -> web.Response:
        self.tried += 1
        if error := self.errors.get(message.to):
            raise ApiError(error[0], "Something", status=error[1])
        answer = super()._take(message)
        self.arrived[message.to] = asyncio.get_running_loop().time()
        return answer


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """Serve an application on loopback, with room for as many connections as a worker opens; yields
    its URL.
    """
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _city(
    channel: str, environ: Mapping[str, str], people: Iterable[str]
) -> AsyncIterator[App]:
    async with program(environ) as app:
        await subscribe(app, channel, [(person, "cibabat") for person in people])
        yield app


@asynccontextmanager
async def email_city(
    url: str, folder: Path, server: SmtpStandIn, people: Iterable[str], **more: str
) -> AsyncIterator[App]:
    """Open a city of residents with mail."""
    settings = {"EMAIL_FROM": "info@info.cimahi.example", **more}
    async with (
        server.running() as smtp,
        _city("email", variables(url, folder, EMAIL_URL=smtp, **settings), people) as app,
    ):
        yield app


def graph(**changes: Any) -> PickyGraph:
    """Return Meta's stand-in with our templates."""
    templates = [
        each.document for each in whatsapp.definitions(whatsapp.Settings(site=samples.site()))
    ]
    return PickyGraph(token=TOKEN, phone_id=PHONE, templates=templates, **changes)


@asynccontextmanager
async def whatsapp_city(
    url: str, folder: Path, api: PickyGraph, people: Iterable[str], **more: str
) -> AsyncIterator[App]:
    """Open a city of residents with WhatsApp."""
    async with served(api.app) as api_url:
        settings = {
            "WHATSAPP_TOKEN": TOKEN,
            "WHATSAPP_PHONE_ID": PHONE,
            "WHATSAPP_APP_SECRET": "s",
            "WHATSAPP_VERIFY_TOKEN": "v",
            "WHATSAPP_API_URL": f"{api_url}/v25.0",
            "WHATSAPP_RATE": "0",
            "WHATSAPP_RECEIPT_WAIT": "0",
            **more,
        }
        async with _city("whatsapp", variables(url, folder, **settings), people) as app:
            yield app


@asynccontextmanager
async def telegram_city(
    url: str, folder: Path, api: BotApi, people: Iterable[str], **more: str
) -> AsyncIterator[App]:
    """Open a city of residents with Telegram."""
    async with served(api.app) as api_url:
        settings = {
            "TELEGRAM_TOKEN": "1:abc",
            "TELEGRAM_API_URL": api_url,
            "TELEGRAM_RATE": "0",
            **more,
        }
        async with _city("telegram", variables(url, folder, **settings), people) as app:
            yield app
