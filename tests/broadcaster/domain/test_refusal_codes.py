"""Codes of refusals: each has words in every language, with all that they need, and is used."""

import ast
import re
from enum import StrEnum
from functools import cache
from itertools import chain
from pathlib import Path
from string import Formatter
from typing import get_args

import pytest

import broadcaster
import channels
import subscribers
from broadcaster.domain import refusal_codes
from broadcaster.domain.lifecycle import Action, State
from broadcaster.domain.refusals import Code
from broadcaster.runtime.i18n import LANGUAGES, words
from channels.base.address_codes import AddressCode
from subscribers.refusals import CellCode

FOLDER = Path(str(broadcaster.__file__)).parent
KINDS = [kind for kind in Code.__subclasses__() if kind.__module__ == refusal_codes.__name__]
CODES: list[StrEnum] = [*chain.from_iterable(KINDS), *AddressCode, *CellCode]
SOURCES = {
    path: path.read_text()
    for package in (broadcaster, channels, subscribers)
    for path in Path(str(package.__file__)).parent.rglob("*.py")
    if path.name != "refusal_codes.py"
}
NAMES = {path: set(re.findall(r"\b(?=(\w+\.\w+))", text)) for path, text in SOURCES.items()}
"""Dotted pairs of names in each source, such as `CellCode.EMPTY`."""


def test_every_kind_of_code_stands_in_the_closed_vocabulary() -> None:
    assert set(KINDS) == set(Code.__subclasses__())
    assert len(CODES) == len(set(CODES)) > 100


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_code_has_words(lang: str) -> None:
    keys = words(lang).keys
    assert {f"refusal.{code}" for code in CODES} <= keys
    assert {f"refusal.state.{state}" for state in get_args(State)} <= keys
    assert {f"refusal.act.{act}" for act in get_args(Action)} <= keys


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_words_stand_without_a_code(lang: str) -> None:
    named = {key.split(".")[1] for key in words(lang).keys if key.startswith("refusal.")}
    assert named == {*CODES, "state", "act", "or"}


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_used(code: StrEnum) -> None:
    assert any(name_of(code) in names for names in NAMES.values())


@pytest.mark.parametrize("code", CODES)
def test_all_that_the_words_name_is_given_where_the_code_is_used(code: StrEnum) -> None:
    places = {name for text in texts_of(code) for _, name, _, _ in Formatter().parse(text) if name}
    for path, source in SOURCES.items():
        if name_of(code) in NAMES[path] and path != SORTS_CODES:
            assert places <= keywords_of(source), path


SORTS_CODES = FOLDER / "web" / "staff" / "refusals.py"
"""A module that only compares codes."""


def name_of(code: StrEnum) -> str:
    """Return the name by which sources use a code."""
    return f"{type(code).__name__}.{code.name}"


def texts_of(code: StrEnum) -> list[str]:
    """Return the words and remedies of a code in every language."""
    pattern = re.compile(rf'msgid "refusal\.{code}(?:\.remedy)?"\nmsgstr "(.*)"')
    catalogues = (FOLDER / "words").rglob("refusals_*.po")
    return [text for path in catalogues for text in pattern.findall(path.read_text())]


@cache
def keywords_of(source: str) -> frozenset[str]:
    """Collect the keyword names and the string constants of a module."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg:
            names.add(node.arg)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
    return frozenset(names)
