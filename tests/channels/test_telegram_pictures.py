"""Pictures on Telegram, always in one message: a photo above all the words, else the words with a
link preview.
"""

from typing import Any

import msgspec
import pytest
from telegram import error

from broadcaster.simulation.bot_requests import BotRefusal, parse_html
from channels import telegram
from channels.base.contract import (
    Deferred,
    Edition,
    Outcome,
    Outgoing,
    Receipt,
    Rejected,
    Skipped,
    Wording,
)
from channels.base.rendering import utf16
from channels.base.telegram_bot import bot_api
from support import samples
from support.telegram_channel import DEWI, GROUP, NOON, RINA, TOKEN, connected

SENT = samples.PICTURE.url.replace("web", "pesan")
"""What messengers get of it."""
LONG = "Truk tangki air bersih menunggu warga di kantor kelurahan. " * 30


def long_notice(**changes: Any) -> Edition:
    """Return a notice with a picture whose words do not fit below it."""
    return samples.notice(image=samples.PICTURE, wordings={"id": words_with(LONG)}, **changes)


def words_with(body: str) -> Wording:
    """Return the notice's words with another body."""
    return msgspec.structs.replace(samples.notice().wording("id"), body=body)


def correction(**changes: Any) -> Edition:
    """Return edition 2 of the notice."""
    return msgspec.structs.replace(samples.correction(), **changes)


def outgoing(
    channel: telegram.Telegram, edition: Edition, chat: int = RINA, **recipient: Any
) -> Outgoing:
    """Return the edition for one chat."""
    return channel.personalise(
        channel.render(edition, "id"), samples.recipient(str(chat), **recipient)
    )


async def send(channel: telegram.Telegram, *messages: Outgoing) -> list[Outcome]:
    """Send the messages and return their outcomes in order."""
    results = [result async for result in channel.send(messages, may_write=lambda: True)]
    return [next(r.outcome for r in results if r.outgoing is message) for message in messages]


async def send_first(channel: telegram.Telegram, edition: Edition, chat: int = RINA) -> str:
    """Send an edition to a chat and return the provider's id."""
    [outcome] = await send(channel, outgoing(channel, edition, chat))
    assert isinstance(outcome, Receipt)
    return str(outcome.message_number)


async def test_words_that_fit_stand_below_the_photo_as_the_preview_shows() -> None:
    async with connected() as (api, channel):
        message = outgoing(channel, samples.picture())
        assert isinstance((await send(channel, message))[0], Receipt)
        [received] = api.inbox(RINA)
    assert received.photo == SENT
    assert received.parts == channel.preview(message)
    assert received.parts["photo"] == SENT
    assert "link_preview" not in received.parts
    # the picture's words, for those who cannot see it
    assert samples.PICTURE.alt in received.text
    assert received.text.endswith("CMH-7K4Q-2M")
    assert utf16(received.text) <= 1024


async def test_words_that_do_not_fit_come_whole_with_the_preview_of_the_picture() -> None:
    async with connected() as (api, channel):
        message = outgoing(channel, long_notice())
        await send(channel, message)
        [received] = api.inbox(RINA)
    assert received.photo == ""
    assert received.parts == channel.preview(message)
    assert received.parts["link_preview"] == SENT
    assert 1024 < utf16(received.text) <= 4096


@pytest.mark.parametrize("size", range(0, 40, 3))
def test_the_border_between_both_is_the_caption_limit(size: int) -> None:
    channel = telegram.Telegram(telegram.Settings(token=TOKEN, site=samples.site()))

    def measured(letters: int) -> tuple[int, bool]:
        edition = samples.notice(image=samples.PICTURE, wordings={"id": words_with("a" * letters)})
        frame = channel.render(edition, "id").frame
        return utf16(parse_html(frame["text"])[0]), "photo" in frame

    room = 1024 - measured(1)[0] + 1
    length, photo = measured(room - 20 + size)
    assert length == 1024 - 20 + size
    assert photo == (length <= 1024)


async def test_a_foreign_picture_stays_a_link() -> None:
    image = msgspec.structs.replace(samples.PICTURE, url="https://lain.example/peta.jpg")
    async with connected() as (api, channel):
        await send(channel, outgoing(channel, samples.notice(image=image)))
        [received] = api.inbox(RINA)
    assert set(received.parts) == {"text", "buttons", "silent"}
    assert 'href="https://lain.example/peta.jpg"' in received.parts["text"]


async def test_the_second_message_names_telegrams_own_copy() -> None:
    async with connected() as (api, channel):
        named = []
        take = api._methods["sendphoto"]
        api._methods["sendphoto"] = lambda fields: named.append(fields["photo"]) or take(fields)  # type: ignore[func-returns-value]
        await send(channel, outgoing(channel, samples.picture()))
        await send(channel, outgoing(channel, samples.picture(), DEWI))
        assert named[0] == SENT
        assert named[1] != SENT
        assert api.inbox(DEWI)[0].photo == SENT
        assert api.inbox(DEWI)[0].parts == channel.preview(
            outgoing(channel, samples.picture(), DEWI)
        )


REFUSALS = (
    "Bad Request: wrong file identifier/HTTP URL specified",
    "Bad Request: failed to get HTTP URL content",
    "Bad Request: wrong type of the web page content",
    "Bad Request: PHOTO_INVALID_DIMENSIONS",
    "Bad Request: IMAGE_PROCESS_FAILED",
    "Bad Request: file is too big",
    "Bad Request: MEDIA_CAPTION_TOO_LONG",
    "Bad Request: message caption is too long",
    "Bad Request: PHOTO_CONTENT_URL_EMPTY",
    "Bad Request: MEDIA_FILE_INVALID",
    "Bad Request: WEBPAGE_CURL_FAILED",
    "Bad Request: wrong remote file identifier specified: can't unserialize it",
)


@pytest.mark.parametrize("description", REFUSALS)
async def test_a_picture_that_telegram_cannot_use_holds_no_message_back(description: str) -> None:
    def refuse(_: Any) -> Any:
        raise BotRefusal(400, description)

    async with connected() as (api, channel):
        api._methods["sendphoto"] = refuse
        outcomes = await send(channel, outgoing(channel, samples.picture()))
        outcomes += await send(channel, outgoing(channel, samples.picture(), DEWI))
        assert all(isinstance(outcome, Receipt) for outcome in outcomes)
        [received] = api.inbox(RINA)
        assert received.parts["link_preview"] == SENT
        assert (
            received.parts["text"] == channel.preview(outgoing(channel, samples.picture()))["text"]
        )
        assert len(api.inbox(DEWI)) == 1
        # the second message does not try the picture again
        assert api.counts["requests"] == 3


async def test_a_group_that_takes_no_photos_gets_the_words_and_others_the_photo() -> None:
    async with connected() as (api, channel):
        take = api._methods["sendphoto"]

        def strict(fields: Any) -> Any:
            if int(fields["chat_id"]) == GROUP:
                raise BotRefusal(400, "Bad Request: not enough rights to send photos to the chat")
            return take(fields)

        api._methods["sendphoto"] = strict
        await send(channel, outgoing(channel, samples.picture(), GROUP))
        await send(channel, outgoing(channel, samples.picture()))
        assert api.inbox(GROUP)[0].photo == ""
        assert api.inbox(RINA)[0].photo == SENT


@pytest.mark.parametrize(
    ("status", "description", "kind"),
    [
        (400, "Bad Request: have no rights to send a message", Skipped),
        (400, "Bad Request: can't parse entities", Rejected),
    ],
)
async def test_any_other_refusal_means_what_it_always_means(
    status: int, description: str, kind: type
) -> None:
    async with connected() as (api, channel):
        api.script(RINA, status, description)
        assert isinstance((await send(channel, outgoing(channel, samples.picture())))[0], kind)
        assert api.inbox(RINA) == []


# --- corrections ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before", [samples.picture(), samples.notice(), long_notice()], ids=["photo", "text", "long"]
)
async def test_a_correction_with_a_picture_edits_whatever_stood_there(before: Edition) -> None:
    other = msgspec.structs.replace(
        samples.PICTURE, url=samples.PICTURE.url.replace("5f0c", "6f0c")
    )
    async with connected() as (api, channel):
        old = await send_first(channel, before)
        message = outgoing(channel, correction(image=other), corrects=(int(old),))
        assert await send(channel, message) == [Receipt(message_number=int(old))]
        # a repeated edit changes nothing and succeeds
        assert await send(channel, message) == [Receipt(message_number=int(old))]
        [received] = api.inbox(RINA)
    assert received.edited
    assert received.photo == other.url.replace("web", "pesan")
    assert received.parts == channel.preview(message)
    assert received.text.startswith("DIRALAT 09.10")


OTHER_PICTURE = msgspec.structs.replace(
    samples.PICTURE, url=samples.PICTURE.url.replace("5f0c", "6f0c")
)
FORMS = {
    "text": correction(),
    "long": correction(wordings={"id": words_with(LONG)}),
    "photo": correction(image=OTHER_PICTURE),
    "long photo": correction(image=OTHER_PICTURE, wordings={"id": words_with(LONG)}),
    "withdrawal": samples.withdrawal(),
}
BEFORE = {"photo": samples.picture(), "text": samples.notice(), "long photo": long_notice()}


@pytest.mark.parametrize("chat", [RINA, GROUP])
@pytest.mark.parametrize("after", FORMS)
@pytest.mark.parametrize("before", BEFORE)
async def test_after_a_correction_a_chat_shows_the_new_words_and_picture_alone(
    before: str, after: str, chat: int
) -> None:
    async with connected() as (api, channel):
        old = await send_first(channel, BEFORE[before], chat)
        message = outgoing(channel, FORMS[after], chat, corrects=(int(old),))
        [outcome] = await send(channel, message)
        [received] = api.inbox(chat)
    assert outcome == Receipt(message_number=received.message_id)
    assert received.parts == channel.preview(message)
    assert received.photo == channel.preview(message).get("photo", "")


@pytest.mark.parametrize("after", ["text", "long", "long photo", "withdrawal"])
async def test_a_photo_too_old_to_be_deleted_is_marked_and_the_new_words_follow_it(
    after: str,
) -> None:
    async with connected() as (api, channel):
        old = await send_first(channel, samples.picture())
        api.inbox(RINA)[0].at -= 49 * 3600
        message = outgoing(channel, FORMS[after], corrects=(int(old),))
        await send(channel, message)
        photo, new = api.inbox(RINA)
    assert photo.text.startswith(("DIRALAT 09.10: ", "DICABUT 09.40: "))
    assert "tidak berlaku lagi" in photo.text
    assert "Perumda Tirta mengganti pipa induk" not in photo.text
    assert new.parts == channel.preview(message)


async def test_a_withdrawal_reaches_the_old_photo_and_the_message_that_followed_it() -> None:
    async with connected() as (api, channel):
        old = int(await send_first(channel, samples.picture()))
        api.inbox(RINA)[0].at -= 49 * 3600
        [corrected] = await send(channel, outgoing(channel, FORMS["long"], corrects=(old,)))
        assert isinstance(corrected, Receipt)
        assert corrected.message_number is not None
        withdrawn = msgspec.structs.replace(samples.withdrawal(), number=3)
        await send(channel, outgoing(channel, withdrawn, corrects=(corrected.message_number, old)))
        photo, new = api.inbox(RINA)
    assert photo.text.startswith("DICABUT 09.40: ")
    assert new.message_id == corrected.message_number
    assert new.text.startswith("DICABUT 09.40: ")


async def test_while_the_new_words_cannot_be_sent_the_old_photo_stays_marked_and_nothing_is_lost() -> (
    None
):
    def refuse(_: Any) -> Any:
        raise BotRefusal(502, "Bad Gateway")

    async with connected() as (api, channel):
        old = await send_first(channel, samples.picture())
        message = outgoing(channel, FORMS["long"], corrects=(int(old),))
        take, api._methods["sendmessage"] = api._methods["sendmessage"], refuse
        assert isinstance((await send(channel, message))[0], Deferred)
        [photo] = api.inbox(RINA)
        assert photo.text.startswith("DIRALAT 09.10: ")
        api._methods["sendmessage"] = take
        await send(channel, message)
        [received] = api.inbox(RINA)
    assert received.parts == channel.preview(message)


@pytest.mark.parametrize(
    "description",
    ["message to edit not found", "message can't be edited", "MESSAGE_ID_INVALID", "something new"],
)
@pytest.mark.parametrize("after", ["text", "photo"])
async def test_where_the_old_message_cannot_be_edited_the_correction_is_a_new_one(
    description: str, after: str
) -> None:
    def refuse(_: Any) -> Any:
        raise BotRefusal(400, f"Bad Request: {description}")

    async with connected() as (api, channel):
        old = await send_first(channel, samples.notice())
        api._methods |= dict.fromkeys(
            ("editmessagetext", "editmessagemedia", "editmessagecaption"), refuse
        )
        message = outgoing(channel, FORMS[after], corrects=(int(old),))
        [outcome] = await send(channel, message)
        received = api.inbox(RINA)[-1]
    assert outcome == Receipt(message_number=received.message_id)
    assert received.parts == channel.preview(message)


async def test_what_can_neither_be_edited_nor_deleted_holds_no_correction_up() -> None:
    def refuse(_: Any) -> Any:
        raise BotRefusal(400, "Bad Request: message can't be edited")

    async with connected() as (api, channel):
        old = await send_first(channel, samples.picture())
        api._methods |= dict.fromkeys(("editmessagecaption", "deletemessage"), refuse)
        message = outgoing(channel, FORMS["text"], corrects=(int(old),))
        [outcome] = await send(channel, message)
        _, new = api.inbox(RINA)
    assert outcome == Receipt(message_number=new.message_id)
    assert new.parts == channel.preview(message)


async def test_a_correction_whose_picture_is_refused_changes_the_words() -> None:
    def refuse(_: Any) -> Any:
        raise BotRefusal(400, "Bad Request: failed to get HTTP URL content")

    async with connected() as (api, channel):
        old = await send_first(channel, samples.notice())
        api._methods["editmessagemedia"] = refuse
        assert await send(
            channel, outgoing(channel, correction(image=samples.PICTURE), corrects=(int(old),))
        ) == [Receipt(message_number=int(old))]
        [received] = api.inbox(RINA)
    assert received.text.startswith("DIRALAT 09.10")
    assert received.parts["link_preview"] == SENT


def corrected_alert(**changes: Any) -> Edition:
    """Return edition 2 of the alert."""
    return samples.alert(
        number=2,
        change="correction",
        reason="Posko pindah.",
        published_at=samples.CORRECTED,
        **changes,
    )


async def test_a_corrected_emergency_goes_out_first_and_then_the_old_photo_goes() -> None:
    async with connected() as (api, channel):
        old = await send_first(channel, samples.alert(image=samples.PICTURE))
        calls: list[str] = []
        for name in ("sendmessage", "editmessagetext", "editmessagecaption", "deletemessage"):
            api._methods[name] = lambda fields, name=name, take=api._methods[name]: (
                calls.append(name) or take(fields)
            )
        message = outgoing(channel, corrected_alert(), corrects=(int(old),))
        await send(channel, message)
        [new] = api.inbox(RINA)
    assert calls[0] == "sendmessage"
    assert calls[-1] == "deletemessage"
    assert new.parts == channel.preview(message)


async def test_a_correction_that_ends_an_emergency_sounds_at_any_hour() -> None:
    async with connected() as (api, channel):
        old = await send_first(channel, samples.alert())
        channel.now = lambda: NOON.replace(hour=2)
        calm = corrected_alert(level="info", urgent=True)
        message = outgoing(channel, calm, corrects=(int(old),))
        await send(channel, message)
        edited, new = api.inbox(RINA)
    assert edited.edited
    assert edited.text == new.text
    assert new.parts == channel.preview(message)
    assert new.parts["silent"] == "tidak"


@pytest.mark.parametrize(("status", "extra"), [(502, {}), (429, {"retry_after": 1})])
async def test_a_passing_fault_leaves_no_old_words_of_an_emergency(
    status: int, extra: dict[str, int]
) -> None:
    async with connected() as (api, channel):
        old = await send_first(channel, samples.alert())
        edit, faults = api._methods["editmessagetext"], [BotRefusal(status, "later", **extra)]

        def faulty(fields: Any) -> Any:
            if faults:
                raise faults.pop()
            return edit(fields)

        api._methods["editmessagetext"] = faulty
        message = outgoing(channel, corrected_alert(), corrects=(int(old),))
        await send(channel, message)
        assert [received.text.startswith("DIRALAT 09.10") for received in api.inbox(RINA)] == [
            True,
            True,
        ]


async def test_a_corrected_emergency_with_a_picture_is_edited_and_sent_again() -> None:
    async with connected() as (api, channel):
        old = await send_first(channel, samples.alert(image=samples.PICTURE))
        change = {
            "number": 2,
            "change": "correction",
            "reason": "Posko pindah.",
            "published_at": samples.CORRECTED,
        }
        message = outgoing(
            channel, samples.alert(image=samples.PICTURE, **change), corrects=(int(old),)
        )
        await send(channel, message)
        edited, new = api.inbox(RINA)
    assert edited.edited
    assert new.parts == channel.preview(message)
    assert new.photo == SENT


# --- what is remembered ---------------------------------------------------------------------------


def test_only_so_many_pictures_are_remembered() -> None:
    pictures = bot_api.Pictures()
    for number in range(3 * bot_api.PICTURES):
        pictures.store_copy(f"https://x.example/{number}", f"copy-{number}")
        assert pictures.refused(
            f"https://y.example/{number}", error.BadRequest("photo_invalid_dimensions")
        )
    assert pictures.name("https://x.example/0") == "https://x.example/0"
    assert (
        pictures.name(f"https://x.example/{3 * bot_api.PICTURES - 1}")
        == f"copy-{3 * bot_api.PICTURES - 1}"
    )
    assert pictures.name(f"https://y.example/{3 * bot_api.PICTURES - 1}") == ""
    assert len(pictures._copies) <= bot_api.PICTURES
    assert len(pictures._refused) <= bot_api.PICTURES
    assert not pictures.refused("https://x.example/1", error.BadRequest("message is too long"))
