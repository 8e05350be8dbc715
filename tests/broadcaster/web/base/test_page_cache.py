"""The page cache: many visitors cost one rendering a second, and a publication a new one."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import quote, urlencode

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from broadcaster.app import App
from broadcaster.runtime.i18n import LANGUAGES
from broadcaster.web.base import pages
from broadcaster.web.base.authorization import RateLimits
from broadcaster.web.base.bulkhead import PLACES, QUEUE
from broadcaster.web.base.page_cache import BYTES, PAGES, QUERY_BYTES, PageCache, shared
from broadcaster.web.base.token_bucket import Buckets
from support.browsing import Running


class CountingPage:
    """A page that counts its renderings."""

    def __init__(self) -> None:
        self.rendered = 0

    async def __call__(self, request: Request) -> Response:
        """Render the page, slowly."""
        self.rendered += 1
        await asyncio.sleep(0.01)
        return pages.page(request, "privacy.html")


@pytest.fixture
def state(site: Running) -> SimpleNamespace:
    """Return the state that create_web keeps for requests."""
    return SimpleNamespace(app=site.app, limits=RateLimits(), page_cache=PageCache())


def search_query(_app: App, query: Mapping[str, str]) -> Mapping[str, str]:
    """Return the part of a query that a page with a search knows."""
    return {"kata": query["kata"]} if "kata" in query else {}


def build_request(
    state: SimpleNamespace, path: str = "/privasi", query: str = "", cookie: str = ""
) -> Request:
    """Build a visitor's request."""
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": query.encode(),
        "app": SimpleNamespace(state=state),
        "headers": [(b"host", b"x"), (b"cookie", cookie.encode())],
        "state": {},
    }
    return Request(scope)


async def test_a_thousand_visitors_cost_one_rendering(state: SimpleNamespace) -> None:
    page = CountingPage()
    answers = await asyncio.gather(*(shared(page)(build_request(state)) for _ in range(1000)))
    assert page.rendered == 1
    assert {(answer.status_code, bytes(answer.body)) for answer in answers} == {
        (200, bytes(answers[0].body))
    }


async def test_each_second_and_each_publication_is_rendered_anew(
    site: Running, state: SimpleNamespace
) -> None:
    page = CountingPage()
    for _ in range(2):
        await shared(page)(build_request(state))
    assert page.rendered == 1
    site.clock.now += timedelta(seconds=1)
    await shared(page)(build_request(state))
    assert page.rendered == 2
    await site.publish()
    await shared(page)(build_request(state))
    assert page.rendered == 3


async def test_languages_and_filters_are_kept_apart(state: SimpleNamespace) -> None:
    page = CountingPage()
    texts = set()
    for query, cookie in (("", ""), ("", "bahasa=en"), ("kata=x", ""), ("kata=y", "")):
        for _ in range(2):
            texts.add(
                bytes(
                    (
                        await shared(page, query=search_query)(
                            build_request(state, query=query, cookie=cookie)
                        )
                    ).body
                )
            )
    assert page.rendered == 4
    assert len(texts) == 4


async def test_choosing_a_language_costs_no_rendering_and_nobody_else_keeps_the_answer(
    state: SimpleNamespace,
) -> None:
    page = CountingPage()
    plain = await shared(page)(build_request(state, cookie="bahasa=en"))
    chosen = [await shared(page)(build_request(state, query="bahasa=en")) for _ in range(3)]
    assert page.rendered == 1
    assert {bytes(answer.body) for answer in chosen} == {bytes(plain.body)}
    assert {answer.headers["cache-control"] for answer in chosen} == {"no-store"}
    assert all("bahasa=en" in answer.headers["set-cookie"] for answer in chosen)
    assert plain.headers["cache-control"] == "public, max-age=30"
    assert "set-cookie" not in plain.headers


async def test_whatever_a_query_holds_the_page_is_rendered_once_per_language(
    state: SimpleNamespace,
) -> None:
    page, dice = CountingPage(), random.Random(7)
    letters = "abcé&=;%+#?/\\ \x00\u202e\u3164語😀[]'\"<>"
    for _ in range(400):
        text = "".join(dice.choices(letters, k=dice.choice([0, 1, 5, 100, 2_000])))
        name = dice.choice(["x", "utm_source", "kata", "kode", "halaman", "bahasa", text])
        lang = dice.choice(["", "bahasa=en&", "bahasa=id&", "bahasa=xx&"])
        await shared(page)(
            build_request(
                state, query=lang + dice.choice([urlencode({name: text}), quote(text, safe="&=;")])
            )
        )
    assert page.rendered <= len(LANGUAGES)


async def test_a_query_longer_than_any_that_means_something_is_refused(
    state: SimpleNamespace,
) -> None:
    page = CountingPage()
    with pytest.raises(HTTPException) as error:
        await shared(page, query=search_query)(
            build_request(state, query="kata=" + "x" * QUERY_BYTES)
        )
    assert error.value.status_code == 400
    assert page.rendered == 0


async def test_the_memory_does_not_grow_with_what_is_asked(state: SimpleNamespace) -> None:
    state.limits = RateLimits(chosen=Buckets(burst=10_000, per_second=1))
    page = CountingPage()
    await shared(page)(build_request(state))
    for number in range(PAGES + 20):
        await shared(page, query=search_query)(build_request(state, query=f"kata={number}"))
    assert len(state.page_cache.chosen) == PAGES
    assert len(state.page_cache.common) == 1
    assert state.page_cache.chosen.used <= BYTES


async def test_a_missing_page_is_not_remembered(site: Running) -> None:
    for _ in range(2):
        assert (await site.ask("/p/CMH-2222-22")).status == 404


async def test_searching_never_keeps_readers_waiting(state: SimpleNamespace) -> None:
    release = asyncio.Event()

    async def search(request: Request) -> Response:
        await release.wait()
        return pages.page(request, "privacy.html")

    page = CountingPage()
    state.limits = RateLimits(chosen=Buckets(burst=10_000, per_second=1))
    show = shared(search, query=search_query)
    searches = [
        asyncio.create_task(show(build_request(state, query=f"kata={number}")))
        for number in range(200)
    ]
    await shared(page)(build_request(state))
    assert page.rendered == 1
    release.set()
    answers = await asyncio.gather(*searches, return_exceptions=True)
    statuses = Counter(
        answer.status_code for answer in answers if isinstance(answer, Response | HTTPException)
    )
    assert statuses == {200: PLACES + QUEUE, 503: 200 - PLACES - QUEUE}


async def test_many_who_search_for_the_same_cost_one_rendering_and_nobody_is_refused(
    state: SimpleNamespace,
) -> None:
    page = CountingPage()
    answers = await asyncio.gather(
        *(
            shared(page, query=search_query)(build_request(state, query="kata=banjir"))
            for _ in range(500)
        )
    )
    assert page.rendered == 1
    assert {answer.status_code for answer in answers} == {200}


async def test_who_asks_for_ever_new_pages_must_soon_wait_and_reads_on(
    state: SimpleNamespace,
) -> None:
    state.limits = RateLimits(chosen=Buckets(burst=3, per_second=0.001))
    page = CountingPage()
    show = shared(page, query=search_query)
    for number in range(3):
        assert (await show(build_request(state, query=f"kata={number}"))).status_code == 200
    with pytest.raises(HTTPException) as error:
        await show(build_request(state, query="kata=3"))
    assert error.value.status_code == 429
    assert int((error.value.headers or {})["Retry-After"]) >= 1
    assert (await show(build_request(state, query="kata=2"))).status_code == 200, (
        "what is there already costs nothing"
    )
    assert (await show(build_request(state))).status_code == 200
