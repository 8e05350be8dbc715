"""The Telegram channel: words, limits, HTML, sound, failures, edits and webhooks, against a Bot API
on loopback.
"""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st
from telegram import Bot, error

from broadcaster.simulation.bot_api import BotApi
from broadcaster.simulation.bot_requests import parse_html
from broadcaster.simulation.serving import running
from channels import telegram
from channels.base.contract import (
    AddressEvent,
    BadAddress,
    BadSignature,
    BadWebhook,
    Deferred,
    Edition,
    Halted,
    InboundEvent,
    Outcome,
    Outgoing,
    Receipt,
    Refused,
    Rejected,
    Result,
    Skipped,
    Wording,
)
from channels.base.http import FOREIGN
from channels.base.moments import WIB
from channels.base.rendering import utf16
from channels.base.staff_messages import ReplyChannel
from channels.base.telegram_bot import markup
from channels.base.tolerant_reading import Unreadable
from support import samples
from support.channel_samples import reworded
from support.telegram_channel import (
    DEWI,
    GROUP,
    RINA,
    SECRET,
    TOKEN,
    channel_at,
    connected,
)
from support.wording import refuses

GOLDEN = Path(__file__).parent / "golden" / "telegram"


def outgoing(
    channel: telegram.Telegram, chat: int = RINA, edition: Edition | None = None, **recipient: Any
) -> Outgoing:
    """Return a sample edition for one chat."""
    message = channel.render(edition or samples.notice(), "id")
    return channel.personalise(message, samples.recipient(str(chat), **recipient))


async def results(channel: telegram.Telegram, messages: Sequence[Outgoing]) -> list[Result]:
    """Return all results of one send."""
    return [result async for result in channel.send(messages, may_write=lambda: True)]


async def outcome_of(channel: telegram.Telegram, message: Outgoing) -> Outcome:
    """Send one message and return its outcome."""
    [result] = await results(channel, [message])
    return result.outcome


# --- words ----------------------------------------------------------------------------------------


def as_read(name: str, lang: str) -> str:
    """Return a sample as its golden file holds it, sent at noon."""
    channel = channel_at()
    message = channel.render(samples.editions()[name], lang)
    parts = channel.preview(channel.personalise(message, samples.recipient(str(RINA))))
    return "".join(f"=== {name} ===\n{part}\n\n" for name, part in parts.items()).rstrip() + "\n"


@pytest.mark.parametrize("lang", ["id", "en"])
@pytest.mark.parametrize("name", list(samples.editions()))
def test_the_words_are_those_of_the_golden_file(name: str, lang: str) -> None:
    assert as_read(name, lang) == (GOLDEN / f"{name}.{lang}.txt").read_text()


def test_sundanese_readers_get_the_indonesian_message() -> None:
    channel = channel_at()
    assert (
        channel.render(samples.notice(), "su").frame == channel.render(samples.notice(), "id").frame
    )


def test_every_message_of_the_simulation_says_so_first() -> None:
    for edition in samples.editions().values():
        html = channel_at(site=samples.site(simulated=True)).render(edition, "id").frame["text"]
        assert html.startswith("[SIMULASI] <b>")


def test_an_emergency_that_ends_on_another_day_names_the_day() -> None:
    html = telegram.compose(
        samples.alert(expires=samples.FLOOD_ENDS + timedelta(days=1)), "id", samples.site()
    )
    assert "berlaku sampai 26 Nov 2026 10.00 WIB." in html


def test_a_warning_below_emergency_is_an_early_warning() -> None:
    html = telegram.compose(samples.alert(level="important"), "id", samples.site())
    assert html.startswith("<b>PERINGATAN DINI</b>")
    assert "Yang perlu dilakukan:" in html
    assert "Lakukan sekarang:" not in html


def test_a_withdrawn_emergency_asks_nobody_to_act() -> None:
    edition = samples.alert(
        change="withdrawal", reason="Air surut.", published_at=samples.WITHDRAWN
    )
    html = telegram.compose(edition, "id", samples.site())
    assert html.startswith("<b>DICABUT 09.40:</b> Air surut.")
    assert "Lakukan sekarang" not in html
    assert "PERINGATAN DARURAT" not in html
    assert "<s>Banjir di Jl. Amir Machmud, pindah ke tempat tinggi</s>" in html


def test_link_and_picture_become_links() -> None:
    image = {"url": "https://info.cimahi.example/g/1.png", "alt": "Peta pipa"}
    edition = msgspec.convert(
        {
            **msgspec.to_builtins(samples.notice()),
            "link": "https://tirta.cimahi.example/?a=1&b=2",
            "image": image,
        },
        Edition,
    )
    html = telegram.compose(edition, "id", samples.site())
    assert 'Selengkapnya: <a href="https://tirta.cimahi.example/?a=1&amp;b=2">' in html
    assert 'Gambar: <a href="https://info.cimahi.example/g/1.png">Peta pipa</a>' in html


# --- from Markdown to HTML ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("**tebal** dan *miring*", "<b>tebal</b> dan <i>miring</i>"),
        ("***dua***", "<i><b>dua</b></i>"),
        ("satu\n\ndua", "satu\n\ndua"),
        ("satu\ndua", "satu\ndua"),
        ("- a\n- b\n\nc", "- a\n- b\n\nc"),
        ("3. a\n4. b", "3. a\n4. b"),
        ("- a\n  1. b\n  2. c\n- d", "- a\n  1. b\n  2. c\n- d"),
        ("-\n- b", "- b"),
        ("a < b & c > d", "a &lt; b &amp; c &gt; d"),
        ("<b>bukan tag</b>", "&lt;b&gt;bukan tag&lt;/b&gt;"),
        (
            "[situs](https://a.example/?x=1&y=2)",
            '<a href="https://a.example/?x=1&amp;y=2">situs</a>',
        ),
        ("[Posko](tel:0221234)", '<a href="tel:0221234">Posko</a> (0221234)'),
        ("[112](tel:112)", '<a href="tel:112">112</a>'),
        ("[tipu](javascript:alert(1))", "[tipu](javascript:alert(1))"),
        ("![gambar](https://a.example/x.png)", '!<a href="https://a.example/x.png">gambar</a>'),
        ("kode `x<y`", "kode `x&lt;y`"),
        ("balik &#x202e;arah", "balik &amp;#x202e;arah"),
        ("# bukan judul", "# bukan judul"),
    ],
)
def test_light_markdown_becomes_html(markdown: str, html: str) -> None:
    converted = telegram.flow(markdown, beside="")
    assert converted == html
    parse_html(converted)


BODIES = st.one_of(
    st.text(max_size=6000),
    st.lists(
        st.one_of(
            st.text(max_size=40),
            st.sampled_from(
                [
                    "**",
                    "*",
                    "_",
                    "[",
                    "](https://a.example/\"'<>&)",
                    "](tel:112)",
                    "\n\n",
                    "\n- ",
                    "\n1. ",
                    "\n> ",
                    "&lt;",
                    "<b>",
                    "😀",
                ]
            ),
            st.sampled_from(
                [
                    "Air mati. ",
                    "**tebal** ",
                    "*miring* ",
                    "[t](https://a.example) ",
                    "kata " * 60,
                    "😀😀 " * 30,
                ]
            ),
        ),
        max_size=150,
    ).map("".join),
)
LINES = st.text(max_size=900)


@settings(deadline=None, max_examples=150)
@given(body=BODIES, instruction=BODIES, title=LINES, line=LINES)
def test_any_words_make_one_valid_message_with_link_and_code(
    body: str, instruction: str, title: str, line: str
) -> None:
    wording = Wording(title=title, summary="", body=body, instruction=instruction)
    claim = msgspec.structs.replace(
        samples.clarification().claim, claim=line, fact=line, seen_at=line, evidence=(line, line)
    )
    changes = {"wordings": {"id": wording}, "reason": line, "agency": line, "link": line}
    for edition in (
        samples.notice(**changes, change="withdrawal"),
        samples.alert(**changes, change="correction"),
        samples.clarification(**changes, claim=claim),
    ):
        html = telegram.compose(edition, "id", samples.site(simulated=True))
        text, entities = parse_html(html)
        assert utf16(text) <= 4096
        assert entities <= 100
        assert html.endswith(
            f'<a href="{samples.site().permalink(edition.code)}">{edition.code}</a>'
        )


@settings(deadline=None, max_examples=200)
@given(body=BODIES, reserved=st.integers(min_value=0, max_value=4096))
def test_a_long_body_ends_with_a_whole_word(body: str, reserved: int) -> None:
    whole = "".join(lead + telegram.parsed(html) for lead, html in markup.blocks(body)).split()
    text = telegram.parsed(telegram.flow(body, beside="x" * reserved))
    assert utf16(text) <= 4096 - reserved
    words = text.removesuffix("…").split() if text.split() != whole else whole
    assert text.split() == whole or reserved > 4090 or text.endswith("…")
    assert words[:-1] == whole[: max(len(words) - 1, 0)]
    assert not words or re.fullmatch(re.escape(words[-1]) + "[,;:–…-]*", whole[len(words) - 1])


def test_a_body_of_many_sentences_is_cut_after_a_sentence_and_says_so() -> None:
    html = telegram.compose(
        reworded(samples.notice(), body="Air mati sampai sore nanti. " * 400), "id", samples.site()
    )
    text, _ = parse_html(html)
    assert "Air mati sampai sore nanti. …\n\nGangguan layanan" in text
    assert 4096 - 40 < utf16(text) <= 4096


def test_instructions_come_before_the_body_and_leave_it_room() -> None:
    edition = reworded(
        samples.alert(),
        body="Isi panjang sekali di sini. " * 400,
        instruction="Pindah ke tempat tinggi. " * 400,
    )
    text, _ = parse_html(telegram.compose(edition, "id", samples.site()))
    assert 2000 < text.index("Isi panjang") < 3000
    assert text.endswith("Kode: CMH-9XQ2-TD")


@pytest.mark.parametrize("last", ["Telepon 112.", "- 112", "x" * 5000])
def test_a_block_for_which_no_room_is_left_is_not_dropped_in_silence(last: str) -> None:
    for fill in range(3_700, 4_000):
        text, _ = parse_html(
            telegram.compose(
                reworded(samples.notice(), body=f"{'k' * fill}.\n\n{last}"), "id", samples.site()
            )
        )
        assert utf16(text) <= 4096
        assert last in text or "…" in text


def test_evidence_beyond_the_fifth_is_hinted_at() -> None:
    links = tuple(f"https://contoh.example/{number}" for number in range(6))
    claim = msgspec.structs.replace(
        samples.clarification().claim, evidence=links, fact="Kata. " * 150
    )
    for lang in ("id", "en"):
        text, _ = parse_html(
            telegram.compose(samples.clarification(claim=claim), lang, samples.site())
        )
        assert "https://contoh.example/4, …" in text
        assert "Kata. …" in text


def test_text_is_counted_in_utf_16_units_and_never_cut_inside_an_emoji() -> None:
    text, _ = parse_html(
        telegram.compose(reworded(samples.notice(), body="😀😀😀😀 " * 1000), "id", samples.site())
    )
    assert utf16(text) <= 4096
    assert "😀😀😀😀…\n\nGangguan layanan" in text


def test_styles_beyond_the_hundredth_entity_are_dropped_not_the_words() -> None:
    html = telegram.compose(
        reworded(samples.notice(), body="\n\n".join(["**a** *b*"] * 80)), "id", samples.site()
    )
    text, entities = parse_html(html)
    assert entities <= 100
    assert text.count("a b") == 80


# --- sound ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "hour", "silent"),
    [
        ("info", 12, "ya"),
        ("important", 12, "tidak"),
        ("important", 5, "tidak"),
        ("important", 20, "tidak"),
        ("important", 21, "ya"),
        ("important", 4, "ya"),
        ("important", 0, "ya"),
        ("emergency", 12, "tidak"),
        ("emergency", 2, "tidak"),
    ],
)
def test_phones_sound_by_day_for_what_matters_and_always_in_an_emergency(
    level: str, hour: int, silent: str
) -> None:
    channel = channel_at(now=datetime(2026, 11, 25, hour, 59, tzinfo=WIB).astimezone(UTC))
    message = outgoing(channel, edition=samples.alert(level=level))
    assert channel.preview(message)["silent"] == silent


def test_an_edit_makes_no_sound_unless_it_is_an_emergency() -> None:
    channel = channel_at()
    correction = samples.alert(change="correction", reason="Posko pindah.", level="important")
    assert channel.preview(outgoing(channel, edition=correction, corrects=(5,)))["silent"] == "ya"
    assert channel.preview(outgoing(channel, edition=correction))["silent"] == "tidak"
    emergency = msgspec.structs.replace(correction, level="emergency")
    assert channel.preview(outgoing(channel, edition=emergency, corrects=(5,)))["silent"] == "tidak"


# --- sending --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(samples.editions()))
async def test_what_was_previewed_is_what_the_phone_received(name: str) -> None:
    async with connected() as (api, channel):
        message = outgoing(channel, edition=samples.editions()[name])
        outcome = await outcome_of(channel, message)
        [received] = api.inbox(RINA)
        assert received.parts == channel.preview(message)
        assert outcome == Receipt(message_number=received.message_id)


async def test_a_thousand_messages_arrive_once_each() -> None:
    async with connected() as (api, channel):
        batch_results = await results(
            channel, [outgoing(channel, RINA + number) for number in range(1000)]
        )
        assert all(isinstance(result.outcome, Receipt) for result in batch_results)
        assert sorted(chat for chat, _ in api.accepted) == list(range(RINA, RINA + 1000))


async def test_nothing_is_written_once_the_lease_is_gone() -> None:
    async with connected() as (api, channel):
        assert [
            result async for result in channel.send([outgoing(channel)], may_write=lambda: False)
        ] == []
        assert api.accepted == []


async def test_a_refused_token_halts_the_channel_and_burns_no_recipient() -> None:
    async with connected(token="1:salah") as (api, channel):
        batch_results = await results(
            channel, [outgoing(channel, RINA + number) for number in range(500)]
        )
        assert len(batch_results) < 500
        assert {result.outcome for result in batch_results} == {
            Halted(code="401", detail="token refused", about="either")
        }
        assert api.accepted == []


async def test_a_wrong_token_is_tried_once_and_checked_once_however_many_wait() -> None:
    async with connected(token="1:salah", patience=60.0) as (api, channel):
        for _batch in range(3):
            batch_results = await results(
                channel, [outgoing(channel, RINA + number) for number in range(100)]
            )
            assert {type(result.outcome) for result in batch_results} == {Halted}
        assert isinstance(await channel.answer(str(RINA), "Halo"), Halted)
        assert api.counts["requests"] == 2


async def test_one_chat_that_answers_401_among_many_is_that_chat_alone() -> None:
    async with connected() as (api, channel):
        api.script(RINA, 401, "Unauthorized")
        batch_results = await results(
            channel, [outgoing(channel, RINA + number) for number in range(50)]
        )
        assert sum(isinstance(result.outcome, Receipt) for result in batch_results) == 49
        assert api.counts["requests"] == 51


async def test_without_a_token_it_renders_and_halts() -> None:
    async with connected(token="") as (_, channel):
        assert isinstance(await outcome_of(channel, outgoing(channel)), Halted)


# --- failures -------------------------------------------------------------------------------------

DEAD = Refused(reason="address_dead")
STOPPED = Refused(reason="opted_out")
ROWS: list[tuple[int, str, Outcome]] = [
    (403, "Forbidden: bot was blocked by the user", STOPPED),
    (403, "Forbidden: bot was kicked from the supergroup chat", STOPPED),
    (403, "Forbidden: user is deactivated", DEAD),
    (403, "Forbidden: bot can't initiate conversation with a user", DEAD),
    (403, "Forbidden: bot can't send messages to bots", DEAD),
    (403, "Forbidden: bot is not a member of the channel chat", DEAD),
    (400, "Bad Request: chat not found", DEAD),
    (400, "Bad Request: PEER_ID_INVALID", DEAD),
    (400, "Bad Request: user not found", DEAD),
    (400, "Bad Request: group is deactivated", DEAD),
    (400, "Bad Request: not enough rights to send text messages to the chat", Skipped()),
    (400, "Bad Request: have no rights to send a message", Skipped()),
    (400, "Bad Request: CHAT_WRITE_FORBIDDEN", Skipped()),
    (400, "Bad Request: CHAT_RESTRICTED", Skipped()),
    (400, "Bad Request: TOPIC_CLOSED", Skipped()),
    (400, "Bad Request: message thread not found", Skipped()),
    (400, "Bad Request: TOPIC_DELETED", Skipped()),
    (400, "Bad Request: need administrator rights in the channel chat", Skipped()),
    (400, "Bad Request: CHAT_SEND_PLAIN_FORBIDDEN", Skipped()),
    (403, "Forbidden: the group chat was deleted", DEAD),
    (403, "Forbidden: USER_IS_BLOCKED", STOPPED),
    (400, "Bad Request: MESSAGE_TOO_LONG", Rejected()),
    (400, "Bad Request: message is too long", Rejected()),
    (400, "Bad Request: message text is empty", Rejected()),
    (
        400,
        'Bad Request: can\'t parse entities: Unsupported start tag "p" at byte offset 0',
        Rejected(),
    ),
    (400, "Bad Request: entities too long", Rejected()),
    (400, "Bad Request: BUTTON_URL_INVALID", Rejected()),
    (400, "Bad Request: BUTTON_DATA_INVALID", Rejected()),
    (400, "Bad Request: wrong file identifier/HTTP URL specified", Rejected(whole_edition=True)),
    (400, "Bad Request: failed to get HTTP URL content", Rejected(whole_edition=True)),
    (400, "Bad Request: file is too big", Rejected(whole_edition=True)),
    (413, "Request Entity Too Large", Rejected(whole_edition=True)),
    (401, "Unauthorized", Halted(about="either")),
    (404, "Not Found", Halted(about="either")),
    (
        409,
        "Conflict: terminated by other getUpdates request",
        Deferred(alarm=True, about="recipient"),
    ),
    (429, "Too Many Requests", Deferred(retry_after=5, throttle=True, about="either")),
    (500, "Internal Server Error", Deferred(about="recipient")),
    (502, "Bad Gateway", Deferred(about="recipient")),
    (504, "Gateway Timeout", Deferred(about="recipient")),
    (400, "Bad Request: something new", Rejected()),
    (403, "Forbidden: something new", Skipped()),
]


@pytest.mark.parametrize(
    ("status", "description", "expected"), ROWS, ids=[description for _, description, _ in ROWS]
)
async def test_each_answer_means_one_failure(
    status: int, description: str, expected: Outcome
) -> None:
    async with connected() as (api, channel):
        api.script(RINA, status, description)
        outcome = await outcome_of(channel, outgoing(channel))
        assert not isinstance(outcome, Receipt)
        assert outcome.code.startswith("401" if status == 404 else str(status))
        assert str(RINA) not in outcome.detail
        assert plain(outcome) == plain(expected)


async def test_an_unknown_answer_is_coded_by_its_own_words() -> None:
    async with connected() as (api, channel):
        api.script(RINA, 400, f"Bad Request: SOMETHING_NEW about {RINA}")
        outcome = await outcome_of(channel, outgoing(channel))
        assert isinstance(outcome, Rejected) and outcome.code == "400 something_new about"


def plain(outcome: Outcome) -> tuple[str, dict[str, Any]]:
    """Return an outcome's type and fields without its code and detail."""
    values = msgspec.to_builtins(outcome)
    return type(outcome).__name__, {
        name: value for name, value in values.items() if name not in {"code", "detail"}
    }


async def test_429_waits_as_long_as_asked_and_spends_no_attempt() -> None:
    async with connected() as (api, channel):
        api.script(RINA, 429, "Too Many Requests: retry after 37", retry_after=37)
        outcome = await outcome_of(channel, outgoing(channel))
        assert outcome == Deferred(
            retry_after=37, throttle=True, code="429", detail="rate limit", about="either"
        )


LIMITS = {
    b"10072": 10_072.0,
    b"0": 0.0,
    b"-5": 5.0,
    b'"7"': 7.0,
    b'"soon"': 5.0,
    b"null": 5.0,
    b"9" * 5000: 86_400.0,
    b"1e9": 1.0,
}


@pytest.mark.parametrize("wait", LIMITS, ids=lambda wait: wait[:8].decode())
async def test_however_odd_a_wait_is_the_whole_bot_waits_and_nothing_breaks(wait: bytes) -> None:
    async def limited(_request: web.Request) -> web.Response:
        body = (
            b'{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after": %s}}'
            % wait
        )
        return web.Response(body=body, status=429, content_type="application/json")

    app = web.Application()
    app.router.add_post("/bot{token}/{method}", limited)
    async with running(app) as url:
        channel = channel_at(url)
        outcome = await outcome_of(channel, outgoing(channel))
        await channel.aclose()
    assert outcome == Deferred(
        retry_after=LIMITS[wait], throttle=True, code="429", detail="rate limit", about="either"
    )


async def test_a_group_that_moved_is_sent_to_at_once_under_its_new_id() -> None:
    async with connected() as (api, channel):
        api.script(
            GROUP,
            400,
            "Bad Request: group chat was upgraded",
            migrate_to_chat_id=-1_009_000_000_009,
        )
        outcome = await outcome_of(channel, outgoing(channel, GROUP))
        assert isinstance(outcome, Deferred)
        assert (outcome.retry_after, outcome.throttle, outcome.scope) == (0, True, "address")
        assert outcome.moved_to == "-1009000000009"


async def test_a_chat_that_blocked_the_bot_does_not_stop_the_others() -> None:
    async with connected() as (api, channel):
        api.blocked.add(RINA)
        batch_results = await results(channel, [outgoing(channel, RINA), outgoing(channel, DEWI)])
        outcomes = {result.outgoing.recipient.address: result.outcome for result in batch_results}
        assert outcomes[str(RINA)] == Refused(
            reason="opted_out",
            code="403 bot was blocked by the user",
            detail="Forbidden: bot was blocked by the user",
        )
        assert isinstance(outcomes[str(DEWI)], Receipt)


async def test_a_connection_cut_after_writing_leaves_the_message_uncertain() -> None:
    async with connected() as (api, channel):
        api.faults.change(cut=1)
        outcome = await outcome_of(channel, outgoing(channel))
        assert isinstance(outcome, Deferred)
        assert outcome.uncertain
        assert len(api.accepted) == 1


async def test_without_a_listener_nothing_was_written() -> None:
    channel = channel_at("http://127.0.0.1:9")
    outcome = await outcome_of(channel, outgoing(channel))
    assert outcome == Deferred(code="ClientConnectorError", detail="no connection")
    await channel.aclose()


async def test_an_answer_that_is_no_json_leaves_the_message_uncertain() -> None:
    async def nonsense(_: web.Request) -> web.Response:
        return web.Response(text="<html>selamat datang</html>")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", nonsense)
    async with running(app) as url:
        channel = channel_at(url)
        outcome = await outcome_of(channel, outgoing(channel))
        await channel.aclose()
    assert isinstance(outcome, Deferred)
    assert outcome.uncertain


async def test_the_answer_to_another_message_is_no_receipt_of_ours() -> None:
    async def foreign(_: web.Request) -> web.Response:
        chat = {"id": 4711, "type": "private"}
        return web.json_response(
            {"ok": True, "result": {"message_id": 9, "date": 1, "chat": chat, "text": "..."}}
        )

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", foreign)
    async with running(app) as url:
        channel = channel_at(url)
        assert await outcome_of(channel, outgoing(channel)) == FOREIGN
        await channel.aclose()


async def failed_call(request: telegram.AioRequest, url: str) -> error.TelegramError:
    """Return the error that PTB raises for a getMe."""
    with pytest.raises(error.TelegramError) as raised:
        await Bot(
            TOKEN, base_url=f"{url}/bot", request=request, get_updates_request=request
        ).get_me()
    return raised.value


async def test_a_missing_answer_is_ptbs_timed_out_and_uncertain() -> None:
    api = BotApi()
    api.faults.change(latency_ms=2000)
    async with running(api.app) as url, telegram.AioRequest(total_seconds=0.1) as request:
        problem = await failed_call(request, url)
    assert type(problem) is error.TimedOut
    assert telegram.failure_of(problem) == Deferred(
        uncertain=True, code="TimeoutError", detail="no answer", about="recipient"
    )


def test_no_connection_in_time_was_never_written() -> None:
    problem = error.TimedOut()
    problem.__cause__ = aiohttp.ConnectionTimeoutError()
    assert telegram.failure_of(problem) == Deferred(
        code="ConnectionTimeoutError", detail="no connection"
    )


def test_retry_after_may_be_a_number_as_in_older_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.warns(DeprecationWarning):
        older = error.RetryAfter(7)
    with pytest.warns(DeprecationWarning):
        assert telegram.failure_of(older) == Deferred(
            retry_after=7, throttle=True, code="429", detail="rate limit", about="either"
        )
    monkeypatch.setenv("PTB_TIMEDELTA", "true")
    newer = error.RetryAfter(timedelta(seconds=9))
    assert telegram.failure_of(newer) == Deferred(
        retry_after=9, throttle=True, code="429", detail="rate limit", about="either"
    )


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (error.ChatMigrated(-5), Deferred),
        (error.Forbidden("Forbidden: user is deactivated"), Refused),
        (error.InvalidToken(), Halted),
        (error.Conflict("Conflict"), Deferred),
        (error.BadRequest("Bad Request: chat not found"), Refused),
        (error.TimedOut(), Deferred),
        (error.NetworkError("?"), Deferred),
        (error.TelegramError("?"), Deferred),
        (error.EndPointNotFound("?"), Deferred),
    ],
)
def test_every_exception_of_the_library_is_one_of_the_five(
    problem: error.TelegramError, expected: type
) -> None:
    assert isinstance(telegram.failure_of(problem), expected)


async def test_an_unforeseen_answer_is_uncertain_never_refused() -> None:
    async def odd(_: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", odd)
    async with running(app) as url:
        channel = channel_at(url)
        outcome = await outcome_of(channel, outgoing(channel))
        await channel.aclose()
    assert isinstance(outcome, Deferred)
    assert outcome.uncertain


# --- corrections ----------------------------------------------------------------------------------


async def first_sent(channel: telegram.Telegram, edition: Edition) -> str:
    """Send an edition to Rina and return the provider's id."""
    outcome = await outcome_of(channel, outgoing(channel, edition=edition))
    assert isinstance(outcome, Receipt)
    return str(outcome.message_number)


async def test_a_correction_edits_the_message_that_was_sent() -> None:
    async with connected() as (api, channel):
        old = await first_sent(channel, samples.notice())
        message = outgoing(channel, edition=samples.correction(), corrects=(int(old),))
        assert await outcome_of(channel, message) == Receipt(message_number=int(old))
        [received] = api.inbox(RINA)
        assert received.edited
        assert received.text.startswith("DIRALAT 09.10: Air kembali pukul 16.00, bukan 14.00.")
        assert received.parts == channel.preview(message)


async def test_the_same_edit_again_is_a_success() -> None:
    async with connected() as (api, channel):
        old = await first_sent(channel, samples.notice())
        message = outgoing(channel, edition=samples.correction(), corrects=(int(old),))
        await outcome_of(channel, message)
        assert await outcome_of(channel, message) == Receipt(message_number=int(old))
        assert len(api.inbox(RINA)) == 1


async def test_a_correction_of_a_message_that_is_gone_is_sent_anew() -> None:
    async with connected() as (api, channel):
        outcome = await outcome_of(
            channel, outgoing(channel, edition=samples.withdrawal(), corrects=(404,))
        )
        [received] = api.inbox(RINA)
        assert outcome == Receipt(message_number=received.message_id)
        assert received.text.startswith("DICABUT 09.40")


async def test_a_corrected_emergency_is_edited_and_sent_again_with_sound() -> None:
    async with connected() as (api, channel):
        old = await first_sent(channel, samples.alert())
        correction = samples.alert(
            number=2, change="correction", reason="Posko pindah.", published_at=samples.CORRECTED
        )
        message = outgoing(channel, edition=correction, corrects=(int(old),))
        outcome = await outcome_of(channel, message)
        edited, new = api.inbox(RINA)
        assert edited.edited
        assert new.parts == channel.preview(message)
        assert outcome == Receipt(message_number=new.message_id)


async def test_an_edit_without_an_answer_may_have_arrived_and_is_repeated_without_doubling() -> (
    None
):
    async with connected() as (api, channel):
        old = await first_sent(channel, samples.notice())
        api.faults.change(cut=1)
        message = outgoing(channel, edition=samples.correction(), corrects=(int(old),))
        outcome = await outcome_of(channel, message)
        assert isinstance(outcome, Deferred)
        assert outcome.uncertain
        api.faults.change(cut=0)
        assert await outcome_of(channel, message) == Receipt(message_number=int(old))
        assert len(api.inbox(RINA)) == 1


async def test_a_correction_to_a_chat_that_blocked_us_is_refused() -> None:
    async with connected() as (api, channel):
        old = await first_sent(channel, samples.notice())
        api.blocked.add(RINA)
        assert isinstance(
            await outcome_of(
                channel, outgoing(channel, edition=samples.correction(), corrects=(int(old),))
            ),
            Refused,
        )


# --- answers --------------------------------------------------------------------------------------


async def test_an_answer_is_plain_text() -> None:
    async with connected() as (api, channel):
        assert isinstance(channel, ReplyChannel)
        assert isinstance(await channel.answer(str(RINA), "Ketik <kelurahan> & *nama*"), Receipt)
        assert api.inbox(RINA)[0].text == "Ketik <kelurahan> & *nama*"


async def test_an_answer_of_a_simulation_says_so() -> None:
    async with connected(site=samples.site(simulated=True)) as (api, channel):
        assert isinstance(await channel.answer(str(RINA), "Anda berhenti."), Receipt)
        assert api.inbox(RINA)[0].text == "[SIMULASI] Anda berhenti."


async def test_a_long_answer_is_split_between_paragraphs() -> None:
    text = "\n\n".join(f"{number} " + "kata " * 200 for number in range(9))
    async with connected() as (api, channel):
        assert isinstance(await channel.answer(str(RINA), text), Receipt)
        pieces = [message.text for message in api.inbox(RINA)]
    assert "\n\n".join(pieces).split() == text.split()
    assert all(re.match(r"\d ", piece) for piece in pieces)


@settings(deadline=None)
@given(
    st.text(alphabet=st.sampled_from("ab 😀\n"), max_size=9000)
    | st.integers(1, 5000).map(lambda size: "😀" * size)
)
def test_pieces_of_an_answer_lose_no_word_and_break_no_emoji(text: str) -> None:
    pieces = markup.pieces(text)
    assert all(0 < utf16(piece) <= 4096 for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


async def test_an_answer_that_fails_says_why() -> None:
    async with connected() as (api, channel):
        api.blocked.add(RINA)
        assert isinstance(await channel.answer(str(RINA), "Halo"), Refused)
        assert isinstance(await channel.answer(str(DEWI), " \n "), Rejected)


# --- webhooks -------------------------------------------------------------------------------------


class WebhookReceiver:
    """A webhook that keeps what is posted to it."""

    def __init__(self) -> None:
        self.posts: list[tuple[dict[str, str], bytes]] = []

    async def take(self, request: web.Request) -> web.Response:
        """Store one post."""
        self.posts.append(
            ({name.lower(): value for name, value in request.headers.items()}, await request.read())
        )
        return web.Response()


@asynccontextmanager
async def reachable(secret: str = SECRET) -> AsyncIterator[tuple[BotApi, WebhookReceiver]]:
    """Yield a Bot API that posts its updates to a receiver, and that receiver."""
    api, receiver, app = BotApi(), WebhookReceiver(), web.Application()
    app.router.add_post("/webhook/telegram", receiver.take)
    async with running(app) as receiver_url, running(api.app):
        api.webhook = {"url": f"{receiver_url}/webhook/telegram", "secret_token": secret}
        yield api, receiver
        await api.aclose()


def head(secret: str = SECRET) -> dict[str, str]:
    """Return the headers of a genuine update."""
    return {"x-telegram-bot-api-secret-token": secret}


async def test_what_a_resident_writes_and_presses_comes_in() -> None:
    async with reachable() as (api, receiver):
        assert await api.writes(RINA, "/berhenti") == 200
        assert await api.click(RINA, "kel:3277031002") == 200
    [message] = channel_at().parse_webhook(*receiver.posts[0])
    [button] = channel_at().parse_webhook(*receiver.posts[1])
    assert isinstance(message, InboundEvent)
    assert (message.address, message.text, message.payload) == (str(RINA), "/berhenti", "")
    assert message.at is not None
    assert message.at.tzinfo is not None
    assert isinstance(button, InboundEvent)
    assert (button.address, button.text, button.payload) == (str(RINA), "", "kel:3277031002")
    assert message.dedupe != button.dedupe


async def test_blocking_the_bot_stops_and_unblocking_makes_reachable() -> None:
    async with reachable() as (api, receiver):
        await api.blocks(RINA)
        await api.unblocks(RINA)
    [blocked] = channel_at().parse_webhook(*receiver.posts[0])
    [unblocked] = channel_at().parse_webhook(*receiver.posts[1])
    assert isinstance(blocked, AddressEvent)
    assert (blocked.address, blocked.state) == (str(RINA), "opted_out")
    assert isinstance(unblocked, AddressEvent)
    assert (unblocked.address, unblocked.state) == (str(RINA), "reachable")


async def test_chatter_in_a_group_is_ignored_but_leaving_it_counts() -> None:
    async with reachable() as (api, receiver):
        await api.writes(GROUP, "halo semua")
        await api.click(GROUP, "x")
        await api.blocks(GROUP)
    assert list(channel_at().parse_webhook(*receiver.posts[0])) == []
    assert list(channel_at().parse_webhook(*receiver.posts[1])) == []
    [event] = channel_at().parse_webhook(*receiver.posts[2])
    assert isinstance(event, AddressEvent)
    assert event.state == "opted_out"


async def test_the_same_update_again_has_the_same_dedupe_key() -> None:
    async with reachable() as (api, receiver):
        for _ in range(2):
            await api.post(
                {"message": {"message_id": 1, "date": 1, "chat": {"id": RINA, "type": "private"}}},
                update_id=77,
            )
    first, again = (channel_at().parse_webhook(*post)[0] for post in receiver.posts)
    assert first.dedupe == again.dedupe


async def test_an_update_without_the_right_secret_is_refused() -> None:
    async with reachable("salah") as (api, receiver):
        await api.writes(RINA, "/start")
    _, body = receiver.posts[0]
    for headers in (receiver.posts[0][0], {}, head(""), head("rahasia-contohé")):
        with pytest.raises(BadSignature):
            channel_at().parse_webhook(headers, body)


def test_without_a_secret_of_ours_no_update_is_believed() -> None:
    for secret_header in ("", SECRET):
        with pytest.raises(BadSignature):
            channel_at(webhook_secret="").parse_webhook(head(secret_header), b"{}")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"update_id":1,"message":{}}',
        b'{"update_id":1,"message":7}',
        b'{"a":' + b"[" * 200_000,
    ],
    ids=lambda body: body[:20].decode(),
)
def test_an_unreadable_update_is_kept_for_a_person(body: bytes) -> None:
    with pytest.raises(BadWebhook):
        channel_at().parse_webhook(head(), body)


@pytest.mark.parametrize(
    "changes",
    [
        {"from": None}, {"from": 7}, {"from": {"id": RINA}}, {"entities": [None]}, {"entities": "x"}, {"entities": [{"type": 7}]},
        {"reply_to_message": {}}, {"photo": [None]}, {"date": None}, {"date": "soon"}, {"date": -1}, {"message_id": None},
        {"caption": 7.5}, {"reply_markup": {"inline_keyboard": 7}}, {"chat": {"id": RINA, "type": "private", "title": []}},
    ],
    ids=str,
)  # fmt: skip
def test_a_stop_acts_whatever_else_of_its_update_cannot_be_read(changes: dict[str, Any]) -> None:
    message = {
        "message_id": 1,
        "date": 1,
        "chat": {"id": RINA, "type": "private"},
        "text": "/berhenti",
        **changes,
    }
    event, *_unreadable = channel_at().parse_webhook(
        head(), msgspec.json.encode({"update_id": 5, "message": message})
    )
    assert isinstance(event, InboundEvent)
    assert (event.address, event.text) == (str(RINA), "/berhenti")


@pytest.mark.parametrize(
    "changes",
    [
        {"from": None}, {"old_chat_member": None}, {"date": None}, {"new_chat_member": {"status": "kicked", "user": None}},
        {"invite_link": 7},
    ],
    ids=str,
)  # fmt: skip
def test_a_block_acts_whatever_else_of_its_update_cannot_be_read(changes: dict[str, Any]) -> None:
    member = {
        "chat": {"id": RINA, "type": "private"},
        "new_chat_member": {"status": "kicked"},
        **changes,
    }
    update = {"update_id": 5, "my_chat_member": member, "message": {"text": 7}}
    event, *unreadable = channel_at().parse_webhook(head(), msgspec.json.encode(update))
    assert isinstance(event, AddressEvent)
    assert (event.address, event.state) == (str(RINA), "opted_out")
    assert [type(part) for part in unreadable] == [Unreadable]


def test_a_group_that_becomes_a_supergroup_has_a_new_id() -> None:
    old, new = {"id": -5, "type": "group"}, {"id": -1_005, "type": "supergroup"}
    for message in (
        {"chat": old, "migrate_to_chat_id": -1_005},
        {"chat": new, "migrate_from_chat_id": -5},
    ):
        body = msgspec.json.encode(
            {"update_id": 5, "message": {"message_id": 1, "date": 1, **message}}
        )
        [event] = channel_at().parse_webhook(head(), body)
        assert isinstance(event, AddressEvent)
        assert (event.address, event.state, event.moved_to) == ("-5", "moved", "-1005")


def test_updates_of_other_kinds_are_ignored() -> None:
    post = {"message_id": 1, "date": 1, "chat": {"id": -100, "type": "channel"}, "text": "x"}
    for update in (
        {"update_id": 5},
        {"update_id": 6, "channel_post": post},
        {"update_id": 7, "edited_message": post},
    ):
        assert list(channel_at().parse_webhook(head(), msgspec.json.encode(update))) == []


def test_a_voice_message_comes_in_without_text() -> None:
    voice = {"file_id": "a", "file_unique_id": "b", "duration": 3}
    message = {"message_id": 1, "date": 1, "chat": {"id": RINA, "type": "private"}, "voice": voice}
    [event] = channel_at().parse_webhook(
        head(), msgspec.json.encode({"update_id": 5, "message": message})
    )
    assert isinstance(event, InboundEvent)
    assert event.text == ""


def test_there_is_no_handshake() -> None:
    assert channel_at().challenge({"hub.challenge": "1"}) is None


# --- doctor and settings --------------------------------------------------------------------------


async def test_doctor_is_content_when_bot_and_webhook_are_in_order() -> None:
    async with connected() as (api, channel):
        api.webhook = {
            "url": "https://info.cimahi.example/webhook/telegram",
            "secret_token": SECRET,
        }
        assert [finding.ok for finding in await channel.check()] == [True, True]
        assert await channel.probe()


async def test_doctor_says_how_to_set_the_webhook() -> None:
    async with connected() as (_, channel):
        _, webhook = await channel.check()
        assert webhook.ok is False
        assert "url=https://info.cimahi.example/webhook/telegram" in webhook.mend


async def test_doctor_passes_on_what_the_webhook_did_wrong() -> None:
    async with connected() as (api, channel):
        api.webhook = {
            "url": "https://info.cimahi.example/webhook/telegram",
            "secret_token": SECRET,
        }
        api.last_error = "Wrong response from the webhook: 403"
        _, webhook = await channel.check()
        assert webhook.ok is None
        assert "403" in webhook.what


async def test_doctor_and_probe_report_a_wrong_token() -> None:
    async with connected(token="1:salah") as (_, channel):
        [finding] = await channel.check()
        assert finding.ok is False
        assert "401" in finding.what
        assert "1:salah" not in finding.what + finding.mend
        assert not await channel.probe()


async def test_doctor_asks_for_the_token() -> None:
    [finding] = await channel_at(token="").check()
    assert finding.ok is False
    assert "TELEGRAM_TOKEN" in finding.what


def test_settings_come_from_their_own_variables() -> None:
    loaded = telegram.Settings.read(
        {"TELEGRAM_TOKEN": "1:a", "TELEGRAM_RATE": "20", "EMAIL_RATE": "3"}, samples.site()
    )
    assert (loaded.token, loaded.rate, loaded.api_url) == ("1:a", 20, "https://api.telegram.org")
    assert loaded.missing() == ()
    assert telegram.Settings().missing() == ("TELEGRAM_TOKEN",)


def test_the_channel_opens_from_its_settings() -> None:
    channel = telegram.open_channel(telegram.Settings(rate=12))
    assert (channel.name, channel.label, channel.rate, channel.receipt_wait) == (
        "telegram",
        "Telegram",
        12,
        0,
    )
    assert (channel.limits.text, channel.limits.measure) == (4096, "utf-16 units")


@pytest.mark.parametrize(
    ("text", "address"),
    [("123", "123"), (" 7000000001 ", "7000000001"), ("-1001234567890", "-1001234567890")],
)
def test_a_chat_id_is_an_address(text: str, address: str) -> None:
    assert telegram.parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "0", "@rina", "12a", "+62812", "-", "1" * 17, "9007199254740993", "١٢٣", "1 2", "007"],
)
def test_anything_else_is_no_address(text: str) -> None:
    with refuses(BadAddress, match="nomor obrolan"):
        telegram.parse_address(text)
