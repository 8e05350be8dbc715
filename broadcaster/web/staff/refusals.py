"""Refusals as a page says them: with the words that stand beside its fields, not the names that
files and programs use.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from broadcaster.domain.fields import Fields, InvalidAnnouncement, Problem
from broadcaster.runtime.i18n import Words

MISSING = "Belum diisi."
_CODE_NAMES = re.compile(rf"(?<![\w./-])(?:{'|'.join(Fields.model_fields)})(?![\w/-]|\.\w)")
"""A remedy that names a field so is written for those who write files."""


def of(refused: Exception, t: Words) -> tuple[Problem, ...]:
    """What a use case refused, as a page says it: every field of InvalidAnnouncement, or the one
    sentence of any other.
    """
    if isinstance(refused, InvalidAnnouncement):
        return worded(refused.problems, t)
    return (Problem(field="", reason=str(refused), remedy=""),)


def worded(problems: Sequence[Problem], t: Words) -> tuple[Problem, ...]:
    """Each problem with its field's label, and a remedy that can be followed on a page."""
    return tuple(_worded(problem, t) for problem in problems)


def _worded(problem: Problem, t: Words) -> Problem:
    label, name = _label(problem.field, t), problem.field.rpartition(".")[2]
    remedy, own = problem.remedy, f"staff.remedy.{name}"
    if _CODE_NAMES.search(remedy):
        remedy = t(own) if own in t.keys and problem.reason != MISSING else ""
    if not label:
        return replace(problem, remedy=remedy)
    if problem.reason == MISSING:
        return replace(problem, reason=t("staff.refused.missing", field=label), remedy=remedy)
    return replace(
        problem, reason=t("staff.refused.at", field=label, reason=problem.reason), remedy=remedy
    )


def _label(field: str, t: Words) -> str:
    """What stands beside the field; of a translation with its language, "" where there is none."""
    place, _, name = field.rpartition(".")
    label = t(f"staff.field.{name}") if f"staff.field.{name}" in t.keys else ""
    kind, _, which = place.partition(".")
    within = f"staff.compose.translation.{which}"
    if kind == "translations" and within in t.keys:
        return f"{t(within)}, {label}" if label else t(within)
    return f"{which.title()}, {label}" if kind == "overrides" and label else label
