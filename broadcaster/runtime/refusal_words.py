"""Texts of refusals, in the language of the reader."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from broadcaster.domain.refusals import (
    Coded,
    InvalidAnnouncement,
    Problem,
    Refusal,
)
from broadcaster.runtime.i18n import Words, words
from channels.base.moments import full_moment_text, moment_text


@dataclass(frozen=True, kw_only=True, slots=True)
class WordedProblem:
    """A problem in words; `code` is "" for a problem that a page reports itself."""

    field: str
    reason: str
    remedy: str = ""
    code: str = ""

    def __str__(self) -> str:
        named = f"{self.field}: {self.reason}" if self.field else self.reason
        return f"{named} {self.remedy}".strip()


def worded(problem: Problem, t: Words) -> WordedProblem:
    """Put a problem into words."""
    return WordedProblem(
        field=problem.field, code=problem.code, reason=reason(problem, t), remedy=remedy(problem, t)
    )


def reason(coded: Coded, t: Words) -> str:
    """Text of the reason."""
    return _filled(f"refusal.{coded.code}", coded, t)


def remedy(coded: Coded, t: Words) -> str:
    """Text of the remedy; "" if the reason suffices."""
    key = f"refusal.{coded.code}.remedy"
    return _filled(key, coded, t) if key in t.keys else ""


def sentence(coded: Coded, t: Words) -> str:
    """Text of reason and remedy."""
    return f"{reason(coded, t)} {remedy(coded, t)}".strip()


def indonesian(refused: Refusal | InvalidAnnouncement) -> str:
    """Put a refusal into Indonesian: for the command line, and for notes that are stored."""
    t = words("id")
    if isinstance(refused, InvalidAnnouncement):
        return "\n".join(str(worded(problem, t)) for problem in refused.problems)
    return sentence(refused, t)


def _filled(key: str, coded: Coded, t: Words) -> str:
    return t(key, **{name: _value(value, t) for name, value in coded.parameters.items()})


def _value(value: object, t: Words) -> object:
    if isinstance(value, Coded):
        return sentence(value, t)
    if isinstance(value, datetime):
        return _Moment(value, t.lang)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _List(tuple(str(_value(member, t)) for member in value), t("refusal.or"))
    return value


@dataclass(frozen=True, slots=True)
class _List:
    """Several values; `{near:or}` joins them as alternatives."""

    values: tuple[str, ...]
    or_word: str

    def __format__(self, form: str) -> str:
        return (f" {self.or_word} " if form == "or" else ", ").join(self.values)


@dataclass(frozen=True, slots=True)
class _Moment:
    """A moment in words; `{at:full}` adds the weekday."""

    at: datetime
    lang: str

    def __format__(self, form: str) -> str:
        text = full_moment_text if form == "full" else moment_text
        return text(self.at, self.lang)
