"""Word-by-word difference of two texts in bounded time. Pure."""

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from markupsafe import Markup, escape

PAIRS = 60_000
"""Most pairs of equal pieces that a comparison may visit, which bounds its time; beyond it, the
differing part counts as one replacement.
"""

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_WORD = re.compile(r"\s+|[^\s]+")

Step = tuple[str, str, str]
"""Edit step: "equal" or "replace", the old text, the new text."""


@lru_cache(maxsize=256)
def marked(old: str, new: str) -> Markup:
    """Mark deleted and inserted words as <del> and <ins>; the text is escaped."""
    return Markup("").join(_shown(*step) for step in compared(old, new))


def compared(old: str, new: str) -> list[Step]:
    """Return the steps from `old` to `new`: by line, then by word within lines that differ."""
    lines = _steps(_LINE.findall(old), _LINE.findall(new), PAIRS)
    allowed = PAIRS // max(1, sum(act != "equal" for act, _, _ in lines))
    steps: list[Step] = []
    for line in lines:
        steps += (
            [line]
            if line[0] == "equal"
            else _steps(_WORD.findall(line[1]), _WORD.findall(line[2]), allowed)
        )
    return steps


def _steps(before: Sequence[str], after: Sequence[str], allowed: int) -> list[Step]:
    """Return the steps from `before` to `after`.

    The part between the common prefix and suffix is compared if it has at most `allowed` pairs.
    """
    shorter = min(len(before), len(after))
    head = next((place for place in range(shorter) if before[place] != after[place]), shorter)
    left = shorter - head
    tail = next((place for place in range(left) if before[-1 - place] != after[-1 - place]), left)
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    return [
        ("equal", "".join(before[:head]), "".join(after[:head])),
        *_between(old, new, allowed),
        ("equal", "".join(before[len(before) - tail :]), "".join(after[len(after) - tail :])),
    ]


def _between(before: Sequence[str], after: Sequence[str], allowed: int) -> list[Step]:
    known = Counter(after)
    if sum(known[piece] for piece in before) > allowed:
        return [("replace", "".join(before), "".join(after))]
    return [
        (
            "equal" if act == "equal" else "replace",
            "".join(before[start:end]),
            "".join(after[to_start:to_end]),
        )
        for act, start, end, to_start, to_end in difflib.SequenceMatcher(
            None, before, after, autojunk=False
        ).get_opcodes()
    ]


def _shown(act: str, old: str, new: str) -> Markup:
    if act == "equal":
        return escape(new)
    deleted = Markup("<del>{}</del>").format(old) if old else Markup("")
    return deleted + (Markup("<ins>{}</ins>").format(new) if new else Markup(""))
