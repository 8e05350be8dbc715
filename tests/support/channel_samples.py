"""Channels as tests meet them: every module, an address for each, editions with other words."""

import importlib
from collections.abc import Callable
from pathlib import Path

import msgspec

import channels
from channels.base.contract import BadAddress, Edition

MODULES = {
    path.stem: importlib.import_module(f"channels.{path.stem}")
    for path in sorted(Path(str(channels.__file__)).parent.glob("*.py"))
    if path.stem != "__init__"
}
"""Every module in channels/, by name."""
ADDRESSES = ["siti@contoh.example", "123456789", "6281200000001", "+62 812-0000-0001"]


def address_for(parse_address: Callable[[str], str]) -> str:
    """Return the first sample address that a channel accepts, as it is stored."""
    for text in ADDRESSES:
        try:
            return str(parse_address(text))
        except BadAddress:
            continue
    raise LookupError("no sample address suits")


def reworded(edition: Edition, **words: str) -> Edition:
    """Return the edition with other Indonesian words."""
    wording = msgspec.structs.replace(edition.wording("id"), **words)
    return msgspec.structs.replace(edition, wordings={**edition.wordings, "id": wording})
