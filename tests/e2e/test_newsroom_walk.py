"""Main way through the newsroom in a real browser: write, see five previews move, submit; another
approves; it arrives.
"""

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest

from broadcaster.domain.accounts import AccountRole
from support.newsroom_city import (
    CHANNELS,
    DESK,
    PHONE,
    RESIDENTS,
    City,
    PageUser,
    author,
    browsing,
    plain,
    says,
    stop_clock,
    write,
)
from support.staffing import hire
from support.uploads import noise
from support.waiting import until
from support.world import states

PREVIEW_MS, SAVE_MS = 500, 2_000
"""Longest times on the page's clock from a key to the request for previews, and for the saving."""

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    ("size", "script", "keys"),
    [
        (DESK, True, False),
        (DESK, False, False),
        (DESK, True, True),
        (PHONE, True, False),
        (PHONE, False, False),
    ],
    ids=["desk", "desk without script", "keyboard", "phone", "phone without script"],
)
async def test_two_people_publish_and_it_arrives_as_it_was_shown(
    city: City, chromium: Any, size: dict[str, int], script: bool, keys: bool
) -> None:
    staff: dict[str, tuple[AccountRole, ...]] = {"rina": ("author",), "dewi": ("approver",)}
    for name, roles in staff.items():
        await hire(city.app, name, *roles)
    async with browsing(chromium, viewport=size, java_script_enabled=script) as opening:
        rina = PageUser(page=await opening(), keys=keys)
        await rina.sign_in(city.url, "rina")
        await write(rina, city.url)
        await rina.press('button[value="simpan"]')
        written = await rina.preview_texts()
        assert all("Air PDAM mati di Cibabat" in text for text in written.values())
        await rina.press('button[value="periksa"]')
        assert re.search(r"/periksa$", rina.page.url), await rina.page.inner_text("main")
        seen, parts = await rina.preview_texts(), await rina.preview_parts()
        await rina.press('form[action$="/ajukan"] button')
        assert await rina.page.locator('form[action$="/setujui"]').count() == 0

        dewi = PageUser(page=await opening(), keys=keys)
        await dewi.sign_in(city.url, "dewi")
        await dewi.press('main a[href*="/redaksi/pengumuman/"]')
        assert dewi.page.url == rina.page.url
        assert without_now(await dewi.preview_texts()) == without_now(seen)
        button = await dewi.page.inner_text('form[action$="/setujui"] button')
        assert "3 warga" in button or "3 penerima" in button, button
        await dewi.press('form[action$="/setujui"] button')
        assert all(city.received(channel) == [] for channel in RESIDENTS), (
            "nothing goes out within the hold"
        )
        city.clock.ahead = timedelta(seconds=31)
        await until(
            lambda: states(city.app).get("sent", 0) + states(city.app).get("delivered", 0) == 3,
            seconds=30,
        )
        await dewi.page.goto(re.sub(r"/pengumuman/(\w+)/periksa", r"/pengiriman/\1", dewi.page.url))
        await until_page(dewi.page, "100%")
    for channel in RESIDENTS:
        (received,) = city.received(channel)
        assert parts[channel]
        for name, text in parts[channel].items():
            arrived = plain(received[name])
            assert (on_a_phone(arrived) if channel == "whatsapp" else arrived) == plain(text), (
                channel,
                name,
            )


def without_now(previews: dict[str, str]) -> dict[str, str]:
    """Return previews without the time on the screen's preview, which is that of rendering."""
    texts = {name: plain(text) for name, text in previews.items()}
    return texts | {"display": re.sub(r"\d\d\.\d\d WIB", "", texts["display"], count=1)}


def on_a_phone(text: str) -> str:
    """Return a message as phones show it: marks in pairs are bold, and nobody sees what a button
    sends.
    """
    return re.sub(r"\*(\S[^*]*\S)\*", r"\1", text).removesuffix(": STOP")


async def until_page(page: Any, text: str) -> None:
    """Reload the page until it contains the text."""

    async def says() -> bool:
        await page.reload()
        return text in await page.inner_text("main")

    for _try in range(30):
        if await says():
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"the page never said {text}")


async def test_previews_follow_each_key_and_the_caret_stays(city: City, chromium: Any) -> None:
    async with browsing(chromium, viewport=DESK) as opening:
        rina = await author(city, await opening())
        await rina.page.clock.install()
        await write(rina, city.url)
        await says(rina.page, "#tersimpan", "Tersimpan otomatis")
        await rina.page.focus("#judul")
        await rina.page.keyboard.press("End")
        await stop_clock(rina.page)
        title = "Air PDAM mati di Cibabat"
        for character in "abcde":
            title += character
            await rina.page.keyboard.type(character)
            await rina.page.clock.run_for(PREVIEW_MS)
            for channel in CHANNELS:
                await says(rina.page, f"#pratinjau-{channel}", title)
        assert await rina.page.evaluate("document.activeElement.id") == "judul"
        assert await rina.page.evaluate("document.activeElement.selectionStart") == len(title)


async def test_a_photo_as_phones_take_them_goes_up_while_the_previews_go_on(
    city: City, chromium: Any
) -> None:
    async with browsing(chromium, viewport=DESK) as opening:
        rina = await author(city, await opening())
        await write(rina, city.url)
        title = await rina.page.title()
        await rina.page.click("summary:has(+ .stack #berkas)")
        await rina.page.set_input_files(
            "#berkas", {"name": "IMG.jpg", "mimeType": "image/jpeg", "buffer": noise(1600, 1200)}
        )
        await rina.page.wait_for_function(
            "() => document.getElementById('gambar').value.includes('/media/')"
        )
        await rina.page.fill("#alt", "Pipa yang diganti")
        await rina.page.wait_for_selector('#pratinjau-telegram img[alt="Pipa yang diganti"]')
        assert await rina.page.title() == title
        assert await rina.page.input_value("#berkas") == ""


async def test_a_tab_closed_in_the_middle_loses_at_most_two_seconds(
    city: City, chromium: Any
) -> None:
    async with browsing(chromium, viewport=DESK) as opening:
        rina = await author(city, await opening())
        await rina.page.clock.install()
        await rina.page.goto(f"{city.url}/redaksi/tulis")
        await rina.page.focus("#judul")
        await stop_clock(rina.page)
        await rina.page.keyboard.type("Air PDAM mati")
        await rina.page.clock.run_for(SAVE_MS)
        await says(rina.page, "#tersimpan", "Tersimpan otomatis")
        address = rina.page.url
        assert re.search(r"/redaksi/pengumuman/\w+/tulis$", address)
        await rina.page.close()
        again = PageUser(page=await opening())
        await again.sign_in(city.url, "rina")
        await again.page.goto(address)
        assert await again.page.input_value("#judul") == "Air PDAM mati"
