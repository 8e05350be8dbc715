"""The contract between the program and its channels: what a channel is given and what it returns.

A channel imports nothing else of the program.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, Protocol

import msgspec

from channels.base.tolerant_reading import Unreadable

Lang = Literal["id", "en", "su"]
Kind = Literal["notice", "alert", "clarification"]
Level = Literal["info", "important", "emergency"]
Change = Literal["original", "correction", "withdrawal"]

TITLE_LIMIT, SUMMARY_LIMIT = 70, 90
"""Longest title and summary in code points: what a kelurahan screen fits in either orientation."""


# --- input ----------------------------------------------------------------------------------------


class Area(msgspec.Struct, frozen=True, kw_only=True):
    """An area as a message names it; `code` is the Kemendagri code, e.g. 32.77.03.1002."""

    code: str
    name: str
    slug: str

    @property
    def label(self) -> str:
        """The unambiguous name: "Kota Cimahi", "Kec. Cimahi Utara", "Kel. Cimahi"."""
        depth = self.code.count(".")
        return self.name if depth <= 1 else f"{'Kec.' if depth == 2 else 'Kel.'} {self.name}"

    @property
    def full_name(self) -> str:
        """The name without abbreviations: "Kota Cimahi", "Kecamatan Cimahi Utara", "Kelurahan
        Cimahi".
        """
        depth = self.code.count(".")
        return (
            self.name if depth <= 1 else f"{'Kecamatan' if depth == 2 else 'Kelurahan'} {self.name}"
        )


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """A category from the city's own list, with its label per language."""

    slug: str
    labels: dict[str, str]

    def label(self, lang: str) -> str:
        """Return the label in `lang`, falling back to Indonesian."""
        return self.labels.get(lang) or self.labels["id"]


class Wording(msgspec.Struct, frozen=True, kw_only=True):
    """Text of an edition in one language; `body` and `instruction` are light Markdown."""

    title: str
    summary: str
    body: str
    instruction: str = ""


class Image(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A picture with its compulsory text alternative; `length` is in bytes, `width` and `height` in
    pixels, each 0 if unknown.
    """

    url: str
    alt: str
    length: int = 0
    width: int = 0
    height: int = 0


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """The claim that a clarification rates; the verdict is a type and a label, never a bare
    "hoax".
    """

    claim: str
    verdict: str
    fact: str
    seen_at: str = ""
    hoax_type: str = ""
    evidence: tuple[str, ...] = ()


class Edition(msgspec.Struct, frozen=True, kw_only=True):
    """One signed, immutable, published version of an announcement."""

    announcement: str
    number: int
    code: str
    change: Change = "original"
    reason: str = ""
    kind: Kind
    level: Level
    topic: Topic
    agency: str
    areas: tuple[Area, ...]
    wordings: dict[str, Wording]
    overrides: dict[str, Wording] = {}
    """Indonesian wording adjusted by staff for single channels, by channel name."""
    first_published_at: datetime
    published_at: datetime
    effective: datetime
    expires: datetime | None = None
    link: str | None = None
    image: Image | None = None
    claim: Claim | None = None
    urgent: bool = (
        False  # True if it corrects an emergency, whatever its own level: it must be as loud
    )

    @property
    def key(self) -> str:
        """The edition's unique key, e.g. `0192f…c3.1`; legal in a Message-ID and in a URL."""
        return f"{self.announcement}.{self.number}"

    @property
    def emergency(self) -> bool:
        """True if it uses the emergency lane and takes over screens."""
        return self.level == "emergency"

    def wording(self, lang: str) -> Wording:
        """Return the wording in `lang`, falling back to Indonesian, which every edition has."""
        return self.wordings.get(lang) or self.wordings["id"]

    def on(self, channel: str) -> "Edition":
        """Return the edition with the wording that staff adjusted for this channel, if any."""
        own = {"id": self.overrides[channel]} if channel in self.overrides else {}
        return (
            msgspec.structs.replace(self, wordings=self.wordings | own, overrides={})
            if self.overrides
            else self
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """The city as every message and page names it."""

    base_url: str = "http://127.0.0.1:8000"
    city: str = "Kota Cimahi"
    sender: str = "Info Kota Cimahi"
    domain: str = "info.cimahi.example"
    emergency_number: str = "112"
    simulated: bool = False

    @property
    def host(self) -> str:
        """The base URL without its scheme, for people to read."""
        return self.base_url.split("://", 1)[-1].rstrip("/")

    def permalink(self, code: str) -> str:
        """Return the URL of an announcement's page, the target of every link and QR code."""
        return f"{self.base_url.rstrip('/')}/p/{code}"

    def stop_url(self, token: str) -> str:
        """Return the URL of the unsubscribe page; a POST to it unsubscribes at once (RFC 8058)."""
        return f"{self.base_url.rstrip('/')}/berhenti/{token}"


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


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one message passed to `send`."""

    outgoing: Outgoing
    outcome: Outcome


# --- provider events ------------------------------------------------------------------------------


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


class BadAddress(ValueError):
    """The text is not an address of this channel; the message explains why and shows an example."""


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
