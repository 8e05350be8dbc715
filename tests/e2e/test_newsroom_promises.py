"""Promises of the newsroom in a real browser: nothing typed is lost, nothing goes out too early,
twice or in silence.
"""

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest

from broadcaster.simulation.faults import Faults
from broadcaster.store import announcements, sessions
from broadcaster.store.database import Database
from broadcaster.store.staff_tables import session
from support.newsroom_city import (
    DESK,
    RESIDENTS,
    City,
    PageUser,
    author,
    browsing,
    in_review,
    says,
    stop_clock,
    write,
)
from support.staffing import PASSWORD, hire
from support.waiting import until
from support.world import rows, states, subscribe

pytestmark = pytest.mark.asyncio(loop_scope="session")
SIGNED_OUT = "status of 401|status of 403"
"""Console messages of Chromium for responses to those who are not signed in."""


async def end_sessions(database: Database) -> None:
    """Sign everybody out."""
    await database.write(lambda connection: connection.execute(session.delete()))


# --- nothing typed is lost ------------------------------------------------------------------------------


async def test_typing_without_a_pause_loses_at_most_two_seconds(city: City, chromium: Any) -> None:
    async with browsing(chromium, viewport=DESK) as opening:
        rina = await author(city, await opening())
        await rina.page.clock.install()
        await rina.page.goto(f"{city.url}/redaksi/tulis")
        await rina.page.focus("#teks")
        await stop_clock(rina.page)
        for character in "kata demi kata " * 2:
            await rina.page.keyboard.type(character)
            await rina.page.clock.run_for(66)
        await says(rina.page, "#tersimpan", "Tersimpan otomatis")


async def saved_as(page: Any, version: int) -> None:
    """Wait until the page names this version of its draft."""
    await page.wait_for_function(
        "(n) => document.getElementById('tulis').elements.versi.value === String(n)", arg=version
    )


async def test_text_that_was_typed_and_cleared_is_restored_from_the_history(
    city: City, chromium: Any
) -> None:
    text = "Perumda Tirta mengganti pipa induk. Tampung air sekarang."
    async with browsing(chromium, viewport=DESK) as opening:
        rina = await author(city, await opening())
        await rina.page.goto(f"{city.url}/redaksi/tulis")
        await rina.page.fill("#teks", text)
        await saved_as(rina.page, 1)
        await rina.page.fill("#teks", "")
        await saved_as(rina.page, 2)
        await rina.page.goto(rina.page.url.replace("/tulis", "/riwayat"))
        await rina.press('form[action$="/pulihkan"] button')
        assert await rina.page.input_value("#teks") == text


async def test_of_two_editors_the_second_sees_both_texts_and_chooses(
    city: City, chromium: Any
) -> None:
    async with browsing(chromium, viewport=DESK, excused="status of 409|status of 422") as opening:
        rina, budi = (
            await author(city, await opening()),
            await author(city, await opening(), "budi"),
        )
        await rina.page.goto(f"{city.url}/redaksi/tulis")
        await rina.page.fill("#teks", "Tampung air sekarang.")
        await saved_as(rina.page, 1)
        await budi.page.goto(rina.page.url)
        await rina.page.fill("#teks", "Tampung air sekarang. Dari Rina.")
        await saved_as(rina.page, 2)
        await budi.page.fill("#teks", "Tampung air sekarang. Dari Budi.")
        await says(budi.page, "#tersimpan", "sudah diubah di tempat lain")
        await budi.press("#bandingkan")
        comparison = await budi.page.inner_text("#galat")
        assert "Dari Rina." in comparison
        assert "Dari Budi." in comparison
        await rina.page.reload()
        assert await rina.page.input_value("#teks") == "Tampung air sekarang. Dari Rina.", (
            "nothing is written over unasked"
        )
        await budi.press('button[value^="timpa:"]')
        await rina.page.reload()
        assert await rina.page.input_value("#teks") == "Tampung air sekarang. Dari Budi."


async def test_a_sign_in_that_ends_in_the_middle_of_a_text_loses_nothing(
    city: City, chromium: Any
) -> None:
    async with browsing(chromium, viewport=DESK, excused=SIGNED_OUT) as opening:
        rina = await author(city, await opening())
        await rina.page.goto(f"{city.url}/redaksi/tulis")
        await rina.page.fill("#judul", "Air PDAM mati")
        await says(rina.page, "#tersimpan", "Tersimpan otomatis")
        address = rina.page.url
        await end_sessions(city.app.database)
        await rina.page.focus("#judul")
        await rina.page.keyboard.press("End")
        await rina.page.keyboard.type(" di Cibabat")
        await says(rina.page, "#sesi", "Anda sudah keluar")
        await says(rina.page, "#tersimpan", "Anda sudah keluar")
        assert rina.page.url == address, "the page stays"
        assert await rina.page.input_value("#judul") == "Air PDAM mati di Cibabat"

        async with rina.page.context.expect_page() as opened_tab:
            await rina.page.click("#sesi a")
        tab = await opened_tab.value
        await tab.fill("#nama", "rina")
        await tab.fill("#sandi", PASSWORD)
        await tab.click("form button.button")
        await tab.wait_for_url(f"{city.url}/redaksi/")
        await tab.close()
        await says(rina.page, "#tersimpan", "Tersimpan otomatis")
        assert await rina.page.is_hidden("#sesi")
        await rina.press('button[value="simpan"]')
        assert await rina.page.input_value("#judul") == "Air PDAM mati di Cibabat"


async def test_what_could_not_be_saved_is_offered_when_the_page_is_opened_again(
    city: City, chromium: Any
) -> None:
    async with browsing(chromium, viewport=DESK, excused=SIGNED_OUT) as opening:
        rina = await author(city, await opening())
        await rina.page.goto(f"{city.url}/redaksi/tulis")
        await end_sessions(city.app.database)
        await rina.page.fill("#judul", "Air PDAM mati")
        await rina.page.check('.places input[value="cibabat"]')
        await says(rina.page, "#sesi", "Anda sudah keluar")
        rina.page.on("dialog", lambda dialog: dialog.accept())
        await rina.sign_in(city.url, "rina")
        await rina.page.goto(f"{city.url}/redaksi/tulis")
        await says(rina.page, ".kept", "belum tersimpan")
        assert await rina.page.input_value("#judul") == ""
        await rina.page.click(".kept button >> nth=0")
        assert await rina.page.input_value("#judul") == "Air PDAM mati"
        assert await rina.page.is_checked('.places input[value="cibabat"]')
        await says(rina.page, "#tersimpan", "Tersimpan otomatis")
        await rina.page.goto(f"{city.url}/redaksi/tulis")
        assert await rina.page.locator(".kept").count() == 0, "what is stored is not offered again"


async def test_a_button_pressed_after_the_sign_in_ended_loses_nothing_without_a_script(
    city: City, chromium: Any
) -> None:
    async with browsing(
        chromium, viewport=DESK, java_script_enabled=False, excused=SIGNED_OUT
    ) as opening:
        rina = await author(city, await opening())
        await rina.page.goto(f"{city.url}/redaksi/tulis")
        await rina.page.fill("#judul", "Air PDAM mati")
        await end_sessions(city.app.database)
        await rina.press('button[value="simpan"]')
        assert "Tulisan Anda masih ada di tab ini" in await rina.page.inner_text("main")
        tab = PageUser(page=await rina.page.context.new_page())
        await tab.sign_in(city.url, "rina")
        await rina.page.reload()
        assert await rina.page.input_value("#judul") == "Air PDAM mati"
        assert "Sesi Anda sempat berakhir" in await rina.page.inner_text("#galat")
        await rina.press('button[value="simpan"]')
        assert "Tersimpan." in await rina.page.inner_text("#tersimpan")


async def test_the_end_of_a_sign_in_is_announced_before_and_can_be_put_off(
    city: City, chromium: Any
) -> None:
    async with browsing(chromium, viewport=DESK, excused=SIGNED_OUT) as opening:
        rina = await author(city, await opening())
        await rina.page.clock.install()
        await rina.page.goto(f"{city.url}/redaksi/darurat?bahaya=banjir")
        assert await rina.page.is_hidden("#sesi")
        await rina.page.clock.fast_forward((sessions.IDLE_SECONDS - 240) * 1000)
        await says(rina.page, "#sesi", "Karena tidak ada kegiatan, Anda akan keluar pukul")
        await rina.page.click("#sesi button")
        await rina.page.wait_for_function("() => document.getElementById('sesi').hidden")
        await end_sessions(city.app.database)
        await rina.page.clock.fast_forward((sessions.IDLE_SECONDS + 60) * 1000)
        await says(rina.page, "#sesi", "Anda sudah keluar")


async def test_a_warning_half_written_is_not_left_by_accident(city: City, chromium: Any) -> None:
    async with browsing(chromium, viewport=DESK) as opening:
        rina = await author(city, await opening())
        await rina.page.goto(f"{city.url}/redaksi/darurat?bahaya=banjir")
        await rina.page.fill("#judul", "Banjir di Jalan Amir Machmud")
        question = asyncio.Event()

        async def stay(dialog: Any) -> None:
            question.set()
            await dialog.dismiss()

        rina.page.on("dialog", stay)
        await rina.page.evaluate("() => { location.href = '/redaksi/'; }")
        await asyncio.wait_for(question.wait(), 10)
        assert await rina.page.input_value("#judul") == "Banjir di Jalan Amir Machmud"


# --- limits -----------------------------------------------------------------------------------------------


async def test_a_title_of_71_is_refused_with_the_focus_on_why(city: City, chromium: Any) -> None:
    async with browsing(chromium, viewport=DESK, excused="status of 422") as opening:
        rina = await author(city, await opening())
        await write(rina, city.url)
        await rina.page.fill("#judul", "💧" + "a" * 69)
        assert await rina.page.inner_text("#sisa-judul") == "Sisa 0 dari 70 karakter, hampir penuh"
        await says(rina.page, "#hitung", "hampir penuh")
        await rina.page.fill("#judul", "💧" + "a" * 70)
        await says(rina.page, "#sisa-judul", "Kelebihan 1 karakter dari 70")
        await says(rina.page, "#hitung", "Kelebihan 1 karakter")
        await rina.press('button[value="periksa"]')
        assert await rina.page.evaluate("document.activeElement.id") == "galat"
        await rina.page.click('#galat a[href="#judul"]')
        assert await rina.page.evaluate("document.activeElement.id") == "judul"
        assert await rina.page.input_value("#judul") == "💧" + "a" * 70
        assert "Kelebihan 1 karakter" in await rina.page.inner_text("#galat-title")
        await rina.page.fill("#judul", "💧" + "a" * 69)
        await rina.page.click('button[value="periksa"]')
        await rina.page.wait_for_url("**/periksa")


# --- the hold, once, and as many as were told -------------------------------------------------------------


async def test_the_number_on_the_button_is_the_number_of_rows(city: City, chromium: Any) -> None:
    places = ["cibabat", "cimahi-utara", "cimahi", "melong"]
    for number, place in enumerate(places * 3):
        await subscribe(city.app, "email", [(f"banyak{number}@surat.example", place)])
        await subscribe(city.app, "telegram", [(f"71000000{number:02}", place)])
    async with browsing(chromium, viewport=DESK) as opening:
        dewi, announcement = await in_review(city, opening)
        button = await dewi.page.inner_text('form[action$="/setujui"] button')
        match = re.search(r"ke ([\d.]+) warga dan (\d+) layar", button)
        assert match, button
        await dewi.press('form[action$="/setujui"] button')
        city.clock.ahead = timedelta(seconds=31)
        await until(lambda: len(rows(city.app)) > 0, seconds=30)
        await dewi.page.goto(f"{city.url}/redaksi/pengiriman/{announcement}")
        await dewi.page.wait_for_selector('#kirim [data-percent="100"]')
        assert len(rows(city.app)) == int(match[1].replace(".", "")) == 3 + 2 * 9
        assert int(match[2]) == 1


async def test_called_back_within_the_hold_no_provider_ever_gets_anything(
    city: City, chromium: Any
) -> None:
    async with browsing(chromium, viewport=DESK) as opening:
        dewi, announcement = await in_review(city, opening)
        await dewi.press('form[action$="/setujui"] button')
        await says(dewi.page, "main", "Terbit dalam")
        city.clock.ahead = timedelta(seconds=20)
        await dewi.press('form[action$="/batalkan"] button')
        assert "Menunggu persetujuan" in await dewi.page.inner_text("main")
        city.clock.ahead = timedelta(minutes=10)
        await hire(city.app, "budi", "author")
        budi = PageUser(page=await opening())
        await budi.sign_in(city.url, "budi")
        await write(budi, city.url)
        await budi.press('button[value="periksa"]')
        await budi.press('form[action$="/ajukan"] button')
        await dewi.page.goto(budi.page.url)
        await dewi.press('form[action$="/setujui"] button')
        city.clock.ahead = timedelta(minutes=11)
        await until(lambda: all(city.received(channel) for channel in RESIDENTS), seconds=30)
        assert [len(city.received(channel)) for channel in RESIDENTS] == [1, 1, 1], (
            "the later one went out, the one called back did not"
        )
        row = await city.app.database.read(announcements.find, announcement)
        assert row is not None
        assert (row.state, row.published_at) == ("review", None)


async def test_a_double_click_and_a_second_tab_publish_once(city: City, chromium: Any) -> None:
    async with browsing(chromium, viewport=DESK, excused="status of 409") as opening:
        dewi, _announcement = await in_review(city, opening)
        second = await dewi.page.context.new_page()
        await second.goto(dewi.page.url)
        async with dewi.page.expect_event("domcontentloaded"):
            await dewi.page.dblclick('form[action$="/setujui"] button')
        await says(dewi.page, "main", "Terbit dalam")
        assert await dewi.page.locator("#galat").count() == 0, "a double click is no mistake"
        await second.click('form[action$="/setujui"] button')
        await says(second, "#galat", "tidak dapat disetujui")
        city.clock.ahead = timedelta(seconds=31)
        await until(
            lambda: states(city.app).get("sent", 0) + states(city.app).get("delivered", 0) == 3,
            seconds=30,
        )
        assert [len(city.received(channel)) for channel in RESIDENTS] == [1, 1, 1]


# --- progress ---------------------------------------------------------------------------------------------


async def test_progress_survives_a_restart_of_the_server_and_stays_at_100(
    city: City, chromium: Any
) -> None:
    city.providers.bot.faults = Faults(rate_429=1)  # the others have theirs
    async with browsing(chromium, viewport=DESK, excused="ERR_|Failed to fetch") as opening:
        dewi, announcement = await in_review(city, opening, urgent=True)
        await dewi.tick('input[name="dibaca"]')
        await dewi.press('form[action$="/setujui"] button')
        await until(lambda: len(rows(city.app)) == 3, seconds=30)
        await dewi.page.goto(f"{city.url}/redaksi/pengiriman/{announcement}")
        await dewi.page.wait_for_selector('#kirim [data-percent="66"]')
        await says(dewi.page, "#kirim", "Penyedia meminta menunggu")
        await dewi.page.evaluate("() => { window.samePage = true; }")
        await city.close_web()
        await says(dewi.page, "#kirim-ulang", "Sambungan terputus")
        city.providers.bot.faults.change(rate_429=0)
        await until(lambda: states(city.app, "telegram").get("sent", 0) == 1, seconds=60)
        await city.open_web()
        await dewi.page.wait_for_selector('#kirim [data-percent="100"]')
        assert await dewi.page.evaluate("window.samePage") is True, "without a reload"
        assert await dewi.page.inner_text("#kirim-ulang span") == ""
        assert await dewi.page.inner_text("#kirim-kata") == "100% diproses", "said aloud once"
        assert [len(city.received(channel)) for channel in RESIDENTS] == [1, 1, 1], (
            "nothing lost, nothing doubled"
        )
        requested: list[str] = []
        dewi.page.on("request", lambda request: requested.append(request.url))
        await dewi.page.wait_for_timeout(
            3_000
        )  # longer than the stream waits before it begins again
        assert "100%" in await dewi.page.inner_text("#kirim")
        assert [url for url in requested if url.endswith("/aliran")] == []
