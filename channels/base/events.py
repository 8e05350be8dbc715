"""Events that providers report by webhook, and the errors of a webhook itself."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from channels.base.outcomes import Failure


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusEvent:
    """A delivery status of a message to `address`; `dedupe` is the same each time the provider
    repeats it.
    """

    dedupe: str
    provider_id: str
    address: str = ""
    delivery: str = ""
    state: Literal["sent", "delivered", "read", "failed"]
    at: datetime
    failure: Failure | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class InboundEvent:
    """A message or button click from a resident; `payload` is the button's, `address` the opaque
    id.
    """

    dedupe: str
    address: str
    text: str = ""
    payload: str = ""
    aliases: tuple[str, ...] = ()
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AddressEvent:
    """An address died, blocked us, came back or got a new id (`moved_to`).

    `exact` is True if the event says nothing about a former id of the address.
    """

    dedupe: str
    address: str
    state: Literal["address_dead", "opted_out", "reachable", "moved"]
    aliases: tuple[str, ...] = ()
    moved_to: str = ""
    exact: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmEvent:
    """A notice from the provider to the operator (quality, account, template): logged and
    displayed.
    """

    dedupe: str
    code: str
    detail: str


Event = StatusEvent | InboundEvent | AddressEvent | AlarmEvent


class BadSignature(Exception):
    """The webhook's signature is missing or wrong: answer 403 with a constant body."""


class BadWebhook(Exception):
    """The webhook's signature is valid but its body is unreadable: keep the bytes, answer
    200, log.
    """
