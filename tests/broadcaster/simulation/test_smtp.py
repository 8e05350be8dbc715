"""The stand-in mail server: the real protocol in any packets, faults, inboxes and scripts."""

import asyncio
import smtplib
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage

import pytest

from broadcaster.simulation.faults import Faults
from broadcaster.simulation.smtp import INBOXES, MAILS, SmtpStandIn, received_parts
from broadcaster.simulation.smtp_script import Move, ScriptedAnswer, SmtpScript, Transcript

CONTENT = b"Message-ID: <1.1.k@info.cimahi.example>\r\nSubject: uji\r\n\r\nIsi\r\n"
MESSAGE_BYTES = (
    b"MAIL FROM:<a@info.cimahi.example>\r\nRCPT TO:<Siti@Contoh.example>\r\nDATA\r\n"
    + CONTENT
    + b".\r\n"
)


class Client:
    """A raw client that writes bytes and reads replies."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def reply(self) -> str:
        """Return the last line of the next reply; "" where the server hung up."""
        while line := await self.reader.readline():
            if line[3:4] != b"-":
                return line.decode().rstrip()
        return ""

    async def command(self, *lines: str | bytes) -> str:
        """Write lines, await the reply to each, and return the last."""
        answer = ""
        for line in lines:
            self.writer.write((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
            answer = await self.reply()
        return answer


@asynccontextmanager
async def connected(server: SmtpStandIn) -> AsyncIterator[Client]:
    """Serve; yield a client that has been greeted."""
    async with server.running() as url:
        host, _, port = url.rpartition("@")[2].removeprefix("smtp://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        client = Client(reader, writer)
        assert (await client.reply()).startswith("220")
        assert await client.command("EHLO uji.example") == "250 ENHANCEDSTATUSCODES"
        yield client
        writer.close()


async def send_mail(
    client: Client, to: str = "siti@contoh.example", content: bytes = CONTENT
) -> str:
    """Send one message; return the reply to its content, or the first that is no success."""
    for line in ("MAIL FROM:<a@info.cimahi.example>", f"RCPT TO:<{to}>", "DATA"):
        reply = await client.command(line)
        if reply[0] not in "23":
            return reply
    client.writer.write(content + b".\r\n")
    return await client.reply()


async def test_the_standard_librarys_client_can_talk_to_it() -> None:
    server = SmtpStandIn(credentials=("info", "rahasia"))
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = (
        "info@info.cimahi.example",
        "siti@contoh.example",
        "Banjir é",
    )
    message.set_content(".titik di awal\n..dua titik\nIsi é\n")
    message.add_alternative("<p>Isi</p>", subtype="html")

    def send(port: int, method: str) -> None:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="uji.example") as client:
            client.ehlo()
            client.user, client.password = "info", "rahasia"
            client.auth(method, getattr(client, f"auth_{method.lower()}"))
            client.send_message(message)

    async with server.running() as url:
        port = int(url.rpartition(":")[2])
        for method in ("PLAIN", "LOGIN"):
            await asyncio.to_thread(send, port, method)
    assert [received_parts(mail.raw) for mail in server.inbox("siti@contoh.example")] == 2 * [
        {
            "subject": "Banjir é",
            "from": "info@info.cimahi.example",
            "to": "siti@contoh.example",
            "text": ".titik di awal\n..dua titik\nIsi é\n",
            "html": "<p>Isi</p>\n",
        }
    ]


async def test_a_message_may_come_in_any_packets() -> None:
    server = SmtpStandIn(record=True)
    async with connected(server) as client:
        for byte in MESSAGE_BYTES:
            client.writer.write(bytes([byte]))
            await client.writer.drain()
            await asyncio.sleep(0)
        assert [(await client.reply())[:3] for _ in range(4)] == ["250", "250", "354", "250"]
    assert server.accepted == [("siti@contoh.example", "1.1.k@info.cimahi.example")]


async def test_pipelining_is_offered_unless_it_is_off() -> None:
    for offered in (True, False):
        async with SmtpStandIn(pipelining=offered).running() as url:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
            writer.write(b"EHLO uji.example\r\n")
            greeting = await reader.readuntil(b"250 ENHANCEDSTATUSCODES\r\n")
            writer.close()
        assert (b"250-PIPELINING\r\n" in greeting) == offered


async def test_an_envelope_in_one_packet_is_answered_like_its_lines() -> None:
    envelope = b"MAIL FROM:<a@info.cimahi.example>\r\nRCPT TO:<Siti@Contoh.example>\r\nDATA\r\n"
    for faults in (Faults(), Faults(blocked=1), Faults(greylist=1)):
        replies = []
        for packets in ([envelope], envelope.splitlines(keepends=True)):
            async with connected(SmtpStandIn(faults=faults)) as client:
                for packet in packets:
                    client.writer.write(packet)
                    await client.writer.drain()
                    await asyncio.sleep(0)
                replies.append([await client.reply() for _ in range(3)])
        assert replies[0] == replies[1]
    async with connected(SmtpStandIn(faults=Faults(rate_429=1))) as client:
        client.writer.write(envelope)
        assert [(await client.reply())[:3] for _ in range(3)] == ["250", "421", ""]


async def test_many_messages_may_come_in_one_packet() -> None:
    server = SmtpStandIn(record=True)
    async with connected(server) as client:
        client.writer.write(MESSAGE_BYTES * 50 + b"QUIT\r\n")
        replies = [await client.reply() for _ in range(201)]
        assert await client.reply() == ""
    assert replies[3::4] == [f"250 2.0.0 Ok: queued as 4{number:010X}" for number in range(1, 51)]
    assert replies[-1] == "221 2.0.0 Bye"
    assert len(server.accepted) == 50


@pytest.mark.parametrize(
    "content", [b"", b".\r\n", b"..\r\nx\r\n", b"x\r\n..\r\n", b"a\r\n\r\n..b\r\n...\r\n"]
)
async def test_dots_are_taken_off_again(content: bytes) -> None:
    server = SmtpStandIn()
    stuffed = b"".join(
        b"." + line if line.startswith(b".") else line for line in content.splitlines(keepends=True)
    )
    async with connected(server) as client:
        assert await send_mail(client, content=stuffed) == "250 2.0.0 Ok: queued as 40000000001"
    assert server.inbox("siti@contoh.example")[0].raw == content


async def test_a_message_id_is_found_however_it_is_written() -> None:
    server = SmtpStandIn(record=True)
    async with connected(server) as client:
        for content in (
            b"Message-ID: <a@x>\r\n\r\n",
            b"X: y\r\nmessage-id:<b@x>\r\n\r\n",
            b"X: y\r\nMessage-ID: <c@x>\r\n\r\n",
            b"\r\nx\r\n",
        ):
            await send_mail(client, content=content)
    assert [message_id for _, message_id in server.accepted] == ["a@x", "b@x", "c@x", ""]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("RCPT TO:<a@b.example>", "503 5.5.1"),
        ("DATA", "554 5.5.1"),
        ("MAIL FROM", "501 5.1.7"),
        ("VRFY siti", "500 5.5.2"),
        ("NOOP", "250 2.0.0"),
        ("RSET", "250 2.0.0"),
        ("HELO uji.example", "250 ENHANC"),
        ("AUTH PLAIN AHgAeQ==", "504 5.5.4"),
        ("", "500 5.5.2"),
    ],
)
async def test_commands_out_of_turn_get_the_answers_of_a_real_server(line: str, code: str) -> None:
    async with connected(SmtpStandIn()) as client:
        assert (await client.command(line)).startswith(code)


async def test_a_second_sender_needs_a_reset() -> None:
    async with connected(SmtpStandIn()) as client:
        assert (
            await client.command("MAIL FROM:<a@b.example>", "MAIL FROM:<a@b.example>")
        ).startswith("503")
        assert (await client.command("RSET", "MAIL FROM:<>", "RCPT TO:<>")).startswith("501 5.1.3")
        assert (await client.command("RCPT TO:<x@y.example>")).startswith("250")


async def test_without_the_password_nothing_is_accepted() -> None:
    def encoded(text: str) -> str:
        return b64encode(text.encode()).decode()

    async with connected(SmtpStandIn(credentials=("info", "rahasia"))) as client:
        assert (await send_mail(client)).startswith("530 5.7.0")
        for attempt in (
            f"AUTH PLAIN {encoded(chr(0) + 'info' + chr(0) + 'salah')}",
            "AUTH PLAIN !!!",
            f"AUTH PLAIN {encoded('rahasia')}",
        ):
            assert (await client.command(attempt)).startswith("535 5.7.8")
        assert (await client.command("AUTH CRAM-MD5")).startswith("504")
        assert (await client.command("AUTH PLAIN", encoded("\0info\0salah"))).startswith("535")
        assert (await client.command("AUTH LOGIN", encoded("info"), encoded("rahasia"))).startswith(
            "235"
        )
        assert (await send_mail(client)).startswith("250")


async def test_what_is_too_big_is_refused_and_ends_the_connection() -> None:
    server = SmtpStandIn()
    async with connected(server) as client:
        assert (await client.command(b"x" * 5000)).startswith("500 5.5.2")
        assert await client.reply() == ""
    async with connected(server) as client:
        await client.command("MAIL FROM:<a@b.example>", "RCPT TO:<x@y.example>", "DATA")
        client.writer.write(b"x" * (10 * 1024 * 1024 + 10))
        assert (await client.reply()).startswith("552 5.3.4")
    assert not server.inbox("x@y.example")


# --- faults ---------------------------------------------------------------------------------------


async def test_a_blocked_address_is_blocked_every_time_and_others_never() -> None:
    faults = Faults(blocked=0.5)
    addresses = [f"warga{n}@contoh.example" for n in range(40)]
    async with connected(SmtpStandIn(faults=faults)) as client:
        for _ in range(2):
            for address in addresses:
                reply = await send_mail(client, address)
                assert reply.startswith("550 5.1.1" if faults.blocks(address) else "250")
                await client.command("RSET")
    assert 8 < sum(faults.blocks(address) for address in addresses) < 32


async def test_greylisting_asks_once_to_come_again() -> None:
    async with connected(SmtpStandIn(faults=Faults(greylist=1))) as client:
        assert (await send_mail(client)).startswith("451 4.7.1")
        await client.command("RSET")
        assert (await send_mail(client)).startswith("250")


async def test_a_server_error_is_temporary_and_nothing_is_kept() -> None:
    server = SmtpStandIn(faults=Faults(rate_5xx=1), record=True)
    async with connected(server) as client:
        assert (await send_mail(client)).startswith("451 4.3.0")
        server.faults.change(rate_5xx=0)
        assert (await send_mail(client)).startswith("250")
    assert len(server.accepted) == 1
    assert server.counts["broken"] == 1


async def test_too_many_messages_ends_the_connection() -> None:
    server = SmtpStandIn(faults=Faults(rate_429=1))
    async with connected(server) as client:
        assert (await send_mail(client)).startswith("421 4.7.0")
        assert await client.reply() == ""


async def test_a_cut_message_was_taken_but_never_answered() -> None:
    server = SmtpStandIn(faults=Faults(cut=1), record=True)
    async with connected(server) as client:
        with pytest.raises(ConnectionResetError):
            assert await send_mail(client) == ""
            raise ConnectionResetError
    assert len(server.accepted) == server.counts["cut"] == server.counts["accepted"] == 1


async def test_latency_delays_the_answer_and_keeps_the_order() -> None:
    server = SmtpStandIn(faults=Faults(latency_ms=30))
    loop = asyncio.get_running_loop()
    async with connected(server) as client:
        start = loop.time()
        client.writer.write(MESSAGE_BYTES * 3)
        replies = [await client.reply() for _ in range(12)]
        assert loop.time() - start >= 0.09
    assert [reply[:3] for reply in replies] == ["250", "250", "354", "250"] * 3


async def test_a_client_that_leaves_while_its_answer_waits_breaks_nothing() -> None:
    server = SmtpStandIn(faults=Faults(latency_ms=20))
    async with connected(server) as client:
        client.writer.write(MESSAGE_BYTES)
        await client.reply()
        client.writer.transport.abort()
        await asyncio.sleep(0.05)
        assert not server.sessions


# --- inboxes --------------------------------------------------------------------------------------


async def test_inboxes_are_bounded_and_the_watched_ones_are_always_kept() -> None:
    server = SmtpStandIn(watch={"siti@contoh.example", "pantau.example"})
    for n in range(INBOXES + 5):
        server.take("a@b.example", [f"warga{n}@contoh.example"], CONTENT)
    for _ in range(MAILS + 3):
        server.take("a@b.example", ["siti@contoh.example", "x@pantau.example"], CONTENT)
    assert (
        len(server.inbox("Siti@contoh.example")) == len(server.inbox("x@pantau.example")) == MAILS
    )
    assert len(server.inbox("warga0@contoh.example")) == 1
    assert server.inbox(f"warga{INBOXES + 1}@contoh.example") == ()
    assert server.counts["accepted"] == INBOXES + 5 + 2 * (MAILS + 3)
    assert len(server.newest) == 50
    assert server.newest[-1].to == "x@pantau.example"
    assert server.newest[-1].sender == "a@b.example"


async def test_nothing_is_recorded_unless_asked() -> None:
    server = SmtpStandIn()
    server.take("a@b.example", ["x@y.example"], CONTENT)
    assert server.accepted == []


async def test_a_port_in_use_is_an_error_at_once() -> None:
    async with SmtpStandIn().running() as url:
        with pytest.raises(OSError, match="address already in use"):
            async with SmtpStandIn().running(int(url.rpartition(":")[2])):
                pass


# --- scripts --------------------------------------------------------------------------------------


@asynccontextmanager
async def scripted(script: SmtpScript) -> AsyncIterator[tuple[Client, Transcript]]:
    """Serve a script; yield a client that has been greeted, and the transcript."""
    server = SmtpStandIn(script=script)
    async with connected(server) as client:
        yield client, server.transcript


async def test_a_step_is_answered_as_scripted_and_a_list_is_used_up() -> None:
    script = SmtpScript(steps={"RCPT": ["450 4.2.0 Later", 550], "RSET": "500 5.5.2 what"})
    async with scripted(script) as (client, transcript):
        assert await send_mail(client) == "450 4.2.0 Later"
        assert await client.command("RSET") == "500 5.5.2 what"
        assert await client.command("RCPT TO:<siti@contoh.example>") == "550 5.9.9 no"
        assert await client.command("DATA") == "554 5.5.1 No valid recipients"
        assert (await client.command("RCPT TO:<siti@contoh.example>")).startswith("250")
    assert transcript.tried == {"siti@contoh.example": 3}
    assert transcript.commands[-2:] == ["DATA", "RCPT TO:<siti@contoh.example>"]


async def test_a_recipient_has_an_answer_of_its_own_at_its_step() -> None:
    spam = ScriptedAnswer(reply="554 5.7.1 Spam", step="content")
    async with scripted(SmtpScript(recipients={"b@contoh.example": spam})) as (client, transcript):
        assert (await send_mail(client, "a@contoh.example")).startswith("250")
        assert await send_mail(client, "b@contoh.example") == "554 5.7.1 Spam"
    assert transcript.taken == [("a@contoh.example", CONTENT)]
    assert list(transcript.arrived) == ["a@contoh.example"]
    assert transcript.asked == ["a@contoh.example", "b@contoh.example"]


async def test_a_gate_holds_one_connection_and_nothing_was_taken_before_it_opens() -> None:
    gate = asyncio.Event()
    slow = ScriptedAnswer(reply=Move.GOOD, step="content", gate=gate)
    async with scripted(SmtpScript(recipients={"siti@contoh.example": slow})) as (
        client,
        transcript,
    ):
        waiting = asyncio.create_task(send_mail(client))
        await asyncio.wait_for(transcript.got_mail.wait(), 5)
        assert not transcript.taken
        gate.set()
        assert (await waiting).startswith("250")
    assert transcript.taken == [("siti@contoh.example", CONTENT)]


async def test_a_delay_comes_between_taking_and_answering() -> None:
    late = ScriptedAnswer(reply=Move.GOOD, step="content", delay=0.05)
    loop = asyncio.get_running_loop()
    async with scripted(SmtpScript(recipients={"siti@contoh.example": late})) as (
        client,
        transcript,
    ):
        assert (await send_mail(client)).startswith("250")
        assert loop.time() - transcript.arrived["siti@contoh.example"] >= 0.05


@pytest.mark.parametrize("move", [Move.DROP, Move.SILENCE])
async def test_a_content_without_an_answer_was_taken_all_the_same(move: Move) -> None:
    async with scripted(SmtpScript(tape=[Move.GOOD] * 3 + [move])) as (client, transcript):
        client.writer.write(MESSAGE_BYTES)
        for code in ("250", "250", "354"):
            assert (await client.reply()).startswith(code)
        await asyncio.wait_for(transcript.got_mail.wait(), 5)
    assert transcript.taken == [("siti@contoh.example", CONTENT)]
    assert not transcript.arrived


async def test_a_tape_is_played_reply_by_reply() -> None:
    tape = [Move.LINES, Move.BYTES, Move.ANYWAY, Move.EXTRA]
    async with scripted(SmtpScript(tape=tape)) as (client, _):
        client.writer.write(MESSAGE_BYTES)
        replies = [await client.reply() for _ in range(5)]
    assert [reply[:3] for reply in replies] == ["250", "250", "354", "250", "250"]
    assert replies[-1] == "250 2.0.0 nobody asked"


async def test_what_a_client_must_never_do_is_in_the_transcript() -> None:
    async with scripted(SmtpScript(tape=[Move.GOOD, 550, Move.ANYWAY])) as (client, transcript):
        client.writer.write(MESSAGE_BYTES)
        replies = [await client.reply() for _ in range(4)]
    assert [reply[:3] for reply in replies] == ["250", "550", "354", "250"]
    assert transcript.misuses == [
        "something was written before DATA was answered",
        "a content without a recipient",
    ]


async def test_a_greeting_that_refuses_ends_the_connection() -> None:
    async with SmtpStandIn(script=SmtpScript(steps={"greeting": 421})).running() as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        assert await reader.read() == b"421 4.9.9 no\r\n"
        writer.close()
