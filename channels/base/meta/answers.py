"""Responses of Meta's Graph API to a message, parsed tolerantly: success or an error."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from channels.base import http
from channels.base.redaction import redacted


class GraphError(msgspec.Struct, frozen=True):
    """`error` of a response, or an item of a status's `errors`; code -1 if the provider gave
    none.
    """

    code: int = -1
    message: str = ""
    title: str = ""
    error_data: Any = None

    @property
    def detail(self) -> str:
        """The provider's message without anything that could be a number or an id; at most 300
        characters.
        """
        details = self.error_data.get("details") if isinstance(self.error_data, dict) else None
        words = str(details or self.message or self.title)
        return redacted(words)[:300]


class Sent(msgspec.Struct):
    """An item of a response's `messages`."""

    id: str = ""
    message_status: str | None = None


class Contact(msgspec.Struct):
    """Ids of a person: as we sent it (only in responses), the number's digits, the business-scoped
    id.
    """

    input: str = ""
    wa_id: str | None = None
    user_id: str | None = None


class Answer(msgspec.Struct):
    """The response to a message: success or an error."""

    messages: list[Sent] = []
    contacts: list[Contact] = []
    error: GraphError = GraphError()

    @property
    def names(self) -> set[str]:
        """All ids of the recipient; empty if the response names none."""
        return {
            known
            for contact in self.contacts
            for known in (contact.input.lstrip("+"), contact.wa_id, contact.user_id)
            if known
        }


_ANSWER = msgspec.json.Decoder(Answer)


def answer_of(body: bytes) -> Answer:
    """Parse a response; an unreadable one becomes an empty Answer."""
    try:
        return _ANSWER.decode(body)
    except msgspec.DecodeError:
        return Answer()


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the provider asks us to wait.

    From Retry-After, else the longest estimate (in minutes) of the usage header.
    """
    usage = headers.get("X-Business-Use-Case-Usage", "")
    minutes = [
        int(estimate)
        for estimate in re.findall(r'"estimated_time_to_regain_access"\s*:\s*(\d{1,6})', usage)
    ]
    return http.seconds(headers.get("Retry-After")) or (max(minutes, default=0) * 60.0 or None)
