"""Public codes of announcements: drawing, checking and tolerant reading. Pure."""

import re
import secrets
import unicodedata
from collections.abc import Callable
from itertools import product

ALPHABET = "23456789CDFHJKMNPQRTWXY"
"""23 characters, a prime number: without look-alikes (0 O, 1 I L, 2 Z, 5 S, 6 G, 8 B, U V) and
without vowels, so no words.
"""
CODE_LENGTH = 6
"""Five random characters and one check character: 6,436,343 codes per city."""


# all different and none 0 modulo 23: one wrong character or two swapped ones change the sum
_WEIGHTS = (1, 2, 3, 9, 15, 16)
_LOOKALIKES = {
    "0": "DQ", "O": "DQ", "1": "7J", "I": "7J", "L": "7J",
    "S": "5", "Z": "2", "B": "8", "G": "6", "U": "WY", "V": "YW",
}  # fmt: skip
Choose = Callable[[str], str]
"""Draws one character of an alphabet."""


def draw_code(prefix: str = "CMH", choose: Choose = secrets.choice) -> str:
    """Draw a random code such as CMH-7K4Q-2M; the database detects one that is already taken."""
    drawn = "".join(choose(ALPHABET) for _ in range(CODE_LENGTH - 1))
    return _spelt(prefix, drawn + check_character(drawn))


def check_character(drawn: str) -> str:
    """Compute the check character for five random ones."""
    partial = _sum(drawn)
    return next(
        c for i, c in enumerate(ALPHABET) if (partial + _WEIGHTS[-1] * i) % len(ALPHABET) == 0
    )


def normalise_code(text: str, prefix: str = "CMH") -> str | None:
    """Convert typed text to the official spelling: lower case, missing hyphens or prefix,
    look-alikes. None if it is not a code.

    Text of more than 64 characters, or with anything but ASCII letters, digits and punctuation, is
    not a code.
    """
    folded = unicodedata.normalize("NFKC", text[:65]).upper()
    if len(text) > 64 or not folded.replace("–", "-").replace("—", "-").isascii():
        return None
    typed = re.sub(r"[^A-Z0-9]", "", folded)
    body = (
        typed[len(prefix) :]
        if len(typed) == len(prefix) + CODE_LENGTH and typed.startswith(prefix)
        else typed
    )
    if len(body) != CODE_LENGTH:
        return None
    candidates = ("".join(letters) for letters in product(*(_LOOKALIKES.get(c, c) for c in body)))
    right = [candidate for candidate in candidates if _holds(candidate)]
    return _spelt(prefix, right[0]) if len(right) == 1 else None


def _spelt(prefix: str, six: str) -> str:
    return f"{prefix}-{six[:4]}-{six[4:]}"


def _sum(characters: str) -> int:
    return sum(weight * ALPHABET.index(c) for weight, c in zip(_WEIGHTS, characters, strict=False))


def _holds(six: str) -> bool:
    return all(c in ALPHABET for c in six) and _sum(six) % len(ALPHABET) == 0
