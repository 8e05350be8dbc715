"""The newsroom's main way in a real browser: write, see five previews move, submit; another approves; it arrives."""

import asyncio
import html
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from broadcaster import config
from broadcaster.accounts import AccountRole
from broadcaster.app import App, open_app
from broadcaster.simulation.providers import Providers, demo_variables
from broadcaster.simulation.providers import running as providers_running
from broadcaster.simulation.smtp import received_parts
from broadcaster.web.serving import serve
from broadcaster.worker import LaneWorker
from browsing import listening
from staffing import PASSWORD, hire
from uploads import noise
from waiting import until
from world import states, subscribe, variables

CHROMIUM = Path("/usr/bin/chromium")
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
CHANNELS = ("whatsapp", "telegram", "email", "display", "feed")
RESIDENTS = {"whatsapp": "6286000000001", "telegram": "7000000001", "email": "warga1@surat.example"}
PREVIEW_SECONDS = 0.5
TRIES = 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed (Debian: apt-get install chromium)"),
]
async_api = pytest.importorskip("playwright.async_api")


@dataclass
class AheadClock:
    """The real time and what a test put it forward."""

    ahead: timedelta = field(default_factory=timedelta)

    def __call__(self) -> datetime:
        """Now, as the program sees it."""
        return datetime.now(UTC) + self.ahead


@dataclass(kw_only=True)
class City:
    """A whole city on loopback: site, workers, stand-in providers, one resident of each push channel."""

    app: App
    url: str
    clock: AheadClock
    providers: Providers

    def received(self, channel: str) -> list[dict[str, str]]:
        """What the resident has, by part."""
        to = RESIDENTS[channel]
        if channel == "whatsapp":
            return [dict(message.parts) for message in self.providers.graph.inbox(to)]
        if channel == "telegram":
            return [message.parts for message in self.providers.bot.inbox(int(to))]
        return [received_parts(mail.raw) for mail in self.providers.mail.inbox(to)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def ended(*stopping: Any) -> AsyncIterator[None]:
    """Run coroutines beside the block; their `stop` is called at its end."""
    tasks = [asyncio.create_task(work) for work, _stop in stopping]
    try:
        yield
    finally:
        for task, (_work, stop) in zip(tasks, stopping, strict=True):
            stop() if stop else task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def city(sqlite_url: str, tmp_path: Path) -> AsyncIterator[City]:
    """Everything runs as in life; the hold is passed by putting the clock forward."""
    clock = AheadClock()
    async with AsyncExitStack() as stack:
        sock, port = stack.enter_context(listening())
        environ = variables(
            sqlite_url, tmp_path, BROADCASTER_SIMULATED="true", BROADCASTER_BASE_URL=f"http://127.0.0.1:{port}",
            **demo_variables(http_port=free_port(), smtp_port=free_port()),
        )  # fmt: skip
        app = await stack.enter_async_context(open_app(config.read(environ), clock=clock))
        for channel, address in RESIDENTS.items():
            await subscribe(app, channel, [(address, "cibabat")])
        providers = await stack.enter_async_context(providers_running(app.loaded))
        providers.graph.watch(RESIDENTS["whatsapp"])
        ready = asyncio.Event()
        workers = [LaneWorker(app, lane) for lane in ("emergency", "routine")]
        jobs = [(worker.run(), worker.stop) for worker in workers]
        await stack.enter_async_context(ended((serve(app, "127.0.0.1", port, ready, listening=sock), None), *jobs))
        await ready.wait()
        yield City(app=app, url=f"http://127.0.0.1:{port}", clock=clock, providers=providers)


@dataclass(kw_only=True)
class Hands:
    """How somebody uses a page: with a pointer, or `keys` alone."""

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
        """Press a button and wait for the page that follows; htmx noting its place in the history is no page."""
        async with self.page.expect_event("load"):
            if self.keys:
                await self.reach(selector)
                await self.page.keyboard.press("Enter")
            else:
                await self.page.click(selector)

    async def sign_in(self, url: str, name: str) -> None:
        """From the sign-in page to the first page."""
        await self.page.goto(f"{url}/redaksi/masuk")
        await self.fill("#nama", name)
        await self.fill("#sandi", PASSWORD)
        await self.press('form[action^="/redaksi/masuk"] button.button')
        assert self.page.url == f"{url}/redaksi/"

    async def shown(self) -> dict[str, str]:
        """The text of each preview's message."""
        return {name: await self.page.inner_text(f"#pratinjau-{name} .sheet") for name in CHANNELS}

    async def parts(self) -> dict[str, dict[str, str]]:
        """Each part of the message that a push channel's preview shows."""
        found: dict[str, dict[str, str]] = {}
        for channel in RESIDENTS:
            shown = await self.page.query_selector_all(f"#pratinjau-{channel} .part")
            found[channel] = {(await one.get_attribute("class")).split()[1]: await one.inner_text() for one in shown}
        return found


@asynccontextmanager
async def browsing(**options: Any) -> AsyncIterator[Any]:
    """A browser whose pages must neither complain nor ask anybody else."""
    complaints: list[str] = []
    async with async_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])

        async def opening() -> Any:
            context = await browser.new_context(**options)
            context.set_default_timeout(30_000)
            page = await context.new_page()
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda request: request.url.startswith("http://127.0.0.1:") or complaints.append(request.url))
            return page

        yield opening
        await browser.close()
    assert complaints == []


async def write(hands: Hands, url: str) -> None:
    """Fill the composer."""
    day = (datetime.now(UTC) + timedelta(hours=7)).date()
    await hands.page.goto(f"{url}/redaksi/tulis")
    await hands.fill("#judul", "Air PDAM mati di Cibabat")
    await hands.fill("#ringkasan", "Tampung air sebelum pukul tujuh.")
    await hands.fill("#teks", "Perumda Tirta mengganti pipa di **Jl. Amir Machmud**.\n\n- RW 05 & RW 06")
    await hands.tick('.places input[value="cibabat"]')
    await hands.page.select_option("#kategori", "gangguan-layanan")
    await hands.fill("#opd", "Perumda Tirta")
    await hands.fill("#mulai", f"{day}T00:01")
    await hands.fill("#sampai", f"{day + timedelta(days=2)}T14:00")


def plain(part: str) -> str:
    """A received part as it reads: without the messenger's own marks, and without what is each recipient's own."""
    text = html.unescape(re.sub(r"<[^>]+>", "", part))
    text = re.sub(r"/berhenti/\S+", "/berhenti/...", text)
    return re.sub(r"Anda mendaftar untuk .*? pada \d+ \w+ \d{4}", "Anda mendaftar", " ".join(text.split()))


@pytest.mark.parametrize(
    ("size", "script", "keys"),
    [(DESK, True, False), (DESK, False, False), (DESK, True, True), (PHONE, True, False), (PHONE, False, False)],
    ids=["desk", "desk without script", "keyboard", "phone", "phone without script"],
)
async def test_two_people_publish_and_it_arrives_as_it_was_shown(
    city: City, size: dict[str, int], script: bool, keys: bool
) -> None:
    staff: dict[str, tuple[AccountRole, ...]] = {"rina": ("author",), "dewi": ("approver",)}
    for name, roles in staff.items():
        await hire(city.app, name, *roles)
    async with browsing(viewport=size, java_script_enabled=script) as opening:
        rina = Hands(page=await opening(), keys=keys)
        await rina.sign_in(city.url, "rina")
        await write(rina, city.url)
        await rina.press('button[value="simpan"]')
        written = await rina.shown()
        assert all("Air PDAM mati di Cibabat" in text for text in written.values())
        await rina.press('button[value="periksa"]')
        assert re.search(r"/periksa$", rina.page.url), await rina.page.inner_text("main")
        seen, parts = await rina.shown(), await rina.parts()
        await rina.press('form[action$="/ajukan"] button')
        assert await rina.page.locator('form[action$="/setujui"]').count() == 0

        dewi = Hands(page=await opening(), keys=keys)
        await dewi.sign_in(city.url, "dewi")
        await dewi.press('main a[href*="/redaksi/pengumuman/"]')
        assert dewi.page.url == rina.page.url
        assert {name: plain(text) for name, text in (await dewi.shown()).items()} == {
            name: plain(text) for name, text in seen.items()
        }
        button = await dewi.page.inner_text('form[action$="/setujui"] button')
        assert "3 warga" in button or "3 penerima" in button, button
        await dewi.press('form[action$="/setujui"] button')
        assert all(city.received(channel) == [] for channel in RESIDENTS), "nothing goes out within the hold"
        city.clock.ahead = timedelta(seconds=31)
        await until(lambda: states(city.app).get("sent", 0) + states(city.app).get("delivered", 0) == 3, seconds=30)
        await dewi.page.goto(re.sub(r"/pengumuman/(\w+)/periksa", r"/pengiriman/\1", dewi.page.url))
        await until_page(dewi.page, "100%")
    for channel in RESIDENTS:
        (received,) = city.received(channel)
        assert parts[channel]
        for name, text in parts[channel].items():
            assert plain(received[name]) == plain(text), (channel, name)


async def until_page(page: Any, text: str) -> None:
    """Look at the page, by itself or by loading it again, until it says so."""

    async def says() -> bool:
        await page.reload()
        return text in await page.inner_text("main")

    for _try in range(30):
        if await says():
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"the page never said {text}")


async def test_previews_follow_each_key_and_the_caret_stays(city: City) -> None:
    await hire(city.app, "rina", "author")
    async with browsing(viewport=DESK) as opening:
        rina = Hands(page=await opening())
        await rina.sign_in(city.url, "rina")
        await write(rina, city.url)
        await rina.page.focus("#judul")
        await rina.page.keyboard.press("End")
        waits = [await _seconds_until_shown(rina.page, character) for character in "abcdefghijklmnopqrst"]
        assert sorted(waits)[round(TRIES * 0.95) - 1] <= PREVIEW_SECONDS, waits
        assert await rina.page.evaluate("document.activeElement.id") == "judul"
        assert await rina.page.evaluate("document.activeElement.selectionStart") == len("Air PDAM mati di Cibabat") + TRIES


async def _seconds_until_shown(page: Any, character: str) -> float:
    title = await page.input_value("#judul") + character
    begun = time.monotonic()
    await page.keyboard.type(character)
    await page.wait_for_function(
        "([names, title]) => names.every(name => document.querySelector('#pratinjau-' + name).innerText.includes(title))",
        arg=[list(CHANNELS), title],
    )
    return time.monotonic() - begun


async def test_a_photo_as_phones_take_them_goes_up_while_the_previews_go_on(city: City) -> None:
    await hire(city.app, "rina", "author")
    async with browsing(viewport=DESK) as opening:
        rina = Hands(page=await opening())
        await rina.sign_in(city.url, "rina")
        await write(rina, city.url)
        title = await rina.page.title()
        await rina.page.click("summary:has(+ .stack #berkas)")
        await rina.page.set_input_files("#berkas", {"name": "IMG.jpg", "mimeType": "image/jpeg", "buffer": noise(1600, 1200)})
        await rina.page.wait_for_function("() => document.getElementById('gambar').value.includes('/media/')")
        await rina.page.fill("#alt", "Pipa yang diganti")
        await rina.page.wait_for_selector('#pratinjau-telegram img[alt="Pipa yang diganti"]')
        assert await rina.page.title() == title
        assert await rina.page.input_value("#berkas") == ""


async def test_a_tab_closed_in_the_middle_loses_at_most_two_seconds(city: City) -> None:
    await hire(city.app, "rina", "author")
    async with browsing(viewport=DESK) as opening:
        rina = Hands(page=await opening())
        await rina.sign_in(city.url, "rina")
        await rina.page.goto(f"{city.url}/redaksi/tulis")
        await rina.page.focus("#judul")
        await rina.page.keyboard.type("Air PDAM mati")
        begun = time.monotonic()
        await rina.page.wait_for_function("() => document.getElementById('tersimpan').innerText.includes('Tersimpan otomatis')")
        assert time.monotonic() - begun <= 2
        address = rina.page.url
        assert re.search(r"/redaksi/pengumuman/\w+/tulis$", address)
        await rina.page.close()
        again = Hands(page=await opening())
        await again.sign_in(city.url, "rina")
        await again.page.goto(address)
        assert await again.page.input_value("#judul") == "Air PDAM mati"
