"""Refusals in words, as people read them."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from broadcaster.domain.refusals import Coded, InvalidAnnouncement, Problem
from broadcaster.runtime import refusal_words
from broadcaster.runtime.i18n import words
from broadcaster.runtime.refusal_words import WordedProblem, indonesian, sentence
from subscribers.table import Record


def worded(
    problems: Iterable[Problem] | InvalidAnnouncement, lang: str = "id"
) -> list[WordedProblem]:
    """Word problems in a language."""
    refused = problems.problems if isinstance(problems, InvalidAnnouncement) else problems
    return [refusal_words.worded(problem, words(lang)) for problem in refused]


def words_of(refused: object) -> str:
    """Word any refusal in Indonesian."""
    if isinstance(refused, InvalidAnnouncement):
        return indonesian(refused)
    assert isinstance(refused, Coded)
    return sentence(refused, words("id"))


def problem_of(record: Record) -> str:
    """Word the problem of a row of a file; "" for a good row."""
    return words_of(record.problem) if record.problem is not None else ""


@contextmanager
def refuses(kind: type[Exception], *, match: str) -> Iterator[pytest.ExceptionInfo[Exception]]:
    """Expect a refusal whose Indonesian words match."""
    with pytest.raises(kind) as caught:
        yield caught
    assert re.search(match, words_of(caught.value))
