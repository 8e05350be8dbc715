"""Plain text with paragraphs and lists joined into one line, for places without line breaks.
Pure.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

_ITEM = re.compile(
    r"(?P<indent>[ \t]*)(?:(?P<number>\d{1,3})[.)]|(?P<letter>[a-z][.)])|[-•])[ \t]+(?P<text>\S.*)"
)
_MARKED = re.compile(r"[.!?…:;,][\"'”’»)\]*_]*$")
_ADDRESS = re.compile(r"://|@|www\.")
"""Matches an address in the last word: punctuation after it might be taken as its last
character.
"""
_FACT = re.compile(r"\s*(?:\d|-[ \t]+\d)")
"""A number or a negative sum at the beginning of a line: alone it is not a list item."""
_WORD = re.compile(r"\w+")
_LETTERS = 26


@dataclass(frozen=True, kw_only=True, slots=True)
class _Line:
    """A line: `label` is the marker of a numbered item, `depth` its indentation, None outside
    lists.
    """

    text: str
    label: str = ""
    depth: int | None = None

    @property
    def labelled(self) -> str:
        """The line with its label."""
        return f"{self.label} {self.text}" if self.label else self.text


def joined(text: str) -> str:
    """Join the lines of a text, none of them a list item; punctuation or dashes separate them."""
    lines = [_Line(text=line.strip()) for line in text.splitlines() if line.strip()]
    out = "".join((_between(*pair) + pair[1].text) for pair in pairwise(lines))
    return " ".join(f"{lines[0].text}{out}".split()) if lines else ""


def running(text: str) -> str:
    """Join plain text (rendering.plain) into one line: steps keep their numbers ("1) ... 2) ..."),
    other items are separated by semicolons.
    """
    lines = text.strip().splitlines()
    if len(lines) < 2:
        return " ".join(text.split())
    parts = _parts(lines)
    out = parts[0].labelled + "".join(
        _between(*pair) + pair[1].labelled for pair in pairwise(parts)
    )
    closing = parts[-1].depth is not None and not _MARKED.search(out) and not _is_address(out)
    return " ".join(f"{out}{'.' if closing else ''}".split())


def _parts(lines: Sequence[str]) -> list[_Line]:
    """Return the non-empty lines; a plain line directly after an item continues the item."""
    parts: list[_Line] = []
    kinds = Counter(kind for line in lines if (kind := _kind(line)))
    for above, line in pairwise(["", *lines]):
        if not line.strip():
            continue
        part = (
            _read(line)
            if kinds[_kind(line)] > 1 or not _FACT.match(line)
            else _Line(text=line.strip())
        )
        if above.strip() and part.depth is None and parts[-1].depth is not None:
            parts[-1] = replace(parts[-1], text=f"{parts[-1].text} {part.text}")
        else:
            parts.append(part)
    return parts


def _kind(line: str) -> str:
    """Return the kind of list item the line would be: "number", "point" or ""."""
    item = _ITEM.fullmatch(line.rstrip())
    if item is None:
        return ""
    return "number" if item["number"] else "point"


def _read(line: str) -> _Line:
    item = _ITEM.fullmatch(line.rstrip())
    if item is None:
        return _Line(text=line.strip())
    depth, number, letter = len(item["indent"].expandtabs(4)), item["number"], item["letter"]
    if number and depth and 0 < int(number) <= _LETTERS:
        letter = f"{chr(ord('a') + int(number) - 1)})"  # the outer steps are numbered
    label = letter or (f"{number})" if number else "")
    return _Line(text=item["text"].strip(), label=label, depth=depth)


def _between(before: _Line, after: _Line) -> str:
    """Return the separator between two lines."""
    if _MARKED.search(before.text):
        return " "
    if before.depth is None:
        return " - " if after.depth is None else ": "
    if after.depth is not None and after.depth > before.depth:
        return ": "
    ends = after.depth is None or after.depth < before.depth or after.label
    if _is_address(before.text):
        return " " if ends else " ; "
    return ". " if ends else "; "


def _is_address(text: str) -> bool:
    """True if the last word of a text contains an address."""
    return _ADDRESS.search(text.rsplit(maxsplit=1)[-1]) is not None


def repeats(lead: str, texts: Iterable[str]) -> bool:
    """True if one of these plain texts begins with the lead, ignoring punctuation, step numbers and
    line breaks.

    True for "…" alone, too, which remains of an address too long for a lead: it adds nothing to the
    text below.
    """
    wanted = _words(lead)
    if not wanted:
        return not lead.strip("… \n")
    beginnings = (
        _words(text)[: len(wanted)] for whole in texts for text in (whole, _unlabelled(whole))
    )
    return any(beginning == wanted for beginning in beginnings)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _unlabelled(text: str) -> str:
    return "\n".join(_read(line).text for line in text.splitlines())
