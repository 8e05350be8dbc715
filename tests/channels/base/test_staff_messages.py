"""Messages to staff: plain mail and chat over real sockets, with the failures of the contract."""

from email import message_from_bytes, policy
from typing import Any

import pytest

from broadcaster.simulation.bot_api import BOT, BotApi
from broadcaster.simulation.faults import Faults
from broadcaster.simulation.serving import running
from broadcaster.simulation.smtp import SmtpStandIn, received_parts
from channels import email, telegram, whatsapp
from channels.base.contract import Deferred, Receipt, Refused
from channels.base.smtp.staff_mail import staff_email
from channels.base.staff_messages import InvitationChannel, Note, ReplyChannel, StaffChannel
from support import samples

NOTE = Note(
    key="redaksi.7.1764",
    subject="Menunggu persetujuan Anda: Air “mati”",
    text="Baris satu.\n\n.Titik di depan\nhttp://a.example/b",
)
DEWI = "dewi@contoh.example"
CHAT = 7_000_000_002


def mailer(url: str, **site: Any) -> email.Email:
    """Return the mail channel for the server at `url`."""
    settings = email.Settings(
        site=samples.site(**site),
        url=url,
        from_="Info Kota Cimahi <info@info.cimahi.example>",
        timeout=5,
    )
    return email.Email(settings)


def bot(url: str, **site: Any) -> telegram.Telegram:
    """Return the bot that speaks to the Bot API at `url`."""
    return telegram.Telegram(
        telegram.Settings(site=samples.site(**site), token="110112:contoh", api_url=url)
    )


def test_mail_and_chat_notify_staff_and_only_the_chat_invites() -> None:
    assert isinstance(mailer("smtp://127.0.0.1:9"), StaffChannel)
    chat = bot("http://127.0.0.1:9")
    assert isinstance(chat, StaffChannel)
    assert isinstance(chat, InvitationChannel)
    assert not isinstance(mailer("smtp://127.0.0.1:9"), InvitationChannel | ReplyChannel), (
        "mail answers nobody"
    )
    assert not isinstance(whatsapp.WhatsApp(whatsapp.Settings(site=samples.site())), StaffChannel)


async def test_a_letter_arrives_as_it_was_written() -> None:
    server = SmtpStandIn()
    async with server.running() as url:
        channel = mailer(url)
        assert isinstance(await channel.notify(DEWI, NOTE), Receipt)
        assert not server.sessions, "no connection stays open for the next nudge, hours later"
        await channel.aclose()
    (mail,) = server.inbox(DEWI)
    parts = received_parts(mail.raw)
    assert (parts["subject"], parts["to"]) == (NOTE.subject, DEWI)
    assert parts["text"].rstrip("\n") == NOTE.text
    assert mail.message_id == "redaksi.7.1764@info.cimahi.example"
    assert message_from_bytes(mail.raw, policy=policy.default)["Auto-Submitted"] == "auto-generated"


async def test_a_simulation_marks_both() -> None:
    server, api = SmtpStandIn(), BotApi()
    async with server.running() as url, running(api.app) as bot_url:
        for channel, address in (
            (mailer(url, simulated=True), DEWI),
            (bot(bot_url, simulated=True), str(CHAT)),
        ):
            assert isinstance(await channel.notify(address, NOTE), Receipt)
            await channel.aclose()
    assert received_parts(server.inbox(DEWI)[0].raw)["subject"].startswith("[SIMULASI] Menunggu")
    assert api.inbox(CHAT)[0].text.startswith("[SIMULASI] Menunggu")


def test_no_header_can_be_slipped_in() -> None:
    note = Note(key="redaksi.1.1", subject="Satu\r\nBcc: jahat@contoh.example", text="x")
    mail = message_from_bytes(
        staff_email(
            note, DEWI, sender=("Info", "info@a.example"), site=samples.site(), at=samples.NOW
        ),
        policy=policy.default,
    )
    assert mail["Bcc"] is None
    assert mail["Subject"] == "Satu Bcc: jahat@contoh.example"


@pytest.mark.parametrize(
    ("faults", "failure"),
    [({"blocked": 1}, Refused), ({"greylist": 1}, Deferred), ({"rate_5xx": 1}, Deferred)],
)
async def test_a_server_that_refuses_is_one_of_the_five_failures(
    faults: dict[str, float], failure: type
) -> None:
    server = SmtpStandIn(faults=Faults(**faults))
    async with server.running() as url:
        channel = mailer(url)
        assert isinstance(await channel.notify(DEWI, NOTE), failure)
        await channel.aclose()


async def test_no_server_is_a_failure_too() -> None:
    channel = mailer("smtp://127.0.0.1:9")
    assert isinstance(await channel.notify(DEWI, NOTE), Deferred)
    await channel.aclose()


async def test_the_chat_gets_subject_and_text_as_they_are() -> None:
    api = BotApi()
    async with running(api.app) as url:
        channel = bot(url)
        assert isinstance(
            await channel.notify(str(CHAT), Note(key="k", subject="A <b>", text="B & *c*")), Receipt
        )
        await api.blocks(CHAT)
        assert isinstance(await channel.notify(str(CHAT), NOTE), Refused)
        await channel.aclose()
    assert [message.text for message in api.inbox(CHAT)] == ["A <b>\n\nB & *c*"]


async def test_the_invitation_names_the_bot_and_asks_for_its_name_once() -> None:
    api = BotApi()
    async with running(api.app) as url:
        channel = bot(url)
        for word in ("staf-1", "staf-2"):
            assert await channel.invitation(word) == f"https://t.me/{BOT['username']}?start={word}"
        assert api.counts["requests"] == 1
        await channel.aclose()
    away = bot("http://127.0.0.1:9")
    assert await away.invitation("staf-1") == ""
    await away.aclose()
