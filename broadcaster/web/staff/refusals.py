"""Wording of refusals on pages: with the labels beside the fields instead of the field names that
files and programs use.
"""

from collections.abc import Sequence
from dataclasses import replace

from broadcaster.domain.refusal_codes import (
    FieldCode,
    Hint,
    NewsroomCode,
    RuleCode,
    TimeCode,
)
from broadcaster.domain.refusals import InvalidAnnouncement, Phrase, Problem, Refusal
from broadcaster.runtime import refusal_words
from broadcaster.runtime.i18n import Words
from broadcaster.runtime.refusal_words import WordedProblem

MISSING = frozenset(
    {FieldCode.MISSING, NewsroomCode.PUBLISH_AT_MISSING, NewsroomCode.REASON_MISSING}
)
"""Codes of fields that are still empty."""
FOR_FILES = frozenset(
    {
        FieldCode.MISSING,
        FieldCode.UNKNOWN_NAME,
        Hint.FILL_LANGUAGES,
        Hint.FILL_WORDS,
        Hint.SEE_AREAS,
        NewsroomCode.CORRECTION_SCHEDULED,
        RuleCode.CLARIFICATION_ONLY,
        RuleCode.EMERGENCY_KIND,
        RuleCode.EXPIRES_MISSING,
        RuleCode.IMAGE_MISSING,
        RuleCode.INSTRUCTION_MISSING,
        TimeCode.PUBLISH_AT_PAST,
    }
)
"""Codes whose remedy names a field or a command; it helps only people who write files."""


def of(refused: Refusal | InvalidAnnouncement, t: Words) -> tuple[WordedProblem, ...]:
    """Word a refusal for a page: each problem of InvalidAnnouncement, or one sentence."""
    if isinstance(refused, InvalidAnnouncement):
        return worded(refused.problems, t)
    reason = refusal_words.sentence(refused, t)
    return (WordedProblem(field="", code=refused.code, reason=reason),)


def worded(problems: Sequence[Problem], t: Words) -> tuple[WordedProblem, ...]:
    """Word each problem with its field's label, and a remedy that can be followed on a page."""
    return tuple(_worded(problem, t) for problem in problems)


def _worded(problem: Problem, t: Words) -> WordedProblem:
    plain = refusal_words.worded(problem, t)
    label = _label(problem.field, t)
    if _is_for_files(problem):
        plain = replace(plain, remedy=_page_remedy(problem, t))
    if not label:
        return plain
    if problem.code in MISSING:
        return replace(plain, reason=t("staff.refused.missing", field=label))
    return replace(plain, reason=t("staff.refused.at", field=label, reason=plain.reason))


def _is_for_files(problem: Problem) -> bool:
    hint = problem.parameters.get("hint")
    return problem.code in FOR_FILES or (isinstance(hint, Phrase) and hint.code in FOR_FILES)


def _page_remedy(problem: Problem, t: Words) -> str:
    """Return what to do on the page; "" if there is nothing to add to the reason."""
    key = f"staff.remedy.{problem.field.rpartition('.')[2]}"
    return t(key) if key in t.keys and problem.code not in MISSING else ""


def _label(field: str, t: Words) -> str:
    """Return the label of a field, with its language or channel; "" if it has none."""
    place, _, name = field.rpartition(".")
    label = t(f"staff.field.{name}") if f"staff.field.{name}" in t.keys else ""
    kind, _, which = place.partition(".")
    within = f"staff.compose.translation.{which}"
    if kind == "translations" and within in t.keys:
        return f"{t(within)}, {label}" if label else t(within)
    return f"{which.title()}, {label}" if kind == "overrides" and label else label
