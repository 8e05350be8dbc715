"""Whole city on loopback for browser tests of the newsroom: site, workers, stand-in providers, and
users of its pages.
"""

import asyncio
import html
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from broadcaster.app import App, open_app
from broadcaster.runtime import config
from broadcaster.simulation import providers
from broadcaster.simulation.ports import free_port
from broadcaster.simulation.providers import Providers, demo_variables
from broadcaster.web.server import serve
from broadcaster.worker import LaneWorker
from support import inboxes, page_complaints
from support.staffing import PASSWORD, hire
from support.world import subscribe, variables

DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
CHANNELS = ("whatsapp", "telegram", "email", "display", "feed")
RESIDENTS = {"whatsapp": "6286000000001", "telegram": "7000000001", "email": "warga1@surat.example"}


@dataclass
class AheadClock:
    """Clock ahead of the real time by as much as a test sets."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        """Return the time as the program sees it."""
        return datetime.now(UTC) + self.ahead


@dataclass(kw_only=True)
class City:
    """Whole city on loopback: site, workers, stand-in providers, one resident of each push channel."""

    app: App
    port: int
    clock: AheadClock
    providers: Providers
    web: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """URL of the site."""
        return f"http://127.0.0.1:{self.port}"

    async def open_web(self) -> None:
        """Serve, on the same port each time."""
        ready = asyncio.Event()
        self.web = asyncio.create_task(serve(self.app, "127.0.0.1", self.port, ready))
        await ready.wait()

    async def close_web(self) -> None:
        """Stop serving, as at the end of a process."""
        if self.web is not None:
            self.web.cancel()
            await asyncio.gather(self.web, return_exceptions=True)
            self.web = None

    def received(self, channel: str) -> list[dict[str, str]]:
        """Return the messages of the resident, by part."""
        return inboxes.messages(self.providers, channel, RESIDENTS[channel])


@asynccontextmanager
async def opened(database_url: str, folder: Path) -> AsyncIterator[City]:
    """Open a city with site, workers and providers together; tests pass the hold by setting the
    clock ahead.
    """
    clock, port = AheadClock(), free_port()
    environ = variables(
        database_url,
        folder,
        BROADCASTER_SIMULATED="true",
        BROADCASTER_BASE_URL=f"http://127.0.0.1:{port}",
        **demo_variables(http_port=free_port(), smtp_port=free_port()),
    )
    async with open_app(config.read(environ), clock=clock) as app:
        for channel, address in RESIDENTS.items():
            await subscribe(app, channel, [(address, "cibabat")])
        async with providers.running(app.loaded) as stand_ins:
            stand_ins.graph.watch(RESIDENTS["whatsapp"])
            city = City(app=app, port=port, clock=clock, providers=stand_ins)
            workers = [LaneWorker(app, lane) for lane in ("emergency", "routine")]
            jobs = [asyncio.create_task(worker.run()) for worker in workers]
            await city.open_web()
            yield city
            await city.close_web()
            for worker in workers:
                worker.stop()
            await asyncio.gather(*jobs, return_exceptions=True)


@dataclass(kw_only=True)
class PageUser:
    """User of a page: with a pointer, or `keys` alone."""

    page: Any
    keys: bool = False

    async def reach(self, selector: str) -> None:
        """Put the focus on what the selector names, by Tab alone."""
        wanted = await self.page.query_selector(selector)
        assert wanted is not None, selector
        for _step in range(150):
            if await wanted.evaluate("element => element === document.activeElement"):
                return
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"{selector} cannot be reached by keyboard")

    async def fill(self, selector: str, text: str) -> None:
        """Type into a field."""
        if not self.keys or "datetime" in (await self.page.get_attribute(selector, "type") or ""):
            await self.page.fill(selector, text)  # the parts of a date field are the browser's own
            return
        await self.reach(selector)
        await self.page.keyboard.insert_text(text)

    async def tick(self, selector: str) -> None:
        """Tick a box."""
        if not self.keys:
            await self.page.check(selector)
            return
        await self.reach(selector)
        await self.page.keyboard.press("Space")

    async def press(self, selector: str) -> None:
        """Press a button and wait for the page that follows: a new document, not an address that a
        script writes.
        """
        async with self.page.expect_event("domcontentloaded"):
            if self.keys:
                await self.reach(selector)
                await self.page.keyboard.press("Enter")
            else:
                await self.page.click(selector)
        await self.page.wait_for_load_state()

    async def sign_in(self, url: str, name: str) -> None:
        """Sign in, from the sign-in page to the first page."""
        await self.page.goto(f"{url}/redaksi/masuk")
        await self.fill("#nama", name)
        await self.fill("#sandi", PASSWORD)
        await self.press('form[action^="/redaksi/masuk"] button.button')
        assert self.page.url == f"{url}/redaksi/"

    async def preview_texts(self) -> dict[str, str]:
        """Return the text of each preview's message."""
        return {name: await self.page.inner_text(f"#pratinjau-{name} .sheet") for name in CHANNELS}

    async def preview_parts(self) -> dict[str, dict[str, str]]:
        """Return each part of the message that a push channel's preview shows."""
        parts: dict[str, dict[str, str]] = {}
        for channel in RESIDENTS:
            elements = await self.page.query_selector_all(f"#pratinjau-{channel} .part")
            parts[channel] = {
                (await element.get_attribute("class")).split()[1]: await element.inner_text()
                for element in elements
            }
        return parts


@asynccontextmanager
async def browsing(
    chromium: Any, excused: str = "", **options: Any
) -> AsyncIterator[Callable[[], Awaitable[Any]]]:
    """Open pages in contexts of their own, which must neither complain (but for what the pattern
    `excused` matches) nor ask another host.
    """
    complaints: list[str] = []
    contexts: list[Any] = []

    def note(request: Any) -> None:
        if not request.url.startswith("http://127.0.0.1:"):
            complaints.append(request.url)

    async def opening() -> Any:
        context = await chromium.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(30_000)
        page = await context.new_page()
        page_complaints.gather(page, complaints, staff=True)
        page.on("request", note)
        return page

    try:
        yield opening
    finally:
        for context in contexts:
            await context.close()
    unexcused = [text for text in complaints if not excused or not re.search(excused, text)]
    assert unexcused == [], unexcused


async def write(user: PageUser, url: str) -> None:
    """Fill the composer."""
    day = (datetime.now(UTC) + timedelta(hours=7)).date()
    await user.page.goto(f"{url}/redaksi/tulis")
    await user.fill("#judul", "Air PDAM mati di Cibabat")
    await user.fill("#ringkasan", "Tampung air sebelum pukul tujuh.")
    await user.fill(
        "#teks", "Perumda Tirta mengganti pipa di **Jl. Amir Machmud**.\n\n- RW 05 & RW 06"
    )
    await user.tick('.places input[value="cibabat"]')
    await user.page.select_option("#kategori", "gangguan-layanan")
    await user.fill("#opd", "Perumda Tirta")
    await user.fill("#mulai", f"{day}T00:01")
    await user.fill("#sampai", f"{day + timedelta(days=2)}T14:00")


def plain(part: str) -> str:
    """Return a received part as it reads: without the messenger's own marks, and without what
    differs per recipient.
    """
    text = html.unescape(re.sub(r"<[^>]+>", "", part))
    text = re.sub(r"/berhenti/\S+", "/berhenti/...", text)
    return re.sub(
        r"Anda mendaftar untuk .*? pada \d+ \w+ \d{4}", "Anda mendaftar", " ".join(text.split())
    )


async def says(page: Any, selector: str, text: str) -> None:
    """Wait until an element of the page contains the text."""
    await page.wait_for_function(
        "([selector, text]) => (document.querySelector(selector)?.innerText || '').includes(text)",
        arg=[selector, text],
    )


AHEAD_SECONDS = 5
"""Seconds by which a stopped clock is ahead: it cannot stop in the past."""


async def stop_clock(page: Any) -> None:
    """Stop the page's clock, which the test has installed: time passes by `clock.run_for` alone."""
    await page.clock.pause_at(await page.evaluate("Date.now()") / 1000 + AHEAD_SECONDS)


async def author(city: City, page: Any, name: str = "rina") -> PageUser:
    """Hire an author and sign them in."""
    await hire(city.app, name, "author")
    user = PageUser(page=page)
    await user.sign_in(city.url, name)
    return user


async def in_review(city: City, opening: Any, *, urgent: bool = False) -> tuple[PageUser, str]:
    """Submit an announcement as rina; returns dewi at the page where she decides, and its id."""
    rina = await author(city, await opening())
    await write(rina, city.url)
    if urgent:
        await rina.tick('input[name="level"][value="emergency"]')
        await rina.fill("#petunjuk", "1. Tampung air.")
    await rina.press('button[value="periksa"]')
    await rina.press('form[action$="/ajukan"] button')
    await hire(city.app, "dewi", "approver")
    dewi = PageUser(page=await opening())
    await dewi.sign_in(city.url, "dewi")
    await dewi.page.goto(rina.page.url)
    match = re.search(r"/pengumuman/(\w+)/", rina.page.url)
    assert match
    return dewi, match[1]
