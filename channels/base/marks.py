"""Marks within a paragraph of light Markdown: bold, italic, links. Whatever is none of these is
text as it was typed. Pure.

`**bold**`, `__bold__`, `*italic*`, `_italic_` and `***both***` open at the beginning of a word and
close at the end of one: an opening mark stands after the start, a space or opening punctuation, a
closing one before the end, a space or closing punctuation, and the same mark stands at both ends;
between two pairs any signs will do: `**08.00**/**14.00**`. So no mark changes `2*3*4`,
`file_name_v2.pdf`, `*123*4#` or an address. Backslashes, backticks, "~", entities and tags are
text, too.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, zip_longest

from markdown_it.token import Token

LINKED = ("http:", "https:", "mailto:", "tel:")
"""Beginnings of what becomes a link; of any other target the address is shown."""

_LABEL = r"(?:[^\[\]]|\[[^\[\]]*+\])*+"
_TARGET = r"<[^<>\n]++>|(?:[^\s()<>]|\([^\s()<>]*+\))++"
_ATOM = re.compile(
    rf"\[(?P<label>{_LABEL})\]\((?P<target>{_TARGET})\)"
    r"|<(?P<auto>(?:https?|mailto|tel):[^\s<>]++|[a-z0-9][a-z0-9._%+\-]*+@[a-z0-9\-]++(?:\.[a-z0-9\-]++)++)>"
    r"|(?P<url>(?<![a-z0-9+.\-])[a-z][a-z0-9+.\-]{1,20}://[^\s<>]++)"
    r"|(?P<code>(?<![*#])(?<![^\W_])[*#]++\d(?:[\d*#]*\#|\d*+(?:[*#]++\d++)++[*#]*+)"  # dialled: *123*4#
    r"|(?<![#\w])_++[a-z0-9](?:[\w\-]{0,60}[a-z0-9])?_++\.[a-z0-9]{1,5}(?![^\W_]))"  # a file: _jadwal_.pdf
    r"|(?P<run>\*++|_++)",
    re.IGNORECASE | re.ASCII,
)
_SCRIPTS = re.compile(r"(?:javascript|vbscript|file|data):", re.IGNORECASE)
_QUOTES = "\"'"
_STOPS = ".,;:!?…"
_MARKS = "*_"
_GAPS = "–—•→"
"""Signs beside which words begin and end as beside a space; so do emoji."""
_JOINERS = "\ufe0f\u200d"
_UNSEEN = " \t\n\u00a0\u2800"
"""What shows nothing: a link whose label is made of these could not be seen, so it shows its
address.
"""
_TAGS = {1: ("em",), 2: ("strong",), 3: ("em", "strong")}
"""What a mark of so many characters stands for, the outer one first."""


@dataclass(slots=True)
class _Run:
    """A row of the same mark, and what it became: one or more tags that open or close."""

    marks: str
    start: int
    end: int
    opens: bool = False
    closes: bool = False
    role: str = ""

    def tokens(self) -> list[Token]:
        """What it stands for; itself where it has no partner."""
        if not self.role:
            return [_text(self.marks)]
        tags = _TAGS[len(self.marks)]
        if self.role == "open":
            return [Token(f"{tag}_open", tag, 1, markup=self.marks) for tag in tags]
        return [Token(f"{tag}_close", tag, -1, markup=self.marks) for tag in reversed(tags)]


def inline(text: str, *, links: bool = True) -> list[Token]:
    """The tokens of one paragraph: text, softbreak, strong, em and link; without `links`, as within
    one, these are text.
    """
    pieces = list(_pieces(text, links))
    _pair([piece for piece in pieces if isinstance(piece, _Run)], text)
    merged: list[Token] = []
    for piece in pieces:
        for token in piece.tokens() if isinstance(piece, _Run) else piece:
            if token.type == "text" and merged and merged[-1].type == "text":
                merged[-1].content += token.content
            else:
                merged.append(token)
    return [part for token in merged for part in _broken(token)]


def targets(text: str) -> Iterator[str]:
    """Every target of the links in a text, as it was typed."""
    for atom in _atoms(text):
        if atom["target"]:
            yield _typed(atom["target"])


def rooted(text: str, base_url: str) -> str:
    """The text with targets that are paths of our own site under its base URL: `(/media/1.pdf)`."""
    out, end = [], 0
    for atom in _atoms(text):
        if atom["target"] and is_path(_typed(atom["target"])):
            out += [
                text[end : atom.start("target")],
                base_url.rstrip("/"),
                _typed(atom["target"]).replace(" ", "%20"),
            ]
            end = atom.end("target")
    return "".join([*out, text[end:]])


def is_path(target: str) -> bool:
    """Whether a target names a place on our own site: one slash, and no host behind it."""
    return target.startswith("/") and target[1:2] not in {"/", "\\"}


def is_linked(target: str) -> bool:
    """Whether a target becomes a link as it stands."""
    return target.lower().startswith(LINKED)


# --- pieces -------------------------------------------------------------------------------------


def _atoms(text: str) -> Iterator[re.Match[str]]:
    position = 0
    while atom := _ATOM.search(text, position):
        yield atom
        position = atom.start() + len(_bare(atom["url"])) if atom["url"] else atom.end()


def _bare(url: str) -> str:
    """An address in a sentence without the marks that close behind it."""
    return url.rstrip(_MARKS + _STOPS + _QUOTES + ")]") or url


def _pieces(text: str, links: bool) -> Iterator[_Run | list[Token]]:
    end = 0
    for atom in _atoms(text):
        if atom["url"] or atom["code"] or not (links or atom["run"]):
            stop = atom.start() + len(_bare(atom["url"])) if atom["url"] else atom.end()
            yield [_text(text[end:stop])]
        else:
            yield [_text(text[end : atom.start()])]
            stop = atom.end()
            yield _Run(atom["run"], atom.start(), stop) if atom["run"] else _link(atom)
        end = stop
    yield [_text(text[end:])]


def _link(atom: re.Match[str]) -> list[Token]:
    if auto := atom["auto"]:
        return _linked(auto if ":" in auto else f"mailto:{auto}", [_text(auto)])
    target, label = _typed(atom["target"]), atom["label"]
    if _SCRIPTS.match(target):
        return [_text(atom[0])]
    words = inline(label, links=False) if label.strip(_UNSEEN) else [_text(target)]
    if is_linked(target):
        return _linked(target, words)
    return words if target in {label, words[0].content} else [*words, _text(f" ({target})")]


def _linked(target: str, label: list[Token]) -> list[Token]:
    opening = Token("link_open", "a", 1, attrs={"href": target.replace(" ", "%20")})
    return [opening, *label, Token("link_close", "a", -1)]


def _typed(target: str) -> str:
    return target[1:-1].strip() if target.startswith("<") else target


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _broken(token: Token) -> Iterator[Token]:
    """A text with each line break as a token of its own."""
    if token.type != "text" or "\n" not in token.content:
        if token.type != "text" or token.content:
            yield token
        return
    for number, line in enumerate(token.content.split("\n")):
        if number:
            yield Token("softbreak", "br", 0)
        if line:
            yield _text(line)


# --- pairs --------------------------------------------------------------------------------------


def _pair(runs: list[_Run], text: str) -> None:
    """Give partners their roles: the nearest opening run of the same marks with a letter or figure
    between them.
    """
    if not runs:
        return
    _mark_borders(runs, text)
    letters = list(accumulate((character.isalnum() for character in text), initial=0))
    waiting: defaultdict[str, list[_Run]] = defaultdict(list)
    meetings = _meetings(runs, text, letters)
    for run, after in zip_longest(runs, runs[1:]):
        same = waiting[run.marks]
        if (
            (run.closes or run.start in meetings)
            and same
            and letters[run.start] > letters[same[-1].end]
        ):
            if after is not None and run.start in meetings:
                after.opens = True
            partner = same[-1]
            partner.role, run.role = "open", "close"
            for stack in waiting.values():
                while stack and stack[-1].start >= partner.start:
                    stack.pop()
        elif run.opens:
            same.append(run)


def _mark_borders(runs: list[_Run], text: str) -> None:
    """Note of each run whether a word begins behind it or ends before it."""
    begins = _borders(text, _is_opening)
    ends = _borders(text[::-1], _is_closing)[::-1]
    for run in runs:
        if len(run.marks) in _TAGS:
            run.opens = begins[run.start] and _may_open(run, text)
            run.closes = ends[run.end] and _may_close(run, text)


def _meetings(runs: list[_Run], text: str, letters: list[int]) -> set[int]:
    """Where a run may close as the next one opens again, with nothing but signs between them:
    **08.00**/**14.00**.

    Only where the second pair is whole, too, so that no half of `*a*/*b` becomes a mark.
    """
    meetings: set[int] = set()
    whole: set[int] = set()
    behind: dict[str, _Run] = {}
    for run, after in zip(reversed(runs), [None, *reversed(runs)], strict=False):
        if after is not None and after.start in whole and _meets(run, after, text):
            meetings.add(run.start)
        closer = behind.get(run.marks)
        if (
            closer
            and letters[closer.start] > letters[run.end]
            and (closer.closes or closer.start in meetings)
        ):
            whole.add(run.start)
        behind[run.marks] = run
    return meetings


def _meets(run: _Run, after: _Run, text: str) -> bool:
    if "*" not in run.marks or run.marks != after.marks or len(run.marks) not in _TAGS:
        return False
    between = text[run.end : after.start]
    signs = not any(character.isspace() or character.isalnum() for character in between)
    return signs and _may_close(run, text) and _may_open(after, text)


def _may_open(run: _Run, text: str) -> bool:
    first = text[run.end : run.end + 1]
    return bool(first.strip()) and (first in _QUOTES or not _is_closing(first))


def _may_close(run: _Run, text: str) -> bool:
    last = text[max(run.start - 1, 0) : run.start]
    return bool(last.strip()) and (last in _QUOTES or not _is_opening(last))


def _borders(text: str, passes: Callable[[str], bool]) -> list[bool]:
    """For each position, whether nothing but such punctuation and marks stands between it and a gap
    before it.
    """
    borders, border = [True], True
    for character in text:
        gap = character.isspace() or character in _GAPS or unicodedata.category(character) == "So"
        border = gap or (
            border and (character in _MARKS or character in _JOINERS or passes(character))
        )
        borders.append(border)
    return borders


def _is_opening(character: str) -> bool:
    return character in _QUOTES or unicodedata.category(character) in {"Ps", "Pi"}


def _is_closing(character: str) -> bool:
    return (
        character in _QUOTES
        or character in _STOPS
        or unicodedata.category(character) in {"Pe", "Pf"}
    )
