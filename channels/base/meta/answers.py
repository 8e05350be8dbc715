"""Answers of Meta's Graph API to a message: taken, or an error; read tolerantly."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from channels.base import http
from channels.base.redaction import redacted


class GraphError(msgspec.Struct, frozen=True):
    """`error` of an answer, or one of `errors` of a status; code -1 when the provider gave none."""

    code: int = -1
    message: str = ""
    title: str = ""
    error_data: Any = None

    @property
    def detail(self) -> str:
        """The provider's own words, without anything that could be a number or an id; at most 300
        characters.
        """
        details = self.error_data.get("details") if isinstance(self.error_data, dict) else None
        words = str(details or self.message or self.title)
        return redacted(words)[:300]


class Sent(msgspec.Struct):
    """One of `messages` of an answer."""

    id: str = ""
    message_status: str | None = None


class Contact(msgspec.Struct):
    """Ids of one person: as we named it (in answers alone), the number's digits, and the
    business-scoped id.
    """

    input: str = ""
    wa_id: str | None = None
    user_id: str | None = None


class Answer(msgspec.Struct):
    """The body of an answer to a message: taken, or an error."""

    messages: list[Sent] = []
    contacts: list[Contact] = []
    error: GraphError = GraphError()

    @property
    def names(self) -> set[str]:
        """Every id of whom it is about; empty when it does not say."""
        return {
            known
            for one in self.contacts
            for known in (one.input.lstrip("+"), one.wa_id, one.user_id)
            if known
        }


_ANSWER = msgspec.json.Decoder(Answer)


def answer_of(body: bytes) -> Answer:
    """Read an answer; one that cannot be read is an empty Answer."""
    try:
        return _ANSWER.decode(body)
    except msgspec.DecodeError:
        return Answer()


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Seconds that the provider asks us to wait: Retry-After, else the usage header's longest
    estimate (in minutes).
    """
    usage = headers.get("X-Business-Use-Case-Usage", "")
    minutes = [
        int(found)
        for found in re.findall(r'"estimated_time_to_regain_access"\s*:\s*(\d{1,6})', usage)
    ]
    return http.seconds(headers.get("Retry-After")) or (max(minutes, default=0) * 60.0 or None)
