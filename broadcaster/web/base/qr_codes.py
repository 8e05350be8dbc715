"""QR codes as inline SVG."""

from functools import lru_cache

import segno
from markupsafe import Markup

QR_BORDER = 2
"""Modules of quiet zone inside the SVG; the card around it is white too."""


@lru_cache(maxsize=1024)
def qr(address: str) -> Markup:
    """Encode an address as an inline SVG without styles."""
    code = segno.make(address, error="m", micro=False)
    return Markup(  # noqa: S704  # segno's own SVG; the address is not part of it
        code.svg_inline(
            omitsize=True,
            border=QR_BORDER,
            svgclass="qr",
            lineclass=None,
            dark="#000",
            light="#fff",
        )
    )
