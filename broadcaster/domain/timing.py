"""Times of an announcement, held against each other and against the clock. Pure."""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from broadcaster.domain.fields import Fields, Problem
from channels.base.moments import WIB, moment_text

LONGEST_AGO = timedelta(days=30)
"""A warning that began earlier than this is a slip of the pen, unless it is out since then."""
LONGEST_AHEAD = timedelta(days=400)
"""Further ahead is a slip of the pen: for a schedule and a warning always, else worth a second
look.
"""

_MONTHS = "jan feb mar apr mei|may jun jul agu|ags|agt|aug sep okt|oct nov des|dec"
_NAMED_MONTHS = {
    name: number for number, names in enumerate(_MONTHS.split(), 1) for name in names.split("|")
}
_ISO_DATE = re.compile(r"(?<!\d)(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)")
_DATE = re.compile(r"(?<!\d)(\d{1,2})[ ./-](\d{1,2}|[A-Za-z]{3,9})[ ./-](\d{4})(?!\d)")


def problems(
    fields: Fields, now: datetime, *, alert: bool, since: datetime | None = None
) -> Iterator[Problem]:
    """Refuse times that cannot be meant; `since`: when an announcement that is corrected now began."""
    yield from _schedule(fields, now)
    yield from _end(fields, now)
    if (seen := _latest_date(fields.seen_at or "")) and seen > now.astimezone(WIB).date():
        reason = f"{seen:%d-%m-%Y} belum tiba, jadi kabar itu belum mungkin terlihat."
        yield Problem(field="seen_at", reason=reason, remedy="Tulis kapan kabar itu terlihat.")
    if alert:
        yield from (
            problem for problem in doubtful(fields, now) if not _began_so(problem, fields, since)
        )


def doubtful(fields: Fields, now: datetime) -> Iterator[Problem]:
    """Point out times that are rarely meant."""
    begins = max(moment for moment in (fields.effective, fields.publish_at, now) if moment)
    if fields.effective and fields.effective < now - LONGEST_AGO:
        reason = f"{moment_text(fields.effective)} sudah lewat lebih dari {LONGEST_AGO.days} hari."
        yield Problem(field="effective", reason=reason, remedy="Periksa tanggal mulai berlakunya.")
    if fields.effective and fields.effective > now + LONGEST_AHEAD:
        reason = f"{moment_text(fields.effective)} masih lebih dari {LONGEST_AHEAD.days} hari lagi."
        yield Problem(field="effective", reason=reason, remedy="Periksa tanggal mulai berlakunya.")
    if fields.expires and fields.expires > begins + LONGEST_AHEAD:
        reason = f"{moment_text(fields.expires)} lebih dari {LONGEST_AHEAD.days} hari sesudah mulai berlaku."
        yield Problem(field="expires", reason=reason, remedy="Periksa tanggal berakhirnya.")


def _schedule(fields: Fields, now: datetime) -> Iterator[Problem]:
    if fields.publish_at and fields.publish_at <= now:
        remedy = "Pilih waktu yang akan datang, atau hapus publish_at untuk terbit sekarang."
        yield Problem(
            field="publish_at",
            reason=f"{moment_text(fields.publish_at)} sudah lewat.",
            remedy=remedy,
        )
    elif fields.publish_at and fields.publish_at > now + LONGEST_AHEAD:
        reason = (
            f"{moment_text(fields.publish_at)} masih lebih dari {LONGEST_AHEAD.days} hari lagi."
        )
        yield Problem(field="publish_at", reason=reason, remedy="Pilih waktu yang lebih dekat.")


def _end(fields: Fields, now: datetime) -> Iterator[Problem]:
    begins = max(moment for moment in (fields.effective, fields.publish_at, now) if moment)
    if fields.expires and fields.expires <= now:
        reason = f"{moment_text(fields.expires)} sudah lewat."
        yield Problem(field="expires", reason=reason, remedy="Pilih waktu yang akan datang.")
    elif fields.expires and fields.expires <= begins:
        remedy = f"Pilih waktu sesudah {moment_text(begins)}."
        yield Problem(field="expires", reason="Berakhir sebelum mulai berlaku.", remedy=remedy)


def _began_so(problem: Problem, fields: Fields, since: datetime | None) -> bool:
    """Whether the announcement is out with this beginning already."""
    return (
        problem.field == "effective"
        and since is not None
        and fields.effective is not None
        and since <= fields.effective
    )


def _latest_date(text: str) -> date | None:
    """The latest date that a text names with day, month and year."""
    parts = [match.groups() for match in _ISO_DATE.finditer(text)] + [
        match.groups()[::-1] for match in _DATE.finditer(text)
    ]
    return max(
        (day for year, month, day_of in parts if (day := _date(year, month, day_of)) is not None),
        default=None,
    )


def _date(year: str, month: str, day: str) -> date | None:
    number = int(month) if month.isdecimal() else _NAMED_MONTHS.get(month[:3].lower(), 0)
    try:
        return date(int(year), number, int(day))
    except ValueError:  # no such day
        return None
