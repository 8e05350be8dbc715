"""Guessable passwords: common ones, keyboard walks, dates, names and words of the city and its
areas. Pure.
"""

import re
from collections.abc import Collection
from functools import cache

from subscribers.areas import AreaTree

EXAMINED = 72
"""Characters that are examined: a longer password is not guessed, and examining it is slow."""
FEWEST_GUESSES, FEWEST_GUESSES_OF_OWN_WORDS = 8.5, 14.0
"""Powers of ten: guesses that a password must withstand, and the same for one that consists of
the words below.
"""
FEWEST_OTHER_LETTERS = 4
"""Letters besides those words from which the higher limit no longer applies."""

_WORDS = (
    "admin bandung barat bismillah cimahi cinta dinas garuda indonesia jawa kata katasandi "
    "kecamatan kelurahan keluarga kominfo kota masuk merdeka pagi pemerintah pemkot pengelola "
    "pengumuman penyetuju penyusun persib rahasia redaksi sandi sayang selamat semangat siaran "
    "sukses walikota warga januari februari maret april mei juni juli agustus september oktober "
    "november desember senin selasa rabu kamis jumat sabtu minggu "
)
OWN_WORDS = frozenset(_WORDS.split())
"""Words that first come to mind in an Indonesian city hall."""


@cache
def _area_names() -> frozenset[str]:
    """Names of the city's areas, with and without spaces."""
    return frozenset(
        name
        for area in AreaTree.built_in().all()
        for name in (area.name, "".join(area.name.split()))
    )


def is_guessable(password: str, names: Collection[str] = ()) -> bool:
    """True if someone who knows these names finds the password within few guesses; letters
    replaced by look-alikes count as themselves.
    """
    from zxcvbn import zxcvbn  # noqa: PLC0415  its word lists cost memory

    own = sorted(
        {
            word
            for name in (*OWN_WORDS, *_area_names(), *names)
            for word in (name.lower(), *name.lower().split())
            if len(word) > 2
        }
    )
    estimate = zxcvbn(password[:EXAMINED], user_inputs=own)
    strength = float(estimate["guesses_log10"]) + max(0, len(password) - EXAMINED)
    others = re.sub(
        "|".join(map(re.escape, sorted(own, key=len, reverse=True))), "", password.lower()
    )
    few = sum(map(str.isalpha, others)) < FEWEST_OTHER_LETTERS
    return strength < (FEWEST_GUESSES_OF_OWN_WORDS if few else FEWEST_GUESSES)
