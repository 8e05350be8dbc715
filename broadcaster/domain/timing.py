"""Times of an announcement, checked against each other and against the clock. Pure."""

import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from broadcaster.domain.fields import Fields
from broadcaster.domain.refusal_codes import TimeCode
from broadcaster.domain.refusals import Problem
from channels.base.moments import WIB

LONGEST_AGO = timedelta(days=30)
"""A warning that began earlier than this has a typing error, unless it was published then."""
LONGEST_AHEAD = timedelta(days=400)
"""A time further ahead is a typing error: always for a schedule or a warning, otherwise worth a
second look.
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
    """Report impossible times; `since`: the beginning of the announcement that is being
    corrected.
    """
    yield from _schedule(fields, now)
    yield from _end(fields, now)
    if (seen_on := _latest_date(fields.seen_at or "")) and seen_on > now.astimezone(WIB).date():
        parameters = {"date": f"{seen_on:%d-%m-%Y}"}
        yield Problem(field="seen_at", code=TimeCode.SEEN_AHEAD, parameters=parameters)
    if alert:
        yield from (
            problem for problem in doubtful(fields, now) if not _began_so(problem, fields, since)
        )


def doubtful(fields: Fields, now: datetime) -> Iterator[Problem]:
    """Report unlikely times."""
    begins = max(moment for moment in (fields.effective, fields.publish_at, now) if moment)
    if fields.effective and fields.effective < now - LONGEST_AGO:
        yield _at("effective", TimeCode.EFFECTIVE_LONG_AGO, fields.effective, LONGEST_AGO)
    if fields.effective and fields.effective > now + LONGEST_AHEAD:
        yield _at("effective", TimeCode.EFFECTIVE_FAR_AHEAD, fields.effective)
    if fields.expires and fields.expires > begins + LONGEST_AHEAD:
        yield _at("expires", TimeCode.EXPIRES_FAR_AHEAD, fields.expires)


def _schedule(fields: Fields, now: datetime) -> Iterator[Problem]:
    if fields.publish_at and fields.publish_at <= now:
        yield _at("publish_at", TimeCode.PUBLISH_AT_PAST, fields.publish_at)
    elif fields.publish_at and fields.publish_at > now + LONGEST_AHEAD:
        yield _at("publish_at", TimeCode.PUBLISH_AT_FAR_AHEAD, fields.publish_at)


def _end(fields: Fields, now: datetime) -> Iterator[Problem]:
    begins = max(moment for moment in (fields.effective, fields.publish_at, now) if moment)
    if fields.expires and fields.expires <= now:
        yield _at("expires", TimeCode.EXPIRES_PAST, fields.expires)
    elif fields.expires and fields.expires <= begins:
        parameters = {"begins": begins}
        yield Problem(field="expires", code=TimeCode.EXPIRES_BEFORE_START, parameters=parameters)


def _at(field: str, code: TimeCode, at: datetime, limit: timedelta = LONGEST_AHEAD) -> Problem:
    return Problem(field=field, code=code, parameters={"at": at, "days": limit.days})


def _began_so(problem: Problem, fields: Fields, since: datetime | None) -> bool:
    """True if the announcement was already published with this beginning."""
    return (
        problem.field == "effective"
        and since is not None
        and fields.effective is not None
        and since <= fields.effective
    )


def _latest_date(text: str) -> date | None:
    """Find the latest date in a text that has a day, month and year."""
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
