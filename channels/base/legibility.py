"""Legibility of text: drops invisible characters that have no function, limits combining marks,
detects letters. Pure.
"""

import re
import unicodedata
from collections.abc import Iterator

MARKS_AT_MOST = 3
"""Combining marks per letter, accents included: more of them cover the lines above and below."""

# Default_Ignorable_Code_Point of Unicode 16: invisible, whatever their category
_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_JOINED_SCRIPTS = (
    "\u0600-\u109f\u1780-\u18af\u1900-\u1cff\ua800-\uabff\ufb50-\ufdff\ufe70-\ufefc"
    "\U00010a00-\U00011fff"
)
"""Arabic and related scripts and those of India and South-East Asia, where a joiner changes letter
shapes.
"""
_VARIED_LETTERS = (
    "\u1000-\u109f\u1800-\u18af\u3400-\u4dbf\u4e00-\u9fff\ua840-\ua877\uf900-\ufaff"
    "\U00020000-\U0003ffff"
)
_FLAG = "\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{1,6}\U000e007f"
_INVISIBLE = re.compile(f"{_FLAG}|[{_IGNORABLE}]")
_JOINED = re.compile(f"[{_JOINED_SCRIPTS}]")
_VARIED = re.compile(f"[{_VARIED_LETTERS}]")
_JOINERS = "\u200c\u200d"
_EMOJI_JOINER, _TEXT_STYLE, _EMOJI_STYLE = "\u200d", "\ufe0e", "\ufe0f"
_KEYCAP = "\u20e3"
_UNSEEN_LETTERS = frozenset("\U00013441\U00013442\U00016fe4")
"""Letters and marks that are drawn as blank space, although Unicode does not call them
ignorable.
"""


def visible(text: str) -> str:
    """Return the text without invisible characters, except those that affect their neighbours."""
    return text if text.isascii() else _INVISIBLE.sub(_kept, text)


def _kept(invisible: re.Match[str]) -> str:
    character, text, start, end = invisible[0], invisible.string, invisible.start(), invisible.end()
    before, after = text[start - 1 : start], text[end : end + 1]
    if len(character) > 1:
        return character  # the flag of a country's subdivision
    if _INVISIBLE.match(before) and before != _EMOJI_STYLE:
        return ""
    if character in _JOINERS and _JOINED.match(before):
        return character
    if character == _EMOJI_JOINER and _is_symbol(_drawn_before(text, start)) and _is_symbol(after):
        return character
    if character in (_TEXT_STYLE, _EMOJI_STYLE) and (
        _is_symbol(before) or _has_keycap(before, after) or before in ("‼", "⁉")
    ):
        return character
    return character if _is_variation(character) and _VARIED.match(before) else ""


def _drawn_before(text: str, position: int) -> str:
    """Return the character before a joiner, skipping the style and skin tone of an emoji."""
    while position and (
        text[position - 1] == _EMOJI_STYLE or "\U0001f3fb" <= text[position - 1] <= "\U0001f3ff"
    ):
        position -= 1
    return text[position - 1 : position]


def _is_symbol(character: str) -> bool:
    return (
        bool(character)
        and not character.isascii()
        and unicodedata.category(character) in ("So", "Sm", "Sk")
    )


def _has_keycap(before: str, after: str) -> bool:
    return before.isascii() and (before.isdigit() or before in ("#", "*")) and after == _KEYCAP


def _is_variation(character: str) -> bool:
    return (
        "\u180b" <= character <= "\u180f"
        or "\ufe00" <= character <= "\ufe0f"
        or "\U000e0100" <= character <= "\U000e01ef"
    )


def drawn(text: str) -> str:
    """Return the text without any invisible character: for addresses, where none has a function."""
    return text if text.isascii() else re.sub(f"[{_IGNORABLE}]", "", text)


def has_letter(text: str) -> bool:
    """True if the text has a visible letter or digit.

    Symbols, emoji, marks, fillers and white space do not count.
    """
    return any(
        character.isalnum() and character not in _UNSEEN_LETTERS for character in drawn(text)
    )


def capped(text: str) -> str:
    """Return the text with at most MARKS_AT_MOST combining marks per letter."""
    if text.isascii():
        return text
    characters: list[str] = []
    count = 0
    for character in text:
        if not _is_mark(character):
            count = (
                sum(map(_is_mark, unicodedata.normalize("NFD", character)))
                if not character.isascii()
                else 0
            )
        elif (count := count + 1) > MARKS_AT_MOST:
            continue
        characters.append(character)
    return "".join(characters)


def overloaded(text: str) -> Iterator[str]:
    """Yield each letter with more marks than MARKS_AT_MOST, without them; "" for marks without a
    base letter.
    """
    if text.isascii():
        return
    letter, count = "", 0
    for character in unicodedata.normalize("NFD", text):
        if not _is_mark(character):
            letter, count = character, 0
        elif (count := count + 1) == MARKS_AT_MOST + 1:
            yield letter.strip()


def _is_mark(character: str) -> bool:
    """True if the character is drawn on the one before it; invisible characters are not."""
    return unicodedata.category(character) in ("Mn", "Me") and not re.match(
        f"[{_IGNORABLE}]", character
    )
