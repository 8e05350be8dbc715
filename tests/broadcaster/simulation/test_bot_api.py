"""The stand-in Bot API: called through python-telegram-bot's own transport, as strict as the real
one.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, LinkPreviewOptions
from telegram.error import BadRequest, Forbidden, InvalidToken, NetworkError

from broadcaster.simulation import bot_api
from broadcaster.simulation.bot_api import BotApi
from broadcaster.simulation.bot_requests import BotRefusal, parse_html, received_parts
from broadcaster.simulation.faults import Faults
from broadcaster.simulation.serving import running

TOKEN = "110112:contoh"
RINA = 7_000_000_001
DEWI = 7_000_000_002


@asynccontextmanager
async def serving(
    api: BotApi | None = None, token: str = TOKEN
) -> AsyncIterator[tuple[BotApi, Bot]]:
    """Serve a stand-in; yield it and a Bot that calls it with forms over httpx."""
    api = api or BotApi(token=TOKEN)
    async with running(api.app) as url, Bot(token, base_url=f"{url}/bot") as bot:
        yield api, bot


def keyboard(
    url: str = "https://info.cimahi.example/p/CMH-7K4Q-2M", data: str = "stop"
) -> InlineKeyboardMarkup:
    """Return a keyboard of one link and one button."""
    return InlineKeyboardMarkup(
        [
            [InlineKeyboardButton("Rincian", url=url)],
            [InlineKeyboardButton("Stop", callback_data=data)],
        ]
    )


async def test_a_message_reaches_the_phone_with_its_buttons_and_sound() -> None:
    async with serving() as (api, bot):
        sent = await bot.send_message(
            RINA,
            "<b>Air</b> mati &amp; keruh",
            parse_mode="HTML",
            disable_notification=True,
            reply_markup=keyboard(),
            link_preview_options=LinkPreviewOptions(is_disabled=True),
        )
        [message] = api.inbox(RINA)
    assert sent.text == message.text == "Air mati & keruh"
    assert sent.message_id == message.message_id
    assert message.parts == {
        "text": "<b>Air</b> mati &amp; keruh",
        "buttons": "[Rincian] https://info.cimahi.example/p/CMH-7K4Q-2M\n[Stop] stop",
        "silent": "ya",
    }
    assert api.inbox(DEWI) == []
    assert api.counts["accepted"] == 1


async def test_json_and_forms_mean_the_same() -> None:
    fields = {
        "chat_id": RINA,
        "text": "Halo",
        "disable_notification": True,
        "reply_markup": keyboard().to_dict(),
    }
    async with serving() as (api, bot), aiohttp.ClientSession() as http:
        await bot.send_message(RINA, "Halo", disable_notification=True, reply_markup=keyboard())
        async with http.post(f"{bot.base_url}/sendMessage", json=fields) as response:
            assert (await response.json())["ok"]
        async with http.get(
            f"{bot.base_url}/sendmessage", params={"chat_id": RINA, "text": "Halo"}
        ) as response:
            assert (await response.json())["ok"]
        form, as_json, as_query = (message.parts for message in api.inbox(RINA))
    assert form == as_json == received_parts(fields)
    assert as_query == {"text": "Halo", "buttons": "", "silent": "tidak"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "text is empty"),
        ("<b> </b>", "text is empty"),
        ("a" * 4097, "too long"),
        ("😀" * 2049, "too long"),
        ("<b>a</b>" * 101, "entities too long"),
        ("<p>a</p>", 'unsupported start tag "p" at byte offset 0'),
        ("é <b>a", 'can\'t find end tag corresponding to start tag "b" at byte offset 7'),
        ("<b><i>a</b></i>", 'unmatched end tag, expected "</i>", found "</b>" at byte offset 7'),
        ("a</b>", "unexpected end tag"),
        ("a < b", "unclosed start tag"),
        ('<a href="x>a</a>', "unclosed start tag"),
    ],
)
async def test_what_the_real_server_refuses_is_refused(text: str, complaint: str) -> None:
    async with serving() as (api, bot):
        with pytest.raises(BadRequest) as refused:
            await bot.send_message(RINA, text, parse_mode="HTML")
        assert complaint in refused.value.message.lower()
        assert api.inbox(RINA) == []
        assert api.counts["refused 400"] == 1


@pytest.mark.parametrize(
    ("html", "plain", "entities"),
    [
        ("a &lt;b&gt; &amp;amp; &#33;&#x21; &nbsp;", "a <b> &amp; !! &nbsp;", 0),
        ('<a href="https://a.example/?a=1&amp;b=2">x</a>', "x", 1),
        ("<B>a</B><tg-spoiler>b</tg-spoiler>", "ab", 2),
        ('<span class="tg-spoiler">b</span>', "b", 1),
        (" \n<pre>x</pre>\n ", "x", 1),
        ("x" * 4096, "x" * 4096, 0),
    ],
)
def test_html_is_read_as_the_real_server_reads_it(html: str, plain: str, entities: int) -> None:
    assert parse_html(html) == (plain, entities)


async def test_text_without_a_parse_mode_is_taken_as_it_is() -> None:
    async with serving() as (api, bot):
        await bot.send_message(RINA, "<p> & </b>")
        assert api.inbox(RINA)[0].text == "<p> & </b>"


@pytest.mark.parametrize(
    ("markup", "complaint"),
    [
        (keyboard(url="javascript:alert(1)"), "button_url_invalid"),
        (keyboard(url="https://"), "button_url_invalid"),
    ],
)
async def test_bad_buttons_are_refused(markup: InlineKeyboardMarkup, complaint: str) -> None:
    async with serving() as (_, bot):
        with pytest.raises(BadRequest) as refused:
            await bot.send_message(RINA, "Halo", reply_markup=markup)
        assert complaint in refused.value.message.lower()


@pytest.mark.parametrize(
    "markup",
    [
        '{"inline_keyboard":[[{"text":"a","callback_data":"' + "x" * 65 + '"}]]}',
        '{"inline_keyboard":[[{}]]}',
        "{",
        "[]",
        "[1]",
    ],
)
def test_buttons_that_cannot_be_read_are_refused(markup: str) -> None:
    with pytest.raises(BotRefusal) as refused:
        received_parts({"text": "Halo", "reply_markup": markup})
    assert refused.value.status == 400


async def test_a_request_without_a_chat_or_with_nonsense_is_refused() -> None:
    async with serving() as (_, bot), aiohttp.ClientSession() as http:
        async with http.post(f"{bot.base_url}/sendMessage", json={"text": "Halo"}) as response:
            assert response.status == 400
            assert (await response.json())["description"] == "Bad Request: chat_id is empty"
        kind = {"Content-Type": "application/json"}
        async with http.post(f"{bot.base_url}/sendMessage", data=b"{", headers=kind) as response:
            assert response.status == 400


async def test_an_edit_changes_the_message_and_refuses_what_changes_nothing() -> None:
    async with serving() as (api, bot):
        sent = await bot.send_message(RINA, "lama")
        edited = await bot.edit_message_text("baru", RINA, sent.message_id)
        [message] = api.inbox(RINA)
        assert (message.text, message.edited, message.parts["silent"]) == ("baru", True, "ya")
        assert not isinstance(edited, bool)
        assert edited.message_id == sent.message_id
        with pytest.raises(BadRequest, match="not modified"):
            await bot.edit_message_text("baru", RINA, sent.message_id)
        with pytest.raises(BadRequest, match="to edit not found"):
            await bot.edit_message_text("baru", DEWI, sent.message_id)
        assert api.counts["edited"] == 1


async def test_a_deleted_message_is_gone() -> None:
    async with serving() as (api, bot):
        sent = await bot.send_message(RINA, "lama")
        assert await bot.delete_message(RINA, sent.message_id)
        assert api.inbox(RINA) == []
        with pytest.raises(BadRequest, match="to delete not found"):
            await bot.delete_message(RINA, sent.message_id)


async def test_the_bot_its_menu_and_its_webhook_are_kept() -> None:
    async with serving() as (api, bot):
        assert (await bot.get_me()).is_bot
        assert await bot.set_my_commands([("berhenti", "Berhenti")], language_code="id")
        assert api.commands == {"id": [{"command": "berhenti", "description": "Berhenti"}]}
        assert await bot.set_webhook(
            "https://info.cimahi.example/webhook/x", secret_token="rahasia"
        )
        assert api.webhook == {
            "url": "https://info.cimahi.example/webhook/x",
            "secret_token": "rahasia",
        }
        assert (await bot.get_webhook_info()).url == "https://info.cimahi.example/webhook/x"
        assert await bot.answer_callback_query("q1")


async def test_a_wrong_token_and_an_unknown_method_are_refused() -> None:
    api = BotApi(token=TOKEN)
    async with running(api.app) as url, aiohttp.ClientSession() as http:
        async with http.get(f"{url}/bot1:salah/getMe") as response:
            assert response.status == 401
        async with http.get(f"{url}/bot{TOKEN}/sendDice") as response:
            assert response.status == 404
        with pytest.raises(InvalidToken):
            async with Bot("1:salah", base_url=f"{url}/bot"):
                pass


async def test_a_phone_keeps_its_newest_twenty_messages() -> None:
    async with serving() as (api, bot):
        for number in range(25):
            await bot.send_message(RINA, f"pesan {number}")
        assert [message.text for message in api.inbox(RINA)] == [
            f"pesan {number}" for number in range(5, 25)
        ]
        assert api.counts["accepted"] == 25
        api.forget()
        assert api.inbox(RINA) == []
        assert api.counts["accepted"] == 0


async def test_of_too_many_phones_the_oldest_is_forgotten() -> None:
    async with serving(BotApi(phones=2)) as (api, bot):
        for chat in (RINA, DEWI, RINA, DEWI + 1):
            await bot.send_message(chat, "Halo")
        assert [len(api.inbox(chat)) for chat in (RINA, DEWI, DEWI + 1)] == [0, 1, 1]


async def test_every_accepted_message_is_recorded_on_request() -> None:
    async with serving(BotApi(record=True)) as (api, bot):
        await bot.send_message(RINA, "satu")
        await bot.send_message(RINA, "dua")
        assert api.accepted == [(RINA, "satu"), (RINA, "dua")]


# --- faults ---------------------------------------------------------------------------------------


async def test_too_many_requests_says_how_long_to_wait() -> None:
    fields = {"chat_id": RINA, "text": "Halo"}
    async with (
        running(BotApi(faults=Faults(rate_429=1)).app) as url,
        aiohttp.ClientSession() as http,
        http.post(f"{url}/bot1:a/sendMessage", json=fields) as response,
    ):
        assert response.status == 429
        assert (await response.json())["parameters"] == {"retry_after": 1}


async def test_a_broken_server_answers_502() -> None:
    async with serving(BotApi(faults=Faults(rate_5xx=1))) as (api, bot):
        with pytest.raises(NetworkError, match="Bad Gateway"):
            await bot.send_message(RINA, "Halo")
        assert api.inbox(RINA) == []


async def test_the_same_share_of_phones_blocks_the_bot_each_time() -> None:
    api = BotApi(faults=Faults(blocked=0.3))
    async with running(api.app) as url, aiohttp.ClientSession() as http:

        async def refused(chat: int) -> bool:
            async with http.post(
                f"{url}/bot1:a/sendMessage", json={"chat_id": chat, "text": "Halo"}
            ) as response:
                return response.status == 403

        first = [await refused(RINA + number) for number in range(200)]
        again = [await refused(RINA + number) for number in range(200)]
    assert first == again
    assert 40 < sum(first) < 80


async def test_a_cut_takes_the_message_and_drops_the_connection() -> None:
    async with serving(BotApi(faults=Faults())) as (api, bot):
        api.faults.change(cut=1)
        with pytest.raises(NetworkError):
            await bot.send_message(RINA, "Halo")
        api.faults.change(cut=0)
        assert [message.text for message in api.inbox(RINA)] == ["Halo"]


async def test_latency_delays_the_answer() -> None:
    async with serving(BotApi(faults=Faults(latency_ms=30))) as (_, bot):
        start = time.perf_counter()
        await bot.send_message(RINA, "Halo")
        assert time.perf_counter() - start >= 0.03


async def test_a_scripted_chat_answers_as_scripted() -> None:
    async with serving() as (api, bot):
        api.script(RINA, 403, "Forbidden: user is deactivated")
        for _ in range(2):
            with pytest.raises(Forbidden, match="deactivated"):
                await bot.send_message(RINA, "Halo")
        await bot.send_message(DEWI, "Halo")


# --- updates --------------------------------------------------------------------------------------


@asynccontextmanager
async def webhook(
    api: BotApi, status: int = 200
) -> AsyncIterator[list[tuple[str, dict[str, object]]]]:
    """Serve a webhook to which `api` posts; yield its (secret, update) pairs."""
    updates: list[tuple[str, dict[str, object]]] = []

    async def take(request: web.Request) -> web.Response:
        updates.append((request.headers[bot_api.SECRET_HEADER], await request.json()))
        return web.Response(status=status)

    app = web.Application()
    app.router.add_post("/masuk", take)
    async with running(app) as url:
        api.webhook = {"url": f"{url}/masuk", "secret_token": "rahasia"}
        yield updates
        await api.aclose()


async def test_residents_write_press_and_block_by_webhook() -> None:
    api = BotApi()
    async with webhook(api) as updates:
        assert await api.writes(RINA, "/berhenti") == 200
        assert await api.click(RINA, "kel:1") == 200
        assert await api.blocks(RINA) == 200
        assert RINA in api.blocked
        assert await api.unblocks(RINA) == 200
        assert RINA not in api.blocked
    assert {secret for secret, _ in updates} == {"rahasia"}
    kinds = [next(name for name in update if name != "update_id") for _, update in updates]
    assert kinds == ["message", "callback_query", "my_chat_member", "my_chat_member"]
    assert len({update["update_id"] for _, update in updates}) == 4


async def test_a_later_start_repeats_no_number() -> None:
    async def first_id() -> int:
        async with serving(BotApi()) as (_, bot):
            return (await bot.send_message(RINA, "Halo")).message_id

    assert await first_id() < await first_id()


async def test_a_webhook_that_fails_is_reported_to_the_bot() -> None:
    api = BotApi()
    async with webhook(api, status=403), serving(api) as (_, bot):
        assert await api.writes(RINA, "/start") == 403
        assert (
            await bot.get_webhook_info()
        ).last_error_message == "Wrong response from the webhook: 403"


async def test_without_a_webhook_nothing_is_posted() -> None:
    api = BotApi()
    assert await api.writes(RINA, "/start") == 0
    api.webhook = {"url": "http://127.0.0.1:9/", "secret_token": ""}
    assert await api.writes(RINA, "/start") == 0
    assert api.last_error == "ClientConnectorError"
    await api.aclose()
