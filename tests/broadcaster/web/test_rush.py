"""The same page for many at once: rendered once a second, and never older than that or than a publication."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import pytest
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.web import pages
from broadcaster.web.access import Limits
from broadcaster.web.rush import PAGES, Rush, shared
from browsing import Running


class Counting:
    """A page that counts how often it was rendered."""

    def __init__(self) -> None:
        self.rendered = 0

    async def __call__(self, request: Request) -> Response:
        """Render it, slowly."""
        self.rendered += 1
        await asyncio.sleep(0.01)
        return pages.page(request, "privacy.html")


@pytest.fixture
def state(site: Running) -> SimpleNamespace:
    """What create_web keeps for requests."""
    return SimpleNamespace(app=site.app, limits=Limits(), rush=Rush())


def asked(state: SimpleNamespace, path: str = "/privasi", query: str = "", cookie: str = "") -> Request:
    """A visitor's request."""
    scope = {
        "type": "http", "method": "GET", "path": path, "query_string": query.encode(), "app": SimpleNamespace(state=state),
        "headers": [(b"host", b"x"), (b"cookie", cookie.encode())], "state": {},
    }  # fmt: skip
    return Request(scope)


async def test_a_thousand_visitors_cost_one_rendering(state: SimpleNamespace) -> None:
    page = Counting()
    answers = await asyncio.gather(*(shared(page)(asked(state)) for _ in range(1000)))
    assert page.rendered == 1
    assert {(answer.status_code, bytes(answer.body)) for answer in answers} == {(200, bytes(answers[0].body))}


async def test_each_second_and_each_publication_is_rendered_anew(site: Running, state: SimpleNamespace) -> None:
    page = Counting()
    for _ in range(2):
        await shared(page)(asked(state))
    assert page.rendered == 1
    site.clock.now += timedelta(seconds=1)
    await shared(page)(asked(state))
    assert page.rendered == 2
    await site.publish()
    await shared(page)(asked(state))
    assert page.rendered == 3


async def test_languages_and_filters_are_kept_apart(state: SimpleNamespace) -> None:
    page = Counting()
    texts = set()
    for query, cookie in (("", ""), ("", "bahasa=en"), ("kata=x", ""), ("kata=y", "")):
        for _ in range(2):
            texts.add(bytes((await shared(page)(asked(state, query=query, cookie=cookie))).body))
    assert page.rendered == 4
    assert len(texts) == 4


@pytest.mark.parametrize("query", ["bahasa=en", "kata=" + "x" * 100])
async def test_what_belongs_to_one_visitor_or_is_odd_is_never_shared(state: SimpleNamespace, query: str) -> None:
    page = Counting()
    for _ in range(3):
        await shared(page)(asked(state, query=query))
    assert page.rendered == 3


async def test_the_memory_does_not_grow_with_what_is_asked(state: SimpleNamespace) -> None:
    page = Counting()
    await asyncio.gather(*(shared(page)(asked(state, query=f"kata={number}")) for number in range(PAGES + 20)))
    assert len(state.rush._pages) == PAGES


async def test_a_missing_page_is_not_remembered(site: Running) -> None:
    for _ in range(2):
        assert (await site.ask("/p/CMH-2222-22")).status == 404


async def test_searching_never_keeps_readers_waiting(state: SimpleNamespace) -> None:
    page = Counting()
    searches = [asyncio.create_task(shared(page)(asked(state, query=f"kata={number}"))) for number in range(200)]
    await asyncio.sleep(0.02)
    await shared(page)(asked(state))
    assert page.rendered < 50
    await asyncio.gather(*searches)
