"""An edition of an announcement and its parts: the input of every channel."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

Lang = Literal["id", "en", "su"]
Kind = Literal["notice", "alert", "clarification"]
Level = Literal["info", "important", "emergency"]
Change = Literal["original", "correction", "withdrawal"]

TITLE_LIMIT, SUMMARY_LIMIT = 70, 90
"""Longest title and summary in code points: what a kelurahan screen fits in either orientation."""


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
    """A signed, immutable, published version of an announcement."""

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
