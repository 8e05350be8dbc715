"""Names that people cannot tell apart: letters of other alphabets, signs of the same shape, marks
that nobody reads. Pure.
"""

import re
import unicodedata

_ALIKE = str.maketrans(
    "аɑαеҽоοօσрρсϲуγхχіιıјѕһԁԛԝոкκмтτвнν01",
    "aaaeeooooppccyyxxiiijshdqwnkkmttbhvol",
)
"""Letters that look like a Latin one, and the two digits that do; the rest of Unicode is no sign-in
name any more.
"""


def skeleton(name: str) -> str:
    """What is left of a name to the eye: two names with the same skeleton are taken for each other."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(
        character for character in plain if not unicodedata.combining(character)
    ).translate(_ALIKE)
    return re.sub(r"[._-]+", "-", letters.replace("rn", "m").replace("vv", "w")).strip("-")


def full_name_skeleton(name: str) -> str:
    """What is left of a person's name to the eye, without spaces and signs, seen or not (Hangul
    fillers are letters).

    A capital I is an l to many.
    """
    return re.sub("[\\W_\u115f\u1160]+", "", skeleton(name)).replace("l", "i")
