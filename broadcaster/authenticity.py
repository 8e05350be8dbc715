"""Whether a pasted text says what an edition says: every line of it must be a line of the edition, whole. Pure.

A code proves that an edition exists, not that the text around the code is that edition's. Nothing is guessed from likeness: a
word more, a number less, half a sentence, and the text is another one.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import msgspec

from broadcaster.previewing import message_parts, sample_recipient
from channels.base import hyperlinks
from channels.base.contract import Area, Edition, PushChannel, Site
from channels.base.rendering import area_names, plain, span_text

Words = tuple[str, ...]

PERSONAL_WORDS = 8
"""Words in which a line may differ from recipient to recipient: the area they chose and the day on which they did."""
WORD_BYTES = 80
"""Bytes that a word costs in memory, about."""
_ELSEWHERE = Area(code="0", name="Qxq", slug="qxq")
_LONG_AGO = date(1998, 2, 13)
_DATE_WORD = re.compile(r"\d{1,2}|\d{4}|jan|feb|mar|apr|mei|may|jun|jul|agu|agt|aug|sep|okt|oct|nov|des|dec", re.ASCII)
_ONLY_MARKS = re.compile(r"[^\w#+%]+")
_OPENING, _CLOSING = "*_~\"'“‘([{<>|•", "*_~\"'”’)]}<>|•.,;:!?"
_TAG = re.compile(r"</?[a-z][^<>]*>")


@dataclass(frozen=True, kw_only=True)
class Official:
    """What an edition says on every channel, in every language."""

    lines: Mapping[str, frozenset[Words]]
    """By their first word."""
    personal: frozenset[tuple[Words, Words, Words]]
    """Beginning, middle and end of lines whose middle differs from recipient to recipient."""
    hosts: frozenset[str]
    """Every host that is named."""
    names: frozenset[str]
    """Words of the names of areas."""
    site: Site

    @property
    def size(self) -> int:
        """About how many bytes this holds in memory."""
        lines = sum(len(line) for lines in self.lines.values() for line in lines)
        return WORD_BYTES * (lines + len(self.names) + sum(len(part) for line in self.personal for part in line))

    def says(self, text: str) -> bool:
        """Whether a text is made of whole lines of this edition and of nothing else."""
        words = words_of(text, self.site)
        reached = {0}
        for start in range(len(words)):
            if start in reached:
                reached |= {start + length for length in self._lengths(words[start:])}
        return len(words) in reached

    def _lengths(self, words: Words) -> Iterator[int]:
        """How many words each line takes with which these words may begin."""
        yield from (len(line) for line in self.lines.get(words[0], ()) if words[: len(line)] == line)
        for begin, middle, end in self.personal:
            for between in range(PERSONAL_WORDS + 1) if words[: len(begin)] == begin else ():
                rest = len(begin) + between
                own = all(word in middle or self._is_personal(word) for word in words[len(begin) : rest])
                if own and words[rest : rest + len(end)] == end:
                    yield rest + len(end)

    def _is_personal(self, word: str) -> bool:
        return word in self.names or _DATE_WORD.fullmatch(word) is not None


def official(
    edition: Edition, *, channels: Iterable[PushChannel], site: Site, area_names: Iterable[str], shared: Iterable[str] = ()
) -> Official:
    """All that an edition says; `area_names` of all areas there are, `shared` further texts of ours about it."""
    pairs = [pair for channel in channels for lang in edition.wordings for pair in _messages(edition, channel, lang)]
    texts = [*shared, *_facts(edition, site), *(text for text, _ in pairs)]
    lines: dict[str, set[Words]] = {}
    for text in texts:
        for line in _lines(text, site):
            lines.setdefault(line[0], set()).add(line)
    return Official(
        lines={word: frozenset(some) for word, some in lines.items()},
        personal=frozenset(pattern for mine, yours in pairs for pattern in _personal(mine, yours, site)),
        hosts=frozenset(host for text in texts for host in hyperlinks.hosts_in(text)),
        names=frozenset(word for name in area_names for word in words_of(name, site)),
        site=site,
    )


def words_of(text: str, site: Site) -> Words:
    """The words of a text as they are compared: without the marks around them; links to our site by their page alone."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return tuple(_word(word, site) for word in folded.split() if not _ONLY_MARKS.fullmatch(word))


def _word(word: str, site: Site) -> str:
    bare = word if "#" in word else word.lstrip(_OPENING).rstrip(_CLOSING)  # "*808#" is a number to dial
    path = bare.removeprefix("https://").removeprefix("http://").removeprefix(site.host.casefold())
    if path == bare or not path.startswith("/"):
        return bare
    page = re.split(r"[?#]", path, maxsplit=1)[0]
    return "/berhenti" if page.startswith("/berhenti/") else page


# --- what an edition says -----------------------------------------------------------------------------


def _messages(edition: Edition, channel: PushChannel, lang: str) -> Iterator[tuple[str, str]]:
    """Each part of a message as two people get it who have nothing in common."""
    mine = sample_recipient(edition, "")
    yours = msgspec.structs.replace(mine, address="1", area=_ELSEWHERE, since=_LONG_AGO, token="b" * 32, address_key="b" * 16)
    other = message_parts(channel, edition, lang, yours)
    for name, text in message_parts(channel, edition, lang, mine).items():
        if name != "html":
            yield text, other.get(name, text)


def _facts(edition: Edition, site: Site) -> Iterator[str]:
    """What pages of ours show of an edition, piece by piece."""
    code, link = edition.code, site.permalink(edition.code)
    yield from (code, link, f"{site.base_url}/cek?kode={code}", f"kode {code}", f"code {code}")
    yield from (edition.agency, area_names(edition), edition.reason, edition.link or "")
    for lang, wording in edition.wordings.items():
        yield from (wording.title, wording.summary, plain(wording.body), plain(wording.instruction))
        yield span_text(edition.effective, edition.expires, lang)
    if edition.claim is not None:
        yield from (edition.claim.claim, edition.claim.fact, *edition.claim.evidence)


def _lines(text: str, site: Site) -> list[Words]:
    """A text's lines in words; where it is written with tags, also as it looks without them."""
    looks = html.unescape(_TAG.sub("", text))
    return [words for line in [*text.splitlines(), *looks.splitlines()] if (words := words_of(line, site))]


def _personal(mine: str, yours: str, site: Site) -> Iterator[tuple[Words, Words, Words]]:
    """Lines that differ between two people, by what is the same in both."""
    for one, two in zip(_lines(mine, site), _lines(yours, site), strict=False):
        if one != two:
            shorter = min(len(one), len(two))
            head = next((at for at in range(shorter) if one[at] != two[at]), shorter)
            tail = next((at for at in range(shorter - head) if one[-1 - at] != two[-1 - at]), shorter - head)
            if head:
                yield one[:head], one[head : len(one) - tail], one[len(one) - tail :]
