"""Process of the stand-in providers: Graph API, Bot API and SMTP on loopback, with readable inboxes
and adjustable faults.
"""

import asyncio
import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import structlog
from aiohttp import web

from broadcaster.newsroom.trial_sends import MARK
from broadcaster.runtime.config import Loaded
from broadcaster.runtime.settings import PREFIX
from broadcaster.simulation import serving, smtp
from broadcaster.simulation.bot_api import BotApi
from broadcaster.simulation.faults import Faults
from broadcaster.simulation.graph_api import GraphApi, Received
from broadcaster.simulation.residents import CHAT, MAIL, PHONE, Neighbour, neighbours, spaced
from broadcaster.simulation.staff import PEOPLE
from channels import email, telegram, whatsapp

GRAPH, BOT = "/graph", "/bot-api"
"""Path prefixes of the APIs on their shared HTTP port."""
EVERYWHERE = "0.0.0.0"  # noqa: S104  only for containers, on their private network
T = TypeVar("T")

SEEN_LIMIT = 300_000
DRAIN_SECONDS = 2.0
log = structlog.get_logger(__name__)
_CODE = re.compile(r"\b[A-Z]{2,4}-[0-9A-Z]{4}-[0-9A-Z]{2}\b")


def demo_variables(*, http_port: int, smtp_port: int) -> dict[str, str]:
    """Return channel settings that direct all traffic to the stand-ins, with fresh secrets."""
    base = f"http://{serving.HOST}:{http_port}"
    return {
        f"{PREFIX}SIMULATION_URL": base,
        "WHATSAPP_TOKEN": secrets.token_urlsafe(24),
        "WHATSAPP_PHONE_ID": "860000000112",
        "WHATSAPP_ACCOUNT_ID": "860000000113",
        "WHATSAPP_API_URL": f"{base}{GRAPH}/v25.0",
        "WHATSAPP_APP_SECRET": secrets.token_urlsafe(24),
        "WHATSAPP_VERIFY_TOKEN": secrets.token_urlsafe(24),
        "WHATSAPP_RATE": "400",
        "TELEGRAM_TOKEN": f"860112:{secrets.token_urlsafe(24)}",
        "TELEGRAM_API_URL": f"{base}{BOT}",
        "TELEGRAM_WEBHOOK_SECRET": secrets.token_urlsafe(24),
        "TELEGRAM_RATE": "120",
        "EMAIL_URL": f"smtp://{serving.HOST}:{smtp_port}",
        "EMAIL_FROM": "Info Kota Cimahi <info@cimahi.example>",
        "EMAIL_BOUNCE_DOMAIN": "kembali.cimahi.example",
        "EMAIL_CONNECTIONS": "4",
    }


async def serve(loaded: Loaded, stop: asyncio.Event) -> None:
    """Run the stand-in providers until `stop` is set; only wait if the settings name real ones."""
    if not loaded.settings.simulated:
        log.info("no_stand_ins", why="credentials of real providers are set")
        await stop.wait()
        return
    async with running(loaded):
        await stop.wait()


@asynccontextmanager
async def running(loaded: Loaded) -> AsyncIterator["Providers"]:
    """Run the providers on the ports of BROADCASTER_SIMULATION_URL and EMAIL_URL.

    If these name another host (compose), HTTP is served to all containers, and mail goes to the
    mail catcher on that host. Raises OSError when a port is taken.
    """
    providers = Providers(loaded)
    http, mail = (
        urlsplit(loaded.settings.simulation_url),
        urlsplit(_settings(loaded, MAIL, email.Settings).url),
    )
    host = serving.HOST if http.hostname == serving.HOST else EVERYWHERE
    async with contextlib.AsyncExitStack() as stack:
        if mail.hostname == serving.HOST:
            await stack.enter_async_context(providers.mail.running(mail.port or 0))
        await stack.enter_async_context(serving.running(providers.app(), http.port or 0, host=host))
        yield providers


def _settings(loaded: Loaded, name: str, kind: type[T]) -> T:
    settings = loaded.channel_settings[name]
    if not isinstance(settings, kind):
        raise TypeError(f"no settings of {name}")
    return settings


@dataclass(frozen=True, kw_only=True)
class TypedMessage:
    """Text that a resident typed; `after` is the id of the last message before it."""

    text: str
    after: str


class Doubles:
    """Counter of messages that arrived more than once among the last SEEN_LIMIT."""

    def __init__(self) -> None:
        self.count = 0
        self._seen: dict[int, None] = {}

    def take(self, arrivals: Iterable[tuple[object, ...]]) -> None:
        """Count the duplicates among new arrivals, each (recipient, message)."""
        for arrival in arrivals:
            mark = hash(arrival)
            self.count += mark in self._seen
            self._seen[mark] = None
            if len(self._seen) > SEEN_LIMIT:
                del self._seen[next(iter(self._seen))]


class Providers:
    """Three providers with one set of faults, and the demo residents' phones and inboxes."""

    def __init__(self, loaded: Loaded) -> None:
        self.people = neighbours()
        self.staff = {person.email: person.full_name for person in PEOPLE}
        self.faults = Faults()
        hook = f"http://{loaded.settings.host}:{loaded.settings.port}/webhook"
        meta = _settings(loaded, PHONE, whatsapp.Settings)
        self.graph = GraphApi(
            token=meta.token,
            phone_id=meta.phone_id,
            account_id=meta.account_id,
            app_secret=meta.app_secret,
            callback_url=f"{hook}/{PHONE}",
            templates=[each.document for each in whatsapp.definitions(meta)],
            faults=self.faults,
        )
        self.graph.watch(*(person.phone for person in self.people.values()))
        bot = _settings(loaded, CHAT, telegram.Settings)
        self.bot = BotApi(token=bot.token, faults=self.faults, record=True)
        self.bot.webhook = {"url": f"{hook}/{CHAT}", "secret_token": bot.webhook_secret}
        self.mail = smtp.SmtpStandIn(faults=self.faults, record=True, watch=self._watched())
        self._typed: dict[tuple[str, str], list[TypedMessage]] = {}
        self._chats, self._mails = Doubles(), Doubles()

    def _watched(self) -> list[str]:
        """Return the addresses whose mail is kept: the neighbours' and the staff's."""
        return [*(person.mail for person in self.people.values()), *self.staff]

    def app(self) -> web.Application:
        """Return an application with both APIs and the controls of the simulation."""
        app = web.Application()
        app.add_subapp(GRAPH, self.graph.app)
        app.add_subapp(BOT, self.bot.app)
        app.add_routes(
            [
                web.get("/state/{area}", self._show_state),
                web.get("/mail/{area}/{id}", self._show_mail),
                web.post("/faults", self._set_faults),
                web.post("/type", self._type),
            ]
        )
        app.cleanup_ctx.append(self._draining)
        return app

    def state(self, area: str) -> dict[str, Any]:
        """Return phones and inbox of the neighbour in `area`, faults and counters.

        Raises KeyError for an unknown area.
        """
        person = self.people[area]
        self._drain()
        return {
            "person": {"name": person.name, "phone": spaced(person.phone), "mail": person.mail},
            PHONE: self._phone(person),
            CHAT: self._chat(person),
            MAIL: [_listed(mail) for mail in self.mail.inbox(person.mail)],
            "staff": self._letters(),
            "faults": self.faults.as_dict(),
            "counters": {
                PHONE: {
                    "taken": self.graph.accepted,
                    "doubled": self.graph.doubled,
                    "refused": self.graph.refused,
                },
                CHAT: _counters(self.bot.counts, self._chats, "refused"),
                MAIL: _counters(
                    self.mail.counts, self._mails, "limited", "blocked", "greylisted", "broken"
                ),
            },
        }

    def _letters(self) -> list[dict[str, Any]]:
        """Return the mail that staff received, oldest first."""
        mails = [
            (mail, name)
            for address, name in self.staff.items()
            for mail in self.mail.inbox(address)
        ]
        return [
            {**_listed(mail), "to": name}
            for mail, name in sorted(mails, key=lambda pair: pair[0].at)
        ]

    def _phone(self, person: Neighbour) -> list[dict[str, Any]]:
        messages = [_received(message) for message in self.graph.inbox(person.phone)]
        return _with_typed(messages, self._typed.get((PHONE, person.area), ()))

    def _chat(self, person: Neighbour) -> list[dict[str, Any]]:
        messages = [
            {
                "id": str(message.message_id),
                "mine": False,
                "parts": {**message.parts, "photo": message.photo},
                "edited": message.edited,
            }
            for message in self.bot.inbox(person.chat)
        ]
        return _with_typed(messages, self._typed.get((CHAT, person.area), ()))

    async def writes(self, area: str, channel: str, text: str, payload: str = "") -> None:
        """Send `text` as the neighbour in `area`, or click the button with this label and
        `payload`. Raises KeyError for an unknown area.
        """
        person = self.people[area]
        messages = self._phone(person) if channel == PHONE else self._chat(person)
        after = next((message["id"] for message in reversed(messages) if not message["mine"]), "")
        self._typed.setdefault((channel, area), []).append(TypedMessage(text=text, after=after))
        del self._typed[channel, area][:-10]
        if channel == PHONE and payload:
            self.graph.click(person.phone, text, payload)
        elif channel == PHONE:
            self.graph.write(person.phone, text)
        elif payload:
            await self.bot.click(person.chat, payload)
        else:
            await self.bot.writes(person.chat, text)

    def _drain(self) -> None:
        chats, self.bot.accepted = self.bot.accepted, []
        # Only announcements bear a code: replies and trial sends may legitimately repeat.
        self._chats.take(
            (chat, text) for chat, text in chats if _CODE.search(text) and MARK not in text
        )
        mails, self.mail.accepted = self.mail.accepted, []
        self._mails.take(mails)

    async def _draining(self, _: web.Application) -> AsyncIterator[None]:
        async def drain() -> None:
            while True:
                await asyncio.sleep(DRAIN_SECONDS)
                self._drain()

        task = asyncio.create_task(drain())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def _show_state(self, request: web.Request) -> web.Response:
        if request.match_info["area"] not in self.people:
            raise web.HTTPNotFound
        return _json(self.state(request.match_info["area"]))

    async def _show_mail(self, request: web.Request) -> web.Response:
        person = self.people.get(request.match_info["area"])
        mails = self.mail.inbox(person.mail) if person else ()
        for mail in mails:
            if mail.message_id == request.match_info["id"]:
                return _json(smtp.received_parts(mail.raw))
        raise web.HTTPNotFound

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            self.faults.change(**msgspec.json.decode(await request.read(), type=dict[str, float]))
        except (ValueError, msgspec.MsgspecError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return _json(self.faults.as_dict())

    async def _type(self, request: web.Request) -> web.Response:
        try:
            entry = msgspec.json.decode(await request.read(), type=ResidentInput)
            await self.writes(entry.area, entry.channel, entry.text, entry.payload)
        except (KeyError, msgspec.MsgspecError) as error:
            raise web.HTTPBadRequest(text="unreadable") from error
        return _json({})


class ResidentInput(msgspec.Struct, frozen=True, kw_only=True):
    """Text that a neighbour types, or the button they click, as posted by the controls."""

    area: str
    channel: str
    text: str
    payload: str = ""


def _received(message: Received) -> dict[str, Any]:
    return {
        "id": message.id,
        "mine": False,
        "at": message.at.isoformat(),
        "parts": dict(message.parts),
        "edited": False,
    }


def _listed(mail: smtp.Mail) -> dict[str, Any]:
    parts = smtp.received_parts(mail.raw)
    return {
        "id": mail.message_id,
        "at": mail.at.isoformat(),
        "subject": parts["subject"],
        "from": parts["from"],
        "text": parts["text"],
    }


def _with_typed(
    messages: Sequence[dict[str, Any]], typed: Iterable[TypedMessage]
) -> list[dict[str, Any]]:
    """Insert each typed text after the message that preceded it; first if that one is gone."""
    texts = list(typed)
    known = {message["id"] for message in messages}
    merged = [_own(entry, at) for at, entry in enumerate(texts) if entry.after not in known]
    for message in messages:
        merged.append(message)
        merged += [
            _own(entry, at) for at, entry in enumerate(texts) if entry.after == message["id"]
        ]
    return merged


def _own(entry: TypedMessage, number: int) -> dict[str, Any]:
    return {
        "id": f"own-{entry.after}-{number}",
        "mine": True,
        "parts": {"text": entry.text},
        "edited": False,
    }


def _counters(counts: Mapping[str, int], doubles: Doubles, *refusals: str) -> dict[str, int]:
    refused = sum(count for name, count in counts.items() if name.startswith(refusals))
    return {"taken": counts.get("accepted", 0), "doubled": doubles.count, "refused": refused}


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
