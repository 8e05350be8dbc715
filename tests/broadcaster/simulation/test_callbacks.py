"""Webhooks of a stand-in provider: bounded, and posted in order of their time."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from aiohttp import web

from broadcaster.simulation.callbacks import BATCH, Callbacks, WebhookItem
from broadcaster.simulation.serving import running
from support.waiting import until


def envelope(items: Sequence[WebhookItem]) -> dict[str, Any]:
    """Return the body of one POST."""
    return {"items": list(items)}


class WebhookServer:
    """Keeps the items of each POST."""

    def __init__(self) -> None:
        self.posts: list[list[WebhookItem]] = []
        self.app = web.Application()
        self.app.router.add_post("/", self._take)

    async def _take(self, request: web.Request) -> web.Response:
        self.posts.append(msgspec.json.decode(await request.read())["items"])
        return web.Response()


async def test_items_come_in_order_of_their_time_and_in_batches() -> None:
    server = WebhookServer()
    async with running(server.app) as url:
        callbacks = Callbacks(url=f"{url}/", secret="s", envelope=envelope)
        callbacks.later(0.3, {"n": -1})
        for number in range(600):
            callbacks.later(0, {"n": number})
        task = asyncio.create_task(callbacks.run())
        await until(lambda: callbacks.posted == 601, seconds=10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [item["n"] for post in server.posts for item in post] == [*range(600), -1]
    assert max(len(post) for post in server.posts) == BATCH
    assert callbacks.waiting == 0


async def test_nothing_is_posted_before_its_time() -> None:
    server = WebhookServer()
    async with running(server.app) as url:
        callbacks = Callbacks(url=f"{url}/", secret="s", envelope=envelope)
        callbacks.later(60, {"n": 1})
        task = asyncio.create_task(callbacks.run())
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert server.posts == []
    assert callbacks.waiting == 1


def test_a_full_queue_drops_what_is_new_and_counts_it() -> None:
    callbacks = Callbacks(url="http://127.0.0.1:9/", secret="s", envelope=envelope, limit=3)
    for number in range(5):
        callbacks.later(0, {"n": number})
    assert (callbacks.waiting, callbacks.dropped) == (3, 2)


def test_without_a_url_nothing_is_kept() -> None:
    callbacks = Callbacks(url="", secret="s", envelope=envelope)
    callbacks.later(0, {"n": 1})
    assert (callbacks.waiting, callbacks.dropped) == (0, 0)
