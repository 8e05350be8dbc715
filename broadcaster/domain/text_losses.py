"""Characters that a change of a form takes away, field by field: what decides whether the text
before it is kept. Pure.
"""

from collections.abc import Iterator, Mapping
from typing import Any

SMALL = 20
"""Characters that a version may lose in all before the next change is one of its own: mistypings,
not a sentence.
"""
SHARE = 5
"""Of a field with more than that, one change may take at most a fifth."""


def loss(before: Mapping[str, Any], after: Mapping[str, Any]) -> int:
    """Count the characters of `before` that `after` no longer holds."""
    kept = dict(_texts(after))
    return sum(_lost(text, kept.get(name, "")) for name, text in _texts(before))


def is_small(before: Mapping[str, Any], after: Mapping[str, Any], lost: int = 0) -> bool:
    """Whether a change may be folded into the version before it, which has lost `lost` characters
    already.
    """
    kept = dict(_texts(after))
    for name, text in _texts(before):
        gone = _lost(text, kept.get(name, ""))
        lost += gone
        if lost > SMALL or (len(text) > SMALL and gone * SHARE > len(text)):
            return False
    return True


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a form by its place; members of a list stand for themselves, whatever their
    order.
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        for member in value:
            yield f"{name}[{member}]", str(member)
    elif value is not None:
        yield name, str(value)


def _lost(before: str, after: str) -> int:
    """Count what stood between the ends that two texts share, unless it stands within the other's
    middle.
    """
    start = _shared(before, after)
    old, new = before[start:], after[start:]
    end = _shared(old[::-1], new[::-1])
    middle = old[: len(old) - end]
    return 0 if middle in new[: len(new) - end] else len(middle)


def _shared(one: str, other: str) -> int:
    """Length of the beginning that two texts share; by halves, as texts are long and loops slow."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
