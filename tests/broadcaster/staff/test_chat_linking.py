"""Joining one's own chat: a code that holds ten minutes and once, sent to the bot; answered in
words; let go again.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text

from broadcaster.inbound import dialogue
from broadcaster.newsroom import drafts, review
from broadcaster.staff import chat_linking
from broadcaster.store import accounts, audit
from support.staffing import NOTICE, Browser
from support.telling import DEWI_CHAT, RINA_CHAT, PostOffice, post_office


@pytest.fixture
async def office(database_url: str, tmp_path: Path) -> AsyncIterator[PostOffice]:
    """On each database in turn."""
    async with post_office(database_url, tmp_path) as opened:
        yield opened


@pytest.fixture
async def town(sqlite_url: str, tmp_path: Path) -> AsyncIterator[PostOffice]:
    """On SQLite alone."""
    async with post_office(sqlite_url, tmp_path) as opened:
        yield opened


async def word_for(office: PostOffice, person: Browser) -> str:
    """A fresh word of this person."""
    return str(await office.act(person, chat_linking.begin, office.site.app.vault))


def chat_of(office: PostOffice, person: Browser) -> str:
    """Where this person is told now."""
    found = office.site.app.database.read_now(accounts.by_id, person.account.id)
    assert found is not None
    return found.telegram


async def test_who_sends_the_code_from_their_chat_is_told_there(office: PostOffice) -> None:
    rina, dewi = (
        await office.hire("rina", "author"),
        await office.hire("dewi", "approver", email=""),
    )
    said = await office.writes(DEWI_CHAT, f"/start {await word_for(office, dewi)}")
    assert said == dialogue.answer("linked", office.site.app.site, "id")
    assert chat_of(office, dewi) == str(DEWI_CHAT)
    row = await office.act(rina, drafts.save, NOTICE)
    await office.act(rina, review.submit, row.id)
    await office.work()
    assert "Menunggu persetujuan Anda" in office.bot.inbox(DEWI_CHAT)[-1].text
    acts = office.site.app.database.read_now(audit.about, "staff:dewi")
    assert [(entry.act, entry.actor, entry.detail) for entry in acts] == [
        ("link_chat", "staff:dewi", {"channel": "telegram"})
    ]


async def test_a_code_serves_once_and_the_chat_of_another_gets_nothing(office: PostOffice) -> None:
    dewi = await office.hire("dewi", "approver")
    word = await word_for(office, dewi)
    await office.writes(DEWI_CHAT, f"/start {word}")
    assert "tidak berlaku lagi" in await office.writes(RINA_CHAT, f"/start {word}")
    assert chat_of(office, dewi) == str(DEWI_CHAT)


async def test_a_code_holds_ten_minutes_and_a_new_one_ends_it(town: PostOffice) -> None:
    dewi = await town.hire("dewi", "approver")
    late = await word_for(town, dewi)
    town.pass_time(minutes=10)
    assert "tidak berlaku lagi" in await town.writes(DEWI_CHAT, f"/start {late}")
    old, new = await word_for(town, dewi), await word_for(town, dewi)
    assert "tidak berlaku lagi" in await town.writes(DEWI_CHAT, f"/start {old}")
    town.pass_time(minutes=9, seconds=59)
    assert (await town.writes(DEWI_CHAT, f"/start {new}")).startswith("Tersambung.")


@pytest.mark.parametrize(
    "said",
    ["/start staf-" + "0" * 32, "/start staf-", "/start staf-x", "staf-" + "0" * 32, "/start"],
)
async def test_guesses_join_nothing(town: PostOffice, said: str) -> None:
    dewi = await town.hire("dewi", "approver")
    await word_for(town, dewi)
    assert "Tersambung" not in await town.writes(DEWI_CHAT, said)
    assert chat_of(town, dewi) == ""


async def test_the_code_itself_is_stored_nowhere(town: PostOffice) -> None:
    dewi = await town.hire("dewi", "approver")
    code = (await word_for(town, dewi)).removeprefix(chat_linking.WORD)
    (digest,) = town.site.app.database.read_now(
        lambda connection: [
            bytes(one) for one in connection.execute(text("SELECT digest FROM link_code")).scalars()
        ]
    )
    assert code.encode() not in digest
    assert bytes.fromhex(code) not in digest


async def test_a_disabled_account_joins_nothing(town: PostOffice) -> None:
    dewi = await town.hire("dewi", "approver")
    word = await word_for(town, dewi)
    await town.site.app.database.write(
        accounts.disable, dewi.account.id, town.site.clock().timestamp()
    )
    assert "tidak berlaku lagi" in await town.writes(DEWI_CHAT, f"/start {word}")


async def test_a_resident_of_the_same_chat_stays_one(town: PostOffice) -> None:
    await town.site.subscriber(str(DEWI_CHAT), "telegram")
    dewi = await town.hire("dewi", "approver")
    await town.writes(DEWI_CHAT, f"/start {await word_for(town, dewi)}")
    assert "Anda berhenti" in await town.writes(DEWI_CHAT, "BERHENTI")
    assert chat_of(town, dewi) == str(DEWI_CHAT), (
        "stopping the city's news is not letting go of one's work"
    )


async def test_the_page_shows_word_address_and_picture_once(town: PostOffice) -> None:
    dewi = await town.hire("dewi", "approver")
    page = await town.site.ask("/redaksi/akun/telegram", "POST")
    assert page.status == 401
    page = await dewi.post("/redaksi/akun/telegram")
    assert page.status == 200
    assert page.headers["Cache-Control"] == "no-store"
    word = page.text.partition("/start ")[2].partition("<")[0]
    assert f'href="https://t.me/simulasi_info_bot?start={word}"' in page.text
    assert 'class="qr"' in page.text
    assert (await town.writes(DEWI_CHAT, f"/start {word}")).startswith("Tersambung.")
    assert (await dewi.post("/redaksi/akun/telegram/lepas")).headers[
        "Location"
    ] == "/redaksi/akun?selesai=lepas"
    assert chat_of(town, dewi) == ""
    acts = [entry.act for entry in town.site.app.database.read_now(audit.about, "staff:dewi")]
    assert acts == ["link_chat", "unlink_chat"]


async def test_while_the_bot_does_not_answer_the_word_can_still_be_sent_by_hand(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with post_office(sqlite_url, tmp_path, TELEGRAM_API_URL="http://127.0.0.1:9") as office:
        dewi = await office.hire("dewi", "approver")
        page = await dewi.post("/redaksi/akun/telegram")
        assert page.status == 200
        assert "/start staf-" in page.text
        assert "t.me" not in page.text


async def test_without_a_bot_there_is_nothing_to_join(sqlite_url: str, tmp_path: Path) -> None:
    async with post_office(sqlite_url, tmp_path, BROADCASTER_CHANNELS="email feed") as office:
        dewi = await office.hire("dewi", "approver")
        for path in ("/redaksi/akun/telegram", "/redaksi/akun/telegram/lepas"):
            assert (await dewi.post(path)).status == 404
