"""Passwords guessed at once: common ones, walks on the keyboard, dates, names and words of the city
and its areas. Pure.
"""

import re
from collections.abc import Collection
from functools import cache

from subscribers.areas import AreaTree

LOOKED_AT = 72
"""Characters that are looked at: what is longer is not guessed, and looking at it takes long."""
FEWEST_GUESSES, FEWEST_GUESSES_OF_OWN_WORDS = 8.5, 14.0
"""Powers of ten: tries until a password is found, and the same where it is made of the words below."""
FEWEST_OTHER_LETTERS = 4
"""Letters beside those words that make a password one's own."""

_WORDS = (
    "admin bandung barat bismillah cimahi cinta dinas garuda indonesia jawa kata katasandi kecamatan kelurahan keluarga "
    "kominfo kota masuk merdeka pagi pemerintah pemkot pengelola pengumuman penyetuju penyusun persib rahasia redaksi "
    "sandi sayang selamat semangat siaran sukses walikota warga januari februari maret april mei juni juli agustus "
    "september oktober november desember senin selasa rabu kamis jumat sabtu minggu "
)
OWN_WORDS = frozenset(_WORDS.split())
"""Words that come first to mind in an Indonesian city hall."""


@cache
def _area_names() -> frozenset[str]:
    """The names of the city's own areas, also without their spaces."""
    return frozenset(
        name
        for area in AreaTree.built_in().all()
        for name in (area.name, "".join(area.name.split()))
    )


def is_guessable(password: str, names: Collection[str] = ()) -> bool:
    """Whether a password is found within few tries by somebody who knows these names; letters in
    disguise count as themselves.
    """
    from zxcvbn import zxcvbn  # noqa: PLC0415  its lists of words cost memory that no other process needs

    own = sorted(
        {
            word
            for name in (*OWN_WORDS, *_area_names(), *names)
            for word in (name.lower(), *name.lower().split())
            if len(word) > 2
        }
    )
    looked = zxcvbn(password[:LOOKED_AT], user_inputs=own)
    strength = float(looked["guesses_log10"]) + max(0, len(password) - LOOKED_AT)
    others = re.sub(
        "|".join(map(re.escape, sorted(own, key=len, reverse=True))), "", password.lower()
    )
    few = sum(map(str.isalpha, others)) < FEWEST_OTHER_LETTERS
    return strength < (FEWEST_GUESSES_OF_OWN_WORDS if few else FEWEST_GUESSES)
