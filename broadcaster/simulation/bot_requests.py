"""Parsing of requests to the stand-in Bot API: text, buttons and picture, refused where the real
server refuses.
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


class BotRefusal(Exception):
    """Error response with ok=false."""

    def __init__(self, status: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.status = status
        self.answer = {"ok": False, "error_code": status, "description": description}
        if parameters:
            self.answer["parameters"] = parameters


# --- content of a request -------------------------------------------------------------------------


def received_parts(fields: Fields) -> dict[str, str]:
    """Return text, buttons, silence and picture of a message or edit, shaped like the channel's
    preview; edits are silent.
    """
    silent = text_of(fields.get("disable_notification", "")) == "true" or "message_id" in fields
    text, _, photo = _content(fields)
    parts = {
        "text": _interned(text),
        "buttons": _buttons(text_of(fields.get("reply_markup", ""))),
        "silent": "ya" if silent else "tidak",
    }
    pictures = {
        "photo": _source(photo),
        "link_preview": _preview(text_of(fields.get("link_preview_options", ""))),
    }
    return parts | {name: url for name, url in pictures.items() if url}


def _content(fields: Fields) -> tuple[str, str, str]:
    """Return text, parse mode ("HTML" or "") and picture of a request, as sent."""
    media = _object(text_of(fields.get("media", "")))
    text = fields.get("text", fields.get("caption", media.get("caption", "")))
    parse_mode = media.get("parse_mode", fields.get("parse_mode", ""))
    return text_of(text), text_of(parse_mode), text_of(media.get("media", fields.get("photo", "")))


@lru_cache(maxsize=256)
def _object(text: str) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any]) if text else {}
    except msgspec.DecodeError as error:
        raise BotRefusal(400, "Bad Request: can't parse JSON object") from error


def _preview(options: str) -> str:
    """Return the link whose preview is displayed; "" if previews are disabled."""
    preview = _object(options)
    return "" if preview.get("is_disabled") else text_of(preview.get("url", ""))


def copy_of(url: str) -> str:
    """Return the file id of the server's copy of a picture; the id encodes the URL."""
    return _COPY + url.encode().hex()


def _source(photo: str) -> str:
    """Return the URL of a picture given by URL or file id. Raises BotRefusal for anything else."""
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
        raise BotRefusal(400, "Bad Request: wrong file identifier/HTTP URL specified")
    return url


@lru_cache(maxsize=256)
def _interned(text: str) -> str:
    """Return one shared object for equal texts, so that all inboxes hold the same one."""
    return text


async def fields_of(request: web.Request) -> Fields:
    """Read the parameters from JSON, a form or the query string. Raises BotRefusal."""
    body = await request.read()
    if not body:
        return request.query
    try:
        if request.content_type == "application/json":
            return msgspec.json.decode(body, type=dict[str, Any])
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BotRefusal(400, "Bad Request: can't parse the request") from error


def text_of(value: Any) -> str:
    """Return a parameter as text; nested values and flags may be JSON or a string of JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def number(fields: Fields, name: str) -> int:
    """Return an integer parameter, such as chat_id; raises BotRefusal if it is missing."""
    try:
        return int(fields[name])
    except (KeyError, ValueError, TypeError) as error:
        raise BotRefusal(
            400,
            "Bad Request: chat_id is empty"
            if name == "chat_id"
            else "Bad Request: message identifier is not specified",
        ) from error


@lru_cache(maxsize=256)
def _buttons(markup: str) -> str:
    """Return the inline buttons, one "[label] target" a line. Raises BotRefusal."""
    try:
        rows = msgspec.json.decode(markup)["inline_keyboard"] if markup else []
        return "\n".join(f"[{button['text']}] {_target(button)}" for row in rows for button in row)
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError) as error:
        raise BotRefusal(
            400, "Bad Request: can't parse reply keyboard markup JSON object"
        ) from error


def _target(button: Mapping[str, str]) -> str:
    if "url" not in button:
        if len(button["callback_data"].encode()) > 64:
            raise BotRefusal(400, "Bad Request: BUTTON_DATA_INVALID")
        return button["callback_data"]
    address = urlsplit(button["url"])
    if address.scheme not in {"http", "https", "tg"} or not address.netloc:
        raise BotRefusal(400, "Bad Request: BUTTON_URL_INVALID")
    return button["url"]


def checked(fields: Fields) -> str:
    """Parse the text of a message. Raises BotRefusal if it is empty, too long or bad HTML."""
    text, parse_mode, photo = _content(fields)
    captioned = bool(photo) or "caption" in fields
    parsed, entities = parse_html(text) if parse_mode == "HTML" else (text.strip(), 0)
    if not parsed and not captioned:
        raise BotRefusal(400, "Bad Request: message text is empty")
    if utf16(parsed) > (CAPTION_LIMIT if captioned else TEXT_LIMIT):
        raise BotRefusal(
            400,
            "Bad Request: message caption is too long"
            if captioned
            else "Bad Request: message is too long",
        )
    if entities > ENTITY_LIMIT:
        raise BotRefusal(400, "Bad Request: entities too long")
    return parsed


# --- HTML that messages may contain ---------------------------------------------------------------

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
    rf"<(?P<end>/?)(?P<name>[a-zA-Z-]*){_ATTRIBUTES}\s*>|(?P<bad><)|"
    r"(?P<entity>&(?:lt|gt|amp|quot|#\d+|#x[0-9a-fA-F]+);)|[^<&]+|&"
)


@lru_cache(maxsize=256)
def parse_html(text: str) -> tuple[str, int]:
    """Return the displayed text and its number of entities; raises BotRefusal for invalid HTML."""
    pieces: list[str] = []
    stack: list[str] = []
    entities = 0
    for piece in _PIECE.finditer(text):
        if piece["bad"]:
            raise _unparsable("Unclosed start tag", text, piece.start())
        if piece["name"] is None:
            pieces.append(unescape(piece[0]) if piece["entity"] else piece[0])
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
    return "".join(pieces).strip(), entities


def _close(stack: list[str], name: str, text: str, at: int) -> None:
    if not stack:
        raise _unparsable("Unexpected end tag", text, at)
    expected = stack.pop()
    if name != expected:
        raise _unparsable(
            f'Unmatched end tag, expected "</{expected}>", found "</{name}>"', text, at
        )


def _unparsable(why: str, text: str, at: int) -> BotRefusal:
    return BotRefusal(
        400, f"Bad Request: can't parse entities: {why} at byte offset {len(text[:at].encode())}"
    )
