"""The contract between the program and its channels: what a channel is given and what it returns.

The one module that a channel must import: `__all__` also names what editions, outcomes and events
define, so that these files can be split or joined without an edit in any channel. The rest of
`channels.base` is helpers that it may use.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, Protocol

import msgspec

from channels.base.address_codes import AddressCode
from channels.base.edition import (
    SUMMARY_LIMIT,
    TITLE_LIMIT,
    Area,
    Change,
    Claim,
    Edition,
    Image,
    Kind,
    Lang,
    Level,
    Site,
    Topic,
    Wording,
)
from channels.base.events import (
    AddressEvent,
    AlarmEvent,
    BadSignature,
    BadWebhook,
    Event,
    InboundEvent,
    StatusEvent,
)
from channels.base.outcomes import (
    SEVERAL,
    About,
    Deferred,
    Failure,
    Halted,
    Outcome,
    Receipt,
    Refused,
    Rejected,
    Skipped,
)
from channels.base.tolerant_reading import Unreadable

__all__ = [
    "SEVERAL", "SUMMARY_LIMIT", "TITLE_LIMIT", "About", "AddressEvent", "AlarmEvent", "Area",
    "BadAddress", "BadSignature", "BadWebhook", "Change", "Claim", "Deferred", "Document",
    "Edition", "Event", "Failure", "Finding", "Halted", "Image", "InboundEvent", "Kind", "Lang",
    "Level", "Limits", "MayWrite", "Message", "Outcome", "Outgoing", "PageRequest", "PullChannel",
    "PushChannel", "Receipt", "Recipient", "Refused", "Rejected", "Result", "Site", "Skipped",
    "StatusEvent", "Topic", "Wording",
]  # fmt: skip


# --- push channels ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """An edition rendered for one push channel and language; `frame` is private to the channel."""

    edition: Edition
    lang: str
    frame: Any


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """An address about to be written to.

    `delivery` names the delivery and attempt in provider callbacks (<= 64 of [a-z0-9.]); `token`
    signs the address for /berhenti/ (lower-case base32, the same in every message to it);
    `address_key` is a stable stand-in for the address in Message-IDs; `area` is the subscribed area
    under which the delivery is counted.
    """

    delivery: str
    attempt: int
    address: str
    area: Area
    since: date
    token: str
    address_key: str
    corrects: tuple[int, ...] = ()
    """Message numbers (`Receipt.message_number`) of earlier editions, newest first, if known."""


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A message for one recipient; `payload` is what the channel sends to its provider."""

    recipient: Recipient
    message: Message
    payload: Any


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one message passed to `send`."""

    outgoing: Outgoing
    outcome: Outcome


class BadAddress(ValueError):
    """The text is not an address of this channel: a code that has words in the catalogues, or a
    sentence in Indonesian that says why and shows an example.
    """

    def __init__(self, why: AddressCode | str) -> None:
        self.code = why if isinstance(why, AddressCode) else AddressCode.ADDRESS_OTHER
        self.parameters: Mapping[str, str] = {} if why is self.code else {"text": why}
        super().__init__(why)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A line of `broadcaster doctor`; `ok` is None if undetermined, `mend` tells how to fix it."""

    ok: bool | None
    what: str
    mend: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Limits of the platform; `measure` names the unit in which text is counted."""

    text: int
    measure: Literal["code points", "utf-16 units", "bytes"]
    caption: int | None = None
    marks: Literal["none", "html", "asterisks"] = "none"  # how its text marks bold and italic


MayWrite = Callable[[], bool]
"""Returns True while writing is allowed. Called before each write; once it returns False (lease
lost, pause, pre-emption, SIGTERM) the channel writes nothing more.
"""


class PushChannel(Protocol):
    """A channel that sends each message to a provider.

    Its module also has `Settings` and `parse_address(text) -> str`.
    """

    @property
    def name(self) -> str:
        """The module's name: this channel's only name in the code."""

    @property
    def label(self) -> str:
        """The display name, e.g. "WhatsApp"."""

    @property
    def limits(self) -> Limits:
        """Limits on the size of one message."""

    @property
    def rate(self) -> float:
        """Messages per second that the provider allows; 0 = no limit of our own."""

    @property
    def receipt_wait(self) -> float:
        """Seconds to wait for a late receipt before resending an uncertain message; emergencies
        never wait.
        """

    @property
    def spaced(self) -> bool:
        """True if `spacing` is ever above 0."""

    @property
    def tier(self) -> int:
        """Number of different people per day that the provider lets us write to; 0 = no such
        limit.
        """

    def spacing(self, address: str) -> float:
        """Return the minimum seconds between two messages to this address. Pure."""

    def render(self, edition: Edition, lang: str) -> Message:
        """Render the message once per edition and language. Pure."""

    def personalise(self, message: Message, recipient: Recipient) -> Outgoing:
        """Fill in what differs per recipient. Pure."""

    def preview(self, outgoing: Outgoing) -> dict[str, str]:
        """Return what this recipient will see, by part: text, html, subject, or the template's
        parameters. Pure.
        """

    def send(self, messages: Sequence[Outgoing], *, may_write: MayWrite) -> AsyncIterator[Result]:
        """Send the messages; yield one Result each, in any order.

        After Halted (about the sender) or once `may_write()` returns False, no further message
        begins; messages without a Result were not sent.
        """

    def precheck_webhook(self, headers: Mapping[str, str]) -> None:
        """Reject a request that cannot come from the provider by its headers, before its body is
        read. Pure.

        Raises BadSignature.
        """

    def parse_webhook(
        self, headers: Mapping[str, str], body: bytes
    ) -> Sequence[Event | Unreadable]:
        """Verify the signature over the raw body, then parse it; header names are lower-case. Pure.

        Raises BadSignature, BadWebhook.
        """

    def challenge(self, query: Mapping[str, str]) -> str | None:
        """Return the answer to a provider's GET handshake, or None to refuse it (403). Pure."""

    async def check(self) -> Sequence[Finding]:
        """Ask the provider whether all is in order, for `broadcaster doctor`."""

    async def probe(self) -> bool:
        """Make one cheap call; True if a halted channel works again."""

    async def aclose(self) -> None:
        """Close all connections."""


# --- pull channels ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class PageRequest:
    """A request to a pull channel: one of its `paths`, the area, and the editions that concern it.

    `editions` holds the newest edition of each announcement that concerns `area`, latest first
    publication first, including those withdrawn or expired less than 30 days ago (the channel
    decides what to list). `now` is server time (UTC).
    """

    path: str
    area: Area
    query: Mapping[str, str]
    editions: Sequence[Edition]
    now: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A response of a pull channel; the web layer adds the strong ETag, 304, HEAD and compression.

    `fresh_until` is when it changes by itself (an expiry, a start); None = only when an edition is
    published.
    """

    body: bytes
    media_type: str
    max_age: int
    headers: Mapping[str, str] = field(default_factory=dict)
    updated: datetime | None = None  # for Last-Modified
    fresh_until: datetime | None = None


class PullChannel(Protocol):
    """A channel that readers poll."""

    @property
    def name(self) -> str:
        """The module's name."""

    @property
    def label(self) -> str:
        """The display name, e.g. "Umpan RSS"."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Route patterns with `{area}`, e.g. `/feed/{area}.rss`."""

    def known_query(self, path: str, query: Mapping[str, str]) -> Mapping[str, str]:
        """Return the query parameters that change the document: known names with valid values.
        Pure.
        """

    def render_page(self, request: PageRequest) -> Document:
        """Return the document of one area; `request.query` holds known parameters only. Pure."""
