"""Authenticity: match a pasted text against an edition's own messages, word for word, from title to
code. Pure.

A code proves that an edition exists, not that the text around the code is that edition's. Likeness
counts for nothing and nothing is pieced together: with a word added, a number missing, two lines
swapped or a heading left out, the text does not match.
"""

import html
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from broadcaster.newsroom.previews import message_parts, sample_recipient
from channels.base import hyperlinks
from channels.base.contract import Area, Edition, PushChannel, Site
from channels.base.pairing import GUARD

Words = tuple[str, ...]

BARE_LIMIT = 200
"""Maximum characters of a bare code or of a link to it."""
WORD_BYTES = 80
"""Approximate bytes that a word takes in memory."""
_BEFORE, _AFTER = ("header", "subject"), ("footer", "buttons")
"""Parts of a message that people may copy along with its text."""
_ELSEWHERE = Area(code="0", name="Qxq", slug="qxq")
_LONG_AGO = date(1998, 2, 13)
_DATE = re.compile(r"\d{1,2} [a-z]{3,9} \d{4}", re.ASCII)
_TAG = re.compile(r"</?[a-z][^<>]*>")
_SEPARATOR = re.compile(r"[-–—•·|*_.:,;]+")
"""Words without meaning: bullets, dashes and marks of emphasis."""
_MARKS = re.compile(r"^[*_]+|[*_]+$|(?<=\w)[*_]+(?=[.,:;!?)]*$)")
_PLAIN = re.compile(r"(?:kode|code|verifikasi|verification|[\s:.,*_-])*", re.ASCII)
"""Text that may stand beside a bare code."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageLine:
    """A line of a message as words; `pattern` if it differs from recipient to recipient."""

    words: Words
    pattern: re.Pattern[str] | None = None

    def lengths(self, words: Words, start: int) -> Iterator[int]:
        """Yield the numbers of words from `start` on that this line may match."""
        count = len(self.words)
        if self.pattern is None:
            if words[start : start + count] == self.words:
                yield count
            return
        for taken in range(max(1, count - 3), count + 4):
            if self.pattern.fullmatch(" ".join(words[start : start + taken])):
                yield taken


@dataclass(frozen=True, kw_only=True, slots=True)
class MessageText:
    """A message or shared text, line by line; a copy holds at least the lines from `title` to
    `code`.
    """

    lines: tuple[MessageLine, ...]
    title: int
    code: int

    def is_said_by(self, words: Words) -> bool:
        """True if these words match this text, with or without the lines before its title and after
        its code.
        """
        return any(self._fits(words, first) for first in range(self.title + 1))

    def _fits(self, words: Words, first: int) -> bool:
        reached = {0}
        for number in range(first, len(self.lines)):
            reached = {
                start + taken
                for start in reached
                for taken in self.lines[number].lengths(words, start)
            }
            if number >= self.code and len(words) in reached:
                return True
        return False


@dataclass(frozen=True, kw_only=True)
class Official:
    """Texts of an edition on every channel, in every language."""

    texts: tuple[MessageText, ...]
    hosts: frozenset[str]
    """Hosts that the edition links to; not those of a rumour that it quotes."""
    site: Site

    @property
    def size(self) -> int:
        """Return the approximate bytes that this holds in memory."""
        return WORD_BYTES * sum(len(line.words) + 1 for text in self.texts for line in text.lines)

    def says(self, text: str) -> bool:
        """True if a text is one of this edition's own, word for word."""
        words = words_of(text, self.site)
        return any(official_text.is_said_by(words) for official_text in self.texts)


def official(
    edition: Edition,
    *,
    channels: Iterable[PushChannel],
    site: Site,
    areas: Collection[Area],
    shared: Mapping[str, str],
) -> Official:
    """Collect the texts of an edition; `areas` are all areas, `shared` the page's text for sharing,
    by language.
    """
    bodies = [
        body
        for channel in channels
        for lang in edition.wordings
        for body in _messages(edition, channel, lang, site, areas)
    ]
    bodies += [
        [MessageLine(words=words) for words in _lines(text, site)] for text in shared.values()
    ]
    rumours = set(hyperlinks.hosts_in(edition.claim.claim)) if edition.claim is not None else set()
    return Official(
        texts=tuple(text for body in bodies if (text := _text(edition, body, site)) is not None),
        hosts=frozenset(
            _hosts(edition) | ({host for body in bodies for host in _named(body)} - rumours)
        ),
        site=site,
    )


def is_bare(text: str, code: str, site: Site) -> bool:
    """True if a text is nothing but a code or our own link to it; a long text never is."""
    if len(text) > BARE_LIMIT:
        return False
    rest = re.sub(
        rf"https?://{re.escape(site.host)}/(?:p/|cek\?kode=)",
        " ",
        text.strip(),
        flags=re.IGNORECASE,
    )
    rest = re.sub(
        rf"(?<!\S){re.escape(site.host)}/(?:p/|cek\?kode=)", " ", rest, flags=re.IGNORECASE
    )
    rest, matches = re.subn(
        rf"(?<![\w-]){re.escape(code)}(?:\?[\w=&.-]*)?(?![\w-])", " ", rest, flags=re.IGNORECASE
    )
    return matches > 0 and _PLAIN.fullmatch(rest.casefold()) is not None


def words_of(text: str, site: Site) -> Words:
    """Return the words of a text for comparison: without marks of emphasis; links to our site by
    their path alone.
    """
    folded = unicodedata.normalize("NFC", text).casefold().replace(GUARD, "")
    return tuple(_word(word, site) for word in folded.split() if not _SEPARATOR.fullmatch(word))


def _word(word: str, site: Site) -> str:
    bare = word if "#" in word else _MARKS.sub("", word)  # "*808#" is a number to dial
    path = bare.removeprefix("https://").removeprefix("http://").removeprefix(site.host.casefold())
    if path == bare or not path.startswith("/"):
        return bare
    return "/berhenti" if path.startswith("/berhenti/") else path


# --- texts of an edition --------------------------------------------------------------------------


def _messages(
    edition: Edition, channel: PushChannel, lang: str, site: Site, areas: Collection[Area]
) -> Iterator[list[MessageLine]]:
    """Yield the forms in which a message is copied; lines that depend on the recipient become
    patterns.
    """
    mine = sample_recipient(edition, "")
    yours = msgspec.structs.replace(
        mine, address="1", area=_ELSEWHERE, since=_LONG_AGO, token="b" * 32, address_key="b" * 16
    )
    parts, other = (
        message_parts(channel, edition, lang, mine),
        message_parts(channel, edition, lang, yours),
    )
    for before in (_BEFORE, ()):
        chosen = [name for name in (*before, "text", *_AFTER) if name in parts]
        ours, theirs = ("\n".join(part[name] for name in chosen) for part in (parts, other))
        for left, right in ((ours, theirs), (_looks(ours), _looks(theirs))):
            pairs = zip(_lines(left, site), _lines(right, site), strict=True)
            yield [_line(a, b, mine.area, areas, site) for a, b in pairs]


def _line(
    mine: Words, yours: Words, area: Area, areas: Collection[Area], site: Site
) -> MessageLine:
    if mine == yours:
        return MessageLine(words=mine)
    names = "|".join(re.escape(" ".join(words_of(each.full_name, site))) for each in areas)
    own = " ".join(words_of(area.full_name, site))
    pieces = re.split(rf"({re.escape(own)}|{_DATE.pattern})", " ".join(mine))
    slots = {True: rf"(?:{names})", False: _DATE.pattern}
    pattern = "".join(
        slots[piece == own] if number % 2 else re.escape(piece)
        for number, piece in enumerate(pieces)
    )
    return MessageLine(words=mine, pattern=re.compile(pattern, re.ASCII))


def _text(edition: Edition, lines: Sequence[MessageLine], site: Site) -> MessageText | None:
    """Return the lines with the positions of title and code; None without a code to find it by."""
    titles = {
        words_of(wording.title, site)
        for wording in (*edition.wordings.values(), *edition.overrides.values())
    }
    code = edition.code.casefold()
    title = next(
        (at for at, line in enumerate(lines) if any(_holds(line.words, words) for words in titles)),
        0,
    )
    named = (
        at
        for at, line in enumerate(lines)
        if at >= title and any(code in word for word in line.words)
    )
    last = next(named, None)
    return MessageText(lines=tuple(lines), title=title, code=last) if last is not None else None


def _holds(line: Words, words: Words) -> bool:
    return any(line[at : at + len(words)] == words for at in range(len(line) - len(words) + 1))


def _looks(text: str) -> str:
    """Return marked-up text as it is displayed, without tags; struck-through text stays marked."""
    return html.unescape(_TAG.sub("", re.sub(r"</?s>", "~", text)))


def _lines(text: str, site: Site) -> list[Words]:
    return [words for line in text.splitlines() if (words := words_of(line, site))]


def _named(lines: Iterable[MessageLine]) -> Iterator[str]:
    for line in lines:
        yield from hyperlinks.hosts_in(" ".join(line.words))


def _hosts(edition: Edition) -> set[str]:
    """Return the hosts of the edition's own link and evidence."""
    links = [edition.link or "", *(edition.claim.evidence if edition.claim is not None else ())]
    return {hyperlinks.host_of(link) for link in links if link}
