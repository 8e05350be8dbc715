"""Setting values: parsing and validation of what operators write. Pure."""

import re
from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from channels.base.settings import Items

ANYONE = "*"
"""Wildcard for proxies: every peer is trusted, for a network that only proxies can reach."""
_WHOLE_NUMBER = re.compile(r"(?:\+|0)[\d().-]{7,}|1\d{2,4}|\d{3}")
"""A complete telephone number without spaces: with its prefix, or a short one (112, 119, 14045)."""


LOG_LEVELS = ("debug", "info", "warning", "error")


def check_log_level(text: str) -> str:
    """Normalise the level to lower case, "" if not set; raises ValueError for an unknown one."""
    level = text.strip().lower()
    if level and level not in LOG_LEVELS:
        raise ValueError(f"harus salah satu dari {', '.join(LOG_LEVELS)}")
    return level


def _proxies(values: tuple[str, ...]) -> tuple[str, ...]:
    """Normalise addresses and networks for the web server; raises ValueError for anything else."""
    return tuple(_network(value) for value in values)


def _network(value: str) -> str:
    if value == ANYONE:
        return value
    try:
        network = ip_network(value, strict=False)  # 10.1.2.3/8 is meant as 10.0.0.0/8
    except ValueError:
        raise ValueError(
            f"{value!r} bukan alamat IP atau jaringan, misalnya 10.0.0.5 atau 10.0.0.0/24"
        ) from None
    return str(network) if "/" in value else str(network.network_address)


def _hosts(values: tuple[str, ...]) -> tuple[str, ...]:
    """Normalise host names to lower case, without a leading "*." or dot; raises ValueError for
    URLs.
    """
    for value in values:
        if "/" in value or ":" in value or "@" in value:
            raise ValueError(f"{value!r} bukan nama host; tulis misalnya cimahikota.go.id")
    return tuple(value.lower().removeprefix("*.").strip(".") for value in values)


def phones(text: Any) -> Any:
    """Split telephone numbers at commas, semicolons and line ends, and at spaces if every part
    is a complete number.
    """
    if not isinstance(text, str):
        return text
    pieces = [piece.strip() for piece in re.split(r"[,;\n]+", text) if piece.strip()]
    return tuple(number for piece in pieces for number in _numbers(piece))


def _numbers(piece: str) -> list[str]:
    words = piece.split()
    return words if all(_WHOLE_NUMBER.fullmatch(word) for word in words) else [piece]


Proxies = Annotated[Items, AfterValidator(_proxies)]
"""Addresses or networks of trusted reverse proxies."""
Hosts = Annotated[Items, AfterValidator(_hosts)]
"""Host names; each includes its subdomains."""
Phones = Annotated[tuple[str, ...], BeforeValidator(phones)]
"""Telephone numbers as people write them, also with spaces."""
