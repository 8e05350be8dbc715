"""Addresses as people type, paste or export them: what nobody sees is dropped here, in one place."""

import re
import unicodedata

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_OTHERS = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0]")
"""Letters that have no shape and no category of their own."""


def seen(text: str) -> str:
    """The text without invisible characters and white space around it; full-width letters as the plain ones."""
    if not text.isascii():
        shown = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
        text = _OTHERS.sub("", shown).translate(_FULL_WIDTH)
    return text.strip()
