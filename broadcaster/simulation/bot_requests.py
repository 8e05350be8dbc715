"""What a request to the stand-in Bot API says: its words, buttons and picture, refused where the
real server refuses.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
from aiohttp import web

from channels.base.rendering import utf16

TEXT_LIMIT, CAPTION_LIMIT = 4096, 1024  # UTF-16 units of the parsed text
ENTITY_LIMIT = 100

Fields = Mapping[str, Any]
_COPY = "AgACsimulasi"


class Refusal(Exception):
    """An answer with ok=false."""

    def __init__(self, status: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.status = status
        self.answer = {"ok": False, "error_code": status, "description": description}
        if parameters:
            self.answer["parameters"] = parameters


# --- what a request says --------------------------------------------------------------------------


def received_parts(fields: Fields) -> dict[str, str]:
    """Words, buttons, sound and picture of a message or an edit, shaped like the channel's preview;
    an edit is silent.
    """
    silent = text_of(fields.get("disable_notification", "")) == "true" or "message_id" in fields
    text, _, photo = _content(fields)
    parts = {
        "text": _kept(text),
        "buttons": _buttons(text_of(fields.get("reply_markup", ""))),
        "silent": "ya" if silent else "tidak",
    }
    shown = {
        "photo": _source(photo),
        "link_preview": _preview(text_of(fields.get("link_preview_options", ""))),
    }
    return parts | {name: url for name, url in shown.items() if url}


def _content(fields: Fields) -> tuple[str, str, str]:
    """The words as they were sent, how they are written ("HTML" or ""), and the picture as it was
    named.
    """
    media = _object(text_of(fields.get("media", "")))
    text = fields.get("text", fields.get("caption", media.get("caption", "")))
    written = media.get("parse_mode", fields.get("parse_mode", ""))
    return text_of(text), text_of(written), text_of(media.get("media", fields.get("photo", "")))


@lru_cache(maxsize=256)
def _object(text: str) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any]) if text else {}
    except msgspec.DecodeError as error:
        raise Refusal(400, "Bad Request: can't parse JSON object") from error


def _preview(options: str) -> str:
    """The link whose preview is shown."""
    found = _object(options)
    return "" if found.get("is_disabled") else text_of(found.get("url", ""))


def copy_of(url: str) -> str:
    """The id of our copy of a picture: it says of which, so that nothing has to be remembered."""
    return _COPY + url.encode().hex()


def _source(photo: str) -> str:
    """Where a picture came from, by its address or the id of our copy; refuses anything else."""
    try:
        url = (
            bytes.fromhex(photo.removeprefix(_COPY)).decode() if photo.startswith(_COPY) else photo
        )
        sound = not url or (
            urlsplit(url).scheme in {"http", "https"} and bool(urlsplit(url).netloc)
        )
    except ValueError:
        sound = False
    if not sound:
        raise Refusal(400, "Bad Request: wrong file identifier/HTTP URL specified")
    return url


@lru_cache(maxsize=256)
def _kept(text: str) -> str:
    """The same object for equal texts: a thousand phones then share one."""
    return text


async def fields_of(request: web.Request) -> Fields:
    """The parameters, sent as JSON, as a form or in the query."""
    body = await request.read()
    if not body:
        return request.query
    try:
        if request.content_type == "application/json":
            return msgspec.json.decode(body, type=dict[str, Any])
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(400, "Bad Request: can't parse the request") from error


def text_of(value: Any) -> str:
    """A parameter as text: nested values and flags may come as JSON or as a string of JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def number(fields: Fields, name: str) -> int:
    """A whole number, such as chat_id; refuses a request without it."""
    try:
        return int(fields[name])
    except (KeyError, ValueError, TypeError) as error:
        raise Refusal(
            400,
            "Bad Request: chat_id is empty"
            if name == "chat_id"
            else "Bad Request: message identifier is not specified",
        ) from error


@lru_cache(maxsize=256)
def _buttons(markup: str) -> str:
    """The inline buttons, one "[label] target" a line; refuses what the real server refuses."""
    try:
        rows = msgspec.json.decode(markup)["inline_keyboard"] if markup else []
        return "\n".join(f"[{button['text']}] {_target(button)}" for row in rows for button in row)
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
        raise Refusal(400, "Bad Request: can't parse reply keyboard markup JSON object") from error


def _target(button: Mapping[str, str]) -> str:
    if "url" not in button:
        if len(button["callback_data"].encode()) > 64:
            raise Refusal(400, "Bad Request: BUTTON_DATA_INVALID")
        return button["callback_data"]
    address = urlsplit(button["url"])
    if address.scheme not in {"http", "https", "tg"} or not address.netloc:
        raise Refusal(400, "Bad Request: BUTTON_URL_INVALID")
    return button["url"]


def checked(fields: Fields) -> str:
    """The parsed words of a message; refuses an empty or too long text, a too long caption and bad
    HTML.
    """
    text, written, photo = _content(fields)
    captioned = bool(photo) or "caption" in fields
    shown, entities = parse_html(text) if written == "HTML" else (text.strip(), 0)
    if not shown and not captioned:
        raise Refusal(400, "Bad Request: message text is empty")
    if utf16(shown) > (CAPTION_LIMIT if captioned else TEXT_LIMIT):
        raise Refusal(
            400,
            "Bad Request: message caption is too long"
            if captioned
            else "Bad Request: message is too long",
        )
    if entities > ENTITY_LIMIT:
        raise Refusal(400, "Bad Request: entities too long")
    return shown


# --- HTML as messages may hold it -----------------------------------------------------------------

_NAMES = {
    "b",
    "strong",
    "i",
    "em",
    "u",
    "ins",
    "s",
    "strike",
    "del",
    "a",
    "code",
    "pre",
    "blockquote",
    "tg-spoiler",
    "span",
}
_ATTRIBUTES = r"""(?:\s+[^\s=<>"']+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s<>"']+))?)*"""
_PIECE = re.compile(
    rf"<(?P<end>/?)(?P<name>[a-zA-Z-]*){_ATTRIBUTES}\s*>|(?P<bad><)|(?P<entity>&(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);)|[^<&]+|&"
)


@lru_cache(maxsize=256)
def parse_html(text: str) -> tuple[str, int]:
    """The text that is shown, and its number of entities; refuses what the real server refuses."""
    shown: list[str] = []
    stack: list[str] = []
    entities = 0
    for piece in _PIECE.finditer(text):
        if piece["bad"]:
            raise _unparsable("Unclosed start tag", text, piece.start())
        if piece["name"] is None:
            shown.append(unescape(piece[0]) if piece["entity"] else piece[0])
        elif piece["end"]:
            _close(stack, piece["name"].lower(), text, piece.start())
        elif piece["name"].lower() not in _NAMES:
            raise _unparsable(f'Unsupported start tag "{piece["name"]}"', text, piece.start())
        else:
            stack.append(piece["name"].lower())
            entities += 1
    if stack:
        raise _unparsable(
            f'Can\'t find end tag corresponding to start tag "{stack[-1]}"', text, len(text)
        )
    return "".join(shown).strip(), entities


def _close(stack: list[str], name: str, text: str, at: int) -> None:
    if not stack:
        raise _unparsable("Unexpected end tag", text, at)
    expected = stack.pop()
    if name != expected:
        raise _unparsable(
            f'Unmatched end tag, expected "</{expected}>", found "</{name}>"', text, at
        )


def _unparsable(why: str, text: str, at: int) -> Refusal:
    return Refusal(
        400, f"Bad Request: can't parse entities: {why} at byte offset {len(text[:at].encode())}"
    )
