"""Refusals: a code with its parameters; the words stand in the catalogues. Pure."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable


class Code(StrEnum):
    """A reason to refuse; the same text names its words and stands in the API."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Phrase:
    """Words within other words: `code` is a Hint, or a state or an act of the life cycle."""

    code: str
    parameters: Mapping[str, "Parameter"] = dataclasses.field(default_factory=dict)


@runtime_checkable
class Coded(Protocol):
    """Anything that the catalogues have words for."""

    @property
    def code(self) -> str:
        """The code of its words."""

    @property
    def parameters(self) -> Mapping[str, object]:
        """The values in its words."""


Parameter = str | int | datetime | Sequence[str] | Coded | Sequence[Coded]
"""A value in the words: whole numbers count something, numbers that name something are text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One refusal of a form: the field and why."""

    field: str
    code: StrEnum
    parameters: Mapping[str, Parameter] = dataclasses.field(default_factory=dict)


class Refusal(Exception):
    """An act that is refused as a whole."""

    def __init__(self, code: StrEnum, **parameters: Parameter) -> None:
        self.code = code
        self.parameters: Mapping[str, Parameter] = parameters
        super().__init__(code)


class InvalidAnnouncement(Exception):
    """The announcement is refused and nothing of it was stored; `problems` are all that must be
    mended.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{one.field}: {one.code}" for one in self.problems))
