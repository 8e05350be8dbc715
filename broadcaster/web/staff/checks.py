"""Checks of a form before it is submitted: problems that block it, and editorial advice."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from starlette.requests import Request

from broadcaster.app import App
from broadcaster.domain import editorial_hints, placeholders
from broadcaster.domain.fields import Fields, read_leniently
from broadcaster.domain.refusals import InvalidAnnouncement, Problem
from broadcaster.newsroom import previews
from broadcaster.newsroom.approvals import examined
from broadcaster.newsroom.desk import Desk
from broadcaster.publishing import hold_ups, placeholder_check
from broadcaster.runtime.refusal_words import WordedProblem, worded
from broadcaster.store import announcement_lists, announcements
from broadcaster.web.base.authorization import app_of
from broadcaster.web.staff import frame, refusals


@dataclass(frozen=True, kw_only=True, slots=True)
class Checks:
    """Results of the checks: `problems` block submission, `advice` does not.

    `waits` names the channels that would delay an emergency; the page shows it first.
    """

    problems: tuple[WordedProblem, ...]
    advice: tuple[WordedProblem, ...]
    waits: tuple[WordedProblem, ...] = ()


NOTHING = Checks(problems=(), advice=())


@dataclass(frozen=True, kw_only=True, slots=True)
class _Findings:
    """Results of the checks as codes, before they are worded."""

    problems: tuple[Problem, ...]
    advice: tuple[Problem, ...]
    waits: tuple[Problem, ...]


async def of(
    request: Request, form: Mapping[str, Any], announcement: str = "", *, tried: bool = True
) -> Checks:
    """Check a form against the rules and the editorial advice.

    `announcement` is its id, "" before the first save. Missing fields are reported only if the
    form was sent before (`tried`).
    """
    app, desk, t = app_of(request), frame.desk_of(request), frame.words_of(request)
    fields = read_leniently(form)[0]
    since = (desk.now - editorial_hints.SAME_TITLE).timestamp()

    def read(connection: Connection) -> tuple[editorial_hints.HintContext, frozenset[str]]:
        row = announcements.find(connection, announcement) if announcement else None
        left_open = placeholder_check.known(connection, row.blanks if row is not None else "")
        return _known(connection, app, fields, since, announcement), left_open

    known, left_open = await app.database.read(read)
    findings = await previews.beside(lambda: _findings(desk, form, fields, known, left_open))
    problems = [
        problem for problem in findings.problems if tried or problem.code not in refusals.MISSING
    ]
    return Checks(
        problems=refusals.worded(problems, t),
        advice=tuple(worded(problem, t) for problem in findings.advice),
        waits=tuple(worded(problem, t) for problem in findings.waits),
    )


async def waits(request: Request) -> tuple[WordedProblem, ...]:
    """List the channels that would delay an emergency published now."""
    app, now = app_of(request), app_of(request).clock()
    fields = read_leniently({"level": "emergency"})[0]
    known = await app.database.read(
        lambda connection: _known(connection, app, fields, now.timestamp(), "")
    )
    t = frame.words_of(request)
    return tuple(worded(problem, t) for problem in editorial_hints.waits(fields, now, known))


def _known(
    connection: Connection, app: App, fields: Fields, since: float, announcement: str
) -> editorial_hints.HintContext:
    channels = [name for name in app.open_push if not fields.channels or name in fields.channels]
    return editorial_hints.HintContext(
        same_title=announcement_lists.same_title(connection, fields.title, since, announcement),
        phones=app.settings.phones,
        shut=hold_ups.shut(connection, app, channels, emergency=fields.level == "emergency"),
    )


def _findings(
    desk: Desk,
    form: Mapping[str, Any],
    fields: Fields,
    known: editorial_hints.HintContext,
    left_open: Collection[str],
) -> _Findings:
    problems: tuple[Problem, ...] = ()
    try:
        examined(desk.press, form, desk.now)
    except InvalidAnnouncement as error:
        problems = error.problems
    broken = {problem.field for problem in problems}
    problems += tuple(
        problem
        for problem in placeholders.problems(fields, left_open)
        if problem.field not in broken
    )
    broken |= {problem.field for problem in problems}
    waiting = (
        tuple(editorial_hints.waits(fields, desk.now, known)) if fields.level == "emergency" else ()
    )
    hints = editorial_hints.advise(fields, now=desk.now, known=known)
    advice = tuple(hint for hint in hints if hint.field not in broken and hint not in waiting)
    return _Findings(problems=problems, advice=advice, waits=waiting)
