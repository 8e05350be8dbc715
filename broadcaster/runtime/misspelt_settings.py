"""Misspelt settings: variables that look like settings but are none, and would otherwise be
ignored silently. Pure.

difflib stays: for 8 000 areas, categories and fields with one or two typing errors, rapidfuzz
found the right one at most 0.6 points more often (99.4 to 100 % with one error, 97 to 99.8 %
with two), but its import costs every start of the program 10 ms of CPU instead of 1, for
microseconds saved on an error.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

LIKENESS = 0.7
"""Similarity of the part after the prefix (0 to 1, by difflib) from which a name counts as
misspelt.
"""


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """Names of all settings. A variable that begins with `own` can be nothing else; one with the
    prefix of another setting, such as EMAIL_, may belong to another program, and is a mistake
    only if it is nearly one of ours.
    """

    known: Collection[str]
    own: str

    def mistakes(self, names: Collection[str]) -> list[str]:
        """Describe each variable that can only be a misspelt setting: the program must not start
        with it.
        """
        return [self._sentence(name) for name in self._strange(names) if self._is_mistake(name)]

    def unknown(self, names: Collection[str]) -> list[str]:
        """Describe each other variable with a prefix of ours: reported, not refused."""
        return [self._sentence(name) for name in self._strange(names) if not self._is_mistake(name)]

    def _strange(self, names: Collection[str]) -> Iterator[str]:
        prefixes = tuple({self.own, *(_split(name)[0] for name in self.known)})
        known = {name.upper() for name in self.known}
        return (
            name
            for name in sorted(names)
            if name.upper().startswith(prefixes) and name not in known
        )

    def _is_mistake(self, name: str) -> bool:
        return name.upper().startswith(self.own) or self._meant(name) is not None

    def _meant(self, name: str) -> str | None:
        prefix, rest = _split(name.upper())
        candidates = {_split(known)[1]: known for known in self.known if _split(known)[0] == prefix}
        if swapped := [known for word, known in candidates.items() if sorted(word) == sorted(rest)]:
            return swapped[0]  # the same letters: similarity fails on short names
        close = get_close_matches(rest, candidates, n=1, cutoff=LIKENESS)
        return candidates[close[0]] if close else None

    def _sentence(self, name: str) -> str:
        meant = self._meant(name)
        return f"{name} bukan setelan." + (
            f" Maksud Anda {meant}?" if meant else " Periksa ejaannya, atau hapus."
        )


def _split(name: str) -> tuple[str, str]:
    first, _, rest = name.partition("_")
    return f"{first}_", rest
