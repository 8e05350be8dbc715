"""Sample news of the demo city, dated relative to today; the same day gives the same news."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from channels.base.moments import WIB, day

FILE = Path(__file__).with_name("news.yaml")
_OWN = ("key", "at", "from", "until", "en")
_TEXTS = ("title", "summary", "body")
_BROKEN = re.compile(r"(?<!\n)\n(?!\n|- |\d+\. |$)")
"""Line break inside a paragraph of the YAML file; rendered as a space."""


@dataclass(frozen=True, kw_only=True)
class NewsItem:
    """News item: `raw` holds the fields of an announcement, `published_at` is None for a draft."""

    key: str
    published_at: datetime | None
    raw: Mapping[str, Any]


def history(now: datetime) -> list[NewsItem]:
    """Return the last twelve weeks of announcements and clarifications, oldest first."""
    items = [_item(entry, now) for entry in (*_news()["history"], *_news()["clarifications"])]
    return sorted(items, key=lambda item: item.published_at or now)


def drafts(now: datetime) -> list[NewsItem]:
    """Return the drafts that a visitor of the demo may publish."""
    return [_item(entry, now) for entry in _news()["drafts"]]


@cache
def _news() -> dict[str, list[dict[str, Any]]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = FILE.read_text(encoding="utf-8")
    return dict(yaml.load(text, Loader=loader))  # noqa: S506  safe, in C where available


def _item(entry: Mapping[str, Any], now: datetime) -> NewsItem:
    today = now.astimezone(WIB)
    published = None
    if "at" in entry:
        ago, clock = str(entry["at"]).split()
        published = _at(today - timedelta(days=int(ago)), clock)
    base = published or today
    begins, ends = _moment(entry.get("from"), base), _moment(entry.get("until"), base)
    raw = {name: value for name, value in entry.items() if name not in _OWN}
    raw |= {
        "effective": begins,
        "expires": ends,
        **_dated(entry, begins or base, ends or base, "id"),
    }
    if "en" in entry:
        raw["translations"] = {
            "en": {**entry["en"], **_dated(entry["en"], begins or base, ends or base, "en")}
        }
    return NewsItem(key=entry.get("key", ""), published_at=published, raw=raw)


def _moment(spec: str | None, base: datetime) -> datetime | None:
    """Parse an offset from `base`: `+2 08.00` is 08.00 two days later, `+0 +3` in three hours."""
    if spec is None:
        return None
    days, clock = spec.split()
    moment = base + timedelta(days=int(days))
    return moment + timedelta(hours=int(clock)) if clock.startswith("+") else _at(moment, clock)


def _at(moment: datetime, clock: str) -> datetime:
    hour, minute = clock.split(".")
    return moment.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)


def _dated(words: Mapping[str, Any], begins: datetime, ends: datetime, lang: str) -> dict[str, str]:
    names = {
        "{hari}": _short(begins, lang),
        "{tanggal}": day(begins, lang),
        "{sampai}": _short(ends, lang),
        "{day}": _short(begins, lang),
        "{date}": day(begins, lang),
        "{until}": _short(ends, lang),
    }
    return {name: _filled(words[name], names) for name in _TEXTS if name in words}


def _filled(text: str, names: Mapping[str, str]) -> str:
    for name, value in names.items():
        text = text.replace(name, value)
    return _BROKEN.sub(" ", text).strip()


def _short(moment: datetime, lang: str) -> str:
    """Format a date like "Rabu 25 Nov"."""
    weekday, rest = day(moment, lang).split(", ")
    number, month, _year = rest.split()
    return f"{weekday if lang == 'id' else weekday[:3]} {number} {month[:3]}"
