"""Detection of text file encodings; files that cannot be decoded reliably are rejected as a
whole.
"""

import codecs
import io
import re
from dataclasses import dataclass, field
from typing import BinaryIO

LIMIT = 256 * 1024 * 1024
"""Maximum file size in bytes: over two million rows."""
_CHUNK = 1 << 20
_BEGINNING = 4096

_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32"), (b"\x00\x00\xfe\xff", "UTF-32"), (b"\xef\xbb\xbf", "UTF-8"),
    (b"\xff\xfe", "UTF-16 LE"), (b"\xfe\xff", "UTF-16 BE"),
)  # fmt: skip
_KINDS = (
    (b"PK\x03\x04", "berkas Excel (.xlsx) atau ZIP"),
    (b"\xd0\xcf\x11\xe0", "berkas Excel lama (.xls)"),
    (b"%PDF", "berkas PDF"), (b"{\\rtf", "berkas RTF"), (b"\x1f\x8b", "berkas terkompresi"),
    (b"\x89PNG", "gambar"), (b"\xff\xd8\xff", "gambar"), (b"<", "halaman web atau XML"),
)  # fmt: skip
_PLAIN = frozenset(b"\t\r\n") | frozenset(range(0x20, 0x7F))
_CODECS = {
    "UTF-8": "utf-8-sig",
    "UTF-16 LE": "utf-16-le",
    "UTF-16 BE": "utf-16-be",
    "Windows-1252": "cp1252",
}
_WESTERN = re.compile(
    "[\udc80\udc85\udc91-\udc97\udc99\udca0\udca9\udcab\udcae\udcb0\udcb7\udcbb\udcc0-\udcff]*"
)
"""Bytes in Windows-1252 words; others indicate another encoding."""
_FOREIGN = re.compile("[a-z][\udcc0-\udcde]")
"""An accented capital within a word: Mac Roman and DOS have small letters and quotation marks
there.
"""


class BadFile(ValueError):
    """The file as a whole is not a valid CSV; the message tells how to fix it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoding:
    """The encoding of a file, with the name that people know it by."""

    name: str

    def open(self, content: BinaryIO) -> io.TextIOWrapper:
        """Open the text from the file's beginning; undecodable bytes become surrogates or U+FFFD,
        to be rejected row by row.
        """
        content.seek(0)
        errors = "surrogateescape" if self.name == "UTF-8" else "replace"
        return io.TextIOWrapper(content, encoding=_CODECS[self.name], errors=errors, newline="")


def detect(content: BinaryIO) -> Encoding:
    """Detect the encoding of a seekable file.

    Raises BadFile if it is not text, too large, or in an unsupported encoding.
    """
    content.seek(0)
    beginning = content.read(_BEGINNING)
    name = next((name for mark, name in _MARKS if beginning.startswith(mark)), "") or _unmarked(
        beginning
    )
    if name == "UTF-32":
        raise BadFile(
            "Berkas ini UTF-32, yang tidak dibaca di sini. Simpan ulang sebagai CSV UTF-8."
        )
    if not name:
        _refuse_other_kinds(beginning)
    size = content.seek(0, io.SEEK_END)
    if size > LIMIT:
        raise BadFile(f"Berkas lebih dari {LIMIT // 1024**2} MB. Bagi menjadi beberapa berkas.")
    return Encoding(name=name or _read_through(content))


def _unmarked(beginning: bytes) -> str:
    """Detect UTF-16 without a byte order mark: in plain words every second byte is zero and the
    others are letters.
    """
    for name, letters, zeros in (
        ("UTF-16 LE", beginning[0::2], beginning[1::2]),
        ("UTF-16 BE", beginning[1::2], beginning[0::2]),
    ):
        plain = sum(byte in _PLAIN for byte in letters)
        if len(zeros) >= 4 and zeros.count(0) > 0.9 * len(zeros) and plain > 0.9 * len(letters):
            return name
    return ""


def _refuse_other_kinds(beginning: bytes) -> None:
    kind = next((kind for magic, kind in _KINDS if beginning.lstrip().startswith(magic)), "")
    if not kind and beginning.count(0) > 0.1 * len(beginning):
        kind = "berkas biner"
    if kind:
        raise BadFile(f"Ini {kind}, bukan CSV. Simpan datanya sebagai CSV UTF-8, lalu impor lagi.")


@dataclass(slots=True)
class _NonAscii:
    """Non-ASCII bytes of a file without a byte order mark."""

    proper: bool = False
    strange: set[str] = field(default_factory=set)
    foreign: bool = False

    def take(self, text: str) -> None:
        letters = {letter for letter in set(text) if letter > "\x7f"}
        strange = {letter for letter in letters if "\udc80" <= letter <= "\udcff"}
        self.proper |= letters != strange
        self.strange |= strange
        self.foreign |= bool(strange and _FOREIGN.search(text))


def _read_through(content: BinaryIO) -> str:
    """Detect UTF-8, or Windows-1252 if the non-ASCII bytes are all its letters.

    A file with valid UTF-8 besides broken bytes is UTF-8 with broken rows.
    """
    decoder, non_ascii = codecs.getincrementaldecoder("utf-8")("surrogateescape"), _NonAscii()
    content.seek(0)
    while chunk := content.read(_CHUNK):
        text = decoder.decode(chunk)
        if not text.isascii():
            non_ascii.take(text)
    non_ascii.take(decoder.decode(b"", final=True))
    if non_ascii.proper or not non_ascii.strange:
        return "UTF-8"
    if non_ascii.foreign or not _WESTERN.fullmatch("".join(non_ascii.strange)):
        raise BadFile(
            "Berkas ini bukan UTF-8 dan bukan Windows-1252 (ANSI). Simpan ulang sebagai CSV UTF-8."
        )
    return "Windows-1252"
