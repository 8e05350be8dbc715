"""How an announcement stands today, and an edition as pages show it. Pure."""

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
    """The newest edition of an announcement as a page shows it; `lang` is the language its words
    are in.
    """

    edition: Edition
    standing: Standing
    lang: str
    areas: str
    own_image: bool
    starts: str = ""
    """When it begins to hold ("besok 08.00"); empty where it holds by now, or no longer."""

    @property
    def current(self) -> bool:
        """Whether it holds now, or will."""
        return self.standing in {"valid", "upcoming", "corrected"}

    @property
    def lead(self) -> str:
        """The summary, unless body or instruction begin with it (one that nobody wrote is the
        body's first sentences).
        """
        words = self.edition.wording(self.lang)
        below = (rendering.plain(words.body), rendering.plain(words.instruction))
        return "" if repeats(words.summary, below) else words.summary

    @property
    def address(self) -> str:
        """Its page."""
        return f"/p/{self.edition.code}"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One field that a correction changed, with its words marked as inserted or deleted."""

    field: str
    marked: Markup


@dataclass(frozen=True, kw_only=True)
class Version:
    """One edition in the history of an announcement."""

    number: int
    change: str
    reason: str
    published_at: datetime
    changes: Sequence[Difference]


def standing(edition: Edition, now: datetime) -> Standing:
    """Withdrawn, else ended, else corrected, else upcoming, else valid."""
    if edition.change == "withdrawal":
        return "withdrawn"
    if validity.expired(edition, now):
        return "ended"
    if edition.change == "correction":
        return "corrected"
    return "upcoming" if edition.effective > now else "valid"


def start_text(start: datetime, now: datetime, lang: str) -> str:
    """ "hari ini 08.00", "besok 08.00", "1 Des 08.00" or "4 Jan 2027 08.00", in WIB."""
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
    """The edition for a visitor who reads `lang`."""
    stands = standing(edition, now)
    to_come = stands in {"upcoming", "corrected"} and edition.effective > now
    return View(
        edition=rendering.with_addresses(edition, base_url),
        standing=stands,
        starts=start_text(edition.effective, now, lang) if to_come else "",
        lang=lang if lang in edition.wordings else "id",
        areas=rendering.area_names(edition),
        own_image=edition.image is not None and edition.image.url.startswith(f"{base_url}/"),
    )


def history(editions: Sequence[Edition], lang: str) -> list[Version]:
    """Every edition, newest first, each with what it changed; `editions` oldest first."""
    found = [
        Version(
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
    return found[::-1]


def differences(before: Edition, after: Edition, lang: str) -> list[Difference]:
    """The fields whose words differ, in reading order; in `lang` only where both have such words."""
    lang = lang if lang in before.wordings and lang in after.wordings else "id"
    pairs = [
        (field, _readable(before, field, lang), _readable(after, field, lang)) for field in _FIELDS
    ]
    return [
        Difference(field=field, marked=marked(old, new)) for field, old, new in pairs if old != new
    ]


_FIELDS = ("title", "span", "areas", "summary", "instruction", "body")


def _readable(edition: Edition, field: str, lang: str) -> str:
    if field == "span":
        return moments.span_text(edition.effective, edition.expires, lang)
    if field == "areas":
        return rendering.area_names(edition)
    text: str = getattr(edition.wording(lang), field)
    return rendering.plain(text) if field in {"instruction", "body"} else text
