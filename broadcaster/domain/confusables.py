"""Confusable names: letters of other alphabets, similar shapes, invisible marks. Pure."""

import re
import unicodedata

_ALIKE = str.maketrans(
    "аɑαеҽоοօσрρсϲуγхχіιıјѕһԁԛԝոкκмтτвнν01",
    "aaaeeooooppccyyxxiiijshdqwnkkmttbhvol",
)
"""Letters and digits that look like a Latin letter; sign-in names no longer allow the rest of
Unicode.
"""


def skeleton(name: str) -> str:
    """Reduce a name to its visual skeleton: names with the same skeleton are confusable."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    letters = "".join(
        character for character in plain if not unicodedata.combining(character)
    ).translate(_ALIKE)
    return re.sub(r"[._-]+", "-", letters.replace("rn", "m").replace("vv", "w")).strip("-")


def full_name_skeleton(name: str) -> str:
    """Reduce a person's name to its visual skeleton, without spaces or signs, visible or not
    (Hangul fillers are letters).

    Capital I counts as l.
    """
    return re.sub("[\\W_\u115f\u1160]+", "", skeleton(name)).replace("l", "i")
