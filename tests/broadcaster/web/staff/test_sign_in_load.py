"""Many sign-ins at once: hashing, which costs a core on purpose, delays no reader, and the wait
falls on its cause.
"""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType

from argon2 import PasswordHasher

from broadcaster.runtime.password_hashing import KNOWN_PLACES, RETRY_SECONDS, STRANGER_PLACES
from broadcaster.store.sign_in_throttle import FREE_NAME
from support.browsing import Running, running
from support.sign_in_page import enter, lasting_cookies
from support.staff_rows import sign_in_form
from support.staffing import PASSWORD, hire, signed_in
from support.waiting import until

FEED = "/feed/cibabat.rss"


@contextmanager
def hashing_threads() -> Iterator[set[str]]:
    """Record the names of the threads in which Argon2 runs."""
    names: set[str] = set()

    def watch(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code in (
            PasswordHasher.verify.__code__,
            PasswordHasher.hash.__code__,
        ):
            names.add(threading.current_thread().name.rstrip("_0123456789"))

    threading.setprofile(watch)
    sys.setprofile(watch)
    try:
        yield names
    finally:
        threading.setprofile(None)
        sys.setprofile(None)


@asynccontextmanager
async def busy_hasher(site: Running) -> AsyncIterator[None]:
    """Occupy the hasher until the block ends."""
    release = threading.Event()
    blocker = asyncio.create_task(site.app.hasher.run(release.wait))
    await asyncio.sleep(0)
    try:
        yield
    finally:
        release.set()
        await blocker


async def test_passwords_are_checked_in_a_thread_that_serves_nothing_else(
    sqlite_url: str, tmp_path: Path
) -> None:
    with hashing_threads() as names:
        async with running(sqlite_url, tmp_path) as site:
            ani = await signed_in(site, "ani", "admin")
            names.clear()
            assert (await enter(site, "ani")).status == 303
            assert (await enter(site, "ani", "salah")).status == 401
            added = await ani.post(
                "/redaksi/pengguna/baru", {"nama": "budi", "lengkap": "Budi", "peran": "author"}
            )
            assert added.status == 200
            renewed = await ani.post(f"/redaksi/pengguna/{ani.account.id + 1}/sandi")
            assert renewed.status == 200
            new = "sepeda hujan meja biru"
            changed = await ani.post(
                "/redaksi/akun/sandi", {"lama": PASSWORD, "baru": new, "ulang": new}
            )
            assert changed.status == 303
        assert names == {"password"}


async def test_twenty_tries_at_once_leave_feeds_alone_and_those_beyond_the_queue_are_told_when_to_come_again(
    site: Running,
) -> None:
    await hire(site.app, "rina", "author")
    async with busy_hasher(site):
        tries = [
            asyncio.create_task(enter(site, f"nama{n}", address=f"198.51.{n}.1")) for n in range(20)
        ]
        await until(lambda: sum(task.done() for task in tries) == 20 - STRANGER_PLACES)
        refusals = [task.result() for task in tries if task.done()]
        assert {answer.status for answer in refusals} == {503}
        assert {answer.headers["Retry-After"] for answer in refusals} == {str(RETRY_SECONDS)}
        assert "memeriksa banyak kata sandi" in refusals[0].text
        assert 'value="nama' in refusals[0].text, "the name need not be typed again"
        for path in ("/", FEED, "/healthz", "/layar/cibabat/data"):
            assert (await site.ask(path)).status == 200, path
    statuses = [answer.status for answer in await asyncio.gather(*tries)]
    assert sorted(statuses) == [401] * STRANGER_PLACES + [503] * (20 - STRANGER_PLACES)


async def test_a_known_browser_and_who_is_signed_in_have_places_that_strangers_cannot_take(
    site: Running,
) -> None:
    await hire(site.app, "rina", "author")
    ani = await signed_in(site, "ani", "admin")
    before = await enter(site, "rina")
    known = lasting_cookies(before)
    async with busy_hasher(site):
        tries = [
            asyncio.create_task(enter(site, f"nama{n}", address=f"198.51.{n}.1")) for n in range(20)
        ]
        await until(lambda: sum(task.done() for task in tries) == 20 - STRANGER_PLACES)
        owner = asyncio.create_task(enter(site, "rina", cookie=known))
        admin = asyncio.create_task(
            ani.post(
                "/redaksi/pengguna/baru", {"nama": "budi", "lengkap": "Budi", "peran": "author"}
            )
        )
        await until(lambda: site.app.hasher.waiting == STRANGER_PLACES + 2)
    assert ((await owner).status, (await admin).status) == (303, 200)
    await asyncio.gather(*tries)


async def test_who_is_signed_in_is_told_when_to_come_again_where_even_their_places_are_taken(
    site: Running,
) -> None:
    ani = await signed_in(site, "ani", "admin")
    async with busy_hasher(site):
        waiting = [asyncio.create_task(site.app.hasher.run(list)) for _ in range(KNOWN_PLACES)]
        await until(lambda: site.app.hasher.waiting == KNOWN_PLACES)
        for path in ("/redaksi/pengguna/baru", "/redaksi/akun/sandi"):
            answer = await ani.post(
                path, {"nama": "budi", "lengkap": "Budi", "peran": "author", "lama": PASSWORD}
            )
            assert (answer.status, answer.headers["Retry-After"]) == (503, str(RETRY_SECONDS)), path
    await asyncio.gather(*waiting)


# --- whose turn it is -----------------------------------------------------------------------------


async def test_the_owner_enters_within_seconds_from_a_new_browser_while_many_addresses_guess(
    site: Running,
) -> None:
    await hire(site.app, "rina", "author")
    form = await sign_in_form(site)
    for number in range(FREE_NAME):
        await enter(site, "rina", "salah", address=f"198.51.{number % 25}.1", form=form)
    due, waited, statuses = 0, 0, []
    while not statuses or statuses[-1] != 303:
        for number in range(25):
            await enter(site, "rina", "salah", address=f"198.51.{number}.1", form=form)
        if waited >= due:
            answer = await enter(site, "rina", address="203.0.113.7", form=form)
            statuses.append(answer.status)
            due = waited + int(answer.headers.get("Retry-After", 0))
        waited += 1
        site.clock.now += timedelta(seconds=1)
        assert waited < 10, statuses
    assert statuses in ([303], [429, 303])


async def test_who_asks_again_sooner_than_told_waits_longer_and_nobody_else_does(
    site: Running,
) -> None:
    await hire(site.app, "rina", "author")
    form = await sign_in_form(site)
    tries = [
        await enter(site, "rina", "salah", address="198.51.100.1", form=form) for _ in range(10)
    ]
    assert [int(answer.headers.get("Retry-After", 0)) for answer in tries] == [0] * 5 + [
        1,
        2,
        4,
        8,
        16,
    ]
    assert (await enter(site, "rina", address="203.0.113.7", form=form)).status == 303
