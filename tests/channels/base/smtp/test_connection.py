"""SMTP: the table of replies row by row, and the step at which a connection stopped a message."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiosmtplib import SMTP

from broadcaster.simulation.smtp import SmtpStandIn
from broadcaster.simulation.smtp_script import Move, Play
from channels.base.contract import (
    Deferred,
    Halted,
    Message,
    Outcome,
    Outgoing,
    Receipt,
    Refused,
    Rejected,
    Skipped,
)
from channels.base.smtp.batches import Batch
from channels.base.smtp.connection import Connection, NoConnection, Server
from channels.base.smtp.envelope import Envelope
from channels.base.smtp.pool import REST, Pool
from channels.base.smtp.replies import PERMANENT, Stage, failure_of
from support import samples
from support.mail_servers import stepwise

SIX_HOURS = 6 * 3600.0
MAIL = Envelope(
    "bounce@info.cimahi.example",
    "siti@contoh.example",
    b"Subject: uji\r\n\r\nIsi\r\n",
    "1.1.k@info.cimahi.example",
)
DEAD = Refused(reason="address_dead")
POLICY = Deferred(retry_after=3600.0, throttle=True, scope="domain", alarm=True, about="recipient")
STRIKES = Deferred(strikes=3, about="recipient")
FULL = Deferred(retry_after=SIX_HOURS, strikes=5, about="recipient")
OURS = Halted(about="either")
LATER = Deferred(about="recipient")
BUSY = Deferred(throttle=True, scope="domain", about="recipient")


class Clock:
    """Clock that moves only when a test sets it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def connection_factory(
    url: str, *, patience: float = 5.0, clock: Callable[[], float] | None = None
) -> Callable[[], Connection]:
    """Return a factory of connections to the server at `url`."""
    server = Server.of(url)

    def client() -> SMTP:
        return SMTP(
            hostname=server.host,
            port=server.port,
            start_tls=server.starttls,
            timeout=patience,
            local_hostname="uji.example",
        )

    return lambda: Connection(client, timeout=patience, clock=clock or Clock())


@asynccontextmanager
async def connected(
    server: SmtpStandIn, *, patience: float = 5.0, clock: Clock | None = None
) -> AsyncIterator[Connection]:
    """Yield a connection to the scripted server, not yet open."""
    async with server.running() as url:
        connection = connection_factory(url, patience=patience, clock=clock)()
        yield connection
        connection.close()


async def outcome(step: str, reply: Play, mail: Envelope = MAIL, patience: float = 5.0) -> Outcome:
    """Return the outcome of one message at a server that misbehaves at one step."""
    async with connected(stepwise({step: reply}), patience=patience) as connection:
        result = await connection.deliver(mail)
        assert result is not None
        return result


async def deliver(pool: Pool, mail: Envelope = MAIL) -> Outcome:
    """Send one message alone through a pool and return its outcome."""
    outgoing = Outgoing(
        recipient=samples.recipient(mail.to),
        message=Message(edition=samples.notice(), lang="id", frame=None),
        payload=mail,
    )
    batch = Batch([outgoing], may_write=lambda: True)
    (result,) = [result async for result in pool.send(batch)]
    return result.outcome


# --- the table ------------------------------------------------------------------------------------

ROWS: list[tuple[str, str, Outcome]] = [
    ("RCPT", "550 5.1.1 User unknown", DEAD),
    ("RCPT", "550 5.1.2 Bad destination system", DEAD),
    ("RCPT", "553 5.1.3 Bad syntax", DEAD),
    ("RCPT", "551 5.1.6 Mailbox has moved", DEAD),
    ("RCPT", "556 5.1.10 Null MX", DEAD),
    ("RCPT", "550 5.2.1 Mailbox disabled", DEAD),
    ("content", "550 5.1.1 User unknown", DEAD),
    ("RCPT", "550 Requested action not taken: user unknown", DEAD),
    ("RCPT", "550 sorry, no mailbox here by that name (#5.1.1)", DEAD),
    ("RCPT", "550-5.1.1 The account does not exist\r\n550 5.1.1 see elsewhere", DEAD),
    ("RCPT", "550 5.4.4 Unable to route", STRIKES),
    ("RCPT", "550 Requested action not taken: mailbox unavailable", STRIKES),
    ("RCPT", "551 User not local", STRIKES),
    ("RCPT", "553 Mailbox name not allowed", STRIKES),
    ("RCPT", "550 5.4.1 Recipient address rejected: Access denied", STRIKES),
    ("RCPT", "552 5.2.2 Mailbox full", FULL),
    ("RCPT", "452 4.2.2 Mailbox full", FULL),
    ("RCPT", "552 Quota exceeded", FULL),
    ("content", "552 5.2.2 Mailbox full", FULL),
    ("content", "552 5.2.3 Message too long for the mailbox", Rejected()),
    ("content", "552 5.3.4 Message too big for the system", Rejected()),
    ("content", "554 5.6.0 Bad media", Rejected()),
    ("content", "554 Transaction failed", Rejected()),
    ("DATA", "554 No", Rejected()),
    ("RCPT", "553 5.6.7 Non-ASCII addresses not permitted", Skipped()),
    ("RCPT", "550 5.7.0 Policy", POLICY),
    ("RCPT", "550 5.7.1 Blocked", POLICY),
    (
        "content",
        "550 5.7.515 Access denied, sending domain does not meet the required level",
        POLICY,
    ),
    ("content", "554 5.7.1 Spam", POLICY),
    ("RCPT", "535 5.7.8 Authentication credentials invalid", OURS),
    ("MAIL", "534 5.7.9 Authentication mechanism is too weak", Halted()),
    ("content", "550 5.7.20 No passing DKIM signature found", OURS),
    ("content", "550 5.7.26 Multiple authentication checks failed", OURS),
    ("content", "550 5.7.27 Sender address has null MX", OURS),
    ("MAIL", "530 5.7.0 Authentication required", Halted()),
    ("RCPT", "530 Authentication required", OURS),
    ("RCPT", "550 5.1.7 Bad sender's mailbox address syntax", OURS),
    ("RCPT", "550 5.1.8 Bad sender's system address", OURS),
    ("RCPT", "503 5.5.1 Bad sequence of commands", OURS),
    ("RCPT", "550 5.5.0 Requested action not taken: mailbox unavailable", STRIKES),
    ("RCPT", "550 5.5.1 Invalid mailbox", STRIKES),
    ("RCPT", "501 5.5.4 Invalid address", STRIKES),
    ("RCPT", "550 5.5.0 User unknown", DEAD),
    ("RCPT", "550 5.7.133 Sender not authenticated for the group", POLICY),
    ("RCPT", "554 5.7.1 Relay access denied", POLICY),
    ("DATA", "554 5.5.1 No valid recipients", OURS),
    ("MAIL", "550 5.1.7 Bad sender's mailbox address syntax", Halted()),
    ("MAIL", "550 5.1.8 Bad sender's system address", Halted()),
    ("MAIL", "501 5.5.4 Syntax error", Halted()),
    ("MAIL", "550 Sender rejected", Halted()),
    ("MAIL", "553 5.7.1 Sender address rejected: not owned by user", Halted()),
    ("RCPT", "450 4.2.0 Greylisted", LATER),
    ("RCPT", "450 5.1.1 the first digit decides", LATER),
    ("MAIL", "451 4.3.0 Local error", Deferred()),
    ("DATA", "451 4.3.0 Local error", LATER),
    ("content", "451 4.3.0 Local error", LATER),
    ("RCPT", "421 4.7.0 Too many messages", BUSY),
    ("content", "421 4.3.2 Shutting down", BUSY),
    ("MAIL", "421 4.3.2 Shutting down", Deferred(throttle=True)),
]


@pytest.mark.parametrize(
    ("step", "reply", "expected"), ROWS, ids=[f"{step} {reply[:40]}" for step, reply, _ in ROWS]
)
async def test_a_reply_means_what_the_table_says(step: str, reply: Play, expected: Outcome) -> None:
    actual = await outcome(step, reply)
    assert type(actual) is type(expected)
    assert actual.code.startswith(reply[:3])  # type: ignore[union-attr]
    for field in (
        "reason",
        "retry_after",
        "throttle",
        "scope",
        "strikes",
        "uncertain",
        "alarm",
        "whole_edition",
        "resume",
        "about",
    ):
        assert getattr(actual, field, None) == getattr(expected, field, None)


EARLY: list[tuple[str, str, Outcome]] = [
    ("greeting", "554 No service", Halted()),
    ("greeting", "421 Too many connections", Deferred(throttle=True)),
    ("greeting", Move.DROP, Deferred(throttle=True)),
    ("EHLO", "550 Go away", Halted()),
    ("EHLO", "451 Not now", Deferred(throttle=True)),
    ("EHLO", Move.DROP, Deferred(throttle=True)),
]


@pytest.mark.parametrize(("step", "reply", "expected"), EARLY)
async def test_what_happens_before_the_first_message_stops_the_channel_not_the_message(
    step: str, reply: Play, expected: Outcome
) -> None:
    with pytest.raises(NoConnection) as error:
        await outcome(step, reply)
    assert type(error.value.failure) is type(expected)
    assert getattr(error.value.failure, "throttle", None) == getattr(expected, "throttle", None)


async def test_a_server_that_is_not_there_throttles_the_channel() -> None:
    async with stepwise({}).running() as url:
        connection = connection_factory(url)()
    with pytest.raises(NoConnection) as error:
        await connection.deliver(MAIL)
    assert error.value.failure == Deferred(
        throttle=True, code="unreachable", detail="ConnectionRefusedError"
    )


async def test_a_server_that_never_greets_throttles_the_channel() -> None:
    with pytest.raises(NoConnection) as error:
        await outcome("greeting", Move.SILENCE, patience=0.5)
    assert error.value.failure == Deferred(throttle=True, code="unreachable", detail="timeout")


async def test_a_server_without_the_starttls_we_demand_halts_the_channel() -> None:
    async with stepwise({}).running() as url:
        connection = Connection(
            lambda: SMTP(hostname="127.0.0.1", port=Server.of(url).port, start_tls=True), timeout=5
        )
        with pytest.raises(NoConnection) as error:
            await connection.ready()
    assert isinstance(error.value.failure, Halted)


async def test_a_wrong_password_halts_and_a_busy_sign_in_defers() -> None:
    for reply, expected in (
        ("535 5.7.8 No", Halted),
        ("454 4.7.0 Temporary authentication failure", Deferred),
    ):
        ehlo = "250-scripted.example\r\n250 AUTH PLAIN"
        async with stepwise({"EHLO": ehlo, "AUTH": reply}).running() as url:
            port = Server.of(url).port
            connection = Connection(
                lambda port=port: SMTP(
                    hostname="127.0.0.1", port=port, start_tls=False, username="u", password="p"
                ),  # type: ignore[misc]
                timeout=5,
            )
            with pytest.raises(NoConnection) as error:
                await connection.ready()
        assert isinstance(error.value.failure, expected)


def test_a_sign_in_without_a_method_we_know_is_ours_to_mend() -> None:
    assert isinstance(failure_of("connect", 504, "5.5.4 Unrecognized authentication type"), Halted)


@pytest.mark.parametrize("stage", ["connect", "mail", "rcpt", "data", "content"])
def test_every_permanent_reply_has_a_row(stage: Stage) -> None:
    for code in range(500, 600):
        assert any(rule.fits(stage, code, "", "") for rule in PERMANENT)


@pytest.mark.parametrize("code", [399, 250, 354, 220, 600, -1])
def test_a_reply_out_of_turn_is_uncertain_only_after_the_content(code: int) -> None:
    strange = Deferred(code=str(code), detail="unexpected reply", about="recipient")
    assert failure_of("content", code, "x") == replace(strange, uncertain=True)
    assert failure_of("rcpt", code, "x") == strange


def test_no_failure_that_suppresses_comes_before_a_recipient_was_named() -> None:
    for enhanced in ("5.1.1", "5.1.2", "5.2.1", "5.1.10"):
        assert isinstance(failure_of("connect", 550, f"{enhanced} user unknown"), Halted)
        assert isinstance(failure_of("mail", 550, f"{enhanced} user unknown"), Halted)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("5.1.1 <siti@contoh.example>: Recipient address rejected", "550 5.1.1"),
        ("host mx.contoh.example[192.5.1.1] said: no", "550"),
        ("version 3.5.1.1 refuses", "550"),
        ("#5.7.1 no", "550 5.7.1"),
        ("no", "550"),
    ],
)
def test_the_enhanced_code_is_found_wherever_it_stands_and_no_address_is_kept(
    text: str, code: str
) -> None:
    failure = failure_of("rcpt", 550, text, "contoh.example")
    assert failure.code == code
    assert "siti" not in failure.detail


def test_a_rejected_message_names_the_domain_and_others_do_not() -> None:
    assert failure_of("content", 554, "no", "contoh.example") == Rejected(
        code="554", detail="no", domain="contoh.example"
    )


def test_a_long_reply_is_kept_short_on_one_line() -> None:
    failure = failure_of("rcpt", 451, "baris\nsatu " * 200)
    assert len(failure.detail) <= 200
    assert "\n" not in failure.detail


# --- one connection -------------------------------------------------------------------------------


async def test_a_message_arrives_as_it_was_given() -> None:
    server = stepwise({"content": "250 2.0.0 ok queued as 4711"})
    async with connected(server) as connection:
        assert await connection.deliver(MAIL) == Receipt(
            provider_id=MAIL.message_id, detail="2.0.0 ok queued as 4711"
        )
    assert server.transcript.taken == [(MAIL.to, MAIL.data)]
    assert server.transcript.commands == [
        "EHLO uji.example",
        "MAIL FROM:<bounce@info.cimahi.example>",
        "RCPT TO:<siti@contoh.example>",
        "DATA",
    ]


async def test_one_connection_carries_many_messages() -> None:
    server = stepwise({})
    async with connected(server) as connection:
        for _ in range(5):
            assert isinstance(await connection.deliver(MAIL), Receipt)
    assert server.counts["connections"] == 1
    assert len(server.transcript.taken) == 5


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("fault", [Move.DROP, Move.SILENCE])
async def test_what_breaks_before_the_content_is_certain(step: str, fault: Move) -> None:
    failure = await outcome(step, fault, patience=1.0)
    assert isinstance(failure, Deferred)
    assert failure.about == ("sender" if step == "MAIL" else "recipient")
    assert not failure.uncertain
    assert not failure.throttle


@pytest.mark.parametrize("fault", [Move.DROP, Move.SILENCE])
async def test_what_breaks_after_the_content_is_uncertain(fault: Move) -> None:
    failure = await outcome("content", fault, patience=1.0)
    assert isinstance(failure, Deferred)
    assert failure.uncertain


async def test_gibberish_instead_of_a_reply_closes_the_connection() -> None:
    server = stepwise({"RCPT": ["was nun"]})
    async with connected(server) as connection:
        assert await connection.deliver(MAIL) == Deferred(
            code="disconnected", detail="SMTPResponseException", about="recipient"
        )
        assert not connection.alive
        assert isinstance(await connection.deliver(MAIL), Receipt)
    assert server.counts["connections"] == 2


async def test_after_a_refused_recipient_the_same_connection_goes_on() -> None:
    server = stepwise({"RCPT": ["550 5.1.1 No"]})
    async with connected(server) as connection:
        assert isinstance(await connection.deliver(MAIL), Refused)
        assert isinstance(await connection.deliver(MAIL), Receipt)
    assert server.counts["connections"] == 1
    assert "RSET" in server.transcript.commands


async def test_a_connection_that_cannot_be_reset_is_dropped() -> None:
    for fault in (Move.DROP, "500 5.5.2 what"):
        server = stepwise({"RCPT": ["550 5.1.1 No"], "RSET": fault})
        async with connected(server) as connection:
            assert isinstance(await connection.deliver(MAIL), Refused)
            assert isinstance(await connection.deliver(MAIL), Receipt)
        assert server.counts["connections"] == 2


async def test_a_kept_connection_that_went_is_opened_anew_for_the_same_message() -> None:
    server = stepwise({"MAIL": ["250 ok", "421 4.4.2 idle for too long"]})
    async with connected(server) as connection:
        assert isinstance(await connection.deliver(MAIL), Receipt)
        assert isinstance(await connection.deliver(MAIL), Receipt)
    assert server.counts["connections"] == 2
    assert len(server.transcript.taken) == 2


async def test_a_connection_cut_between_two_messages_costs_no_message() -> None:
    server = stepwise({})
    async with connected(server) as connection:
        assert isinstance(await connection.deliver(MAIL), Receipt)
        server.hang_up()
        assert isinstance(await connection.deliver(MAIL), Receipt)
    assert server.counts["connections"] == 2


async def test_a_rested_connection_is_asked_first_and_replaced_when_it_does_not_answer() -> None:
    clock = Clock()
    server = stepwise({"NOOP": ["250 ok", "421 bye"]})
    async with connected(server, clock=clock) as connection:
        for connections in (1, 1, 2):
            assert isinstance(await connection.deliver(MAIL), Receipt)
            assert server.counts["connections"] == connections
            clock.now += 31
    assert server.transcript.commands.count("NOOP") == 2


async def test_a_new_connection_that_breaks_is_not_tried_forever() -> None:
    server = stepwise({"MAIL": Move.DROP})
    async with connected(server) as connection:
        assert await connection.deliver(MAIL) == Deferred(
            code="disconnected", detail="SMTPServerDisconnected"
        )
    assert server.counts["connections"] == 1


async def test_a_cancelled_message_leaves_no_half_open_dialogue() -> None:
    server = stepwise({"content": [Move.SILENCE]})
    async with connected(server) as connection:
        sending = asyncio.create_task(connection.deliver(MAIL))
        await server.transcript.got_mail.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert not connection.alive
        assert isinstance(await connection.deliver(MAIL), Receipt)


async def test_an_address_beyond_ascii_needs_smtputf8() -> None:
    mail = MAIL._replace(to="sité@contoh.example")
    server = stepwise({})
    async with connected(server) as connection:
        assert isinstance(await connection.deliver(mail), Receipt)
    assert "MAIL FROM:<bounce@info.cimahi.example> SMTPUTF8" in server.transcript.commands
    assert isinstance(await outcome("EHLO", "250 scripted.example", mail), Skipped)


async def test_quitting_sends_quit_and_never_fails() -> None:
    server = stepwise({})
    async with connected(server) as connection:
        await connection.quit()
        await connection.deliver(MAIL)
        await connection.quit()
        assert server.transcript.commands[-1] == "QUIT"
    async with connected(stepwise({"QUIT": Move.DROP})) as connection:
        await connection.deliver(MAIL)
        await connection.quit()
        assert not connection.alive


# --- the pool -------------------------------------------------------------------------------------


async def test_a_server_that_takes_fewer_connections_gets_fewer() -> None:
    server = stepwise({"greeting": ["220 ok", "421 too many", "421 too many"]})
    async with server.running() as url:
        pool = Pool(connection_factory(url), size=3, clock=Clock())
        outcomes = await asyncio.gather(*(deliver(pool) for _ in range(12)))
        await pool.aclose()
    assert all(isinstance(each, Receipt) for each in outcomes)
    assert REST > 1


async def test_while_nothing_can_be_reached_messages_come_back_at_once() -> None:
    clock = Clock()
    server = stepwise({"greeting": "421 closed"})
    async with server.running() as url:
        pool = Pool(connection_factory(url), size=2, clock=clock)
        for _ in range(20):
            assert isinstance(await deliver(pool), Deferred)
        assert server.counts["connections"] == 1
        clock.now += 2
        await deliver(pool)
        assert server.counts["connections"] == 2
        server.script.steps.clear()
        clock.now += 2
        assert isinstance(await deliver(pool), Receipt)
        await pool.aclose()


async def test_after_five_minutes_without_a_server_the_channel_halts_until_a_probe_succeeds() -> (
    None
):
    clock = Clock()
    server = stepwise({"greeting": "421 closed"})
    async with server.running() as url:
        pool = Pool(connection_factory(url), size=1, clock=clock)
        assert isinstance(await deliver(pool), Deferred)
        clock.now += 299
        assert isinstance(await deliver(pool), Deferred)
        clock.now += 2
        halted = await deliver(pool)
        assert isinstance(halted, Halted)
        assert halted.resume == "probe"
        assert isinstance(await pool.probe(), Deferred)
        server.script.steps.clear()
        assert await pool.probe() is None
        assert isinstance(await deliver(pool), Receipt)
        await pool.aclose()


# --- the URL --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "port", "tls", "starttls"),
    [
        ("smtp://mail.contoh.example", 25, False, None),
        ("smtp://u:p@mail.contoh.example", 587, False, True),
        ("smtp://u:p@mail.contoh.example:2525?starttls=false", 2525, False, False),
        ("smtp://mail.contoh.example?starttls=true", 587, False, True),
        ("smtps://u:p@mail.contoh.example", 465, True, False),
        ("smtp://127.0.0.1:1025", 1025, False, False),
        ("smtp://localhost", 25, False, False),
    ],
)
def test_a_url_gives_the_port_and_the_encryption(
    url: str, port: int, tls: bool, starttls: bool | None
) -> None:
    server = Server.of(url)
    assert (server.port, server.tls, server.starttls) == (port, tls, starttls)


def test_user_and_password_are_percent_decoded_and_not_shown() -> None:
    server = Server.of("smtp://info%40contoh.example:s%3Aandi%2F@mail.contoh.example")
    assert (server.user, server.password) == ("info@contoh.example", "s:andi/")
    assert "andi" not in repr(server)


@pytest.mark.parametrize(
    "url",
    [
        "mail.contoh.example:25",
        "http://mail.contoh.example",
        "smtp://",
        "smtp://h:abc",
        "smtp://h:70000",
    ],
)
def test_a_malformed_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Server.of(url)
