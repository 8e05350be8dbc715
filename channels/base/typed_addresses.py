"""Cleaning of addresses as people type, paste or export them."""

from channels.base.legibility import drawn

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}


def cleaned(text: str) -> str:
    """Remove invisible characters and surrounding white space; fold full-width letters to plain
    ones.
    """
    return drawn(text).translate(_FULL_WIDTH).strip()
