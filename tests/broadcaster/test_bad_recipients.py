"""Replies to single recipients, over real sockets and the real delivery path: one of N, all of N, none of N."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bad_recipients import (
    chat,
    email_city,
    graph,
    held,
    in_slot_order,
    mailbox,
    phone,
    state,
    stopped,
    telegram_city,
    whatsapp_city,
)
from broadcaster.app import App
from broadcaster.simulation.bot_api import BotApi
from channels.base.graph_errors import ERRORS
from picky_smtp import Answer, PickySmtp
from sending import drain_until_quiet
from world import deliverer, emergency, notice, publish, states

PEOPLE = 60
ONE = 30


def undisturbed(app: App, channel: str) -> bool:
    """Whether the channel is open and all editions run."""
    standing = state(app, channel)
    return not (standing.halted or standing.paused_until or standing.holding or stopped(app) or held(app))


# --- one of N -------------------------------------------------------------------------------------

ANSWERS = [
    Answer(reply="550 5.5.0 Requested action not taken: mailbox unavailable"),
    Answer(reply="550 Requested action not taken: mailbox unavailable"),
    Answer(reply="550 5.1.1 User unknown"),
    Answer(reply="550 5.1.8 Bad sender's system address"),
    Answer(reply="550 5.2.1 Mailbox disabled"),
    Answer(reply="552 5.2.2 Mailbox full"),
    Answer(reply="550 5.4.1 Recipient address rejected: Access denied"),
    Answer(reply="501 5.5.4 Invalid address"),
    Answer(reply="503 5.5.1 Bad sequence of commands"),
    Answer(reply="530 5.7.0 Authentication required"),
    Answer(reply="535 5.7.8 Authentication credentials invalid"),
    Answer(reply="554 5.7.1 Relay access denied"),
    Answer(reply="550 5.7.133 Sender not authenticated for the group"),
    Answer(reply="553 5.6.7 Non-ASCII addresses not permitted"),
    Answer(reply="450 4.2.0 Greylisted"),
    Answer(reply="451 4.3.0 Local error"),
    Answer(reply="452 4.5.3 Too many recipients"),
    Answer(reply="421 4.7.0 Too many messages"),
    Answer(stage="data", reply="554 No"),
    Answer(stage="data", reply="451 4.3.0 Local error"),
    Answer(stage="content", reply="554 5.7.1 Spam"),
    Answer(stage="content", reply="550 5.7.26 Multiple authentication checks failed"),
    Answer(stage="content", reply="554 Transaction failed"),
    Answer(stage="content", reply="552 5.2.3 Message too long for the mailbox"),
    Answer(stage="content", reply="421 4.3.2 Shutting down"),
]


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("answer", ANSWERS, ids=[f"{each.stage} {each.reply[:36]}" for each in ANSWERS])
async def test_one_recipient_refused_by_mail_keeps_nobody_from_theirs(
    sqlite_url: str, tmp_path: Path, answer: Answer, pipelining: bool
) -> None:
    server = PickySmtp({mailbox(ONE): answer}, pipelining=pipelining)
    async with email_city(sqlite_url, tmp_path, server, map(mailbox, range(PEOPLE)), EMAIL_CONNECTIONS="3") as app:
        await publish(app, emergency())
        await drain_until_quiet(deliverer(app), "email", "emergency")
        assert len(server.arrived) == PEOPLE - 1
        assert undisturbed(app, "email")
        assert states(app)["sent"] == PEOPLE - 1


CODES = [(code, 400) for codes, _ in ERRORS for code in codes if not 200 < code < 299 and not 133000 < code < 133015]
UNKNOWN = [(999999, status) for status in (400, 401, 403, 404, 429, 500, 503)]


@pytest.mark.parametrize(("code", "status"), CODES + UNKNOWN)
async def test_one_recipient_refused_by_whatsapp_keeps_nobody_from_theirs(
    sqlite_url: str, tmp_path: Path, code: int, status: int
) -> None:
    api = graph(errors={phone(ONE): (code, status)})
    async with whatsapp_city(sqlite_url, tmp_path, api, map(phone, range(PEOPLE))) as app:
        await publish(app, emergency())
        await drain_until_quiet(deliverer(app), "whatsapp", "emergency")
        assert len(api.arrived) == PEOPLE - 1
        assert undisturbed(app, "whatsapp")


DESCRIPTIONS = [
    (403, "Forbidden: bot was blocked by the user"),
    (403, "Forbidden: user is deactivated"),
    (403, "Forbidden: something new"),
    (400, "Bad Request: chat not found"),
    (400, "Bad Request: not enough rights to send text messages to the chat"),
    (400, "Bad Request: message is too long"),
    (400, "Bad Request: can't parse entities"),
    (400, "Bad Request: wrong file identifier/HTTP URL specified"),
    (400, "Bad Request: file is too big"),
    (400, "Bad Request: something new"),
    (401, "Unauthorized"),
    (404, "Not Found"),
    (409, "Conflict: terminated by other getUpdates request"),
    (413, "Request Entity Too Large"),
    (429, "Too Many Requests: retry after 35"),
    (500, "Internal Server Error"),
    (502, "Bad Gateway"),
]


@pytest.mark.parametrize(("status", "description"), DESCRIPTIONS)
async def test_one_recipient_refused_by_telegram_keeps_nobody_from_theirs(
    sqlite_url: str, tmp_path: Path, status: int, description: str
) -> None:
    api = BotApi()
    parameters = {"retry_after": 35} if status == 429 else {}
    api.script(int(chat(ONE)), status, description, **parameters)
    async with telegram_city(sqlite_url, tmp_path, api, map(chat, range(PEOPLE))) as app:
        await publish(app, emergency())
        await drain_until_quiet(deliverer(app), "telegram", "emergency")
        assert api.counts["accepted"] == PEOPLE - 1
        assert undisturbed(app, "telegram")


@pytest.mark.parametrize("lane", ["routine", "emergency"])
async def test_one_mailbox_unavailable_among_three_thousand_is_that_mailbox(sqlite_url: str, tmp_path: Path, lane: str) -> None:
    server = PickySmtp({mailbox(ONE): Answer(reply="550 5.5.0 Requested action not taken: mailbox unavailable")})
    async with email_city(sqlite_url, tmp_path, server, map(mailbox, range(3_000))) as app:
        await publish(app, emergency() if lane == "emergency" else notice())
        await drain_until_quiet(deliverer(app), "email", lane)
        assert len(server.arrived) == 2_999
        assert undisturbed(app, "email")


async def test_one_locked_account_among_three_thousand_is_that_account(sqlite_url: str, tmp_path: Path) -> None:
    api = graph(errors={phone(ONE): (131031, 400)})
    async with whatsapp_city(sqlite_url, tmp_path, api, map(phone, range(3_000))) as app:
        await publish(app, notice())
        await drain_until_quiet(deliverer(app), "whatsapp", "routine")
        assert len(api.arrived) == 2_999
        assert undisturbed(app, "whatsapp")


async def test_one_chat_unauthorised_among_three_thousand_is_that_chat(sqlite_url: str, tmp_path: Path) -> None:
    api = BotApi()
    api.script(int(chat(ONE)), 401, "Unauthorized")
    async with telegram_city(sqlite_url, tmp_path, api, map(chat, range(3_000))) as app:
        await publish(app, notice())
        await drain_until_quiet(deliverer(app), "telegram", "routine")
        assert api.counts["accepted"] == 2_999
        assert undisturbed(app, "telegram")


# --- all of N -------------------------------------------------------------------------------------

TWELVE = [mailbox(n, f"domain{n}.example") for n in range(12)]
SENDERS = ["554 5.7.1 Blocked", "550 5.7.26 Authentication checks failed", "530 5.7.0 Sign in", "550 5.1.8 Bad sender"]


@pytest.mark.parametrize("lane", ["routine", "emergency"])
@pytest.mark.parametrize("reply", SENDERS)
async def test_twelve_domains_that_refuse_the_sender_halt_the_channel(database_url: str, tmp_path: Path, reply: str, lane: str) -> None:
    server = PickySmtp({address: Answer(reply=reply) for address in TWELVE})
    async with email_city(database_url, tmp_path, server, TWELVE) as app:
        await publish(app, emergency() if lane == "emergency" else notice())
        await drain_until_quiet(deliverer(app), "email", lane)
        standing = state(app, "email")
        assert (standing.halted, standing.suspected) == ("manual", True)
        assert reply[:9] in standing.detail
        assert server.tried.total() <= 12
        assert states(app) == {"pending": 12}
