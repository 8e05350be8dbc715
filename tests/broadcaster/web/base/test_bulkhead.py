"""The bulkhead: few places, a short queue, a share for each client, and readers of its own."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request

from broadcaster.store.database import BOUNDED_READERS, READERS, ReadTimeout
from broadcaster.store.migrate import migrate
from broadcaster.web.base.authorization import RateLimits
from broadcaster.web.base.bulkhead import PLACES, QUEUE, Bulkhead, SingleFlight, take_share
from broadcaster.web.base.token_bucket import Buckets
from support.browsing import Running, running
from support.staffing import signed_in
from support.waiting import until


def build_request(limits: RateLimits | None = None, client: str = "2001:db8::1") -> Request:
    """Build a visitor's request."""
    app = SimpleNamespace(state=SimpleNamespace(limits=limits or RateLimits()))
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/",
            "headers": [],
            "client": (client, 1),
            "state": {},
            "app": app,
        }
    )


async def test_no_more_run_than_there_are_places_and_they_run_in_the_order_they_came() -> None:
    bulkhead, release, started = Bulkhead(places=2, queue=10), asyncio.Event(), []

    async def visit(number: int) -> None:
        async with bulkhead.entered(build_request()):
            started.append(number)
            await release.wait()

    visits = [asyncio.create_task(visit(number)) for number in range(6)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert started == [0, 1]
    release.set()
    await asyncio.gather(*visits)
    assert started == [0, 1, 2, 3, 4, 5]


async def test_beyond_the_queue_a_visitor_is_told_when_to_come_again_and_nothing_runs() -> None:
    bulkhead = Bulkhead(places=1, queue=0)
    async with bulkhead.entered(build_request()):
        with pytest.raises(HTTPException) as error:
            async with bulkhead.entered(build_request()):
                raise AssertionError("there was no place")
    assert error.value.status_code == 503
    assert int((error.value.headers or {})["Retry-After"]) >= 1
    async with bulkhead.entered(build_request()):
        pass


async def test_who_leaves_while_waiting_leaves_a_place_in_the_queue() -> None:
    bulkhead = Bulkhead(places=1, queue=1)

    async def visit() -> None:
        async with bulkhead.entered(build_request()):
            pass

    async with bulkhead.entered(build_request()):
        waiting = asyncio.create_task(visit())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        second = asyncio.create_task(visit())
        await asyncio.sleep(0)
    await second


async def test_reads_are_bounded_within_and_only_there_and_one_that_lasts_too_long_is_refused() -> (
    None
):
    request, bulkhead = build_request(), Bulkhead()
    with pytest.raises(HTTPException) as error:
        async with bulkhead.entered(request):
            assert request.state.bounded
            raise ReadTimeout
    assert error.value.status_code == 503
    assert not request.state.bounded


def test_a_household_has_one_share_and_its_neighbours_have_theirs() -> None:
    limits = RateLimits(chosen=Buckets(burst=2, per_second=0.001))
    take_share(build_request(limits, "2001:db8::1"))
    take_share(build_request(limits, "2001:db8::2"))
    with pytest.raises(HTTPException) as error:
        take_share(build_request(limits, "2001:db8::3"))
    assert error.value.status_code == 429
    take_share(build_request(limits, "2001:db8:0:1::1"))


async def test_what_many_want_at_once_is_made_once_also_when_the_first_of_them_leaves() -> None:
    flights, release, runs = SingleFlight(), asyncio.Event(), []

    async def make() -> str:
        await release.wait()
        runs.append(1)
        return "page"

    first, *others = [asyncio.create_task(flights.do("key", make)) for _ in range(5)]
    await asyncio.sleep(0)
    first.cancel()
    release.set()
    assert await asyncio.gather(*others) == ["page"] * 4
    assert runs == [1]
    assert not flights.runs("key")


async def test_what_fails_fails_for_all_who_wait_and_is_tried_anew_by_the_next() -> None:
    flights, tries = SingleFlight(), []

    async def fail() -> None:
        tries.append(1)
        raise HTTPException(404)

    errors = await asyncio.gather(
        *(flights.do("key", fail) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(error, HTTPException) for error in errors)
    with pytest.raises(HTTPException):
        await flights.do("key", fail)
    assert len(tries) == 2


@contextlib.asynccontextmanager
async def occupied_readers(site: Running) -> AsyncIterator[None]:
    """Occupy every bounded reader until the block ends."""
    release, holding = threading.Event(), list[int]()

    def hold(_connection: Connection) -> None:
        holding.append(1)
        release.wait(60)

    reads = [
        asyncio.create_task(site.app.database.read_bounded(hold)) for _ in range(BOUNDED_READERS)
    ]
    try:
        await until(lambda: len(holding) == len(reads), what="all are held")
        yield
    finally:
        release.set()
        await asyncio.gather(*reads)


OPENED_BY_ALL = (
    "/", "/?x=1", "/?bahasa=en", "/daftar", "/cek", "/privasi", "/feed/cibabat.rss", "/feed/melong.json?y=2", "/layar/cibabat",
    "/layar/cibabat/data", "/readyz", "/healthz",
)  # fmt: skip
SEARCHES = [
    "/?kata={n}", "/?bahasa=en&kata={n}", "/?kata={n}" + "x" * 55, "/?x={n}&kata=" + "%E8%AA%9E" * 40 + "{n}",
    "/?wilayah=melong&kata={n}",
    "/?sebelum={n}.CMH-2222-22", "/cek?kode=kabar+{n}+" + "kata+" * 100 + "CMH-7K4Q-2M", "/p/CMH-{n:04}-22.json",
]  # fmt: skip


async def test_while_strangers_search_everybody_else_is_answered(
    empty_sqlite_url: str, tmp_path: Path
) -> None:
    migrate(empty_sqlite_url)
    async with running(empty_sqlite_url, tmp_path) as site:
        await search_and_read(site)


async def search_and_read(site: Running) -> None:
    """Search as strangers do, and read as everybody else, at the same time."""
    old = await site.publish(title="Kabar lama")
    for number in range(12):
        await site.publish(title=f"Kabar nomor {number}")
    new = await site.publish(title="Banjir di Cibabat")
    rina = await signed_in(site, "rina", "author")
    async with occupied_readers(site):
        searches = [
            asyncio.create_task(site.ask(SEARCHES[n % len(SEARCHES)].format(n=n)))
            for n in range(40)
        ]
        searches.append(asyncio.create_task(site.ask(f"/p/{old.code}")))
        overflow = len(searches) - PLACES - QUEUE
        await until(
            lambda: sum(search.done() for search in searches) == overflow,
            what="the rest is refused",
        )
        for path in (*OPENED_BY_ALL, f"/p/{new.code}"):
            assert (await site.ask(path)).status == 200, path
        assert (await site.ask("/webhook/telegram", "POST", data=b"{}")).status == 403
        assert (await rina.get("/redaksi/")).status == 200
        assert sum(search.done() for search in searches) == overflow
    answers = await asyncio.gather(*searches)
    refusals = [answer for answer in answers if answer.status == 503]
    assert len(refusals) == overflow
    assert {answer.status for answer in answers} <= {200, 404, 503}
    for answer in refusals:
        assert int(answer.headers["Retry-After"]) >= 1
        assert (
            "Sedang banyak yang mencari." in answer.text
            or "Many people are searching" in answer.text
        )


async def test_who_searches_too_often_is_told_in_words_and_reads_on(site: Running) -> None:
    statuses = [(await site.ask(f"/?kata={number}")).status for number in range(80)]
    assert set(statuses[:30]) == {200}, "a person who types is never refused"
    answer = await site.ask("/?kata=lagi")
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert "Terlalu sering" in answer.text
    assert (await site.ask("/")).status == 200


async def test_bounded_readers_are_not_those_of_everybody_else(site: Running) -> None:
    async with occupied_readers(site):
        count = 2 * READERS
        reads = [
            site.app.database.read(
                lambda connection: connection.exec_driver_sql("SELECT 1").scalar()
            )
            for _ in range(count)
        ]
        assert await asyncio.gather(*reads) == [1] * count
