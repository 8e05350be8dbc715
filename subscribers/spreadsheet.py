"""Spreadsheet cells: guarded on export so that none is a formula, and unguarded on import."""

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_GUARDED = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")
_AS_TEXT = re.compile(r'="([^"]*)"')
"""Notation that keeps a spreadsheet from treating a cell as a number."""
# Default_Ignorable_Code_Point of Unicode 16; a test compares it with the copy in channels
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_BRAILLE_SPACE = "\u2800"
_UNSEEN_LETTERS = frozenset("\U00013441\U00013442")


def guarded(text: str) -> str:
    """Prefix an apostrophe to text that a spreadsheet would treat as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """Undo `guarded` or ="..."; text that was never guarded is left unchanged."""
    if as_text := _AS_TEXT.fullmatch(text):
        return as_text[1]
    return text[1:] if _GUARDED.match(text) else text


def plain(text: str) -> str:
    """Remove invisible characters and collapse white space."""
    return " ".join(
        (text if text.isascii() else _INVISIBLE.sub("", text).replace(_BRAILLE_SPACE, " ")).split()
    )


def has_letter(text: str) -> bool:
    """True if the text has a visible letter or digit."""
    return any(
        character.isalnum() and character not in _UNSEEN_LETTERS for character in plain(text)
    )
