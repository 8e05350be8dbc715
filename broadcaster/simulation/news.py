"""The sample city's news, dated around today: the same every time for the same day."""

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
"""A line break within a paragraph of the file, which is none for readers."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One piece of news: `raw` are the fields of an announcement, `published_at` when it was
    published (None: a draft).
    """

    key: str
    published_at: datetime | None
    raw: Mapping[str, Any]


def history(now: datetime) -> list[Item]:
    """The last twelve weeks, oldest first, clarifications among them."""
    items = [_item(entry, now) for entry in (*_news()["history"], *_news()["clarifications"])]
    return sorted(items, key=lambda item: item.published_at or now)


def drafts(now: datetime) -> list[Item]:
    """What waits to be published by the visitor of the demo."""
    return [_item(entry, now) for entry in _news()["drafts"]]


@cache
def _news() -> dict[str, list[dict[str, Any]]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return dict(yaml.load(FILE.read_text(encoding="utf-8"), Loader=loader))  # noqa: S506  a safe loader, in C where there is one


def _item(entry: Mapping[str, Any], now: datetime) -> Item:
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
    return Item(key=entry.get("key", ""), published_at=published, raw=raw)


def _moment(spec: str | None, base: datetime) -> datetime | None:
    """`+2 08.00`: two days later at eight; `+0 +3`: three hours from `base`."""
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
    """ "Rabu 25 Nov"."""
    weekday, rest = day(moment, lang).split(", ")
    number, month, _year = rest.split()
    return f"{weekday if lang == 'id' else weekday[:3]} {number} {month[:3]}"
