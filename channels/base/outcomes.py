"""Outcomes of a message handed to a provider: accepted, or one of five failures."""

from dataclasses import dataclass
from typing import Literal

import msgspec


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The provider accepted the message."""

    provider_id: str = ""  # stored as a keyed hash
    message_number: int | None = None  # for later edits; stored in the clear: no address
    aliases: tuple[str, ...] = ()  # further ids of the same address, as reported by the provider
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """This address will never accept a message: do not retry, suppress the address."""

    reason: Literal["address_dead", "opted_out"]
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejected:
    """The provider will not accept this message: do not retry.

    `whole_edition` is True if the reply names the template or the media, not the recipient.
    """

    code: str = ""
    detail: str = ""
    whole_edition: bool = False
    domain: str = ""
    """All addresses of a domain count as one towards SEVERAL; only email sets it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Skipped:
    """Not deliverable here through no fault of the address: do not retry, use the subscriber's next
    address.
    """

    code: str = ""
    detail: str = ""


About = Literal["sender", "either", "recipient"]
"""Subject of a failure. Anything but "sender" came in reply to one recipient and only counts once
several addresses got it; "either" also names our account.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deferred:
    """Try again later.

    `retry_after` (seconds) overrides the usual waits. `throttle`: the provider is limiting us,
    which never uses up an attempt; `scope` says what is limited. `uncertain`: written but
    unanswered, so a retry may deliver twice. `strikes` > 0: a soft bounce; that many on different
    days with no success in between make the address dead. `moved_to`: the address's new id.
    """

    retry_after: float | None = None
    throttle: bool = False
    scope: Literal["channel", "domain", "address"] = "channel"
    uncertain: bool = False
    code: str = ""
    detail: str = ""
    strikes: int = 0
    moved_to: str = ""
    alarm: bool = False
    about: About = "sender"


@dataclass(frozen=True, kw_only=True, slots=True)
class Halted:
    """The channel is broken or misconfigured: pause it and raise the alarm; no recipient uses up an
    attempt.
    """

    code: str = ""
    detail: str = ""
    resume: Literal["probe", "manual"] = "manual"
    about: About = "sender"


SEVERAL = 10
"""Number of different addresses that must get the same reply, with no success in between, before it
counts as being about the sender.
"""

Failure = Refused | Rejected | Skipped | Deferred | Halted
Outcome = Receipt | Failure
