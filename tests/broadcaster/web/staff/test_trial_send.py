"""Trial sends ("Kirim uji ke saya"): the stored draft to one's own addresses, by the channels' own
send, and to nobody else.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from broadcaster.newsroom import drafts, forms, previews
from broadcaster.simulation.faults import Faults
from broadcaster.store import audit, form_acts
from broadcaster.store.staff_tables import nudge
from broadcaster.store.tables import delivery, edition, run
from support.browsing import Answer
from support.staffing import NOTICE, Browser
from support.telling import RINA_CHAT, PostOffice, post_office


@pytest.fixture
async def office(sqlite_url: str, tmp_path: Path) -> AsyncIterator[PostOffice]:
    """Serve the site with a mail server and a bot."""
    async with post_office(sqlite_url, tmp_path) as opened:
        yield opened


async def send_trial(browser: Browser, row: Any, **form: str) -> Answer:
    """Press the button, and open the page of the result."""
    redirect = await browser.post(f"/redaksi/pengumuman/{row.id}/uji", form)
    assert redirect.status == 303, redirect.text
    return await browser.get(redirect.headers["Location"])


async def save_draft(office: PostOffice, rina: Browser, **changes: Any) -> Any:
    """Save a draft of Rina's."""
    return await office.act(rina, drafts.save, {**NOTICE, **changes})


async def test_the_writer_gets_what_residents_would_get_marked_as_a_test(
    office: PostOffice,
) -> None:
    await office.site.subscriber("warga@contoh.example")
    rina = await office.hire("rina", "author", telegram=str(RINA_CHAT))
    row = await save_draft(office, rina)
    page = await send_trial(rina, row)
    assert page.status == 200
    assert "Uji dikirim lewat 2 kanal" in page.text
    assert "rina@contoh.example" in page.text
    assert str(RINA_CHAT) not in page.text
    (letter,), (message,) = office.letters("rina"), office.bot.inbox(RINA_CHAT)
    app = office.site.app
    preview = previews.of_edition(
        app, previews.draft_edition(app, forms.form_of(row), announcement=row.id, code=row.code)
    )
    parts = {channel.name: channel.parts for channel in preview.pushed}
    assert letter["subject"] == f"[UJI] {NOTICE['title']}"
    assert letter["text"] == parts["email"]["text"].replace(NOTICE["title"], letter["subject"])
    assert letter["html"] == parts["email"]["html"].replace(NOTICE["title"], letter["subject"])
    assert message.parts["text"] == parts["telegram"]["text"].replace(
        NOTICE["title"], letter["subject"]
    )
    assert [to for to, _id in office.mail.accepted] == ["rina@contoh.example"], "no resident"


async def test_a_trial_leaves_no_delivery_and_the_draft_unchanged(
    office: PostOffice,
) -> None:
    rina = await office.hire("rina", "author")
    row = await save_draft(office, rina)
    await rina.post(f"/redaksi/pengumuman/{row.id}/uji")
    for table in (edition, run, delivery, nudge):
        count = select(func.count()).select_from(table)
        assert (
            office.site.app.database.read_now(lambda c, count=count: c.execute(count).scalar_one())
            == 0
        )
    assert (await rina.get(f"/p/{row.code}")).status == 404
    acts = office.site.app.database.read_now(audit.about, row.id)
    assert [entry.act for entry in acts] == ["create", "test_send"]
    assert acts[-1].detail["sent"] == ["email"]
    assert "contoh.example" not in str(acts[-1].detail)


async def test_two_tests_are_two_mails_for_a_mail_program(office: PostOffice) -> None:
    rina = await office.hire("rina", "author")
    row = await save_draft(office, rina)
    for _time in range(2):
        await rina.post(f"/redaksi/pengumuman/{row.id}/uji")
    assert len({message_id for _to, message_id in office.mail.accepted}) == 2


async def test_a_draft_with_next_to_nothing_in_it_can_be_tried(office: PostOffice) -> None:
    rina = await office.hire("rina", "author")
    row = await office.act(rina, drafts.save, {"title": "Baru judul"})
    assert "Uji dikirim lewat 1 kanal" in (await send_trial(rina, row)).text
    assert office.subjects("rina") == ["[UJI] Baru judul"]


async def test_what_is_missing_is_named_with_where_to_add_it(office: PostOffice) -> None:
    rina = await office.hire("rina", "author", email="")
    row = await save_draft(office, rina)
    page = (await send_trial(rina, row)).text
    assert "Belum ada uji yang dikirim" in page
    assert page.count("Belum ada alamat") == 2
    assert 'href="/redaksi/akun"' in page


async def test_a_provider_that_refuses_is_told_in_words(office: PostOffice) -> None:
    rina = await office.hire("rina", "author", telegram=str(RINA_CHAT))
    office.mail.faults = Faults(rate_5xx=1)
    row = await save_draft(office, rina)
    page = (await send_trial(rina, row)).text
    assert "Uji dikirim lewat 1 kanal" in page
    assert "Penyedia tidak menerimanya" in page
    assert "Deferred" in page


async def test_at_most_five_a_minute_for_each_person(office: PostOffice) -> None:
    rina, budi = await office.hire("rina", "author"), await office.hire("budi", "author")
    row = await save_draft(office, rina)
    for _time in range(5):
        assert (await send_trial(rina, row)).status == 200
    refusal = await rina.post(f"/redaksi/pengumuman/{row.id}/uji")
    assert refusal.status == 429
    assert int(refusal.headers["Retry-After"]) <= 12
    assert "Paling banyak 5 uji per menit" in refusal.text
    assert len(office.letters("rina")) == 5
    assert (await send_trial(budi, row)).status == 200


async def test_only_who_may_write_and_only_from_our_page(office: PostOffice) -> None:
    rina, dewi = await office.hire("rina", "author"), await office.hire("dewi", "approver")
    row = await save_draft(office, rina)
    assert (await dewi.post(f"/redaksi/pengumuman/{row.id}/uji")).status == 403
    assert (
        await rina.post(f"/redaksi/pengumuman/{row.id}/uji", **{"X-CSRF-Token": "tebakan"})
    ).status == 403
    assert (await rina.post("/redaksi/pengumuman/tidak-ada/uji")).status == 404
    assert office.mail.accepted == []


async def test_without_channels_the_page_says_so(sqlite_url: str, tmp_path: Path) -> None:
    async with post_office(sqlite_url, tmp_path, BROADCASTER_CHANNELS="feed display") as office:
        rina = await office.hire("rina", "author")
        row = await save_draft(office, rina)
        assert "Tidak ada kanal untuk uji" in (await send_trial(rina, row)).text


async def test_the_words_of_one_channel_are_tried_too_and_marked(office: PostOffice) -> None:
    rina = await office.hire("rina", "author", telegram=str(RINA_CHAT))
    row = await save_draft(office, rina, overrides={"telegram": {"title": "Isi ember"}})
    assert (await send_trial(rina, row)).status == 200
    (letter,), (message,) = office.letters("rina"), office.bot.inbox(RINA_CHAT)
    assert letter["subject"] == f"[UJI] {NOTICE['title']}"
    assert "[UJI] Isi ember" in message.parts["text"]


FORM_ID = "satu-formulir-dari-satu-halaman"


async def test_loading_the_result_again_sends_nothing(office: PostOffice) -> None:
    rina = await office.hire("rina", "author")
    row = await save_draft(office, rina)
    redirect = await rina.post(f"/redaksi/pengumuman/{row.id}/uji", {"formulir": FORM_ID})
    assert redirect.status == 303
    for _time in range(2):
        assert "Uji dikirim lewat 1 kanal" in (await rina.get(redirect.headers["Location"])).text
    assert len(office.letters("rina")) == 1


async def test_the_same_form_at_once_sends_one_test(office: PostOffice) -> None:
    rina = await office.hire("rina", "author")
    row = await save_draft(office, rina)
    path = f"/redaksi/pengumuman/{row.id}/uji"
    answers = await asyncio.gather(*(rina.post(path, {"formulir": FORM_ID}) for _time in range(4)))
    assert {answer.status for answer in answers} == {303}
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert len(office.letters("rina")) == 1


async def test_the_composers_button_sends_one_test_of_one_text(office: PostOffice) -> None:
    rina = await office.hire("rina", "author")
    form = {
        "title": "Air mati",
        "body": "Tampung air.",
        "areas": "cibabat",
        "aksi": "uji",
        "formulir": FORM_ID,
    }
    first, again = await rina.post("/redaksi/tulis", form), await rina.post("/redaksi/tulis", form)
    assert (first.status, first.headers["Location"]) == (303, again.headers["Location"])
    assert office.subjects("rina") == ["[UJI] Air mati"]
    other = await rina.post("/redaksi/tulis", {**form, "title": "Air mati besok"})
    assert other.headers["Location"] != first.headers["Location"]
    assert office.subjects("rina") == ["[UJI] Air mati", "[UJI] Air mati besok"]


async def test_nobody_reads_what_came_of_anothers_test(office: PostOffice) -> None:
    rina, budi = await office.hire("rina", "author"), await office.hire("budi", "author")
    row = await save_draft(office, rina)
    redirect = await rina.post(f"/redaksi/pengumuman/{row.id}/uji", {"formulir": FORM_ID})
    assert (await budi.get(redirect.headers["Location"])).status == 404
    assert (await budi.get(f"/redaksi/pengumuman/{row.id}/uji?hasil=x%00")).status == 303


async def test_a_test_whose_program_died_says_that_nobody_knows(office: PostOffice) -> None:
    rina = await office.hire("rina", "author")
    row = await save_draft(office, rina)
    name, app = f"{'a' * 12}.{FORM_ID}", office.site.app
    at = app.clock().timestamp()
    await app.database.write(form_acts.take, rina.account.id, f"trial {row.id} {name}", at)
    assert (
        "Masih dikirim" in (await rina.get(f"/redaksi/pengumuman/{row.id}/uji?hasil={name}")).text
    )
    office.site.clock.now += timedelta(minutes=1)
    assert (
        "Hasilnya tidak tercatat"
        in (await rina.get(f"/redaksi/pengumuman/{row.id}/uji?hasil={name}")).text
    )
