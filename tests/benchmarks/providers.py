"""Stand-in providers in a process of their own: prints where they listen, then counts on request (a line on stdin)."""

import asyncio
import json
import sys
from collections import Counter
from contextlib import AsyncExitStack

from broadcaster.simulation.bot_api import BotApi
from broadcaster.simulation.graph_api import GraphApi
from broadcaster.simulation.serving import running
from broadcaster.simulation.smtp import SmtpStandIn


async def main(kind: str) -> None:
    """Serve one kind of provider until stdin ends."""
    async with AsyncExitStack() as stack:
        if kind == "smtp":
            server = SmtpStandIn(record=True)
            where = await stack.enter_async_context(server.running())
        else:
            server = GraphApi(record=True) if kind == "graph" else BotApi(record=True)
            where = await stack.enter_async_context(running(server.app))
        sys.stdout.write(f"{where}\n")
        sys.stdout.flush()
        while await asyncio.to_thread(sys.stdin.readline):
            accepted = Counter(server.accepted)
            answer = {"accepted": sum(accepted.values()), "different": len(accepted)}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
