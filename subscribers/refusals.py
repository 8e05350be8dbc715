"""Refusals of cells and rows: a code with its parameters; their words stand in the product's
catalogues.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto


class CellCode(StrEnum):
    """A reason why a cell or a row is refused, or a part of its words."""

    NO_SUCH_AREA = auto()
    AREA_MISSPELT = auto()
    AREA_AMBIGUOUS = auto()
    AREA_CHOICE = auto()
    AREAS_MISSING = auto()
    NO_SUCH_CHANNEL = auto()
    NO_SUCH_TOPIC = auto()
    TOPIC_MISSPELT = auto()
    NO_SUCH_LANGUAGE = auto()
    ADDRESS_MISSING = auto()
    ADDRESS_UNREADABLE = auto()
    CELL_TOO_LONG = auto()
    CONSENT_MISSING = auto()
    CONSENT_TOO_EARLY = auto()
    CONSENT_AHEAD = auto()
    STATE_NOT_IMPORTED = auto()
    TIME_IS_WEEK = auto()
    TIME_SHORT_YEAR = auto()
    TIME_IS_SERIAL = auto()
    TIME_UNREADABLE = auto()
    ROW_TOO_LONG = auto()
    ROW_QUOTES = auto()
    ROW_WIDTH = auto()
    ROW_NOT_UTF8 = auto()
    ROW_DAMAGED = auto()
    ROW_NUL = auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Words within the words of a refusal."""

    code: CellCode
    parameters: Mapping[str, "Parameter"] = field(default_factory=dict)


Parameter = str | int | Sequence[str] | Sequence[Part]
"""A value in the words."""


class BadValue(ValueError):
    """A text that cannot be taken."""

    def __init__(self, code: CellCode, **parameters: Parameter) -> None:
        self.code = code
        self.parameters: Mapping[str, Parameter] = parameters
        super().__init__(code)
