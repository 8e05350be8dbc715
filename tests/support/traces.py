"""Search for a person's address in bytes, however it is written: plain, national, hex, base64,
utf-16, packed or inside an id.
"""

import re
from base64 import b64decode
from collections.abc import Iterable, Iterator
from urllib.parse import quote

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{11,}")
_HEX = re.compile(rb"[0-9A-Fa-f]{12,}")
_DEPTH = 2
"""Times that decoded bytes are decoded again."""


class Traces:
    """Forms of some addresses (numbers, chat ids, mail addresses, domains) by which a reader would
    know them.
    """

    def __init__(self, addresses: Iterable[str]) -> None:
        self._forms = {form: address for address in addresses for form in _forms(address)}

    def within(self, data: bytes) -> set[str]:
        """Return the addresses that can be read out of `data`."""
        return {
            address
            for text in _readings(data, _DEPTH)
            for form, address in self._forms.items()
            if form in text
        }


def _forms(address: str) -> Iterator[bytes]:
    """Yield an address in lower case as it may stand in a file; a number without what differs
    between its spellings.
    """
    digits = address.lstrip("+-")
    core = address.lower()
    if digits.isdigit():
        core = digits.removeprefix("62")
        yield from _packed(core)
        yield from _integers(int(digits))
    for text in {core, quote(core, safe="")}:
        for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
            yield text.encode(encoding)
            yield text.encode(encoding)[::-1]


def _packed(digits: str) -> Iterator[bytes]:
    """Yield two digits in a byte, either digit first."""
    for part in (digits[: len(digits) // 2 * 2], digits[1 : 1 + (len(digits) - 1) // 2 * 2]):
        yield bytes.fromhex(part)
        yield bytes.fromhex("".join(part[at + 1] + part[at] for at in range(0, len(part), 2)))


def _integers(number: int) -> Iterator[bytes]:
    """Yield a whole number as SQLite, PostgreSQL, MessagePack and Protocol Buffers store it."""
    length = (number.bit_length() + 7) // 8
    yield number.to_bytes(length, "big")
    yield number.to_bytes(length, "little")
    varint = bytearray()
    while number > 127:
        varint.append(number & 127 | 128)
        number >>= 7
    yield bytes([*varint, number])


def _readings(data: bytes, depth: int) -> Iterator[bytes]:
    """Yield the bytes as they are, in lower case, without separators, and everything that is
    encoded in them.
    """
    yield data
    yield data.lower()
    yield data.translate(None, b" -.()")
    if depth == 0:
        return
    decoded = b"\n".join(_decoded(data))
    if decoded:
        yield from _readings(decoded, depth - 1)


def _decoded(data: bytes) -> Iterator[bytes]:
    for run in _HEX.finditer(data):
        for start in (0, 1):
            text = run[0][start:]
            yield bytes.fromhex(text[: len(text) // 2 * 2].decode())
    for run in _BASE64.finditer(data):
        text = run[0].replace(b"-", b"+").replace(b"_", b"/")
        for start in range(4):  # the run may begin anywhere within a group of four
            yield b64decode(text[start:] + b"A" * (-len(text[start:]) % 4))
