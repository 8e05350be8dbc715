"""Stand-in providers in a process of their own: prints where they listen, then counts on request (a
line on stdin).
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack

import uvloop

from broadcaster.simulation.bot_api import BotApi
from broadcaster.simulation.graph_api import GraphApi
from broadcaster.simulation.serving import running
from broadcaster.simulation.smtp import SmtpStandIn
from channels import whatsapp

Taken = Callable[[], list[tuple[object, str]]]
"""Messages that a provider accepted so far: (receiver, what tells messages apart)."""


async def opened(kind: str, stack: AsyncExitStack) -> tuple[str, Taken]:
    """Serve one kind of provider; returns its URL, and a function that returns what it accepted."""
    if kind == "smtp":
        mail = SmtpStandIn(record=True)
        return await stack.enter_async_context(mail.running()), lambda: list(mail.accepted)
    if kind == "bot":
        bot = BotApi(record=True)
        return await stack.enter_async_context(running(bot.app)), lambda: [
            (chat, "") for chat, _text in bot.accepted
        ]
    templates = [
        each.document for each in whatsapp.definitions(whatsapp.Settings(template="info_kelurahan"))
    ]
    graph = GraphApi(token="t", phone_id="1", app_secret="s", templates=templates, record=True)
    return await stack.enter_async_context(running(graph.app)), lambda: list(graph.pairs)


async def main(kind: str) -> None:
    """Serve until stdin ends; each line there is answered with the counts so far."""
    async with AsyncExitStack() as stack:
        where, taken = await opened(kind, stack)
        sys.stdout.write(f"{where}\n")
        sys.stdout.flush()
        while await asyncio.to_thread(sys.stdin.readline):
            accepted = Counter(taken())
            answer = {"accepted": sum(accepted.values()), "different": len(accepted)}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
