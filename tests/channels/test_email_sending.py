"""Email: sending over real sockets to a stand-in server that misbehaves on request."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import aiosmtpd.smtp
import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from broadcaster.simulation.faults import Faults
from broadcaster.simulation.ports import free_port
from broadcaster.simulation.smtp import SmtpStandIn
from broadcaster.simulation.smtp_script import Move, Play, ScriptedAnswer, SmtpScript
from channels.base.contract import Deferred, Halted, Outgoing, Receipt, Refused, Result
from channels.email import Email, Settings
from support import samples
from support.mail_servers import picky, stepwise
from support.waiting import until


def channel(
    url: str = "", *, tls: ssl.SSLContext | None = None, connections: int = 4, timeout: float = 5
) -> Email:
    """Return the channel for the server at `url`."""
    settings = Settings(
        site=samples.site(),
        url=url,
        from_="info@info.cimahi.example",
        connections=connections,
        timeout=timeout,
    )
    return Email(settings, tls=tls)


def batch(mailer: Email, addresses: Sequence[str]) -> list[Outgoing]:
    """Return one message to each address."""
    message = mailer.render(samples.notice(), "id")
    return [
        mailer.personalise(
            message, samples.recipient(address, delivery=f"e1.email.{n}.1", address_key=f"k{n:07d}")
        )
        for n, address in enumerate(addresses)
    ]


async def send_all(mailer: Email, messages: Sequence[Outgoing]) -> list[Result]:
    """Return all results; the channel stays open."""
    return [result async for result in mailer.send(messages, may_write=lambda: True)]


def residents(count: int) -> list[str]:
    """Return `count` addresses in ten domains."""
    return [f"warga{n}@contoh{n % 10}.example" for n in range(count)]


async def test_every_resident_gets_one_message_over_few_connections_that_stay() -> None:
    server = SmtpStandIn(record=True)
    async with server.running() as url:
        mailer = channel(url)
        messages = batch(mailer, residents(200))
        results = [*await send_all(mailer, messages[:120]), *await send_all(mailer, messages[120:])]
        assert server.counts["connections"] == 4
        await mailer.aclose()
        assert not server.sessions
    assert sorted(to for to, _ in server.accepted) == sorted(residents(200))
    assert len({message_id for _, message_id in server.accepted}) == 200
    delivered = [
        result.outgoing.recipient.address
        for result in results
        if isinstance(result.outcome, Receipt)
    ]
    assert sorted(delivered) == sorted(residents(200))


@pytest.mark.parametrize("pipelining", [True, False])
async def test_what_the_server_took_is_what_the_outcomes_say_whatever_goes_wrong(
    pipelining: bool,
) -> None:
    faults = Faults(rate_429=0.05, rate_5xx=0.05, blocked=0.1, cut=0.05, greylist=0.2)
    server = SmtpStandIn(faults=faults, record=True, pipelining=pipelining)
    async with server.running() as url:
        mailer = channel(url)
        results = await send_all(mailer, batch(mailer, residents(400)))
        await mailer.aclose()
    assert len(results) == 400
    accepted = {to for to, _ in server.accepted}
    for result in results:
        outcome, address = result.outcome, result.outgoing.recipient.address
        if isinstance(outcome, Receipt):
            assert address in accepted
        elif isinstance(outcome, Deferred) and outcome.uncertain:
            assert server.counts["cut"]
        else:
            assert address not in accepted
        assert isinstance(outcome, Refused) == faults.blocks(address) or isinstance(
            outcome, Deferred
        )
    kinds = Counter(type(result.outcome).__name__ for result in results)
    assert kinds["Receipt"] > 200 and kinds["Refused"] > 20 and kinds["Deferred"] > 50


async def test_greylisted_addresses_take_the_second_attempt() -> None:
    server = SmtpStandIn(faults=Faults(greylist=1.0), record=True)
    async with server.running() as url:
        mailer = channel(url)
        messages = batch(mailer, residents(8))
        assert {type(result.outcome) for result in await send_all(mailer, messages)} == {Deferred}
        assert {type(result.outcome) for result in await send_all(mailer, messages)} == {Receipt}
        await mailer.aclose()


async def test_a_slow_server_slows_each_connection_not_the_whole() -> None:
    server = SmtpStandIn(faults=Faults(latency_ms=50))
    async with server.running() as url:
        mailer = channel(url, connections=20)
        loop = asyncio.get_running_loop()
        began = loop.time()
        await send_all(mailer, batch(mailer, residents(40)))
        assert loop.time() - began < 1.5
        await mailer.aclose()


@pytest.mark.parametrize("pipelining", [True, False])
async def test_nothing_more_is_written_once_writing_is_forbidden(pipelining: bool) -> None:
    server = SmtpStandIn(record=True, pipelining=pipelining)
    async with server.running() as url:
        mailer = channel(url)
        answers = iter([True] * 7)
        results = [
            r
            async for r in mailer.send(
                batch(mailer, residents(50)), may_write=lambda: next(answers, False)
            )
        ]
        await mailer.aclose()
    assert len(results) == len(server.accepted) == 7


async def test_an_address_that_smtp_cannot_carry_is_dead_and_reaches_no_server() -> None:
    server = SmtpStandIn(record=True)
    async with server.running() as url:
        mailer = channel(url)
        unsafe = [
            "a b@contoh.example",
            "a>@contoh.example\r\nRCPT TO:<b@contoh.example",
            "tanpa-at",
            "a@b@contoh.example",
            "",
        ]
        results = await send_all(mailer, batch(mailer, unsafe))
        await mailer.aclose()
    assert {type(result.outcome) for result in results} == {Refused}
    assert not server.accepted and not server.counts["connections"]


async def test_refusals_by_policy_are_each_recipients_own_until_delivery_weighs_them() -> None:
    script = stepwise({"RCPT": "550 5.7.1 Blocked"})
    async with script.running() as url:
        mailer = channel(url, connections=1)
        addresses = [
            "a@satu.example",
            "b@satu.example",
            "c@dua.example",
            "d@tiga.example",
            "e@empat.example",
        ]
        outcomes = [result.outcome for result in await send_all(mailer, batch(mailer, addresses))]
        await mailer.aclose()
    assert len(outcomes) == 5
    for outcome in outcomes:
        assert isinstance(outcome, Deferred)
        assert (outcome.about, outcome.scope, outcome.alarm) == ("recipient", "domain", True)


async def test_a_batch_ends_once_ten_recipients_in_a_row_are_told_that_our_sign_in_is_wrong() -> (
    None
):
    script = stepwise({"RCPT": "530 5.7.0 Authentication required"})
    async with script.running() as url:
        mailer = channel(url, connections=1)
        outcomes = [
            result.outcome for result in await send_all(mailer, batch(mailer, residents(40)))
        ]
        await mailer.aclose()
    assert 10 <= len(outcomes) < 20
    assert all(isinstance(outcome, Halted) and outcome.about == "either" for outcome in outcomes)


async def test_a_server_that_is_away_defers_all_and_a_later_batch_arrives() -> None:
    now = [0.0]
    server = SmtpStandIn(record=True)
    port = free_port()
    url = f"smtp://127.0.0.1:{port}"
    mailer = Email(
        Settings(site=samples.site(), url=url, from_="info@info.cimahi.example"),
        clock=lambda: now[0],
    )
    messages = batch(mailer, residents(30))
    outcomes = [result.outcome for result in await send_all(mailer, messages)]
    assert len(outcomes) == 30
    assert all(
        isinstance(outcome, Deferred) and outcome.throttle and not outcome.uncertain
        for outcome in outcomes
    )
    assert not await mailer.probe()
    now[0] += 60
    async with server.running(port):
        assert await mailer.probe()
        assert {type(result.outcome) for result in await send_all(mailer, messages)} == {Receipt}
        await mailer.aclose()


async def test_without_a_server_in_the_settings_sending_halts() -> None:
    mailer = channel("")
    (result,) = await send_all(mailer, batch(mailer, residents(1)))
    assert result.outcome == Halted(code="settings", detail="missing: EMAIL_URL")


async def test_the_right_password_opens_the_server_and_a_wrong_one_halts() -> None:
    server = SmtpStandIn(credentials=("info@cimahi.example", "s:andi/ rahasia"))
    async with server.running() as url:
        place = url.rpartition("@")[2]
        good = channel(f"smtp://info%40cimahi.example:s%3Aandi%2F%20rahasia@{place}")
        assert isinstance((await send_all(good, batch(good, residents(1))))[0].outcome, Receipt)
        await good.aclose()
        for bad_url, code in (
            (f"smtp://info%40cimahi.example:salah@{place}", "535 5.7.8"),
            (f"smtp://{place}", "530 5.7.0"),
        ):
            bad = channel(bad_url)
            outcome = (await send_all(bad, batch(bad, residents(1))))[0].outcome
            assert isinstance(outcome, Halted) and outcome.code == code
            await bad.aclose()


PASSWORD_ASKED = "250-scripted.example\r\n250-PIPELINING\r\n250 AUTH PLAIN"


def clocked(url: str, now: list[float], connections: int = 10) -> Email:
    """Return the channel on a clock that tests advance, signing in with a password."""
    settings = Settings(
        site=samples.site(),
        url=url,
        from_="info@info.cimahi.example",
        connections=connections,
        timeout=5,
    )
    return Email(settings, clock=lambda: now[0])


def demanding(reply: Play | list[Play]) -> SmtpStandIn:
    """Return a server that gives this reply to AUTH."""
    script = SmtpScript(steps={"EHLO": PASSWORD_ASKED, "AUTH": reply})
    return SmtpStandIn(credentials=("u", "salah"), script=script)


def sign_ins(server: SmtpStandIn) -> int:
    """Count the sign-in attempts."""
    return sum(command.startswith("AUTH") for command in server.transcript.commands)


@pytest.mark.parametrize("reply", ["535 5.7.8 Wrong", "534 5.7.9 Weak", "550 5.7.1 Banned"])
async def test_a_wrong_password_is_one_try_a_pause_however_many_wait(reply: str) -> None:
    server, now = demanding(reply), [1000.0]
    async with server.running() as url:
        mailer = clocked(url, now)
        batches = await asyncio.gather(
            *(send_all(mailer, batch(mailer, residents(50))) for _batch in range(2))
        )
        assert {type(result.outcome) for results in batches for result in results} == {Halted}
        assert sign_ins(server) == 1
        for wait in (5, 20, 30):
            now[0] += wait
            (result,) = await send_all(mailer, batch(mailer, residents(1)))
            assert (
                isinstance(result.outcome, Deferred) and result.outcome.retry_after == 1060 - now[0]
            )
            assert result.outcome.code == reply[:9]
        assert sign_ins(server) == 1
        for tries, pause in ((2, 60), (3, 120), (4, 240), (5, 480), (6, 600), (7, 600)):
            now[0] += pause if tries > 2 else 10
            await send_all(mailer, batch(mailer, residents(3)))
            now[0] += 2
            await send_all(mailer, batch(mailer, residents(3)))
            assert sign_ins(server) == tries
        await mailer.aclose()


async def test_after_the_right_password_all_connections_open_and_a_refusal_is_forgotten() -> None:
    server, now = demanding(["535 5.7.8 Wrong"]), [1000.0]
    async with server.running() as url:
        mailer = clocked(url, now, connections=4)
        assert {
            type(result.outcome) for result in await send_all(mailer, batch(mailer, residents(9)))
        } == {Halted}
        now[0] += 61
        assert {
            type(result.outcome) for result in await send_all(mailer, batch(mailer, residents(200)))
        } == {Receipt}
        assert (len(server.transcript.taken), sign_ins(server)) == (200, 5)
        await mailer.aclose()


async def test_a_greeting_that_does_not_come_holds_up_no_message() -> None:
    server = stepwise({"greeting": [Move.SILENCE, "220 standin.example ESMTP"]})
    async with server.running() as url:
        mailer = channel(url, connections=2, timeout=60)
        sending = asyncio.create_task(send_all(mailer, batch(mailer, residents(1))))
        # the silent connection is given up only after 60 s
        await asyncio.wait_for(server.transcript.got_mail.wait(), 30)
        assert {type(result.outcome) for result in await sending} == {Receipt}
        await mailer.aclose()


async def test_nobody_waits_behind_a_content_that_is_not_answered() -> None:
    people, gate = residents(30), asyncio.Event()
    server = picky(
        {people[0]: ScriptedAnswer(step="content", reply="250 2.0.0 at last", gate=gate)}
    )
    async with server.running() as url:
        mailer = channel(url, connections=10, timeout=60)
        sending = asyncio.create_task(send_all(mailer, batch(mailer, people)))
        await until(
            lambda: len(server.transcript.arrived) == 29,
            seconds=30,
            what="all others, before the silent connection is given up",
        )
        gate.set()
        assert [type(result.outcome) for result in await sending] == [Receipt] * 30
        await mailer.aclose()
    assert len(server.transcript.arrived) == 30


# --- TLS ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return a server's context for "localhost", and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    begins = datetime.now().astimezone() - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    plain_key = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + plain_key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=path)


async def test_smtps_works_from_the_first_byte(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    server = SmtpStandIn()
    async with server.running(tls=certificates[0]) as url:
        mailer = channel(url.replace("127.0.0.1", "localhost"), tls=certificates[1])
        assert isinstance((await send_all(mailer, batch(mailer, residents(1))))[0].outcome, Receipt)
        await mailer.aclose()


def test_many_messages_flow_under_tls_on_the_loop_of_production(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async def send() -> None:
        server = SmtpStandIn(record=True)
        async with server.running(tls=certificates[0]) as url:
            mailer = channel(url.replace("127.0.0.1", "localhost"), tls=certificates[1])
            results = await send_all(mailer, batch(mailer, residents(100)))
            await mailer.aclose()
        assert {type(result.outcome) for result in results} == {Receipt}
        assert len(server.accepted) == len(results) == 100
        assert server.counts["connections"] == 4

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(send())


async def test_a_certificate_that_nobody_vouches_for_halts_the_channel(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with SmtpStandIn().running(tls=certificates[0]) as url:
        mailer = channel(url.replace("127.0.0.1", "localhost"))
        outcome = (await send_all(mailer, batch(mailer, residents(1))))[0].outcome
    assert isinstance(outcome, Halted) and outcome.code == "certificate"


class RecordingHandler:
    """Handler of the STARTTLS server: notes each recipient and whether it came under TLS."""

    def __init__(self) -> None:
        self.recipients: list[tuple[str, bool]] = []

    async def handle_DATA(  # noqa: N802 # reason: aiosmtpd's name
        self,
        server: aiosmtpd.smtp.SMTP,
        session: aiosmtpd.smtp.Session,
        envelope: aiosmtpd.smtp.Envelope,
    ) -> str:
        self.recipients.append((envelope.rcpt_tos[0], session.ssl is not None))
        return "250 ok"


async def test_starttls_comes_before_anything_is_said(
    certificates: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    handler = RecordingHandler()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: aiosmtpd.smtp.SMTP(
            handler, tls_context=certificates[0], require_starttls=True, loop=loop
        ),
        "127.0.0.1",
        0,
    )
    port = server.sockets[0].getsockname()[1]
    mailer = channel(f"smtp://localhost:{port}?starttls=true", tls=certificates[1], connections=1)
    assert isinstance(
        (await send_all(mailer, batch(mailer, ["siti@contoh.example"])))[0].outcome, Receipt
    )
    await mailer.aclose()
    server.close()
    await server.wait_closed()
    assert handler.recipients == [("siti@contoh.example", True)]
