"""Residents' pages in a real browser: nothing from elsewhere, nothing cut off, by keyboard, without
a script, on paper.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support import page_complaints
from support.browsing import EMERGENCY, Running, running

DESK, PHONE, NARROW = (
    {"width": 1440, "height": 900},
    {"width": 390, "height": 844},
    {"width": 320, "height": 640},
)
HOSTILE = '"><script>document.title="diretas"</script><img src=x onerror=document.title="diretas">'

pytestmark = pytest.mark.asyncio(loop_scope="session")

OpenPage = Callable[..., Awaitable[Any]]


@pytest_asyncio.fixture(loop_scope="session")
async def site(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    """Serve the site with an announcement in each state, the longest title that may be, and an
    emergency.
    """
    async with running(sqlite_url, tmp_path, BROADCASTER_SIMULATED="true") as started:
        await started.publish(
            title="M" * 70,
            summary="W" * 90,
            areas=[area.slug for area in started.app.tree.kelurahan],
        )
        corrected, withdrawn = (
            await started.publish(),
            await started.publish(title="Listrik padam di Cibabat"),
        )
        await started.publish(title="Sudah lewat", expires="2026-11-25 09:00")
        started.clock.now += timedelta(hours=1, minutes=20)
        await started.correct(
            corrected, "Air kembali pukul 16.00, bukan 14.00.", expires="2026-11-25 16:00"
        )
        await started.withdraw(withdrawn, "Pemeliharaan ditunda.")
        await started.publish(EMERGENCY)
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(chromium: Any) -> AsyncIterator[OpenPage]:
    """Yield a function that opens pages in contexts of their own; they record the browser's
    complaints and the requested hosts.
    """
    contexts: list[Any] = []

    async def opening(size: dict[str, int] = DESK, **options: Any) -> Any:
        context = await chromium.new_context(viewport=size, **options)
        contexts.append(context)
        page = await context.new_page()
        page.complaints, page.hosts = [], set()
        page_complaints.gather(page, page.complaints)
        page.on(
            "request",
            lambda request: page.hosts.add(re.sub(r"^\w+://([^/:]+).*", r"\1", request.url)),
        )
        return page

    yield opening
    for context in contexts:
        await context.close()


async def addresses(site: Running) -> list[str]:
    """Return every kind of page for residents."""
    links = re.findall(r'href="(/p/[^"]+)"', (await site.ask("/")).text)
    token = site.app.vault.token(await site.subscriber())
    fixed = [
        "/",
        "/?wilayah=melong&kata=x",
        "/daftar",
        "/cek",
        "/cek?kode=x",
        "/privasi",
        "/api/v1/",
        f"/berhenti/{token}",
    ]
    return [*fixed, f"/cek?kode={links[0][3:]}", *sorted(set(links))]


async def test_pages_ask_no_other_host_and_break_no_rule_of_their_own(
    site: Running, open_page: OpenPage
) -> None:
    page = await open_page()
    for path in await addresses(site):
        for lang in ("id", "en"):
            await page.goto(f"{site.url}{path}{'&' if '?' in path else '?'}bahasa={lang}")
    await page.wait_for_load_state("networkidle")
    assert page.hosts == {"127.0.0.1"}
    assert page.complaints == []


SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


async def test_no_page_scrolls_sideways_however_narrow_or_large_its_text(
    site: Running, open_page: OpenPage
) -> None:
    page = await open_page()
    for path in await addresses(site):
        await page.goto(site.url + path)
        for size in (DESK, PHONE, NARROW):
            await page.set_viewport_size(size)
            assert await page.evaluate(SIDEWAYS) <= 0, (path, size)
        await page.set_viewport_size(PHONE)
        await page.evaluate("document.documentElement.style.setProperty('font-size', '200%')")
        assert await page.evaluate(SIDEWAYS) <= 0, (path, "200 %")


SMALL_TARGETS = """[...document.querySelectorAll('a, button, input, select, summary')]
  .filter(e => e.offsetParent && !e.closest('p, dd, .prose, .places span, .found, .skip') && !e.closest('h3'))
  .map(e => [e.textContent.trim().slice(0, 30), Math.round(e.getBoundingClientRect().height)])
  .filter(([, height]) => height < 44)"""


async def test_what_is_pressed_is_large_enough_for_a_thumb(
    site: Running, open_page: OpenPage
) -> None:
    page = await open_page(PHONE)
    for path in await addresses(site):
        await page.goto(site.url + path)
        assert await page.evaluate(SMALL_TARGETS) == [], path


async def test_the_keyboard_reaches_everything_and_always_shows_where_it_is(
    site: Running, open_page: OpenPage
) -> None:
    page = await open_page()
    await page.goto(site.url)
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    assert (await page.locator(".skip").bounding_box())["y"] >= 0
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "isi"
    marked = "getComputedStyle(document.activeElement.closest('.item') ?? document.activeElement)"
    for _ in range(12):
        await page.keyboard.press("Tab")
        assert await page.evaluate(f"{marked}.outlineStyle") == "solid"
        assert await page.evaluate(f"{marked}.boxShadow.includes('255, 200, 0')")


async def test_hostile_words_stay_words(site: Running, open_page: OpenPage) -> None:
    stored = await site.publish(
        title=f"T{HOSTILE}"[:70],
        summary=f"S{HOSTILE}"[:90],
        body=f"B {HOSTILE} [x](javascript:document.title=1)",
    )
    page = await open_page()
    for path in ("/", f"/p/{stored.code}", f"/cek?kode={stored.code}"):
        await page.goto(site.url + path)
        await page.wait_for_load_state("networkidle")
        assert await page.title() != "diretas"
        assert (
            await page.locator("main script, main img[onerror], a[href^='javascript']").count() == 0
        )
    assert page.complaints == []


async def test_everything_works_without_a_script(site: Running, open_page: OpenPage) -> None:
    address = await site.subscriber()
    page = await open_page(PHONE, java_script_enabled=False)
    await page.goto(site.url)
    await page.select_option("#wilayah", "cibabat")
    await page.click("text=Saring")
    assert "untuk Kel. Cibabat" in await page.inner_text("#jumlah")
    await page.click("text=English")
    assert "for Kel. Cibabat" in await page.inner_text("#jumlah")
    await page.goto(f"{site.url}/berhenti/{site.app.vault.token(address)}")
    await page.click("text=Yes, stop")
    assert "You have stopped" in await page.inner_text("h1")
    await page.goto(f"{site.url}/p/{re.findall('CMH-....-..', (await site.ask('/')).text)[0]}")
    assert await page.locator("[data-copy]").is_hidden()


async def test_the_address_can_be_copied(site: Running, open_page: OpenPage) -> None:
    page = await open_page(permissions=["clipboard-read", "clipboard-write"])
    code = re.findall("CMH-....-..", (await site.ask("/")).text)[0]
    await page.goto(f"{site.url}/p/{code}")
    await page.click("[data-copy]")
    await page.wait_for_function("document.getElementById('said').textContent !== ''")
    assert await page.evaluate("navigator.clipboard.readText()") == f"{site.url}/p/{code}"


async def test_an_announcement_prints_on_one_sheet(site: Running, open_page: OpenPage) -> None:
    page = await open_page()
    for path in [path for path in await addresses(site) if path.startswith("/p/")]:
        await page.goto(site.url + path)
        assert len(re.findall(rb"/Type\s*/Page\b", await page.pdf(format="A4"))) == 1, path


async def test_the_first_visit_to_an_announcement_costs_at_most_60_kilobytes(
    site: Running, open_page: OpenPage
) -> None:
    page = await open_page(PHONE)
    code = re.findall("CMH-....-..", (await site.ask("/")).text)[0]
    await page.goto(f"{site.url}/p/{code}")
    await page.wait_for_load_state("networkidle")
    sizes = "performance.getEntries().filter(e => 'transferSize' in e).map(e => [e.name, e.transferSize])"
    transfers = await page.evaluate(sizes)
    assert sum(size for _, size in transfers) <= 60_000, transfers


async def test_a_card_alone_stands_in_the_middle_and_what_stands_beside_the_list_stays(
    site: Running, open_page: OpenPage
) -> None:
    page = await open_page()
    for path in ("/privasi", "/api/v1/", "/cek"):
        await page.goto(site.url + path)
        card = await page.locator("main .card").first.bounding_box()
        room = await page.locator("main .wrap").bounding_box()
        assert abs(card["x"] + card["width"] / 2 - room["x"] - room["width"] / 2) < 1, path
    for number in range(12):
        await site.publish(title=f"Kabar nomor {number}")
    await page.goto(site.url + "/?wilayah=cibabat")
    await page.evaluate("window.scrollTo(0, 900)")
    assert await page.evaluate("document.querySelector('aside').getBoundingClientRect().top") >= 0
