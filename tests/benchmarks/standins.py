"""Stand-in providers within this process that note when each message came, and whether it was of
the emergency.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from aiohttp import web

from broadcaster.simulation.bot_api import BotApi
from broadcaster.simulation.graph_api import GraphApi
from broadcaster.simulation.serving import running
from broadcaster.simulation.smtp import SmtpStandIn
from channels import whatsapp

MARK = b"Banjir"
"""Word that occurs only in emergencies."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Clock:
    """Arrival of each message, monotonic seconds, in order."""

    emergency: list[float] = field(default_factory=list)
    routine: list[float] = field(default_factory=list)

    def note(self, content: bytes) -> None:
        """Record the arrival of a message."""
        (self.emergency if MARK in content else self.routine).append(monotonic())


class _Mail(SmtpStandIn):
    """Mail server that notes a message when its content is there."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(record=False)
        self._clock = clock

    def take(self, sender: str, recipients: list[str], content: bytes) -> bytes | None:
        """Note the message, then take it."""
        self._clock.note(content)
        return super().take(sender, recipients, content)


def _noting(clock: Clock, app: web.Application) -> web.Application:
    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "POST":
            clock.note(await request.read())
        return await handler(request)

    app.middlewares.append(note)
    return app


@asynccontextmanager
async def provider(channel: str, clock: Clock) -> AsyncIterator[str]:
    """Serve a channel's provider; yields its URL."""
    if channel == "email":
        serving = _Mail(clock).running()
    elif channel == "telegram":
        serving = running(_noting(clock, BotApi().app))
    else:
        templates = [
            each.document
            for each in whatsapp.definitions(whatsapp.Settings(template="info_kelurahan"))
        ]
        graph = GraphApi(token="t", phone_id="1", app_secret="s", templates=templates)
        serving = running(_noting(clock, graph.app))
    async with serving as where:
        yield where
