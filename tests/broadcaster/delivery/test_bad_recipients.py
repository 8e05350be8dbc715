"""Refusals of single recipients over real sockets and the real delivery path: one of N, all of N,
none of N.
"""

import asyncio
from pathlib import Path

import pytest

from broadcaster.delivery import channel_controls
from broadcaster.domain.actor import NamedActor
from broadcaster.simulation.bot_api import BotApi
from broadcaster.simulation.smtp_script import ScriptedAnswer
from broadcaster.store import channels
from channels.base.meta.graph_errors import ERRORS
from support.bad_recipients import (
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
    undisturbed,
    whatsapp_city,
)
from support.mail_servers import picky, stepwise
from support.sending import drain_until_quiet, everything_due
from support.waiting import until
from support.world import (
    deliverer,
    emergency,
    notice,
    program,
    publish,
    rows,
    states,
    subscribe,
    variables,
)

PEOPLE = 60
ONE = 30


# --- one of N -------------------------------------------------------------------------------------

ANSWERS = [
    ScriptedAnswer(reply="550 5.5.0 Requested action not taken: mailbox unavailable"),
    ScriptedAnswer(reply="550 Requested action not taken: mailbox unavailable"),
    ScriptedAnswer(reply="550 5.1.1 User unknown"),
    ScriptedAnswer(reply="550 5.1.8 Bad sender's system address"),
    ScriptedAnswer(reply="550 5.2.1 Mailbox disabled"),
    ScriptedAnswer(reply="552 5.2.2 Mailbox full"),
    ScriptedAnswer(reply="550 5.4.1 Recipient address rejected: Access denied"),
    ScriptedAnswer(reply="501 5.5.4 Invalid address"),
    ScriptedAnswer(reply="503 5.5.1 Bad sequence of commands"),
    ScriptedAnswer(reply="530 5.7.0 Authentication required"),
    ScriptedAnswer(reply="535 5.7.8 Authentication credentials invalid"),
    ScriptedAnswer(reply="554 5.7.1 Relay access denied"),
    ScriptedAnswer(reply="550 5.7.133 Sender not authenticated for the group"),
    ScriptedAnswer(reply="553 5.6.7 Non-ASCII addresses not permitted"),
    ScriptedAnswer(reply="450 4.2.0 Greylisted"),
    ScriptedAnswer(reply="451 4.3.0 Local error"),
    ScriptedAnswer(reply="452 4.5.3 Too many recipients"),
    ScriptedAnswer(reply="421 4.7.0 Too many messages"),
    ScriptedAnswer(step="DATA", reply="554 No"),
    ScriptedAnswer(step="DATA", reply="451 4.3.0 Local error"),
    ScriptedAnswer(step="content", reply="554 5.7.1 Spam"),
    ScriptedAnswer(step="content", reply="550 5.7.26 Multiple authentication checks failed"),
    ScriptedAnswer(step="content", reply="554 Transaction failed"),
    ScriptedAnswer(step="content", reply="552 5.2.3 Message too long for the mailbox"),
    ScriptedAnswer(step="content", reply="421 4.3.2 Shutting down"),
]


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    "answer", ANSWERS, ids=[f"{answer.step} {answer.reply[:36]}" for answer in ANSWERS]
)
async def test_one_recipient_refused_by_mail_keeps_nobody_from_theirs(
    sqlite_url: str, tmp_path: Path, answer: ScriptedAnswer, pipelining: bool
) -> None:
    server = picky({mailbox(ONE): answer}, pipelining=pipelining)
    async with email_city(
        sqlite_url, tmp_path, server, map(mailbox, range(PEOPLE)), EMAIL_CONNECTIONS="3"
    ) as app:
        await publish(app, emergency())
        await drain_until_quiet(deliverer(app), "email", "emergency")
        assert len(server.transcript.arrived) == PEOPLE - 1
        assert undisturbed(app, "email")
        assert states(app)["sent"] == PEOPLE - 1


CODES = [
    (code, 400)
    for codes, _ in ERRORS
    for code in codes
    if not 200 < code < 299 and not 133000 < code < 133015
]
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
async def test_one_mailbox_unavailable_among_three_thousand_is_that_mailbox(
    sqlite_url: str, tmp_path: Path, lane: str
) -> None:
    server = picky(
        {
            mailbox(ONE): ScriptedAnswer(
                reply="550 5.5.0 Requested action not taken: mailbox unavailable"
            )
        }
    )
    async with email_city(sqlite_url, tmp_path, server, map(mailbox, range(3_000))) as app:
        await publish(app, emergency() if lane == "emergency" else notice())
        await drain_until_quiet(deliverer(app), "email", lane)
        assert len(server.transcript.arrived) == 2_999
        assert undisturbed(app, "email")


async def test_one_locked_account_among_three_thousand_is_that_account(
    sqlite_url: str, tmp_path: Path
) -> None:
    api = graph(errors={phone(ONE): (131031, 400)})
    async with whatsapp_city(sqlite_url, tmp_path, api, map(phone, range(3_000))) as app:
        await publish(app, notice())
        await deliverer(app).drain("whatsapp", "routine", seconds=120)
        assert len(api.arrived) == 2_999
        assert undisturbed(app, "whatsapp")


async def test_one_chat_unauthorised_among_three_thousand_is_that_chat(
    sqlite_url: str, tmp_path: Path
) -> None:
    api = BotApi()
    api.script(int(chat(ONE)), 401, "Unauthorized")
    async with telegram_city(sqlite_url, tmp_path, api, map(chat, range(3_000))) as app:
        await publish(app, notice())
        await deliverer(app).drain("telegram", "routine", seconds=120)
        assert api.counts["accepted"] == 2_999
        assert undisturbed(app, "telegram")


# --- all of N -------------------------------------------------------------------------------------

TWELVE = [mailbox(n, f"domain{n}.example") for n in range(12)]
SENDERS = [
    "554 5.7.1 Blocked",
    "550 5.7.26 Authentication checks failed",
    "530 5.7.0 Sign in",
    "550 5.1.8 Bad sender",
]


@pytest.mark.parametrize("lane", ["routine", "emergency"])
@pytest.mark.parametrize("reply", SENDERS)
async def test_twelve_domains_that_refuse_the_sender_halt_the_channel(
    database_url: str, tmp_path: Path, reply: str, lane: str
) -> None:
    server = picky({address: ScriptedAnswer(reply=reply) for address in TWELVE})
    async with email_city(database_url, tmp_path, server, TWELVE) as app:
        await publish(app, emergency() if lane == "emergency" else notice())
        await drain_until_quiet(deliverer(app), "email", lane)
        status = state(app, "email")
        assert (status.halted, status.suspected) == ("manual", True)
        assert reply[:9] in status.detail
        assert server.transcript.tried.total() <= 12
        assert states(app) == {"pending": 12}


async def test_twelve_mailboxes_of_one_domain_halt_the_channel_where_nobody_else_is_left(
    database_url: str, tmp_path: Path
) -> None:
    people = [mailbox(n) for n in range(12)]
    server = picky({address: ScriptedAnswer(reply="554 5.7.1 Blocked") for address in people})
    async with email_city(database_url, tmp_path, server, people) as app:
        await publish(app, notice())
        await drain_until_quiet(deliverer(app))
        assert state(app, "email").halted == "manual"


@pytest.mark.parametrize("code", [190, 131031, 130497, 131005, 368, 131042, 33, 133010])
@pytest.mark.parametrize("lane", ["routine", "emergency"])
async def test_twelve_people_refused_alike_by_whatsapp_halt_it(
    sqlite_url: str, tmp_path: Path, code: int, lane: str
) -> None:
    people = [phone(n) for n in range(12)]
    api = graph(errors=dict.fromkeys(people, (code, 400)))
    async with whatsapp_city(sqlite_url, tmp_path, api, people) as app:
        await publish(app, emergency() if lane == "emergency" else notice())
        await drain_until_quiet(deliverer(app), "whatsapp", lane)
        status = state(app, "whatsapp")
        assert status.halted == "manual"
        assert str(code) in status.detail
        assert api.tried <= 12
        assert states(app) == {"pending": 12}


async def test_twelve_people_whom_whatsapp_calls_spammed_pause_routine_work(
    sqlite_url: str, tmp_path: Path
) -> None:
    people = [phone(n) for n in range(12)]
    api = graph(errors=dict.fromkeys(people, (131048, 400)))
    async with whatsapp_city(sqlite_url, tmp_path, api, people) as app:
        await publish(app, notice())
        await drain_until_quiet(deliverer(app), "whatsapp")
        assert app.database.read_now(channels.closed_for, "whatsapp", "routine") > 3_500
        assert app.database.read_now(channels.closed_for, "whatsapp", "emergency") == 0


@pytest.mark.parametrize("status", [401, 404])
async def test_twelve_chats_refused_alike_by_telegram_halt_it(
    sqlite_url: str, tmp_path: Path, status: int
) -> None:
    api, people = BotApi(), [chat(n) for n in range(12)]
    for person in people:
        api.script(int(person), status, "Unauthorized" if status == 401 else "Not Found")
    async with telegram_city(sqlite_url, tmp_path, api, people) as app:
        await publish(app, notice())
        await drain_until_quiet(deliverer(app), "telegram")
        assert state(app, "telegram").halted == "manual"
        assert api.counts["requests"] <= 12


async def test_three_chats_told_to_slow_down_pause_the_whole_bot(
    sqlite_url: str, tmp_path: Path
) -> None:
    api, people = BotApi(), [chat(n) for n in range(6)]
    for person in people:
        api.script(int(person), 429, "Too Many Requests: retry after 35", retry_after=35)
    async with telegram_city(sqlite_url, tmp_path, api, people) as app:
        await publish(app, notice())
        await deliverer(app).drain("telegram", "routine", seconds=30)
        assert app.database.read_now(channels.closed_for, "telegram", "emergency") > 25
        assert all(row.spent == 0 for row in rows(app))


async def test_two_workers_together_see_what_neither_sees_enough_of(
    database_url: str, tmp_path: Path
) -> None:
    server = picky({address: ScriptedAnswer(reply="554 5.7.1 Blocked") for address in TWELVE})
    async with email_city(database_url, tmp_path, server, []) as app:
        await subscribe(app, "email", [(address, "cibabat") for address in TWELVE[:6]])
        await subscribe(app, "email", [(address, "setiamanah") for address in TWELVE[6:]])
        workers = [deliverer(app), deliverer(app)]
        for worker, place in zip(workers, ("cibabat", "setiamanah"), strict=True):
            await publish(app, emergency(areas=[place]))
            await worker.drain("email", "emergency", seconds=5)
        assert state(app, "email").halted == "manual"
        assert server.transcript.tried.total() <= 12


# --- the others do not wait -----------------------------------------------------------------------


async def test_three_addresses_of_a_domain_hold_it_for_routine_work_and_two_do_not(
    database_url: str, tmp_path: Path
) -> None:
    two, three = "dua.example", "tiga.example"
    bad = [mailbox(1, two), mailbox(2, two), *(mailbox(n, three) for n in (1, 2, 3))]
    server = picky({address: ScriptedAnswer(reply="554 5.7.1 Blocked") for address in bad})
    async with email_city(
        database_url, tmp_path, server, [*bad, *map(mailbox, range(40))], EMAIL_CONNECTIONS="1"
    ) as app:
        await publish(app, notice())
        await drain_until_quiet(deliverer(app))
        assert held(app) == [three]
        assert not state(app, "email").halted
        assert len(server.transcript.arrived) == 40


async def test_a_success_between_keeps_a_domain_free(sqlite_url: str, tmp_path: Path) -> None:
    people = list(map(mailbox, range(60)))
    server = picky()
    async with email_city(sqlite_url, tmp_path, server, people, EMAIL_CONNECTIONS="1") as app:
        order = in_slot_order(app, "email")
        server.script.recipients = {
            address: ScriptedAnswer(reply="554 5.7.1 Blocked") for address in order[::2]
        }
        await publish(app, notice())
        await drain_until_quiet(deliverer(app))
        assert len(server.transcript.arrived) == 30
        assert undisturbed(app, "email")


async def test_an_emergency_goes_out_although_routine_work_halted_the_channel_and_opens_it_again(
    sqlite_url: str, tmp_path: Path
) -> None:
    server = picky({address: ScriptedAnswer(reply="554 5.7.1 Blocked") for address in TWELVE})
    async with email_city(sqlite_url, tmp_path, server, TWELVE) as app:
        await publish(app, notice())
        await drain_until_quiet(deliverer(app))
        assert state(app, "email").halted == "manual"
        await subscribe(app, "email", [(mailbox(n), "setiamanah") for n in range(20)])
        await publish(app, emergency(areas=["setiamanah"]))
        await drain_until_quiet(deliverer(app), "email", "emergency")
        assert len(server.transcript.arrived) == 20
        assert not state(app, "email").halted


async def test_what_the_server_says_of_us_before_any_recipient_halts_at_once_for_emergencies_too(
    sqlite_url: str, tmp_path: Path
) -> None:
    script = stepwise({"MAIL": "550 5.7.1 Sender rejected"})
    async with script.running() as url:
        settings = variables(
            sqlite_url,
            tmp_path,
            EMAIL_URL=url,
            EMAIL_FROM="info@info.cimahi.example",
            EMAIL_CONNECTIONS="1",
        )
        async with program(settings) as app:
            await subscribe(app, "email", [(mailbox(n), "cibabat") for n in range(12)])
            await publish(app, emergency())
            await drain_until_quiet(deliverer(app), "email", "emergency")
            assert (state(app, "email").halted, state(app, "email").suspected) == ("manual", False)
            assert (
                len(
                    [
                        command
                        for command in script.transcript.commands
                        if command.startswith("MAIL")
                    ]
                )
                == 1
            )
            assert app.database.read_now(channels.closed_for, "email", "emergency") > 0


REFUSALS = [
    "554 5.7.1 Blocked",
    "550 mailbox unavailable",
    "450 4.2.0 Greylisted",
    "530 5.7.0 Sign in",
    "421 4.7.0 Later",
]


@pytest.mark.parametrize("reply", REFUSALS)
async def test_a_third_of_bad_recipients_first_in_the_order_keep_no_emergency_from_the_good(
    sqlite_url: str, tmp_path: Path, reply: str
) -> None:
    server = picky()
    async with email_city(sqlite_url, tmp_path, server, map(mailbox, range(600))) as app:
        order = in_slot_order(app, "email")
        server.script.recipients = {address: ScriptedAnswer(reply=reply) for address in order[:180]}
        await publish(app, emergency())
        await drain_until_quiet(deliverer(app), "email", "emergency")
        assert len(server.transcript.arrived) == 420
        assert not state(app, "email").halted


async def test_messages_that_a_third_reject_go_on_to_the_others_in_an_emergency(
    sqlite_url: str, tmp_path: Path
) -> None:
    api = graph()
    async with whatsapp_city(sqlite_url, tmp_path, api, map(phone, range(300))) as app:
        api.errors = dict.fromkeys(in_slot_order(app, "whatsapp")[:90], (132001, 400))
        await publish(app, emergency())
        await deliverer(app).drain("whatsapp", "emergency", seconds=60)
        assert len(api.arrived) == 210
        assert undisturbed(app, "whatsapp")


async def test_an_emergency_that_everybody_rejects_stops_once_all_were_tried_and_burns_few(
    sqlite_url: str, tmp_path: Path
) -> None:
    people = [phone(n) for n in range(40)]
    api = graph(errors=dict.fromkeys(people, (132001, 400)))
    async with whatsapp_city(sqlite_url, tmp_path, api, people) as app:
        await publish(app, emergency())
        await deliverer(app).drain("whatsapp", "emergency", seconds=60)
        assert [run.stopped_by for run in stopped(app)] == ["132001 Something"]
        assert states(app) == {"failed": 2, "pending": 38}


async def test_trying_the_same_bad_recipients_again_halts_nothing(
    database_url: str, tmp_path: Path
) -> None:
    server = picky({address: ScriptedAnswer(reply="554 5.7.1 Blocked") for address in TWELVE})
    async with email_city(
        database_url, tmp_path, server, [*TWELVE, *map(mailbox, range(60))], EMAIL_CONNECTIONS="1"
    ) as app:
        await publish(app, notice())
        await drain_until_quiet(deliverer(app))
        for _hour in range(3):
            everything_due(app)
            await drain_until_quiet(deliverer(app))
        assert server.transcript.tried.total() == 60 + 4 * 12
        assert undisturbed(app, "email")


async def test_what_waited_for_a_halted_channel_is_due_once_an_operator_resumes_it(
    database_url: str, tmp_path: Path
) -> None:
    server = picky({address: ScriptedAnswer(reply="554 5.7.1 Blocked") for address in TWELVE})
    async with email_city(database_url, tmp_path, server, TWELVE) as app:
        await publish(app, notice())
        await drain_until_quiet(deliverer(app))
        assert states(app) == {"pending": 12}
        server.script.recipients = {}
        await channel_controls.resume_channel(
            app, "email", actor=NamedActor(name="test", now=app.clock())
        )
        await drain_until_quiet(deliverer(app))
        assert len(server.transcript.arrived) == 12


async def test_one_slow_answer_holds_up_nobody(sqlite_url: str, tmp_path: Path) -> None:
    api = graph()
    async with whatsapp_city(sqlite_url, tmp_path, api, map(phone, range(130))) as app:
        slow = in_slot_order(app, "whatsapp")[0]
        gate = api.hold(slow)
        await publish(app, emergency())
        draining = asyncio.create_task(deliverer(app).drain("whatsapp", "emergency", seconds=60))
        await until(lambda: len(api.arrived) == 129, seconds=60, what="all others")
        assert states(app)["sending"] >= 1  # the slow one has not timed out yet
        gate.set()
        await draining


async def test_while_slow_answers_are_awaited_the_next_emergency_begins(
    sqlite_url: str, tmp_path: Path
) -> None:
    api = graph()
    async with whatsapp_city(sqlite_url, tmp_path, api, map(phone, range(3))) as app:
        gates = [api.hold(phone(n)) for n in range(3)]
        worker = deliverer(app)
        await publish(app, emergency())
        first = asyncio.create_task(worker.drain("whatsapp", "emergency", seconds=60))
        await until(
            lambda: not worker.works_on("whatsapp", "emergency") and api.held == 3,
            what="only slow answers left",
        )
        await subscribe(app, "whatsapp", [(phone(n), "setiamanah") for n in range(10, 20)])
        await publish(app, emergency(areas=["setiamanah"]))
        await worker.drain("whatsapp", "emergency", seconds=60)
        assert len(api.arrived) == 10
        assert states(app) == {"sending": 3, "sent": 10}
        for gate in gates:
            gate.set()
        await first


async def test_nine_mailboxes_that_answer_slowly_hold_up_no_other_mail(
    sqlite_url: str, tmp_path: Path
) -> None:
    gate, server = asyncio.Event(), picky()
    async with email_city(
        sqlite_url, tmp_path, server, map(mailbox, range(300)), EMAIL_CONNECTIONS="10"
    ) as app:
        slow = in_slot_order(app, "email")[:9]
        server.script.recipients = {
            address: ScriptedAnswer(reply="550 mailbox unavailable", gate=gate) for address in slow
        }
        await publish(app, emergency())
        draining = asyncio.create_task(deliverer(app).drain("email", "emergency", seconds=60))
        await until(lambda: len(server.transcript.arrived) == 291, seconds=60, what="all others")
        assert states(app)["sending"] >= 9  # the slow ones have not timed out yet
        gate.set()
        await draining
        assert undisturbed(app, "email")


async def test_twenty_six_deferred_of_the_first_fifty_do_not_open_the_failure_breaker(
    sqlite_url: str, tmp_path: Path
) -> None:
    server = picky()
    async with email_city(
        sqlite_url, tmp_path, server, map(mailbox, range(200)), EMAIL_CONNECTIONS="1"
    ) as app:
        order = in_slot_order(app, "email")
        bad = [*order[:25], order[49]]
        server.script.recipients = {
            address: ScriptedAnswer(reply="450 4.2.0 Greylisted") for address in bad
        }
        await publish(app, notice())
        await drain_until_quiet(deliverer(app))
        assert len(server.transcript.arrived) == 174
        assert undisturbed(app, "email")


async def test_fifty_deferred_and_nobody_reached_open_the_failure_breaker(
    sqlite_url: str, tmp_path: Path
) -> None:
    people = list(map(mailbox, range(80)))
    server = picky({person: ScriptedAnswer(reply="451 4.3.0 Local error") for person in people})
    async with email_city(sqlite_url, tmp_path, server, people) as app:
        await publish(app, notice())
        await drain_until_quiet(deliverer(app))
        assert (state(app, "email").halted, state(app, "email").suspected) == ("probe", True)
        assert app.database.read_now(channels.closed_for, "email", "emergency") == 0


async def test_one_421_slows_nobody_and_three_hold_their_domain(
    sqlite_url: str, tmp_path: Path
) -> None:
    bad = [mailbox(n, "sibuk.example") for n in range(4)]
    server = picky({bad[0]: ScriptedAnswer(reply="421 4.7.0 Too many messages")})
    async with email_city(
        sqlite_url, tmp_path, server, [*bad, *map(mailbox, range(30))], EMAIL_CONNECTIONS="1"
    ) as app:
        await publish(app, notice())
        await drain_until_quiet(deliverer(app))
        assert undisturbed(app, "email")
        server.script.recipients = {
            address: ScriptedAnswer(reply="421 4.7.0 Too many messages") for address in bad
        }
        await publish(app, notice())
        await drain_until_quiet(deliverer(app))
        assert held(app) == ["sibuk.example"]
        assert not state(app, "email").halted
        assert len(server.transcript.arrived) == 33
