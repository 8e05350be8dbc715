"""Date and time formats for people, in WIB."""

from datetime import UTC, datetime, timedelta, timezone

WIB = timezone(timedelta(hours=7), "WIB")


def day(moment: datetime, lang: str = "id") -> str:
    """Format as "Rabu, 25 November 2026" in WIB."""
    return _date(moment, "EEEE, d MMMM y", lang)


def clock(moment: datetime) -> str:
    """Format as "07.42" in WIB, 24 hours."""
    return moment.astimezone(WIB).strftime("%H.%M")


def moment_text(moment: datetime, lang: str = "id") -> str:
    """Format as "25 Nov 2026 07.42 WIB"."""
    date_text = _date(moment, "d MMM y", lang)
    return f"{date_text} {clock(moment)} WIB"


def full_moment_text(moment: datetime, lang: str = "id") -> str:
    """Format as "Rabu 25 November 2026 07.42 WIB", for deadlines: a time alone might be
    tomorrow's.
    """
    return f"{_date(moment, 'EEEE d MMMM y', lang)} {clock(moment)} WIB"


def due_text(moment: datetime, now: datetime, lang: str = "id") -> str:
    """Format as "07.42 WIB" if today, else with the date."""
    today = moment.astimezone(WIB).date() == now.astimezone(WIB).date()
    return f"{clock(moment)} WIB" if today else full_moment_text(moment, lang)


def span_text(start: datetime, end: datetime | None, lang: str = "id") -> str:
    """Format as "25 Nov 2026 06.00-14.00 WIB", "25 Nov 2026 06.00 WIB - 26 Nov 2026 14.00 WIB", or
    "mulai ..." without an end.
    """
    if end is None:
        return f"{'from' if lang == 'en' else 'mulai'} {moment_text(start, lang)}"
    if start.astimezone(WIB).date() == end.astimezone(WIB).date():
        return f"{moment_text(start, lang).removesuffix(' WIB')}-{clock(end)} WIB"
    return f"{moment_text(start, lang)} - {moment_text(end, lang)}"


def locale(lang: str) -> str:
    """Return the Babel locale of a language: English, else Indonesian."""
    return "en" if lang == "en" else "id"


def _date(moment: datetime, pattern: str, lang: str) -> str:
    from babel.dates import format_date  # noqa: PLC0415  quick start

    return format_date(moment.astimezone(WIB).date(), pattern, locale=locale(lang))


def utc(moment: datetime) -> datetime:
    """Convert a moment to UTC; raises ValueError for a naive time."""
    if moment.tzinfo is None:
        raise ValueError("time without a zone")
    return moment.astimezone(UTC)
