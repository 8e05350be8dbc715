"""Views of editions for pages: their standing, text and history. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from markupsafe import Markup

from broadcaster.web.base.text_diff import marked
from channels.base import moments, rendering, validity
from channels.base.contract import Edition
from channels.base.running_text import repeats

Standing = Literal["valid", "upcoming", "corrected", "ended", "withdrawn"]


@dataclass(frozen=True, kw_only=True)
class View:
    """Newest edition of an announcement for a page; `lang` is the language of its text."""

    edition: Edition
    standing: Standing
    lang: str
    areas: str
    own_image: bool
    starts: str = ""
    """Start of its validity ("besok 08.00"); empty unless that is still to come."""

    @property
    def current(self) -> bool:
        """True if it is in force now or later."""
        return self.standing in {"valid", "upcoming", "corrected"}

    @property
    def lead(self) -> str:
        """Summary; empty if body or instruction begin with it, as a generated one does."""
        words = self.edition.wording(self.lang)
        below = (rendering.plain(words.body), rendering.plain(words.instruction))
        return "" if repeats(words.summary, below) else words.summary

    @property
    def address(self) -> str:
        """Path of its page."""
        return f"/p/{self.edition.code}"


@dataclass(frozen=True, kw_only=True)
class EditionDifference:
    """Field that a correction changed, with inserted and deleted words marked."""

    field: str
    marked: Markup


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """Edition in the history of an announcement."""

    number: int
    change: str
    reason: str
    published_at: datetime
    changes: Sequence[EditionDifference]


def standing(edition: Edition, now: datetime) -> Standing:
    """Return the first that applies: withdrawn, ended, corrected, upcoming, valid."""
    if edition.change == "withdrawal":
        return "withdrawn"
    if validity.expired(edition, now):
        return "ended"
    if edition.change == "correction":
        return "corrected"
    return "upcoming" if edition.effective > now else "valid"


def start_text(start: datetime, now: datetime, lang: str) -> str:
    """Format a start in WIB: "hari ini 08.00", "besok 08.00", "1 Des 08.00", "4 Jan 2027 08.00"."""
    moment, today = start.astimezone(moments.WIB), now.astimezone(moments.WIB)
    days = (moment.date() - today.date()) // timedelta(days=1)
    near = {"id": ("hari ini", "besok"), "en": ("today", "tomorrow")}[
        "en" if lang == "en" else "id"
    ]
    if 0 <= days < len(near):
        return f"{near[days]} {moments.clock(start)}"
    text = moments.moment_text(start, lang).removesuffix(" WIB")
    return text.replace(f" {today.year} ", " ") if moment.year == today.year else text


def view(edition: Edition, *, now: datetime, lang: str, base_url: str) -> View:
    """Return the view of an edition for a visitor who reads `lang`."""
    current = standing(edition, now)
    to_come = current in {"upcoming", "corrected"} and edition.effective > now
    return View(
        edition=rendering.with_addresses(edition, base_url),
        standing=current,
        starts=start_text(edition.effective, now, lang) if to_come else "",
        lang=lang if lang in edition.wordings else "id",
        areas=rendering.area_names(edition),
        own_image=edition.image is not None and edition.image.url.startswith(f"{base_url}/"),
    )


def history(editions: Sequence[Edition], lang: str) -> list[HistoryEntry]:
    """List every edition with its changes, newest first; `editions` are oldest first."""
    versions = [
        HistoryEntry(
            number=edition.number,
            change=edition.change,
            reason=edition.reason,
            published_at=edition.published_at,
            changes=differences(before, edition, lang)
            if before is not None and edition.change != "withdrawal"
            else (),
        )
        for before, edition in zip([None, *editions], editions, strict=False)
    ]
    return versions[::-1]


def differences(before: Edition, after: Edition, lang: str) -> list[EditionDifference]:
    """List the fields that differ, in reading order.

    Compares the texts in `lang` if both editions have them, else the Indonesian ones.
    """
    lang = lang if lang in before.wordings and lang in after.wordings else "id"
    pairs = [
        (field, _readable(before, field, lang), _readable(after, field, lang)) for field in _FIELDS
    ]
    return [
        EditionDifference(field=field, marked=marked(old, new))
        for field, old, new in pairs
        if old != new
    ]


_FIELDS = ("title", "span", "areas", "summary", "instruction", "body")


def _readable(edition: Edition, field: str, lang: str) -> str:
    if field == "span":
        return moments.span_text(edition.effective, edition.expires, lang)
    if field == "areas":
        return rendering.area_names(edition)
    text: str = getattr(edition.wording(lang), field)
    return rendering.plain(text) if field in {"instruction", "body"} else text
