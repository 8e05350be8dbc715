"""How python-telegram-bot ("PTB") speaks to the Bot API here: over aiohttp, and with pictures that
Telegram knows already.
"""

import re
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
from telegram import InputMediaPhoto, error
from telegram.request import BaseRequest, RequestData

from channels.base import http

LONGEST_REST = 86_400
"""Seconds that are believed when the bot is told to wait; more would be a slip."""
AT_ONCE = 64  # requests in flight of one batch: 1,000 messages a second at 60 ms an answer
PICTURES = 64
"""Pictures remembered at most: more announcements than that do not go out at once."""
REFUSED_SECONDS = 60.0
"""How long a picture that Telegram could not use is left out: our server may only have been
restarting.
"""
_BAD_PICTURE = re.compile("file|http url|url content|web ?page|photo|image|picture|media|caption")
"""What a 400 says that is about the picture, or about words below one."""
_NO_PICTURES_HERE = re.compile("rights to send photos|send_photos_forbidden")


class _RetryAfter(error.RetryAfter):
    """PTB's, without its deprecation warning."""

    @property
    def retry_after(self) -> timedelta:
        return self._retry_after


class AioRequest(BaseRequest):
    """PTB's transport over aiohttp: its own, over httpx, takes 1-3 ms of CPU a call."""

    def __init__(self, total_seconds: float = http.TOTAL_SECONDS) -> None:
        self._seconds = total_seconds
        self._sessions = http.Sessions(connections=http.CONNECTIONS, total_seconds=total_seconds)

    @property
    def read_timeout(self) -> float:
        """Seconds of a request."""
        return self._seconds

    async def initialize(self) -> None:
        """The session opens with the first request."""

    async def shutdown(self) -> None:
        """Close the connections."""
        await self._sessions.aclose()

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        *_: object,
        **__: object,
    ) -> tuple[int, bytes]:
        """Status and body of the answer."""
        body = http.Body(msgspec.json.encode(request_data.json_parameters if request_data else {}))
        kind = {"Content-Type": "application/json"}
        try:
            async with self._sessions.get().request(
                method, url, data=body, headers=kind, allow_redirects=False
            ) as answer:
                status, payload = answer.status, await answer.read()
        except TimeoutError as slow:
            raise error.TimedOut from slow
        if status == 429 and (wait := re.search(rb'"retry_after"\s*:\s*"?(\d+)', payload)):
            raise _RetryAfter(min(int(wait[1][:9]), LONGEST_REST))
        # without a description PTB names the status, which else it would lose
        return status, payload if status < 500 and status not in {413, 429} else b"{}"

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """Unreadable JSON is a NetworkError: after a 200 the message may have gone."""
        try:
            return msgspec.json.decode(payload, type=dict[str, Any])
        except msgspec.DecodeError as unreadable:
            raise error.NetworkError("unreadable answer") from unreadable


class Pictures:
    """How to name each picture to Telegram: by its address at first, by the id of its own copy as
    soon as it has one.
    """

    def __init__(self) -> None:
        self._copies: dict[str, str] = {}
        self._refused: dict[str, float] = {}

    def name(self, url: str) -> str:
        """What to hand over for the picture at `url`; empty while Telegram cannot use it."""
        if time.monotonic() < self._refused.get(url, 0.0):
            return ""
        return self._copies.get(url, url)

    def took(self, url: str, copy: str) -> None:
        """Telegram has a copy of its own."""
        while len(self._copies) >= PICTURES:
            del self._copies[next(iter(self._copies))]
        self._copies[url] = copy

    def refused(self, url: str, problem: error.BadRequest) -> bool:
        """Whether the picture alone was refused, so that the words can go without it; for a while
        nobody tries it again.
        """
        description = problem.message.lower()
        if _NO_PICTURES_HERE.search(description):
            return True
        if not _BAD_PICTURE.search(description):
            return False
        self._copies.pop(url, None)
        while len(self._refused) >= PICTURES:
            del self._refused[next(iter(self._refused))]
        self._refused[url] = time.monotonic() + REFUSED_SECONDS
        return True


# --- one message, with its picture in different places; `photo` is its address -----------------------


def with_link(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The words, with the picture as the large preview of a link above them."""
    shown = {"url": arguments["photo"], "prefer_large_media": True, "show_above_text": True}
    extra = {**arguments["api_kwargs"], "link_preview_options": msgspec.json.encode(shown).decode()}
    return {
        **{name: value for name, value in arguments.items() if name != "photo"},
        "api_kwargs": extra,
    }


def as_caption(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with the words as a caption, which knows no preview of links."""
    extra = {
        name: value
        for name, value in arguments["api_kwargs"].items()
        if name != "link_preview_options"
    }
    kept = {name: value for name, value in arguments.items() if name not in {"text", "photo"}}
    return {**kept, "caption": arguments["text"], "api_kwargs": extra}


def as_photo(arguments: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The arguments of sendPhoto."""
    return {**as_caption(arguments), "photo": name}


def as_media(arguments: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The arguments of editMessageMedia."""
    known = as_caption(arguments)
    media = InputMediaPhoto(name, caption=known.pop("caption"), parse_mode=known.pop("parse_mode"))
    return {**known, "media": media}


def shown_by(options: str) -> str:
    """The address whose preview these link_preview_options show; empty where previews are off."""
    return str(msgspec.json.decode(options).get("url", ""))
