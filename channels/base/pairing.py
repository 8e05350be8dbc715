"""Paired marks of chat apps (`*bold*`, `_italic_`, `~struck~`, `` `code` ``), and text whose own
marks must stay visible. Pure.

Apps differ in detail; this is the broadest interpretation: a mark opens after anything but a letter
or digit and before a non-space, and closes after a non-space and before anything but a letter or
digit. A closing mark after a space closes nothing in any app, so a hair space before it keeps every
character visible, and a code such as `*123#` can still be copied.
"""

import re
from collections.abc import Iterator

HAIR = "\u200a"
"""Hair space: the narrowest character that every app treats as a space."""
GUARD = "\u2060"
"""Word joiner: invisible; before a ">" it prevents a block quote."""

SHORTEST = 3
"""Length of the shortest run of marks that can form a pair with something in between."""
_ADDRESS = re.compile(
    r"(?<![a-z0-9+.\-])(?:[a-z][a-z0-9+.\-]{1,20}://[^\s<>]+|www\.[^\s<>]+)"
    r"|(?<![a-z0-9.+\-])[a-z0-9][\w.+\-]{0,63}@[\w.\-]+",
    re.IGNORECASE,
)
_CLOSING = "*_~`.,;:!?…)]\"'”’"
_RUN = re.compile(r"\*+|_+|~+|`+")


def unpaired(text: str, *, boxed: str = "") -> str:
    """Return one line of text in which no mark can close a pair; `boxed` is the mark that surrounds
    the line.
    """
    opened = {boxed} - {""}
    own = False
    out, end = [], 0
    for run in _runs(text):
        mark, long = run[0][0], len(run[0]) > 1
        before, after = text[max(run.start() - 1, 0) : run.start()], text[run.end() : run.end() + 1]
        spaced = not before or before.isspace()
        closes = not after.isalnum() or (
            long and not spaced
        )  # within a run the first precedes a mark, the last follows one
        if len(run[0]) >= SHORTEST or (mark in opened and closes):
            out += [
                text[end : run.start()],
                HAIR if mark in opened and not spaced else "",
                HAIR.join(run[0]),
            ]
            end = run.end()
        if (after.strip() and (long or not before.isalnum())) or (long and not before.isalnum()):
            opened.add(mark)
            own = own or mark == boxed
    line = "".join([*out, text[end:]]) + (HAIR if own else "")
    return GUARD + line if line.startswith(">") else line


def _runs(text: str) -> Iterator[re.Match[str]]:
    """Return runs of the same mark, except within web and email addresses, which apps leave
    alone.
    """
    addresses = [
        (match.start(), match.start() + len(match[0].rstrip(_CLOSING)))
        for match in _ADDRESS.finditer(text)
    ]
    place = 0
    for run in _RUN.finditer(text):
        while place < len(addresses) and addresses[place][1] <= run.start():
            place += 1
        if place == len(addresses) or run.start() < addresses[place][0]:
            yield run
