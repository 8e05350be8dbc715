"""Marks that a chat app reads in pairs (`*bold*`, `_italic_`, `~struck~`, `` `code` ``), and words
that must show theirs. Pure.

Apps differ in detail; this is the widest reading: a mark opens after anything but a letter or
figure and before no space, and closes after no space and before anything but a letter or figure. A
closing mark after a space closes nothing in any app, so a hair space before it leaves every
character to be seen, and a code such as `*123#` can still be copied.
"""

import re
from collections.abc import Iterator

HAIR = "\u200a"
"""Hair space: the narrowest that is a space to every app."""
GUARD = "\u2060"
"""Word joiner: nobody sees it; before a ">" it keeps a line from being a quotation."""

SHORTEST = 3
"""Marks in a row that can be a pair with something between."""
_ADDRESS = re.compile(
    r"(?<![a-z0-9+.\-])(?:[a-z][a-z0-9+.\-]{1,20}://[^\s<>]+|www\.[^\s<>]+)|(?<![a-z0-9.+\-])[a-z0-9][\w.+\-]{0,63}@[\w.\-]+",
    re.IGNORECASE,
)
_CLOSING = "*_~`.,;:!?…)]\"'”’"
_RUN = re.compile(r"\*+|_+|~+|`+")


def unpaired(text: str, *, boxed: str = "") -> str:
    """One line of text with each mark that could close a pair kept from it; `boxed`: the mark that
    stands around the line.
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
        )  # in a row the first stands before a mark, the last behind one
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
    shown = "".join([*out, text[end:]]) + (HAIR if own else "")
    return GUARD + shown if shown.startswith(">") else shown


def _runs(text: str) -> Iterator[re.Match[str]]:
    """Rows of the same mark, but those within web and mail addresses, which apps leave alone."""
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
