"""The difference of two texts, word by word, in bounded time. Pure."""

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from markupsafe import Markup, escape

PAIRS = 60_000
"""Equal pieces that comparing two texts may pair: its time grows with these; beyond, all that
differs counts as replaced.
"""


_LINE = re.compile(r"[^\n]*\n|[^\n]+")


_WORD = re.compile(r"\s+|[^\s]+")


Step = tuple[str, str, str]
"""What becomes of a piece of text: "equal" or "replace", what it was, what it is."""


@lru_cache(maxsize=256)
def marked(old: str, new: str) -> Markup:
    """`new` with what was deleted from `old` and inserted, word by word, as <del> and <ins>; all
    text escaped.
    """
    return Markup("").join(_shown(*step) for step in compared(old, new))


def compared(old: str, new: str) -> list[Step]:
    """How `old` becomes `new`, in order: by line, then by word in lines that differ, in bounded
    time whatever they say.
    """
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
    """How `before` becomes `after`, in order; what stands between the common beginning and end is
    compared if it may be.
    """
    shorter = min(len(before), len(after))
    head = next((place for place in range(shorter) if before[place] != after[place]), shorter)
    left = shorter - head
    tail = next((place for place in range(left) if before[-1 - place] != after[-1 - place]), left)
    gone, come = before[head : len(before) - tail], after[head : len(after) - tail]
    found = [
        ("equal", "".join(before[:head]), "".join(after[:head])),
        *_between(gone, come, allowed),
    ]
    return [
        *found,
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
    gone = Markup("<del>{}</del>").format(old) if old else Markup("")
    return gone + (Markup("<ins>{}</ins>").format(new) if new else Markup(""))
