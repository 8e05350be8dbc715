"""Marks that a chat app reads in pairs (`*bold*`, `_italic_`, `~struck~`, `` `code` ``), and words that must show theirs. Pure.

Apps differ in detail; this is the widest reading: a mark opens after anything but a letter or figure and before no space, and
closes after no space and before anything but a letter or figure. A closing mark after a space closes nothing in any app, so a
hair space before it leaves every character to be seen, and a code such as `*123#` can still be copied.
"""

import re
from collections.abc import Iterator

HAIR = "\u200a"
"""Hair space: the narrowest that is a space to every app."""
GUARD = "\u2060"
"""Word joiner: nobody sees it; before a ">" it keeps a line from being a quotation."""

_ADDRESS = re.compile(
    r"\b[a-z][a-z0-9+.\-]{1,20}://[^\s<>]+|\bwww\.[^\s<>]+|(?<![\w.+\-])[a-z0-9][\w.+\-]*@[\w.\-]+", re.IGNORECASE
)
_CLOSING = "*_~`.,;:!?…)]\"'”’"
_RUN = re.compile(r"\*+|_+|~+|`+")


def unpaired(text: str, *, boxed: str = "") -> str:
    """One line of text with each mark that could close a pair kept from it; `boxed`: the mark that stands around the line."""
    opened = {boxed} - {""}
    own = False
    out, end = [], 0
    for run in _runs(text):
        mark, before, after = run[0][0], text[max(run.start() - 1, 0) : run.start()], text[run.end() : run.end() + 1]
        if mark in opened and before and not before.isspace() and not after.isalnum():
            out += [text[end : run.start()], *(f"{HAIR}{mark}" for _ in run[0])]
            end = run.end()
        elif not before.isalnum() and after and not after.isspace():
            opened.add(mark)
            own = own or mark == boxed
    shown = "".join([*out, text[end:]]) + (HAIR if own else "")
    return GUARD + shown if shown.startswith(">") else shown


def _runs(text: str) -> Iterator[re.Match[str]]:
    """Rows of the same mark, but those within web and mail addresses, which apps leave alone."""
    addresses = [(match.start(), match.start() + len(match[0].rstrip(_CLOSING))) for match in _ADDRESS.finditer(text)]
    place = 0
    for run in _RUN.finditer(text):
        while place < len(addresses) and addresses[place][1] <= run.start():
            place += 1
        if place == len(addresses) or run.start() < addresses[place][0]:
            yield run
