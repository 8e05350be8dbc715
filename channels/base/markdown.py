"""Block parser of light Markdown: paragraphs and lists; any other block syntax remains plain text.
Pure.

A bullet is "-" or "*" before a space. Numbers make a list only if two or more are consecutive
("1.", "2."), so that no line that begins with a year or a date loses its number; a lone "- 5" is a
minus sign. Lists nest by indentation.
"""

import re
from dataclasses import dataclass, field

from markdown_it.token import Token

from channels.base.marks import inline

DEEPEST = 8
"""Nesting depth of lists; deeper ones become text."""
_MARKER = re.compile(
    r"(?P<indent> *)(?:(?P<bullet>[-*])|(?P<number>[1-9]\d{0,2})\.)(?P<gap> +|$)(?P<words>.*)"
)


@dataclass(slots=True)
class _Item:
    """A list item: its lines without their indentation, and whether an empty line is within or
    after it.
    """

    number: int | None
    lines: list[str]
    loose: bool = False


@dataclass(slots=True)
class _List:
    """A list and the index of the line after it."""

    items: list[_Item] = field(default_factory=list)
    end: int = 0

    @property
    def sound(self) -> bool:
        """True if these items form a list, False if they are text that begins with a number."""
        if len(self.items) != 1:
            return bool(self.items)
        return self.items[0].number is None and not self.items[0].lines[0][:1].isdigit()

    @property
    def loose(self) -> bool:
        """True if its items are separated by empty lines."""
        return any(item.loose for item in self.items[:-1]) or any(
            "" in item.lines[1:] for item in self.items
        )


def parse(text: str) -> list[Token]:
    """Return the tokens of clean light Markdown, named as in markdown-it: paragraph, bullet_list,
    ordered_list, list_item, inline.
    """
    return _blocks([line.expandtabs(4).rstrip() for line in text.split("\n")], depth=0, tight=False)


def _blocks(lines: list[str], *, depth: int, tight: bool) -> list[Token]:
    """Return the block tokens of these lines; the first line of an item is always a paragraph."""
    tokens: list[Token] = []
    place = 0
    while place < len(lines):
        if not lines[place]:
            place += 1
            continue
        may_be_list = depth < DEEPEST and not (depth and place == 0)
        listing = _list_at(lines, place) if may_be_list else None
        if listing is not None:
            tokens += _list_tokens(listing, depth)
            place = listing.end
        else:
            end = _paragraph_end(lines, place, lists=depth < DEEPEST)
            tokens += _paragraph(lines[place:end], tight=tight)
            place = end
    return tokens


def _paragraph_end(lines: list[str], place: int, *, lists: bool) -> int:
    """Return the index at which a paragraph ends: before an empty line or a list that may interrupt
    it (numbers only from 1).
    """
    for end in range(place + 1, len(lines)):
        if not lines[end]:
            return end
        marker = _MARKER.fullmatch(lines[end]) if lists else None
        if (
            marker
            and marker["words"]
            and marker["number"] in {None, "1"}
            and _list_at(lines, end) is not None
        ):
            return end
    return len(lines)


def _paragraph(lines: list[str], *, tight: bool) -> list[Token]:
    content = "\n".join(line.strip() for line in lines)
    return [
        Token("paragraph_open", "p", 1, block=True, hidden=tight),
        Token("inline", "", 0, block=True, content=content, children=inline(content)),
        Token("paragraph_close", "p", -1, block=True, hidden=tight),
    ]


def _list_at(lines: list[str], place: int) -> _List | None:
    """Return the list that begins at this line, or None."""
    marker = _MARKER.fullmatch(lines[place])
    if marker is None:
        return None
    listing = _List()
    while marker is not None and _follows(marker, listing.items):
        place = _take_item(lines, place, marker, listing)
        listing.end = place
        marker = _MARKER.fullmatch(lines[place]) if place < len(lines) else None
    return listing if listing.sound else None


def _follows(marker: re.Match[str], items: list[_Item]) -> bool:
    number = int(marker["number"]) if marker["number"] else None
    if not items:
        return number is None or bool(marker["words"])
    last = items[-1].number
    return number is None if last is None else number == last + 1 and bool(marker["words"])


def _take_item(lines: list[str], place: int, marker: re.Match[str], listing: _List) -> int:
    """Add an item with all its lines; return the index of the next line."""
    inner = marker.start("words") if marker["words"] else marker.end("gap") + 1
    item = _Item(
        number=int(marker["number"]) if marker["number"] else None, lines=[marker["words"]]
    )
    listing.items.append(item)
    place += 1
    while place < len(lines):
        line = lines[place]
        indented = len(line) - len(line.lstrip(" ")) >= inner
        if not line:
            ahead = next((later for later in range(place, len(lines)) if lines[later]), len(lines))
            item.loose = True
            if ahead == len(lines) or len(lines[ahead]) - len(lines[ahead].lstrip(" ")) < inner:
                return ahead
            item.lines += [""]
            place = ahead
        elif indented or _MARKER.fullmatch(line) is None:
            item.lines.append(line[inner:] if indented else line.strip())
            place += 1
        else:
            return place
    return place


def _list_tokens(listing: _List, depth: int) -> list[Token]:
    first = listing.items[0].number
    name, tag = ("bullet_list", "ul") if first is None else ("ordered_list", "ol")
    attrs: dict[str, str | int | float] = {} if first in {None, 1} else {"start": first or 1}
    tokens, tight = [Token(f"{name}_open", tag, 1, block=True, attrs=attrs)], not listing.loose
    for item in listing.items:
        tokens.append(Token("list_item_open", "li", 1, block=True))
        tokens += _blocks(item.lines, depth=depth + 1, tight=tight)
        tokens.append(Token("list_item_close", "li", -1, block=True))
    return [*tokens, Token(f"{name}_close", tag, -1, block=True)]
