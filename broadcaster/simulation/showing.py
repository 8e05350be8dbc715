"""Chat bubbles of the simulated phones: received parts rendered as safe HTML. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import nh3
from markupsafe import Markup, escape

from broadcaster.simulation.residents import CHAT, PHONE
from channels.base.pictures import FILE

_TAGS = {
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
}
_MARKS = (("*", "strong"), ("_", "em"), ("~", "s"))
_WEB = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")
_ADDRESS = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)*_~]|(?<![\w.+-])\w[\w.+-]*@[\w.-]+\w")
_PLACE = "\x00"
"""Placeholder for an address while the surrounding markup is parsed."""


@dataclass(frozen=True, kw_only=True)
class Button:
    """Button below a bubble: opens `url`, or sends `payload`."""

    label: str
    url: str = ""
    payload: str = ""


@dataclass(frozen=True, kw_only=True)
class Bubble:
    """Message on a phone; `mine` if the phone's owner wrote it."""

    id: str
    mine: bool
    text: Markup
    header: str = ""
    footer: str = ""
    buttons: Sequence[Button] = ()
    at: datetime | None = None
    edited: bool = False
    silent: bool = False
    picture: str = ""
    """Path of a picture on this site, placed above the text."""


def bubbles(channel: str, messages: Sequence[Mapping[str, Any]]) -> list[Bubble]:
    """Render the messages that the stand-in providers report for a phone, oldest first."""
    return [_bubble(channel, message) for message in messages]


def _bubble(channel: str, message: Mapping[str, Any]) -> Bubble:
    parts: Mapping[str, str] = message["parts"]
    rich = chat_markup if channel == CHAT and not message["mine"] else phone_markup
    return Bubble(
        id=message["id"],
        mine=message["mine"],
        text=rich(parts.get("text", "")),
        header=parts.get("header", ""),
        footer=parts.get("footer", ""),
        buttons=buttons(channel, parts.get("buttons", "")),
        at=datetime.fromisoformat(message["at"]) if message.get("at") else None,
        edited=message.get("edited", False),
        silent=parts.get("silent") == "ya",
        picture=picture_path(parts.get("photo") or parts.get("link_preview", "")),
    )


def picture_path(url: str) -> str:
    """Return the path of a picture on this site, under any host name; "" for other addresses."""
    match = FILE.search(url)
    return match[0] if match and url.endswith(match[0]) else ""


def phone_markup(text: str) -> Markup:
    """Render WhatsApp's *bold*, _italic_ and ~strikethrough~, and link web addresses.

    Marks inside an address are left as they are.
    """
    addresses = _ADDRESS.findall(text)
    safe = _escaped(_ADDRESS.sub(_PLACE, text.replace(_PLACE, "")))
    for mark, tag in _MARKS:
        inner = re.escape(mark)
        safe = re.sub(
            rf"(?<![\w{inner}]){inner}(?=\S)([^{inner}\n]+?)(?<=\S){inner}(?![\w{inner}])",
            rf"<{tag}>\1</{tag}>",
            safe,
        )
    rest = iter(addresses)
    safe = re.sub(_PLACE, lambda _: _escaped(next(rest)), safe)
    return Markup(  # noqa: S704  escaped above
        _WEB.sub(r'<a href="\g<0>" target="_blank" rel="noopener noreferrer">\g<0></a>', safe)
    )


def _escaped(text: str) -> str:
    return str(escape(text))


def chat_markup(html: str) -> Markup:
    """Reduce HTML to the tags that Telegram supports; links open in a new tab."""
    clean = nh3.clean(
        html,
        tags=_TAGS,
        attributes={"a": {"href", "target"}},
        url_schemes={"http", "https"},
        link_rel="noopener noreferrer",
    )
    return Markup(clean.replace("<a href", '<a target="_blank" href'))  # noqa: S704  nh3 cleaned it


def buttons(channel: str, lines: str) -> list[Button]:
    """Parse the buttons of a message, one a line: `label: target`, in chats `[label] target`."""
    shape = re.compile(r"(.+?): (.*)" if channel == PHONE else r"\[(.+?)\] (.*)")
    matches = [match for line in lines.splitlines() if (match := shape.fullmatch(line))]
    return [_button(match[1], match[2]) for match in matches]


def _button(label: str, target: str) -> Button:
    if target.startswith(("http://", "https://")):
        return Button(label=label, url=target)
    return Button(label=label, payload=target)
