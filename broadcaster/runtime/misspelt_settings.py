"""Variables that look like settings and are none: a misspelt one would otherwise be passed over in
silence. Pure.

difflib stays: for 8 000 areas, categories and fields with one or two slips rapidfuzz named the
right one at most 0.6 points more often (99.4 to 100 % with one slip, 97 to 99.8 % with two), but
its import costs every start of the program 10 ms of CPU instead of 1, for microseconds saved on an
error.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

LIKENESS = 0.7
"""From this likeness of the part after the first word on (0 to 1, as difflib counts), a name is a
slip of the pen.
"""


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """The settings there are. Variables that begin with `own` can be nothing else; with the first
    word of others, such as EMAIL_, a variable may belong to another program, and is a mistake
    only where it is nearly one of ours.
    """

    known: Collection[str]
    own: str

    def mistakes(self, names: Collection[str]) -> list[str]:
        """A sentence for each variable under which nobody else can mean anything: the program must
        not start with it.
        """
        return [self._sentence(name) for name in self._strange(names) if self._is_mistake(name)]

    def unknown(self, names: Collection[str]) -> list[str]:
        """A sentence for each further variable with a first word of ours: said, not refused."""
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
            return swapped[0]  # the same letters: in short names the likeness would not tell
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
