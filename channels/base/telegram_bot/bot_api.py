"""Transport of python-telegram-bot ("PTB") over aiohttp, and reuse of pictures that Telegram
already has.
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
"""Longest wait in seconds that is believed; a longer one is taken as an error."""
AT_ONCE = 64  # requests in flight per batch: 1,000 messages per second at 60 ms per response
PICTURES = 64
"""Maximum number of remembered pictures: no more announcements are sent at once."""
REFUSED_SECONDS = 60.0
"""Seconds for which a picture that Telegram could not use is omitted: our server may just be
restarting.
"""
_BAD_PICTURE = re.compile("file|http url|url content|web ?page|photo|image|picture|media|caption")
"""Descriptions of a 400 that is about the picture or its caption."""
_NO_PICTURES_HERE = re.compile("rights to send photos|send_photos_forbidden")


class _RetryAfter(error.RetryAfter):
    """PTB's exception without its deprecation warning."""

    @property
    def retry_after(self) -> timedelta:
        return self._retry_after


class AioRequest(BaseRequest):
    """PTB transport over aiohttp: the default one, over httpx, takes 1-3 ms of CPU per call."""

    def __init__(self, total_seconds: float = http.TOTAL_SECONDS) -> None:
        self._seconds = total_seconds
        self._sessions = http.Sessions(connections=http.CONNECTIONS, total_seconds=total_seconds)

    @property
    def read_timeout(self) -> float:
        """Seconds per request."""
        return self._seconds

    async def initialize(self) -> None:
        """Do nothing: the session opens with the first request."""

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
        """Make a request; return the response's status and body."""
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
        # without a description PTB would report only the status
        return status, payload if status < 500 and status not in {413, 429} else b"{}"

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """Parse JSON; raises NetworkError if unreadable: after a 200 the message may have been
        sent.
        """
        try:
            return msgspec.json.decode(payload, type=dict[str, Any])
        except msgspec.DecodeError as unreadable:
            raise error.NetworkError("unreadable answer") from unreadable


class Pictures:
    """Names of pictures for Telegram: the URL at first, then the id of Telegram's own copy."""

    def __init__(self) -> None:
        self._copies: dict[str, str] = {}
        self._refused: dict[str, float] = {}

    def name(self, url: str) -> str:
        """Return the value to send for the picture at `url`; empty while Telegram cannot use it."""
        if time.monotonic() < self._refused.get(url, 0.0):
            return ""
        return self._copies.get(url, url)

    def store_copy(self, url: str, copy: str) -> None:
        """Record the id of Telegram's own copy."""
        while len(self._copies) >= PICTURES:
            del self._copies[next(iter(self._copies))]
        self._copies[url] = copy

    def refused(self, url: str, problem: error.BadRequest) -> bool:
        """True if only the picture was refused, so that the text can be sent without it.

        The picture is then omitted for a while.
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


# --- one message, with its picture in different places; `photo` is its URL ------------------------


def with_link(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments for the text, with the picture as a large link preview above it."""
    preview = {"url": arguments["photo"], "prefer_large_media": True, "show_above_text": True}
    extra = {
        **arguments["api_kwargs"],
        "link_preview_options": msgspec.json.encode(preview).decode(),
    }
    return {
        **{name: value for name, value in arguments.items() if name != "photo"},
        "api_kwargs": extra,
    }


def as_caption(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with the text as a caption, which has no link preview."""
    extra = {
        name: value
        for name, value in arguments["api_kwargs"].items()
        if name != "link_preview_options"
    }
    others = {name: value for name, value in arguments.items() if name not in {"text", "photo"}}
    return {**others, "caption": arguments["text"], "api_kwargs": extra}


def as_photo(arguments: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the arguments of sendPhoto."""
    return {**as_caption(arguments), "photo": name}


def as_media(arguments: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the arguments of editMessageMedia."""
    known = as_caption(arguments)
    media = InputMediaPhoto(name, caption=known.pop("caption"), parse_mode=known.pop("parse_mode"))
    return {**known, "media": media}


def shown_by(options: str) -> str:
    """Return the URL previewed by these link_preview_options; empty if previews are off."""
    return str(msgspec.json.decode(options).get("url", ""))
