"""Email bytes with holes: built once per edition and language, then filled per recipient by joining
bytes.
"""

import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from email.header import Header
from email.quoprimime import body_encode
from email.utils import formataddr
from functools import lru_cache
from itertools import groupby

from channels.base.smtp.envelope import sound_lines

CRLF = b"\r\n"
VALUE_LIMIT = 400
"""Octets of a sound hole value: with the rest of its line it never exceeds 998."""
_HOLE = re.compile("\x01([a-z_]+)\x01")
_HOLE_BYTES = re.compile(rb"\x01([a-z_]+)\x01")
_SOFT = b"=\r\n"
# Two less than the 76 that quoted-printable allows: a leading dot grows to "=2E".
_LINE = 74
_COLUMNS = 76
_PLAIN_NAME = 60
"""Characters of a display name that is not folded; a longer one is folded between its words."""
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,60}")


def hole(name: str) -> str:
    """Return the placeholder of a hole; cleaned text never contains one, as U+0001 is a control
    character.
    """
    return f"\x01{name}\x01"


def quoted(text: str) -> bytes:
    """Encode text in quoted-printable: CRLF lines of at most 76, none with a leading dot, each hole
    on a line of its own.
    """
    out = bytearray()
    for index, piece in enumerate(_HOLE.split(text)):
        if index % 2:
            out += b"" if out.endswith(CRLF) or not out else _SOFT
            out += hole(piece).encode()
        elif piece:
            out += _SOFT if index and not piece.startswith("\n") else b""
            out += _encode(piece)
    return bytes(out)


@lru_cache(maxsize=8192)
def quoted_value(text: str) -> bytes:
    """Encode the value of a hole in a quoted-printable part: one line of text, soft-wrapped if
    long.
    """
    return _encode(text)


def _encode(text: str) -> bytes:
    lines = body_encode(text.encode().decode("latin-1"), maxlinelen=_LINE, eol="\r\n").split("\r\n")
    return "\r\n".join(f"=2E{line[1:]}" if line.startswith(".") else line for line in lines).encode(
        "ascii"
    )


@lru_cache(maxsize=8192)
def phrase(text: str, header_name: str) -> str:
    """Encode a header value: unchanged if short and plain, else encoded words folded to 76 columns
    (RFC 2047).
    """
    if (
        text.isascii()
        and text.isprintable()
        and len(text) + len(header_name) < 74
        and "=?" not in text
    ):
        return text
    return Header(text, "utf-8", header_name=header_name, maxlinelen=76).encode(linesep="\r\n")


def mailbox(name: str, address: str, header_name: str = "From") -> str:
    """Format `Info Kota Cimahi <info@...>`: the name quoted, or in encoded words of at most 75
    octets; folded to 76 columns.
    """
    if not name:
        return address
    if name.isascii() and name.isprintable() and "=?" not in name and len(name) <= _PLAIN_NAME:
        words = [formataddr((name, "x@x")).removesuffix(" <x@x>")]
    else:
        words = _display_name(name, 73 - len(header_name))
    return _folded([*words, f"<{address}>"], len(header_name) + 2)


def _display_name(name: str, limit: int) -> list[str]:
    """Return a name as words: plain ones stay between encoded ones, because not every reader
    removes the gaps between encoded words.
    """
    words: list[str] = []
    for plain, run in groupby(
        name.split(), key=lambda word: _ATOM.fullmatch(word) is not None and "=?" not in word
    ):
        same = list(run)
        words += (
            same
            if plain
            else Header(" ".join(same), "utf-8", maxlinelen=limit).encode(linesep="\n").split("\n ")
        )
    return words


def _folded(words: Iterable[str], column: int) -> str:
    out = ""
    for word in words:
        fits = not out or column + 1 + len(word) <= _COLUMNS
        out += (" " if out and fits else "" if fits else "\r\n ") + word
        column = column + len(word) + (1 if out != word else 0) if fits else len(word) + 1
    return out


def part(content_type: str, language: str, text: str) -> bytes:
    """Encode a body part in UTF-8 and quoted-printable."""
    head = (
        f"Content-Type: {content_type}; charset=utf-8\r\nContent-Language: {language}\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    return head.encode() + quoted(text + "\n")


def alternative(headers: list[tuple[str, str]], parts: list[bytes], boundary: str) -> bytes:
    """Build a complete multipart/alternative message with holes; `headers` in order, already
    encoded.

    The boundary begins with "=_", which quoted-printable never produces: no part can contain it.
    """
    lines = [f"{name}: {value}" for name, value in headers]
    lines += [
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative; boundary="=_{boundary}"',
        "",
        "",
    ]
    mark = f"--=_{boundary}".encode()
    body = b"".join(mark + CRLF + content + CRLF for content in parts)
    return "\r\n".join(lines).encode() + body + mark + b"--\r\n"


@dataclass(frozen=True, slots=True)
class Frame:
    """Prebuilt bytes: `pieces` with empty places, `holes` = (index of the piece, name of the
    hole).
    """

    pieces: list[bytes]
    holes: tuple[tuple[int, str], ...]

    @classmethod
    def of(cls, raw: bytes) -> "Frame":
        """Split bytes at their holes."""
        pieces = _HOLE_BYTES.split(raw)
        holes = tuple((index, pieces[index].decode()) for index in range(1, len(pieces), 2))
        return cls(pieces, holes)

    @property
    def sound(self) -> bool:
        """True if every line is valid in SMTP unchanged, once sound values (see `sound_value`) fill
        the holes.
        """
        return sound_lines(
            self.fill(dict.fromkeys((name for _, name in self.holes), b"x" * VALUE_LIMIT))
        )

    def partly(self, values: Mapping[str, bytes]) -> "Frame":
        """Fill these holes only; the resulting frame has fewer pieces."""
        names = dict(self.holes)
        pieces, holes = [b""], []
        for place, piece in enumerate(self.pieces):
            if place in names and names[place] not in values:
                holes.append((len(pieces), names[place]))
                pieces += [b"", b""]
            else:
                pieces[-1] += values[names[place]] if place in names else piece
        return Frame(pieces, tuple(holes))

    def fill(self, values: Mapping[str, bytes]) -> bytes:
        """Return the bytes for one recipient; raises KeyError for a hole without a value."""
        pieces = self.pieces.copy()
        for place, name in self.holes:
            pieces[place] = values[name]
        return b"".join(pieces)


def sound_value(value: bytes) -> bool:
    """True if a value can neither make a line too long, nor start one with a dot, nor end one
    without CRLF.
    """
    return len(value) <= VALUE_LIMIT and not value.startswith(b".") and sound_lines(value + CRLF)


class GroupFrames:
    """A frame and, for each group of recipients (an area), a copy with the group's shared values
    filled in.
    """

    __slots__ = ("known", "whole")

    def __init__(self, whole: Frame) -> None:
        self.whole = whole
        self.known: dict[Hashable, tuple[Frame, bool]] = {}
        """The frame of each known group, and whether it is sound."""

    def add(self, group: Hashable, values: Mapping[str, bytes]) -> tuple[Frame, bool]:
        """Fill in a group's shared values; return its frame and whether it is sound."""
        frame = self.whole.partly(values)
        self.known[group] = frame, frame.sound and all(map(sound_value, values.values()))
        return self.known[group]
