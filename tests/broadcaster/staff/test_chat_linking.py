"""Linking one's own chat: a code that holds for ten minutes and once, sent to the bot; and
unlinking.
"""

from pathlib import Path

import pytest
from sqlalchemy import text

from broadcaster.inbound import dialogue
from broadcaster.newsroom import drafts, review
from broadcaster.staff import chat_linking
from broadcaster.store import accounts, audit
from support.staffing import NOTICE, Browser
from support.telling import DEWI_CHAT, RINA_CHAT, PostOffice, post_office


async def new_code(office: PostOffice, person: Browser) -> str:
    """Return a fresh code of this person."""
    return str(await office.act(person, chat_linking.begin, office.site.app.vault))


def chat_of(office: PostOffice, person: Browser) -> str:
    """Return the chat that is linked to this person."""
    account = office.site.app.database.read_now(accounts.by_id, person.account.id)
    assert account is not None
    return account.telegram


async def test_who_sends_the_code_from_their_chat_is_notified_there(office: PostOffice) -> None:
    rina, dewi = (
        await office.hire("rina", "author"),
        await office.hire("dewi", "approver", email=""),
    )
    reply = await office.writes(DEWI_CHAT, f"/start {await new_code(office, dewi)}")
    assert reply == dialogue.answer("linked", office.site.app.site, "id")
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
    code = await new_code(office, dewi)
    await office.writes(DEWI_CHAT, f"/start {code}")
    assert "tidak berlaku lagi" in await office.writes(RINA_CHAT, f"/start {code}")
    assert chat_of(office, dewi) == str(DEWI_CHAT)


async def test_a_code_holds_ten_minutes_and_a_new_one_ends_it(sqlite_office: PostOffice) -> None:
    dewi = await sqlite_office.hire("dewi", "approver")
    late = await new_code(sqlite_office, dewi)
    sqlite_office.pass_time(minutes=10)
    assert "tidak berlaku lagi" in await sqlite_office.writes(DEWI_CHAT, f"/start {late}")
    old, new = await new_code(sqlite_office, dewi), await new_code(sqlite_office, dewi)
    assert "tidak berlaku lagi" in await sqlite_office.writes(DEWI_CHAT, f"/start {old}")
    sqlite_office.pass_time(minutes=9, seconds=59)
    assert (await sqlite_office.writes(DEWI_CHAT, f"/start {new}")).startswith("Tersambung.")


@pytest.mark.parametrize(
    "guess",
    ["/start staf-" + "0" * 32, "/start staf-", "/start staf-x", "staf-" + "0" * 32, "/start"],
)
async def test_guesses_link_nothing(sqlite_office: PostOffice, guess: str) -> None:
    dewi = await sqlite_office.hire("dewi", "approver")
    await new_code(sqlite_office, dewi)
    assert "Tersambung" not in await sqlite_office.writes(DEWI_CHAT, guess)
    assert chat_of(sqlite_office, dewi) == ""


async def test_the_code_itself_is_stored_nowhere(sqlite_office: PostOffice) -> None:
    dewi = await sqlite_office.hire("dewi", "approver")
    code = (await new_code(sqlite_office, dewi)).removeprefix(chat_linking.WORD)
    (digest,) = sqlite_office.site.app.database.read_now(
        lambda connection: [
            bytes(digest)
            for digest in connection.execute(text("SELECT digest FROM link_code")).scalars()
        ]
    )
    assert code.encode() not in digest
    assert bytes.fromhex(code) not in digest


async def test_a_disabled_account_links_nothing(sqlite_office: PostOffice) -> None:
    dewi = await sqlite_office.hire("dewi", "approver")
    code = await new_code(sqlite_office, dewi)
    await sqlite_office.site.app.database.write(
        accounts.disable, dewi.account.id, sqlite_office.site.clock().timestamp()
    )
    assert "tidak berlaku lagi" in await sqlite_office.writes(DEWI_CHAT, f"/start {code}")


async def test_a_resident_of_the_same_chat_stays_one(sqlite_office: PostOffice) -> None:
    await sqlite_office.site.subscriber(str(DEWI_CHAT), "telegram")
    dewi = await sqlite_office.hire("dewi", "approver")
    await sqlite_office.writes(DEWI_CHAT, f"/start {await new_code(sqlite_office, dewi)}")
    assert "Anda berhenti" in await sqlite_office.writes(DEWI_CHAT, "BERHENTI")
    assert chat_of(sqlite_office, dewi) == str(DEWI_CHAT), (
        "stopping the city's news does not unlink the chat of staff"
    )


async def test_the_page_shows_code_address_and_picture_once(sqlite_office: PostOffice) -> None:
    dewi = await sqlite_office.hire("dewi", "approver")
    page = await sqlite_office.site.ask("/redaksi/akun/telegram", "POST")
    assert page.status == 401
    page = await dewi.post("/redaksi/akun/telegram")
    assert page.status == 200
    assert page.headers["Cache-Control"] == "no-store"
    code = page.text.partition("/start ")[2].partition("<")[0]
    assert f'href="https://t.me/simulasi_info_bot?start={code}"' in page.text
    assert 'class="qr"' in page.text
    assert (await sqlite_office.writes(DEWI_CHAT, f"/start {code}")).startswith("Tersambung.")
    assert (await dewi.post("/redaksi/akun/telegram/lepas")).headers[
        "Location"
    ] == "/redaksi/akun?selesai=lepas"
    assert chat_of(sqlite_office, dewi) == ""
    acts = [
        entry.act for entry in sqlite_office.site.app.database.read_now(audit.about, "staff:dewi")
    ]
    assert acts == ["link_chat", "unlink_chat"]


async def test_while_the_bot_does_not_answer_the_code_can_still_be_sent_by_hand(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with post_office(sqlite_url, tmp_path, TELEGRAM_API_URL="http://127.0.0.1:9") as office:
        dewi = await office.hire("dewi", "approver")
        page = await dewi.post("/redaksi/akun/telegram")
        assert page.status == 200
        assert "/start staf-" in page.text
        assert "t.me" not in page.text


async def test_without_a_bot_there_is_nothing_to_link(sqlite_url: str, tmp_path: Path) -> None:
    async with post_office(sqlite_url, tmp_path, BROADCASTER_CHANNELS="email feed") as office:
        dewi = await office.hire("dewi", "approver")
        for path in ("/redaksi/akun/telegram", "/redaksi/akun/telegram/lepas"):
            assert (await dewi.post(path)).status == 404
