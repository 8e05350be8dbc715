"""Telegram channel: editions as HTML messages of a bot (Bot API 10.1), using python-telegram-bot
("PTB") over aiohttp.
"""

import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

import msgspec
import structlog
from markupsafe import Markup
from telegram import Bot, error

from channels.base import contract, http, pictures
from channels.base.address_codes import AddressCode
from channels.base.contract import Finding
from channels.base.moments import WIB
from channels.base.outcomes import Outcome, Receipt, Rejected
from channels.base.redaction import redacted
from channels.base.rendering import area_names, clean, fill, template_name, utf16, with_addresses
from channels.base.sending import each
from channels.base.settings import ChannelSettings, Rate
from channels.base.sign_in import PATIENCE, Credential
from channels.base.telegram_bot import updates
from channels.base.telegram_bot.bot_api import (
    AT_ONCE,
    AioRequest,
    Pictures,
    as_photo,
    shown_by,
    with_link,
)
from channels.base.telegram_bot.edits import Editor, EditResult
from channels.base.telegram_bot.errors import failure_of
from channels.base.telegram_bot.findings import TOKEN_MISSING, account_findings
from channels.base.telegram_bot.markup import TEXT_LIMIT, flow, parsed, pieces
from channels.base.telegram_bot.staff_chat import StaffChat
from channels.base.tolerant_reading import Unreadable
from channels.base.truncation import shortened
from channels.base.typed_addresses import cleaned

CAPTION_LIMIT = 1024  # the same for a photo's caption

log = structlog.get_logger(__name__)
logging.getLogger("telegram").setLevel(
    logging.INFO
)  # PTB's debug lines contain the token, addresses and texts


class Settings(ChannelSettings):
    """TELEGRAM_TOKEN, _WEBHOOK_SECRET (without it every webhook is rejected), _API_URL and _RATE
    (messages per second).
    """

    prefix: ClassVar[str] = "TELEGRAM_"
    required: ClassVar[tuple[str, ...]] = ("token",)

    token: str = ""
    webhook_secret: str = ""
    api_url: str = "https://api.telegram.org"
    rate: Rate = 30


def parse_address(text: str) -> str:
    """Return the chat id, a number that is negative for groups; raises BadAddress."""
    number = cleaned(text).lstrip("'").replace("\u2212", "-")
    if not re.fullmatch(r"-?[1-9][0-9]{0,15}", number) or abs(int(number)) >= 2**52:
        raise contract.BadAddress(AddressCode.NO_TELEGRAM_CHAT)
    return number


# --- text -----------------------------------------------------------------------------------------


def short(text: str, limit: int) -> str:
    """Cut text to one line of at most `limit` UTF-16 units."""
    return shortened(" ".join(clean(text).split()), limit, utf16)


def compose(edition: contract.Edition, lang: str, site: contract.Site) -> str:
    """Compose the whole message as HTML: the fixed parts first, then as much of instruction and
    body as fits.
    """
    edition = with_addresses(edition, site.base_url)
    name, wording = template_name("telegram", edition, lang, "html"), edition.wording(lang)
    withdrawn = edition.change == "withdrawal"
    strike = Markup("<s>{}</s>" if withdrawn else "{}").format  # noqa: S704 # reason: literals
    values: dict[str, Any] = {
        "edition": edition,
        "site": site,
        "short": short,
        "areas": short(area_names(edition), 400),
    }
    values |= {"title": strike(short(wording.title, 256)), "instruction": "", "body": strike("-")}
    if wording.instruction and not withdrawn:
        values["instruction"] = "-"
        values["instruction"] = flow(wording.instruction, fill(name, values), share=0.6)
    values["body"] = strike(flow(wording.body, fill(name, values)))
    return re.sub(r"\n{3,}", "\n\n", fill(name, values))


def replaced(edition: contract.Edition, lang: str, site: contract.Site) -> str:
    """Return the HTML caption of an outdated photo until it is deleted: its text is no longer
    valid, and why.
    """
    return fill(
        f"telegram/replaced.{lang if lang in _BUTTONS else 'id'}.html",
        {"edition": edition, "site": site, "short": short},
    )


# --- the channel ----------------------------------------------------------------------------------
_BUTTONS = {"id": ("Rincian", "Periksa keaslian"), "en": ("Details", "Check authenticity")}
_NO_PREVIEW = {"link_preview_options": '{"is_disabled":true}'}


class Telegram(StaffChat):
    """Push channel and dialogue replies of the bot; `now` returns the time of sending: at night
    messages are silent.
    """

    name = "telegram"
    label = "Telegram"
    limits = contract.Limits(
        text=TEXT_LIMIT, measure="utf-16 units", caption=CAPTION_LIMIT, marks="html"
    )
    receipt_wait, spaced, tier = 0.0, True, 0

    def __init__(
        self,
        settings: Settings,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        patience: float = PATIENCE,
        total_seconds: float = http.TOTAL_SECONDS,
    ) -> None:
        self._settings, self.rate, self.now = settings, settings.rate, now
        self._base = settings.site.base_url.rstrip("/")
        self._request, self._pictures = AioRequest(total_seconds), Pictures()
        url, request = f"{settings.api_url.rstrip('/')}/bot", self._request
        self._bot = Bot(
            settings.token or "0:none", base_url=url, request=request, get_updates_request=request
        )
        self._token = Credential(
            time.monotonic, codes=frozenset({"401"}), check=self._is_refused, patience=patience
        )
        self._editor = Editor(self._bot, self._pictures)

    def spacing(self, address: str) -> float:
        """Return the minimum seconds between messages to a chat; groups (negative ids) take 20 a
        minute.
        """
        return 3.0 if address.startswith("-") else 1.0

    def render(self, edition: contract.Edition, lang: str) -> contract.Message:
        """Render the text and its two buttons as arguments of Bot.send_message; `photo` is added if
        the text fits below a picture of ours.
        """
        links = (
            self._settings.site.permalink(edition.code),
            f"{self._base}/cek?kode={edition.code}",
        )
        texts = _BUTTONS.get(lang, _BUTTONS["id"])
        keyboard = {
            "inline_keyboard": [
                [{"text": text, "url": url} for text, url in zip(texts, links, strict=True)]
            ]
        }
        # prebuilt JSON: PTB would build and serialise the same objects again for each message
        extra = {"reply_markup": msgspec.json.encode(keyboard).decode(), **_NO_PREVIEW}
        text, picture = (
            compose(edition, lang, self._settings.site),
            pictures.own_picture(edition, self._settings.site),
        )
        frame = {"text": text, "parse_mode": "HTML", "api_kwargs": extra}
        if picture is not None:
            frame |= {"photo": pictures.sized(picture.url, self._settings.site, "pesan")}
            frame = frame if utf16(parsed(text)) <= CAPTION_LIMIT else with_link(frame)
        return contract.Message(edition=edition, lang=lang, frame=frame)

    def personalise(
        self, message: contract.Message, recipient: contract.Recipient
    ) -> contract.Outgoing:
        """Add the chat, and whether the message is silent at this hour."""
        loud = _aloud(message.edition) or (
            message.edition.level != "info" and 5 <= self.now().astimezone(WIB).hour < 21
        )
        payload = {
            **message.frame,
            "chat_id": int(recipient.address),
            "disable_notification": not loud,
        }
        return contract.Outgoing(recipient=recipient, message=message, payload=payload)

    def preview(self, outgoing: contract.Outgoing) -> dict[str, str]:
        """Return HTML text, buttons with their URLs, "ya" or "tidak" for silent (an edit makes no
        sound), and the picture.
        """
        extra = outgoing.payload["api_kwargs"]
        rows = msgspec.json.decode(extra["reply_markup"])["inline_keyboard"]
        silent = outgoing.payload["disable_notification"] or (
            _edits(outgoing) and not _aloud(outgoing.message.edition)
        )
        buttons = "\n".join(f"[{button['text']}] {button['url']}" for row in rows for button in row)
        parts = {
            "text": outgoing.payload["text"],
            "buttons": buttons,
            "silent": "ya" if silent else "tidak",
        }
        pictures = {
            "photo": outgoing.payload.get("photo"),
            "link_preview": shown_by(extra["link_preview_options"]),
        }
        return parts | {name: url for name, url in pictures.items() if url}

    def send(
        self, messages: Sequence[contract.Outgoing], *, may_write: contract.MayWrite
    ) -> AsyncIterator[contract.Result]:
        """Make one sendMessage request per message, or edit the messages that it corrects."""
        return each(messages, self._send_one, concurrency=AT_ONCE, may_write=may_write)

    async def _send_one(self, outgoing: contract.Outgoing) -> Outcome:
        act = (
            partial(self._corrected, outgoing)
            if _edits(outgoing)
            else partial(self._new, outgoing.payload)
        )
        return await self._token.guarded(lambda: _outcome(act()))

    async def _is_refused(self) -> bool:
        """True if the token is also refused by getMe."""
        try:
            await self._bot.get_me()
        except error.TelegramError as problem:
            return isinstance(problem, error.InvalidToken)
        return False

    async def _new(self, arguments: Mapping[str, Any]) -> Outcome:
        if "photo" in arguments:
            return await self._new_photo(arguments)
        sent = await self._bot.send_message(**arguments)
        return (
            Receipt(message_number=sent.message_id)
            if sent.chat.id == arguments["chat_id"]
            else http.FOREIGN
        )

    async def _new_photo(self, arguments: Mapping[str, Any]) -> Outcome:
        """Send the text as the picture's caption; if Telegram cannot use the picture, the text with
        a link: no picture delays a message.
        """
        url = arguments["photo"]
        if name := self._pictures.name(url):
            try:
                sent = await self._bot.send_photo(**as_photo(arguments, name))
            except error.BadRequest as problem:
                if not self._pictures.refused(url, problem):
                    raise
                log.warning("telegram_picture_refused", description=redacted(problem.message))
            else:
                if sent.photo:
                    self._pictures.store_copy(url, sent.photo[-1].file_id)
                return (
                    Receipt(message_number=sent.message_id)
                    if sent.chat.id == arguments["chat_id"]
                    else http.FOREIGN
                )
        return await self._new(with_link(arguments))

    async def _corrected(self, outgoing: contract.Outgoing) -> Outcome:
        """Edit the messages of earlier editions that still exist; send anew if none could be
        edited, and always in an emergency.

        Messages that cannot show the new text are deleted afterwards. A new message is sent before
        anything is deleted.
        """
        if _aloud(
            outgoing.message.edition
        ):  # an edit makes no sound, and nothing may delay the new message
            return await self._new_before_old(outgoing)
        results = {
            number: await self._editor.edit(*self._edit(outgoing, number))
            for number in outgoing.recipient.corrects
        }
        edited = [number for number, result in results.items() if result is EditResult.EDITED]
        outcome = Receipt(message_number=edited[0]) if edited else await self._new(outgoing.payload)
        if isinstance(outcome, Receipt):
            await self._remove(outgoing, results)
        return outcome

    async def _new_before_old(self, outgoing: contract.Outgoing) -> Outcome:
        outcome = await self._new(outgoing.payload)
        if not isinstance(outcome, Receipt):
            return outcome
        results: dict[int, EditResult] = {}
        for number in outgoing.recipient.corrects:
            try:
                results[number] = await self._editor.edit_patiently(*self._edit(outgoing, number))
            except (
                error.TelegramError
            ) as problem:  # the new message has arrived: repeating it would double it
                log.warning("telegram_old_message_left", description=redacted(str(problem)))
        await self._remove(outgoing, results)
        return outcome

    async def _remove(self, outgoing: contract.Outgoing, results: Mapping[int, EditResult]) -> None:
        for number, result in results.items():
            if result is EditResult.OUTDATED:
                await self._editor.remove(outgoing.payload["chat_id"], number)

    def _edit(self, outgoing: contract.Outgoing, number: int) -> tuple[dict[str, Any], str]:
        """Return the arguments of an edit, and the caption for a photo that the new text cannot
        replace.
        """
        arguments = {
            name: value
            for name, value in outgoing.payload.items()
            if name != "disable_notification"
        }
        return arguments | {"message_id": number}, replaced(
            outgoing.message.edition, outgoing.message.lang, self._settings.site
        )

    async def answer(self, address: str, text: str) -> Outcome:
        """Send plain text, split into several messages if long; the first failure ends it."""
        outcome: Outcome = Rejected(code="400", detail="empty text")
        for piece in pieces(clean(f"[SIMULASI] {text}" if self._settings.site.simulated else text)):
            act = partial(
                self._new, {"chat_id": int(address), "text": piece, "api_kwargs": _NO_PREVIEW}
            )
            outcome = await self._token.guarded(
                lambda act=act: _outcome(act())  # type: ignore[misc]
            )
            if not isinstance(outcome, Receipt):
                break
        return outcome

    def precheck_webhook(self, headers: Mapping[str, str]) -> None:
        """Compare the secret token, the only authentication that Telegram sends."""
        http.require(
            self._settings.webhook_secret, headers.get("x-telegram-bot-api-secret-token", "")
        )

    def parse_webhook(
        self, headers: Mapping[str, str], body: bytes
    ) -> Sequence[contract.Event | Unreadable]:
        """Parse messages and button clicks of residents, and whether they block the bot."""
        self.precheck_webhook(headers)
        return updates.read(body)

    def challenge(self, query: Mapping[str, str]) -> str | None:
        """Return None: Telegram has no GET handshake."""
        return None

    async def check(self) -> Sequence[Finding]:
        """Check the token with getMe and the webhook with getWebhookInfo."""
        if self._settings.missing():
            return [TOKEN_MISSING]
        return await account_findings(
            self._bot,
            webhook=f"{self._base}/webhook/{self.name}",
            secret=self._settings.webhook_secret,
        )

    async def probe(self) -> bool:
        """True if getMe succeeds."""
        try:
            return bool(await self._bot.get_me())
        except error.TelegramError:
            return False

    async def aclose(self) -> None:
        """Close the connections."""
        await self._request.shutdown()


def _aloud(edition: contract.Edition) -> bool:
    return edition.emergency or edition.urgent


def _edits(outgoing: contract.Outgoing) -> bool:
    return outgoing.message.edition.change != "original" and bool(outgoing.recipient.corrects)


async def _outcome(call: Awaitable[Outcome]) -> Outcome:
    try:
        return await call
    except error.TelegramError as problem:
        return failure_of(problem)


def open_channel(settings: Settings) -> contract.PushChannel:
    """Open the channel with these settings."""
    return Telegram(settings)
