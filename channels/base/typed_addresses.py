"""Addresses as people type, paste or export them: what nobody sees is dropped here, in one place."""

from channels.base.legibility import drawn

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}


def seen(text: str) -> str:
    """The text without invisible characters and white space around it; full-width letters as the
    plain ones.
    """
    return drawn(text).translate(_FULL_WIDTH).strip()
