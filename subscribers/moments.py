"""Parsing of dates and times in lists: ISO, day first, or with the month's name."""

import re
from datetime import datetime, timedelta, timezone, tzinfo

from subscribers.refusals import BadValue, CellCode

EARLIEST_YEAR = 2000
"""Earliest plausible consent year: anything earlier is a typing or spreadsheet error."""

_MONTHS = (
    "jan januari january", "feb februari february pebruari", "mar maret march", "apr april",
    "mei may", "jun juni june",
    "jul juli july", "agu agt ags agustus aug august", "sep sept september",
    "okt oktober oct october",
    "nov november nopember", "des desember dec december",
)  # fmt: skip
_MONTH = {word: number for number, words in enumerate(_MONTHS, 1) for word in words.split()}
_ZONES = {"z": 0, "utc": 0, "gmt": 0, "wib": 7, "wita": 8, "wit": 9}
_TIME = (
    r"(?:(?:T|,?\s+(?:(?:pukul|jam|pk)\.?\s+)?)(?P<hour>\d{1,2})"
    r"(?:[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,](?P<fraction>\d+))?)?)?"
    r"\s*(?P<zone>[A-Za-z]+|[+-]\d{2}(?::?\d{2})?)?)?"
)
_WEEKDAY = r"(?:(?:senin|selasa|rabu|kamis|jum'?at|sabtu|minggu|ahad)\s*,?\s+)?"
_FORMS = tuple(
    re.compile(_WEEKDAY + date + _TIME, re.IGNORECASE)
    for date in (
        r"(?P<year>\d{4})(?P<between>[-/.])(?P<month>\d{1,2})(?P=between)(?P<day>\d{1,2})",
        r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})",
        r"(?P<day>\d{1,2})(?P<between>[-/.])(?P<month>\d{1,2})(?P=between)(?P<year>\d{4})",
        r"(?P<day>\d{1,2})(?P<between>[-/.\s])\s*(?P<month>[a-z]+)\.?(?P=between)\s*(?P<year>\d{4})",
    )
)
_DASH = re.compile("[\u2010-\u2015\u2212]")
_TOGETHER = re.compile(r"(\dT|\d{4}\s+)(\d{2})[:.]?(\d{2})(?=[:.\s+Z-]|$)", re.IGNORECASE)
_SHORT_YEAR = re.compile(
    r"\d{1,2}[-/.\s]\s*(?:\d{1,2}|[A-Za-z]+\.?)[-/.\s]\s*\d{2}(?:\D.*)?|00\d\d[-/.].*"
)
_WEEK = re.compile(r"\d{4}-?W\d{2}.*", re.IGNORECASE)


def read_moment(text: str, zone: tzinfo, now: float | None = None) -> float:
    """Parse a moment to epoch seconds, in `zone` if it names none.

    Raises ValueError if it is unreadable, after `now`, or before 2000.
    """
    moment = _moment(text, zone)
    if moment.year < EARLIEST_YEAR:
        raise BadValue(CellCode.CONSENT_TOO_EARLY, year=str(EARLIEST_YEAR), text=text[:40])
    seconds = moment.timestamp()
    if now is not None and seconds > now:
        raise BadValue(CellCode.CONSENT_AHEAD, text=text[:40])
    return seconds


def _moment(text: str, zone: tzinfo) -> datetime:
    written = _TOGETHER.sub(r"\1\2:\3", _DASH.sub("-", text.strip("'\u2018\u2019` ")))
    match = next((match for form in _FORMS if (match := form.fullmatch(written))), None)
    if match is None:
        raise BadValue(_why(text), text=text[:40])
    parts = match.groupdict()
    month = (
        int(parts["month"])
        if parts["month"].isdecimal()
        else _MONTH.get(parts["month"].casefold(), 0)
    )
    try:
        hour, minute, second = (int(parts[name] or 0) for name in ("hour", "minute", "second"))
        micro = int((parts["fraction"] or "")[:6].ljust(6, "0"))
        day = datetime(
            int(parts["year"]), month, int(parts["day"]), tzinfo=_zone(parts["zone"], zone)
        )
        return day.replace(hour=hour, minute=minute, second=second, microsecond=micro)
    except ValueError as error:
        raise BadValue(_why(text), text=text[:40]) from error


def _zone(text: str | None, default: tzinfo) -> tzinfo:
    if not text:
        return default
    if text[0] not in "+-":
        if text.casefold() not in _ZONES:
            raise ValueError(text)
        return timezone(timedelta(hours=_ZONES[text.casefold()]))
    digits = text[1:].replace(":", "").ljust(4, "0")
    shift = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-shift if text[0] == "-" else shift)


def _why(text: str) -> CellCode:
    """Return why a moment cannot be read."""
    if _WEEK.fullmatch(text):
        return CellCode.TIME_IS_WEEK
    if _SHORT_YEAR.fullmatch(text):
        return CellCode.TIME_SHORT_YEAR
    if re.fullmatch(r"\d{4,6}(?:[.,]\d+)?", text):
        return CellCode.TIME_IS_SERIAL
    return CellCode.TIME_UNREADABLE
