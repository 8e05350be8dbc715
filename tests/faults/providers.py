"""Recording providers of a fault run: each notes what it accepted before it answers, and misbehaves
on command.
"""

import asyncio
import contextlib
import itertools
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from broadcaster.simulation import serving
from broadcaster.simulation.callbacks import Callbacks, WebhookItem
from broadcaster.simulation.graph_api import wamid
from broadcaster.simulation.smtp import SmtpStandIn
from broadcaster.simulation.smtp_script import Move, ScriptedAnswer, SmtpScript

PHONE_ID, TOKEN, APP_SECRET, BOT_TOKEN = "860000000112", "EAAG-uji", "rahasia", "860112:uji"
LATENCY = 0.005
"""Seconds between accepting and answering: so that a kill finds messages on the wire."""
HELD_BACK = 0.3
"""Seconds an answer is held back so that its webhook comes first."""
SHARE = 0.2
"""Part of the requests that a fault hits while it lasts: below the half at which a worker's breaker
opens.
"""
EDITION = re.compile(rb"Terbitan-([a-z]+)")
"""The mark in each edition's title by which a message is told apart from those of other editions."""
MESSAGE_ID = re.compile(rb"^message-id:\s*<([^>\r\n]*)>", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class AcceptedMessage:
    """Message that a provider accepted; `worker` sent it, `mark` is its Message-ID, `at` is
    monotonic seconds.
    """

    channel: str
    to: str
    edition: str
    worker: str
    at: float
    mark: str = ""
    edit: bool = False


@dataclass
class Record:
    """All accepted messages, in order."""

    taken: list[AcceptedMessage] = field(default_factory=list)

    def take(
        self,
        channel: str,
        to: str,
        content: bytes,
        worker: str,
        *,
        mark: str = "",
        edit: bool = False,
    ) -> None:
        """Record a message before it is answered."""
        match = EDITION.search(content)
        name = match[1].decode() if match else "?"
        self.taken.append(
            AcceptedMessage(
                channel=channel,
                to=to,
                edition=name,
                worker=worker,
                at=time.monotonic(),
                mark=mark,
                edit=edit,
            )
        )

    def copies(self, edition: str) -> Counter[tuple[str, str]]:
        """Return how often each (channel, address) got an edition; an edit repeated counts once."""
        edits = {
            (message.channel, message.to)
            for message in self.taken
            if message.edition == edition and message.edit
        }
        return Counter(
            (message.channel, message.to)
            for message in self.taken
            if message.edition == edition and not message.edit
        ) + Counter(edits)


class FaultInjector:
    """Faults of the coming requests: `order` adds some, `draw` is called by each request."""

    def __init__(self, seed: int) -> None:
        self.done: Counter[str] = Counter()
        self._left: Counter[str] = Counter()
        self._dice = random.Random(seed)

    def order(self, kind: str, count: int) -> None:
        """Add a fault for `count` of the coming requests, at random."""
        self._left[kind] += count

    def draw(self) -> str:
        """Return the fault of this request; "" for none."""
        for kind, left in self._left.items():
            if left and self._dice.random() < SHARE:
                self._left[kind] -= 1
                self.done[kind] += 1
                return kind
        return ""

    def ends(self) -> None:
        """Cancel the faults that have not happened yet."""
        self._left.clear()


class Providers:
    """Mail server and the two HTTP APIs under one record; `hooks` is the order and timing of
    WhatsApp's webhooks.
    """

    def __init__(self, *, seed: int, callback_url: str = "", hooks: str = "prompt") -> None:
        self.record = Record()
        self.mischief = {
            name: FaultInjector(seed + number)
            for number, name in enumerate(("email", "whatsapp", "telegram"))
        }
        self.hooks = hooks
        self.callbacks = Callbacks(url=callback_url, secret=APP_SECRET, envelope=_envelope)
        self.open = asyncio.Event()
        self.http = ""
        self._numbers = itertools.count(1)
        self._dice = random.Random(seed)

    @asynccontextmanager
    async def running(self, workers: Sequence[str]) -> AsyncIterator[Mapping[str, dict[str, str]]]:
        """Serve; yields the settings of each worker, each with addresses of its own, so that we
        know who wrote.
        """
        app = web.Application(client_max_size=1 << 20)
        app.router.add_post("/{worker}/v25.0/{node}/messages", self._whatsapp)
        app.router.add_get("/{worker}/v25.0/{node}", _number)
        app.router.add_post("/{worker}/bot{token}/{method}", self._telegram)
        async with (
            serving.running(app) as base,
            _in_background(self.callbacks.run()),
            contextlib.AsyncExitStack() as stack,
        ):
            settings = {
                worker: {
                    "EMAIL_URL": await stack.enter_async_context(
                        MailServer(self, worker).running()
                    ),
                    "WHATSAPP_API_URL": f"{base}/{worker}/v25.0",
                    "TELEGRAM_API_URL": f"{base}/{worker}",
                }
                for worker in workers
            }
            try:
                yield settings
            finally:
                self.open.set()

    def misbehave(self, channel: str, kind: str, count: int) -> None:
        """Make so many of the next requests of a channel go wrong."""
        self.mischief[channel].order(kind, count)

    def behave(self) -> None:
        """Stop all faults."""
        for mischief in self.mischief.values():
            mischief.ends()

    # --- WhatsApp -------------------------------------------------------------------------------

    async def _whatsapp(self, request: web.Request) -> web.StreamResponse:
        kind = self.mischief["whatsapp"].draw()
        if kind == "429":
            error = {"error": {"code": 130429, "message": "Rate limit hit"}}
            return web.json_response(error, status=429, headers={"Retry-After": "1"})
        if kind == "500":
            return web.json_response(
                {"error": {"code": 131000, "message": "Something went wrong"}}, status=500
            )
        if kind == "503":
            return _unavailable()
        body = await request.read()
        payload = msgspec.json.decode(body)
        to = payload.get("to") or payload["recipient"]
        identifier = wamid(to, str(next(self._numbers)))
        self.record.take("whatsapp", to, body, request.match_info["worker"])
        self._announce(identifier, to, payload.get("biz_opaque_callback_data", ""))
        await asyncio.sleep(
            HELD_BACK if self.hooks == "early" and self._dice.random() < 0.1 else LATENCY
        )
        answer = {
            "messages": [{"id": identifier, "message_status": "accepted"}],
            "contacts": [{"input": to, "wa_id": to}],
        }
        return await self._answered(request, kind, answer)

    def _announce(self, identifier: str, to: str, callback: str) -> None:
        """Post later what WhatsApp says of some messages: in order or not, once or twice, soon or
        late.
        """
        luck = self._dice.random()
        states = (
            ("sent", "delivered", "read") if luck < 0.1 else ("delivered",) if luck < 0.4 else ()
        )
        delays = {"early": (0, 0, 0), "late": (3, 3.2, 3.4), "shuffled": (1, 0.5, 0)}.get(
            self.hooks, (0.1, 0.4, 1)
        )
        for state, delay in zip(states, delays, strict=False):
            status = {
                "id": identifier,
                "recipient_id": to,
                "status": state,
                "timestamp": str(int(time.time())),
            }
            for again in range(2 if self.hooks == "twice" else 1):
                self.callbacks.later(
                    delay + again, {"statuses": {**status, "biz_opaque_callback_data": callback}}
                )

    # --- Telegram -------------------------------------------------------------------------------

    async def _telegram(self, request: web.Request) -> web.StreamResponse:
        method, body = request.match_info["method"].lower(), await request.read()
        if method not in {"sendmessage", "editmessagetext"}:
            return web.json_response(
                {"ok": True, "result": {"id": 110112, "is_bot": True, "first_name": "Info"}}
            )
        kind = self.mischief["telegram"].draw()
        if kind == "429":
            refusal = {
                "ok": False,
                "error_code": 429,
                "description": "Too Many Requests",
                "parameters": {"retry_after": 1},
            }
            return web.json_response(refusal, status=429)
        if kind == "500":
            return web.json_response(
                {"ok": False, "error_code": 500, "description": "Internal Server Error"}, status=500
            )
        if kind == "503":
            return _unavailable()
        payload = msgspec.json.decode(body)
        chat, edit = int(payload["chat_id"]), method == "editmessagetext"
        self.record.take("telegram", str(chat), body, request.match_info["worker"], edit=edit)
        await asyncio.sleep(LATENCY)
        message = {
            "message_id": next(self._numbers),
            "date": int(time.time()),
            "chat": {"id": chat, "type": "private"},
        }
        return await self._answered(
            request, kind, {"ok": True, "result": {**message, "text": "..."}}
        )

    async def _answered(
        self, request: web.Request, kind: str, answer: dict[str, Any]
    ) -> web.StreamResponse:
        """Return the answer of an accepted request, or play its fault."""
        if kind == "cut" and request.transport is not None:
            request.transport.abort()
        if kind == "hang":
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.open.wait(), 30)
        if kind == "twice" and request.transport is not None:
            body = msgspec.json.encode(answer)
            head = (
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                % len(body)
            )
            request.transport.write(head + body)
        return web.json_response(answer)


async def _number(_request: web.Request) -> web.Response:
    return web.json_response({"id": PHONE_ID})


def _unavailable() -> web.Response:
    return web.Response(
        status=503, text="<html>Service Unavailable</html>", content_type="text/html"
    )


def _envelope(items: Sequence[WebhookItem]) -> dict[str, Any]:
    statuses = [item["statuses"] for item in items]
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"phone_number_id": PHONE_ID},
        "statuses": statuses,
    }
    return {
        "object": "whatsapp_business_account",
        "entry": [{"id": "1", "changes": [{"field": "messages", "value": value}]}],
    }


@asynccontextmanager
async def _in_background(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# --- mail -----------------------------------------------------------------------------------------


TROUBLE = {
    "429": ScriptedAnswer(reply="421 4.7.0 Too many messages, come back later"),
    "503": ScriptedAnswer(reply="451 4.3.0 Come back later"),
    "500": ScriptedAnswer(reply="451 4.3.0 Local error", step="content"),
    "cut": ScriptedAnswer(reply=Move.DROP, step="content"),
    "hang": ScriptedAnswer(reply=Move.SILENCE, step="content"),
    "twice": ScriptedAnswer(reply=Move.EXTRA, step="content", delay=LATENCY),
}
"""Answer to an envelope by the fault that was drawn for it."""
SOUND = ScriptedAnswer(reply=Move.GOOD, step="content", delay=LATENCY)


@dataclass(kw_only=True)
class FaultScript(SmtpScript):
    """Script in which each envelope draws its fault."""

    mischief: FaultInjector
    drawn: dict[str, ScriptedAnswer] = field(default_factory=dict)

    def answer(self, step: str, address: str) -> ScriptedAnswer:
        """Draw with the recipient, and answer at the step that the fault concerns."""
        if step == "RCPT":
            self.drawn[address] = TROUBLE.get(self.mischief.draw(), SOUND)
        answer = self.drawn.get(address)
        return answer if answer and answer.step == step else ScriptedAnswer(reply=Move.GOOD)


class MailServer(SmtpStandIn):
    """Mail server of one worker that records what it accepts in the common record."""

    def __init__(self, providers: Providers, worker: str) -> None:
        super().__init__(script=FaultScript(mischief=providers.mischief["email"]), inbox_size=0)
        self._record, self._worker = providers.record, worker

    def take(self, sender: str, recipients: list[str], content: bytes) -> bytes | None:
        """Record the message, then take it; the transcript would only repeat the record."""
        match = MESSAGE_ID.search(content)
        mark = match[1].decode() if match else ""
        for to in recipients:
            self._record.take("email", to, content, self._worker, mark=mark)
        self.transcript.taken.clear()
        return super().take(sender, recipients, content)


def uncertain(providers: Providers) -> Iterator[tuple[str, str, int]]:
    """Yield (channel, kind, messages that it may have left without an answer) for each fault that
    was played.
    """
    harm = {"cut": 1, "hang": 1, "twice": 2}
    for channel, mischief in providers.mischief.items():
        for kind, count in mischief.done.items():
            yield channel, kind, count * harm.get(kind, 0)
