"""Inline parser of light Markdown: bold, italic and links; anything else remains plain text. Pure.

`**bold**`, `__bold__`, `*italic*`, `_italic_` and `***both***` open at the beginning of a word and
close at the end of one: an opening mark follows the start, a space or opening punctuation; a
closing mark precedes the end, a space or closing punctuation; both ends have the same mark. Between
two pairs any punctuation is allowed: `**08.00**/**14.00**`. Therefore no mark changes `2*3*4`,
`file_name_v2.pdf`, `*123*4#` or an address. Backslashes, backticks, "~", entities and tags are
plain text, too.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, zip_longest

from markdown_it.token import Token

LINKED = ("http:", "https:", "mailto:", "tel:")
"""Beginnings of targets that become links; other targets are displayed as text."""

_LABEL = r"(?:[^\[\]]|\[[^\[\]]*+\])*+"
_TARGET = r"<[^<>\n]++>|(?:[^\s()<>]|\([^\s()<>]*+\))++"
_ATOM = re.compile(
    rf"\[(?P<label>{_LABEL})\]\((?P<target>{_TARGET})\)"
    r"|<(?P<auto>(?:https?|mailto|tel):[^\s<>]++"
    r"|[a-z0-9][a-z0-9._%+\-]*+@[a-z0-9\-]++(?:\.[a-z0-9\-]++)++)>"
    r"|(?P<url>(?<![a-z0-9+.\-])[a-z][a-z0-9+.\-]{1,20}://[^\s<>]++)"
    # dialled: *123*4#
    r"|(?P<code>(?<![*#])(?<![^\W_])[*#]++\d(?:[\d*#]*\#|\d*+(?:[*#]++\d++)++[*#]*+)"
    # a file: _jadwal_.pdf
    r"|(?<![#\w])_++[a-z0-9](?:[\w\-]{0,60}[a-z0-9])?_++\.[a-z0-9]{1,5}(?![^\W_]))"
    r"|(?P<run>\*++|_++)",
    re.IGNORECASE | re.ASCII,
)
_SCRIPTS = re.compile(r"(?:javascript|vbscript|file|data):", re.IGNORECASE)
_QUOTES = "\"'"
_STOPS = ".,;:!?…"
_MARKS = "*_"
_GAPS = "–—•→"
"""Characters that count as word boundaries like a space; emoji do, too."""
_JOINERS = "\ufe0f\u200d"
_UNSEEN = " \t\n\u00a0\u2800"
"""Blank characters: a link whose label consists of these would be invisible, so its address is
displayed.
"""
_TAGS = {1: ("em",), 2: ("strong",), 3: ("em", "strong")}
"""Tags for a mark of this many characters, outermost first."""


@dataclass(slots=True)
class _Run:
    """A run of the same mark, and the tags that it opens or closes."""

    marks: str
    start: int
    end: int
    opens: bool = False
    closes: bool = False
    role: str = ""

    def tokens(self) -> list[Token]:
        """Return its tokens; the literal run if it has no partner."""
        if not self.role:
            return [_text(self.marks)]
        tags = _TAGS[len(self.marks)]
        if self.role == "open":
            return [Token(f"{tag}_open", tag, 1, markup=self.marks) for tag in tags]
        return [Token(f"{tag}_close", tag, -1, markup=self.marks) for tag in reversed(tags)]


def inline(text: str, *, links: bool = True) -> list[Token]:
    """Return the tokens of one paragraph: text, softbreak, strong, em and link.

    Without `links`, as within a link, links are text.
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
    """Yield every link target in a text, as typed."""
    for atom in _atoms(text):
        if atom["target"]:
            yield _typed(atom["target"])


def rooted(text: str, base_url: str) -> str:
    """Return the text with targets that are paths on our own site made absolute:
    `(/media/1.pdf)`.
    """
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
    """True if a target is a path on our own site: one slash, and no host behind it."""
    return target.startswith("/") and target[1:2] not in {"/", "\\"}


def is_linked(target: str) -> bool:
    """True if a target becomes a link unchanged."""
    return target.lower().startswith(LINKED)


# --- pieces -------------------------------------------------------------------------------------


def _atoms(text: str) -> Iterator[re.Match[str]]:
    position = 0
    while atom := _ATOM.search(text, position):
        yield atom
        position = atom.start() + len(_bare(atom["url"])) if atom["url"] else atom.end()


def _bare(url: str) -> str:
    """Return a URL in a sentence without the marks that close behind it."""
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
    """Yield a text with each line break as a separate token."""
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
    """Match runs: the nearest opening run of the same mark with a letter or digit in between."""
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
    """Set on each run whether a word begins after it or ends before it."""
    begins = _borders(text, _is_opening)
    ends = _borders(text[::-1], _is_closing)[::-1]
    for run in runs:
        if len(run.marks) in _TAGS:
            run.opens = begins[run.start] and _may_open(run, text)
            run.closes = ends[run.end] and _may_close(run, text)


def _meetings(runs: list[_Run], text: str, letters: list[int]) -> set[int]:
    """Return the indexes of runs that may close while the next one reopens, with only punctuation
    in between: **08.00**/**14.00**.

    Only where the second pair is complete, too, so that no half of `*a*/*b` becomes a mark.
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
    """Return for each position whether only such punctuation and marks lie between it and the
    preceding gap.
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
