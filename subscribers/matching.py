"""Matching of area names as residents write them: prefixes, spacing, variants, small mistakes;
uncertain matches are never guessed.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from subscribers.area_document import Area, Contents, Level

_PREFIXES: dict[str, Level] = {
    "kel": "kelurahan", "kelurahan": "kelurahan", "desa": "kelurahan",
    "kec": "kecamatan", "kecamatan": "kecamatan", "kota": "city",
}  # fmt: skip
_SHORT = {
    "utr": "utara",
    "tgh": "tengah",
    "tngh": "tengah",
    "slt": "selatan",
    "sltn": "selatan",
    "sel": "selatan",
}
_PARTS = re.compile(r"[,;/&+\n]|\b(?:dan|and|serta)\b", re.IGNORECASE)
_DOT = re.compile(r"(?<=\d)\.(?=\d)")
_LONGEST_TEXT = 160
"""Characters examined: a longer text is not an area name."""
_LONGEST_NAME = 4
"""Words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """Possible meanings of a text.

    `certain`: exactly these areas; otherwise they are candidates to ask about; empty: no area of
    ours.
    """

    areas: tuple[Area, ...] = ()
    certain: bool = False


NOTHING = Match()


def words_of(text: str) -> list[str]:
    """Split into lower-case words without accents and punctuation; a code with its dots is one
    word.
    """
    plain = "".join(
        c
        for c in unicodedata.normalize("NFKD", text[:_LONGEST_TEXT])
        if not unicodedata.combining(c)
    )
    return re.findall(r"[a-z0-9]+", _DOT.sub("", plain.casefold()))


class Spellings:
    """All terms for the areas of a tree."""

    def __init__(self, contents: Contents) -> None:
        by_code = {area.code: area for area in contents.areas}
        self._order = {area.code: number for number, area in enumerate(contents.areas)}
        self._terms: dict[str, set[Area]] = defaultdict(set)
        for area in contents.areas:
            for term in (
                area.name,
                area.short_name,
                area.slug,
                area.full_name,
                area.label,
                area.code,
                *area.aliases,
            ):
                self._terms[_key(words_of(term))].add(area)
        for term, codes in contents.ambiguous.items():
            self._terms[_key(words_of(term))] |= {by_code[code] for code in codes}
        self._mixed_up: dict[str, set[Area]] = {}
        self._partners: dict[Area, set[Area]] = defaultdict(set)
        for terms, codes in contents.confusable:
            areas = {by_code[code] for code in codes}
            self._mixed_up.update({_key(words_of(term)): areas for term in terms})
            for area in areas:
                self._partners[area] |= areas - {area}

    def match(self, text: str) -> Match:
        """Match the areas that `text` names."""
        words = words_of(text)
        whole = self._exact(words)
        if whole.certain:
            return whole
        parts = [part for piece in _PARTS.split(text[:_LONGEST_TEXT]) if (part := words_of(piece))]
        if len(parts) > 1:
            return self._together([self._phrase(part) for part in parts])
        return self._phrase(words)

    def named(self, text: str) -> tuple[Area, ...]:
        """Return the areas with exactly this name, alias or code: several if ambiguous."""
        return self._exact(words_of(text)).areas

    def near(self, text: str) -> tuple[Area, ...]:
        """Return areas to suggest when an exact name was required."""
        return self.match(text).areas

    def _phrase(self, words: list[str]) -> Match:
        """Match one place, or several without a comma in between."""
        attempts = (
            self._exact,
            self._levelled,
            self._sequence,
            self._misspelt,
            self._misspelt_words,
        )
        return next((match for attempt in attempts if (match := attempt(words)).areas), NOTHING)

    def _exact(self, words: Sequence[str]) -> Match:
        areas = self._terms.get(_key(words), set())
        return self._found(areas, certain=len(areas) == 1)

    def _levelled(self, words: Sequence[str]) -> Match:
        """Match `kel cibabat`, `kec utara`: the first word gives the level."""
        level = _PREFIXES.get(words[0]) if words else None
        if level is None:
            return NOTHING
        rest = words[1:]
        exact = [area for area in self._exact(rest).areas if area.level == level]
        if len(exact) == 1:
            return self._found(exact, certain=True)
        unsure = self._exact(rest).areas + self._misspelt(rest).areas
        begins = [
            area
            for area in self._order_of_level(level)
            if rest and _key(words_of(area.name)).startswith(_key(rest))
        ]
        return self._found(
            [area for area in unsure if area.level == level] or begins or unsure, certain=False
        )

    def _sequence(self, words: Sequence[str]) -> Match:
        """Match known names one after another, longest first; other words in between make it
        uncertain.
        """
        matches: list[Match] = []
        position, strangers = 0, 0
        while position < len(words):
            length, match = self._longest_name(words[position:])
            if match.areas:
                matches.append(match)
            strangers += not match.areas
            position += length
        together = self._together(matches)
        return self._found(together.areas, certain=together.certain and not strangers)

    def _longest_name(self, words: Sequence[str]) -> tuple[int, Match]:
        for length in range(min(_LONGEST_NAME, len(words)), 0, -1):
            if (match := self._exact(words[:length])).areas:
                return length, match
        return 1, NOTHING

    def _misspelt(self, words: Sequence[str]) -> Match:
        """Match the nearest names within one wrong letter (two in a long name); `cibeur` may be
        either of a confusable pair.
        """
        key = _key(words)
        if key in self._mixed_up:
            return self._found(self._mixed_up[key], certain=False)
        distances: dict[Area, int] = {}
        for term, areas in self._terms.items():
            allowed = min(_tolerance(term), _tolerance(key))
            if allowed and (distance := _distance(key, term, allowed)) <= allowed:
                distances.update(
                    {area: min(distance, distances.get(area, distance)) for area in areas}
                )
        best = min(distances.values(), default=0)
        nearest = {area for area, distance in distances.items() if distance == best}
        if best > 1:
            nearest |= {partner for area in nearest for partner in self._partners[area]}
        return self._found(nearest, certain=False)

    def _misspelt_words(self, words: Sequence[str]) -> Match:
        return self._found(
            [area for word in words for area in self._misspelt([word]).areas], certain=False
        )

    def _together(self, matches: list[Match]) -> Match:
        areas = [area for match in matches for area in match.areas]
        nested = any(inner.code.startswith(f"{outer.code}.") for inner in areas for outer in areas)
        return self._found(
            areas, certain=bool(areas) and all(match.certain for match in matches) and not nested
        )

    def _found(self, areas: Iterable[Area], *, certain: bool) -> Match:
        return Match(
            areas=tuple(sorted(set(areas), key=lambda area: self._order[area.code])),
            certain=certain,
        )

    def _order_of_level(self, level: Level) -> list[Area]:
        everything = {area for areas in self._terms.values() for area in areas}
        return sorted(
            (area for area in everything if area.level == level), key=lambda area: area.code
        )


def _key(words: Sequence[str]) -> str:
    return "".join(_SHORT.get(word, word) for word in words)


def _tolerance(term: str) -> int:
    if len(term) < 5 or term.isdigit():
        return 0
    return 1 if len(term) < 8 else 2


def _distance(left: str, right: str, limit: int) -> int:
    """Count letters to add, drop, change or swap; anything above `limit` may be reported as limit +
    1.
    """
    if abs(len(left) - len(right)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, above, row = row, before, [i]
        for j, b in enumerate(right, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == right[j - 2] and left[i - 2] == b:
                cost = min(cost, above[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return row[-1]
