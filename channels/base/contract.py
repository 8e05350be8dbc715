"""The contract every channel keeps: what goes in, what comes out. It is all that a channel may
know.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal, Protocol

import msgspec

from channels.base.address_codes import AddressCode
from channels.base.tolerant_reading import Unreadable

Lang = Literal["id", "en", "su"]
Kind = Literal["notice", "alert", "clarification"]
Level = Literal["info", "important", "emergency"]
Change = Literal["original", "correction", "withdrawal"]

TITLE_LIMIT, SUMMARY_LIMIT = 70, 90
"""Code points of a title and of a summary: the longest that a kelurahan screen shows in both
orientations.
"""


# --- what goes in -------------------------------------------------------------------------------


class Area(msgspec.Struct, frozen=True, kw_only=True):
    """One area as a message names it; `code` is the Kemendagri code, e.g. 32.77.03.1002."""

    code: str
    name: str
    slug: str

    @property
    def label(self) -> str:
        """The name that cannot be mistaken: "Kota Cimahi", "Kec. Cimahi Utara", "Kel. Cimahi"."""
        depth = self.code.count(".")
        return self.name if depth <= 1 else f"{'Kec.' if depth == 2 else 'Kel.'} {self.name}"

    @property
    def full_name(self) -> str:
        """The name in full words: "Kota Cimahi", "Kecamatan Cimahi Utara", "Kelurahan Cimahi"."""
        depth = self.code.count(".")
        return (
            self.name if depth <= 1 else f"{'Kecamatan' if depth == 2 else 'Kelurahan'} {self.name}"
        )


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """A category of the city's own list, with its label per language."""

    slug: str
    labels: dict[str, str]

    def label(self, lang: str) -> str:
        """The label in `lang`, else in Indonesian."""
        return self.labels.get(lang) or self.labels["id"]


class Wording(msgspec.Struct, frozen=True, kw_only=True):
    """The words of an edition in one language; `body` and `instruction` are light Markdown."""

    title: str
    summary: str
    body: str
    instruction: str = ""


class Image(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A picture with its compulsory text alternative; bytes and pixels of what `url` names, 0 where
    they are not known.
    """

    url: str
    alt: str
    length: int = 0
    width: int = 0
    height: int = 0


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """What a clarification answers (a verdict beside its type, never a bare "hoax")."""

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
    """Indonesian words of single channels, by the channel's name, where staff adjusted them."""
    first_published_at: datetime
    published_at: datetime
    effective: datetime
    expires: datetime | None = None
    link: str | None = None
    image: Image | None = None
    claim: Claim | None = None
    urgent: bool = (
        False  # whether it corrects an emergency, whatever its own level: as loud as that was
    )

    @property
    def key(self) -> str:
        """Names this edition among all, e.g. `0192f…c3.1`; legal in a Message-ID and in a URL."""
        return f"{self.announcement}.{self.number}"

    @property
    def emergency(self) -> bool:
        """Whether this goes by the emergency lane and takes screens over."""
        return self.level == "emergency"

    def wording(self, lang: str) -> Wording:
        """The words in `lang`, else in Indonesian, which every edition has."""
        return self.wordings.get(lang) or self.wordings["id"]

    def on(self, channel: str) -> "Edition":
        """The edition as this channel says it: with the words that staff adjusted for it alone,
        where there are some.
        """
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
        """The base URL as people read it: without its scheme."""
        return self.base_url.split("://", 1)[-1].rstrip("/")

    def permalink(self, code: str) -> str:
        """The page of an announcement, target of every link and QR code."""
        return f"{self.base_url.rstrip('/')}/p/{code}"

    def stop_url(self, token: str) -> str:
        """The page on which a resident stops; POST to it stops at once (RFC 8058)."""
        return f"{self.base_url.rstrip('/')}/berhenti/{token}"


# --- push channels ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """An edition rendered once for one push channel and language; `frame` is the channel's own."""

    edition: Edition
    lang: str
    frame: Any


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """One address about to be written to.

    `delivery` names the delivery and attempt in provider callbacks (<= 64 of [a-z0-9.]); `token`
    signs the address for /berhenti/ (lower-case base32, the same in every message to it);
    `address_key` is a stable stand-in for the address in Message-IDs; `area` is the subscribed area
    under which it is counted.
    """

    delivery: str
    attempt: int
    address: str
    area: Area
    since: date
    token: str
    address_key: str
    corrects: tuple[
        int, ...
    ] = ()  # numbers of messages of earlier editions, newest first, where given (`Receipt.message_number`)


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A message for one recipient; `payload` is what the channel hands to its provider."""

    recipient: Recipient
    message: Message
    payload: Any


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The provider took the message."""

    provider_id: str = ""  # stored as a keyed hash
    message_number: int | None = None  # to edit it by; stored as it is: no address may be in it
    aliases: tuple[str, ...] = ()  # further ids of the same address that it told us
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refused:
    """This address will never take it: do not retry, suppress the address."""

    reason: Literal["address_dead", "opted_out"]
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejected:
    """The provider will not take this message: do not retry; `whole_edition` when the code names
    template or media.
    """

    code: str = ""
    detail: str = ""
    whole_edition: bool = False
    domain: str = ""  # counts as one address for "three different addresses": email gives it, others leave it empty


@dataclass(frozen=True, kw_only=True, slots=True)
class Skipped:
    """Not the address's fault, and no use to retry here: fall back to the subscriber's next
    address.
    """

    code: str = ""
    detail: str = ""


About = Literal["sender", "either", "recipient"]
"""Whom a reply is about. All but "sender" answered one recipient ("either": but names our account)
and count only by number.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Deferred:
    """Try later.

    `retry_after` in seconds overrides the usual waits. `throttle`: the provider limits us; never
    spends an attempt. `scope` says what is limited. `uncertain`: written, no answer, so it may
    arrive twice. `strikes` > 0: a soft bounce; that many on different days without a success
    between make the address dead. `moved_to`: the address's new id.
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
    """The channel is broken or misconfigured: pause it, raise the alarm, burn no recipient."""

    code: str = ""
    detail: str = ""
    resume: Literal["probe", "manual"] = "manual"
    about: About = "sender"


SEVERAL = 10
"""Different addresses that must get the same reply, with no success between, before it counts as
about the sender.
"""

Failure = Refused | Rejected | Skipped | Deferred | Halted
Outcome = Receipt | Failure


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one message handed to `send`."""

    outgoing: Outgoing
    outcome: Outcome


# --- what a provider says later -----------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class StatusEvent:
    """What became of a message to `address`; `dedupe` is the same each time the provider repeats
    itself.
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
    """A resident wrote or pressed a button; `payload` is the button's, `address` the opaque id."""

    dedupe: str
    address: str
    text: str = ""
    payload: str = ""
    aliases: tuple[str, ...] = ()
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AddressEvent:
    """An address is gone, has stopped us, is back or has a new id, `moved_to`; `exact`: of a former
    id it says nothing.
    """

    dedupe: str
    address: str
    state: Literal["address_dead", "opted_out", "reachable", "moved"]
    aliases: tuple[str, ...] = ()
    moved_to: str = ""
    exact: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class AlarmEvent:
    """The provider tells the operator something (quality, account, template): logged and shown."""

    dedupe: str
    code: str
    detail: str


Event = StatusEvent | InboundEvent | AddressEvent | AlarmEvent


class BadSignature(Exception):
    """The webhook's signature is missing or wrong: answer 403 with a constant body."""


class BadWebhook(Exception):
    """The webhook's signature holds but its body cannot be read: keep the bytes, answer 200, log."""


class BadAddress(ValueError):
    """The text is no address of this channel."""

    def __init__(self, code: AddressCode) -> None:
        self.code = code
        self.parameters: Mapping[str, str] = {}
        super().__init__(code)


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One line of `broadcaster doctor`: `ok` None means "could not be told"; `mend` says what to
    do.
    """

    ok: bool | None
    what: str
    mend: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What the platform allows; `measure` names how it counts."""

    text: int
    measure: Literal["code points", "utf-16 units", "bytes"]
    caption: int | None = None
    marks: Literal["none", "html", "asterisks"] = "none"  # how its text says what is bold


MayWrite = Callable[[], bool]
"""Asked before each write; once it says False the channel writes nothing more (lease, pause,
pre-emption, SIGTERM).
"""


class PushChannel(Protocol):
    """A way out that hands each message to a provider. The module also has `Settings` and
    `parse_address(text) -> str`.
    """

    @property
    def name(self) -> str:
        """The module's name: the one name of this channel everywhere."""

    @property
    def label(self) -> str:
        """What people read, e.g. "WhatsApp"."""

    @property
    def limits(self) -> Limits:
        """What fits into one message."""

    @property
    def rate(self) -> float:
        """Messages a second that the provider grants; 0 = no limit of our own."""

    @property
    def receipt_wait(self) -> float:
        """Seconds to wait for a late receipt before an uncertain message is resent (0 for
        emergencies, always).
        """

    @property
    def spaced(self) -> bool:
        """Whether `spacing` is ever above 0."""

    @property
    def tier(self) -> int:
        """Different people a day whom the provider lets us write to; 0 = no such limit."""

    def spacing(self, address: str) -> float:
        """Pure: seconds that must lie between two messages to this address."""

    def render(self, edition: Edition, lang: str) -> Message:
        """Pure: the message once per edition and language."""

    def personalise(self, message: Message, recipient: Recipient) -> Outgoing:
        """Pure: what differs per recipient."""

    def preview(self, outgoing: Outgoing) -> dict[str, str]:
        """Pure: what this recipient will see, by part (text, html, subject, or the template's
        parameters).
        """

    def send(self, messages: Sequence[Outgoing], *, may_write: MayWrite) -> AsyncIterator[Result]:
        """Hand the messages over; one Result each, in any order.

        After Halted (of the sender) or once `may_write()` is False nothing more begins: what has no
        Result was not sent.
        """

    def precheck_webhook(self, headers: Mapping[str, str]) -> None:
        """Pure: refuse from the head alone what no provider sent, before its body is read. Raises
        BadSignature.
        """

    def parse_webhook(
        self, headers: Mapping[str, str], body: bytes
    ) -> Sequence[Event | Unreadable]:
        """Pure: check the signature over the raw body, then read it; lower-case header names.
        Raises BadSignature, BadWebhook.
        """

    def challenge(self, query: Mapping[str, str]) -> str | None:
        """Pure: the answer to a provider's GET handshake, or None to refuse it (403)."""

    async def check(self) -> Sequence[Finding]:
        """For `doctor`: ask the provider whether all is in order."""

    async def probe(self) -> bool:
        """One cheap call that tells whether a halted channel is back."""

    async def aclose(self) -> None:
        """Close connections."""


# --- pull channels ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class PageRequest:
    """What a pull channel is asked: one of its `paths`, the area, and the editions that concern it.

    `editions`: the newest edition of each announcement that concerns `area`, newest first
    publication first; withdrawn and expired ones included where younger than 30 days (the channel
    decides what it shows). `now` is server time (UTC).
    """

    path: str
    area: Area
    query: Mapping[str, str]
    editions: Sequence[Edition]
    now: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """What a pull channel serves; the web layer adds the strong ETag, 304, HEAD and compression.

    `fresh_until`: when it changes by itself (an expiry, a start); None = only when an edition is
    published.
    """

    body: bytes
    media_type: str
    max_age: int
    headers: Mapping[str, str] = field(default_factory=dict)
    updated: datetime | None = None  # for Last-Modified
    fresh_until: datetime | None = None


class PullChannel(Protocol):
    """A way out that readers poll."""

    @property
    def name(self) -> str:
        """The module's name."""

    @property
    def label(self) -> str:
        """What people read, e.g. "Umpan RSS"."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Route patterns with `{area}`, e.g. `/feed/{area}.rss`."""

    def known_query(self, path: str, query: Mapping[str, str]) -> Mapping[str, str]:
        """Pure: what of a query changes the document: names of ours with valid values."""

    def render_page(self, request: PageRequest) -> Document:
        """Pure: the document of one area; `request.query` is known."""
