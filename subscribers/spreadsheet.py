"""Cells as spreadsheets have them: guarded on the way out so that none is a formula, the guard
taken off on the way in.
"""

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_GUARDED = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")
_AS_TEXT = re.compile(r'="([^"]*)"')
"""How lists keep a spreadsheet from taking a cell for a number."""
# the property Default_Ignorable_Code_Point of Unicode 16, as channels have it too (a test compares the two)
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_BRAILLE_SPACE = "\u2800"
_UNSEEN_LETTERS = frozenset("\U00013441\U00013442")


def guarded(text: str) -> str:
    """The text with an apostrophe before what a spreadsheet would take for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """The text as it was before `guarded`, or within ="..."; what was never guarded stays as it is."""
    if as_text := _AS_TEXT.fullmatch(text):
        return as_text[1]
    return text[1:] if _GUARDED.match(text) else text


def plain(text: str) -> str:
    """The text without invisible characters, runs of white space as one space."""
    return " ".join(
        (text if text.isascii() else _INVISIBLE.sub("", text).replace(_BRAILLE_SPACE, " ")).split()
    )


def has_letter(text: str) -> bool:
    """Whether a letter or digit of the text can be seen."""
    return any(
        character.isalnum() and character not in _UNSEEN_LETTERS for character in plain(text)
    )
