"""Text losses: the characters that a change of a form removes, which decide whether the earlier
text is preserved. Pure.
"""

from collections.abc import Iterator, Mapping
from typing import Any

SMALL = 20
"""Characters that a version may lose in total before the next change becomes a version of its
own: typing errors, not a sentence.
"""
SHARE = 5
"""Inverse of the share of a longer field that one change may remove: at most a fifth."""


def loss(before: Mapping[str, Any], after: Mapping[str, Any]) -> int:
    """Count the characters of `before` that `after` no longer contains."""
    remaining = dict(_texts(after))
    return sum(_lost(text, remaining.get(name, "")) for name, text in _texts(before))


def is_small(before: Mapping[str, Any], after: Mapping[str, Any], lost: int = 0) -> bool:
    """True if a change may be folded into the version before it, which has already lost `lost`
    characters.
    """
    remaining = dict(_texts(after))
    for name, text in _texts(before):
        gone = _lost(text, remaining.get(name, ""))
        lost += gone
        if lost > SMALL or (len(text) > SMALL and gone * SHARE > len(text)):
            return False
    return True


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text of a form with its path; members of a list are identified by their text,
    whatever their order.
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
    """Count the characters between the common prefix and suffix of two texts; 0 if the new
    middle contains them.
    """
    start = _shared(before, after)
    old, new = before[start:], after[start:]
    end = _shared(old[::-1], new[::-1])
    middle = old[: len(old) - end]
    return 0 if middle in new[: len(new) - end] else len(middle)


def _shared(text: str, other: str) -> int:
    """Length of the common prefix of two texts; by bisection, as texts are long and loops slow."""
    low, high = 0, min(len(text), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if text[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
