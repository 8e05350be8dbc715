"""Refusals: a code with its parameters; the catalogues hold the texts. Pure."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable


class Code(StrEnum):
    """A reason for a refusal; the same value is its catalogue key and its name in the API."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Phrase:
    """A phrase inside another text: `code` is a Hint, or a state or an act of the life cycle."""

    code: str
    parameters: Mapping[str, "Parameter"] = dataclasses.field(default_factory=dict)


@runtime_checkable
class Coded(Protocol):
    """Anything with a text in the catalogues."""

    @property
    def code(self) -> str:
        """Code of the text."""

    @property
    def parameters(self) -> Mapping[str, object]:
        """Values for the placeholders of the text."""


Parameter = str | int | datetime | Sequence[str] | Coded | Sequence[Coded]
"""Value for a placeholder: an integer is a count; a number that identifies something is text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """A refusal of one form field, with its reason."""

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
    """The announcement is refused and nothing is stored; `problems` lists everything to correct."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.field}: {problem.code}" for problem in self.problems))
