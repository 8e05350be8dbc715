"""Serving a stand-in on loopback."""

import aiohttp
import pytest
from aiohttp import web

from broadcaster.simulation.ports import free_port
from broadcaster.simulation.serving import running


async def hello(request: web.Request) -> web.Response:
    """Answer with a greeting."""
    return web.Response(text="hello")


def app() -> web.Application:
    """Return an application of one page."""
    application = web.Application()
    application.router.add_get("/", hello)
    return application


async def test_an_app_answers_on_a_free_port_of_loopback_until_left() -> None:
    async with aiohttp.ClientSession() as session:
        async with running(app()) as url:
            assert url.startswith("http://127.0.0.1:")
            async with session.get(f"{url}/") as response:
                assert await response.text() == "hello"
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(f"{url}/")


async def test_a_chosen_port_is_used_and_one_in_use_is_an_error() -> None:
    port = free_port()
    async with running(app(), port) as url:
        with pytest.raises(OSError, match="address already in use"):
            async with running(app(), port):
                pass
    async with running(app(), port) as again:
        assert again == url
