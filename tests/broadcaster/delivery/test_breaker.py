"""A few suspect replies when nobody else is left to try, over real sockets: they wait by
themselves, several close the channel.
"""

from pathlib import Path

import pytest

from broadcaster.domain.deliveries import PENDING
from broadcaster.simulation.bot_api import BotApi
from broadcaster.simulation.smtp_script import ScriptedAnswer
from support.bad_recipients import (
    chat,
    email_city,
    graph,
    mailbox,
    phone,
    state,
    telegram_city,
    undisturbed,
    whatsapp_city,
)
from support.mail_servers import picky
from support.sending import drain_until_quiet, everything_due
from support.world import deliverer, notice, publish, rows, states, subscribe

PEOPLE = 60
SENDERS = [
    "554 5.7.1 Blocked",
    "550 5.7.26 Authentication checks failed",
    "530 5.7.0 Sign in",
    "550 5.1.8 Bad sender",
]


@pytest.mark.parametrize("reply", SENDERS)
async def test_twelve_mailboxes_of_one_domain_that_refuse_the_sender_halt_the_channel(
    sqlite_url: str, tmp_path: Path, reply: str
) -> None:
    people = list(map(mailbox, range(12)))
    server = picky({person: ScriptedAnswer(reply=reply) for person in people})
    async with email_city(sqlite_url, tmp_path, server, people) as app:
        await publish(app, notice())
        await drain_until_quiet(deliverer(app))
        assert state(app, "email").halted == "manual"
        assert reply[:9] in state(app, "email").detail


ABOUT_US = ["550 5.1.8 Bad sender's system address", "530 5.7.0 Authentication required", "550 5.7.26 unauthenticated",
            "503 Bad sequence", "535 5.7.8 Credentials invalid", "421 4.7.0 Too many messages"]  # fmt: skip


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("reply", ABOUT_US)
async def test_the_only_recipients_of_a_notice_wait_by_themselves_whatever_their_servers_say_of_us(
    sqlite_url: str, tmp_path: Path, reply: str, count: int
) -> None:
    bad = [mailbox(n, f"domain{n}.example") for n in range(count)]
    server = picky({person: ScriptedAnswer(reply=reply) for person in bad})
    async with email_city(sqlite_url, tmp_path, server, bad) as app:
        await publish(app, notice())
        await drain_until_quiet(deliverer(app))
        assert undisturbed(app, "email")
        assert [(row.state, row.provider_code[:3], row.due_at > 0) for row in rows(app)] == [
            (PENDING, reply[:3], True)
        ] * count
        await subscribe(app, "email", [(mailbox(n), "cibabat") for n in range(PEOPLE)])
        await publish(app, notice(title="Kabar kedua"))
        await drain_until_quiet(deliverer(app))
        assert len(server.transcript.arrived) == PEOPLE
        assert undisturbed(app, "email")
        server.script.recipients = {}
        everything_due(app)
        await drain_until_quiet(deliverer(app))
        assert states(app) == {"sent": PEOPLE + 2 * count}


@pytest.mark.parametrize("code", [190, 131031, 131048, 131057])
async def test_the_only_recipient_on_whatsapp_whose_reply_names_our_account_waits_alone(
    sqlite_url: str, tmp_path: Path, code: int
) -> None:
    api = graph(errors={phone(0): (code, 400)})
    async with whatsapp_city(sqlite_url, tmp_path, api, [phone(0)]) as app:
        await publish(app, notice())
        await drain_until_quiet(deliverer(app), "whatsapp")
        assert undisturbed(app, "whatsapp")
        await subscribe(app, "whatsapp", [(phone(n), "cibabat") for n in range(1, PEOPLE)])
        await publish(app, notice(title="Kabar kedua"))
        await drain_until_quiet(deliverer(app), "whatsapp")
        assert len(api.arrived) == PEOPLE - 1


@pytest.mark.parametrize("status", [401, 404])
async def test_the_only_recipient_on_telegram_whose_reply_names_our_bot_waits_alone(
    sqlite_url: str, tmp_path: Path, status: int
) -> None:
    api = BotApi()
    api.script(int(chat(0)), status, "Unauthorized" if status == 401 else "Not Found")
    async with telegram_city(sqlite_url, tmp_path, api, [chat(0)]) as app:
        await publish(app, notice())
        await drain_until_quiet(deliverer(app), "telegram")
        assert undisturbed(app, "telegram")
        await subscribe(app, "telegram", [(chat(n), "cibabat") for n in range(1, PEOPLE)])
        await publish(app, notice(title="Kabar kedua"))
        await drain_until_quiet(deliverer(app), "telegram")
        assert api.counts["accepted"] == PEOPLE - 1
