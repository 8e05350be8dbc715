"""SMTP envelope of a message, and the server extensions that it needs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from channels.base.outcomes import Failure, Rejected, Skipped

_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)
_NOT_CARRIED = re.compile(rb"\r(?!\n)|(?<!\r)\n|[^\n]{1000}|\0")


class Envelope(NamedTuple):
    """Data sent to the server for one recipient; `sound` means that `data` needs no repair (see
    `sound_lines`).

    `message_id` becomes the provider's id in the receipt.
    """

    sender: str
    to: str
    data: bytes
    message_id: str
    sound: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """The server's relevant EHLO capabilities; `size` in octets, 0 = no limit given.

    CHUNKING is not used: BDAT would spare the server the search for the final dot, and us one round
    trip per message, which PIPELINING hides; but it would transmit the content before the recipient
    is accepted.
    """

    pipelining: bool = False
    smtputf8: bool = False
    eight_bit: bool = False
    size: int = 0

    @classmethod
    def of(cls, extensions: Mapping[str, str]) -> "Offer":
        """Build it from EHLO keywords in lower case and their parameters."""
        size = extensions.get("size", "").strip()
        return cls(
            pipelining="pipelining" in extensions,
            smtputf8="smtputf8" in extensions,
            eight_bit="8bitmime" in extensions,
            size=int(size) if size.isascii() and size.isdigit() and len(size) < 20 else 0,
        )


def unfit(envelope: Envelope, offer: Offer) -> Failure | None:
    """Return the failure if this server cannot take this message at all, else None."""
    if not envelope.to.isascii() and not offer.smtputf8:
        return Skipped(code="5.6.7", detail="the server has no SMTPUTF8")
    if offer.size and len(envelope.data) > offer.size:
        return Rejected(
            code="5.3.4",
            detail="larger than the server takes",
            domain=envelope.to.rpartition("@")[2],
        )
    if not envelope.sound and _NOT_CARRIED.search(envelope.data):
        return Rejected(code="5.6.0", detail="lines that SMTP cannot carry")
    return None


def content(envelope: Envelope) -> bytes:
    """Return the octets between DATA and the final dot: leading dots doubled, CRLF at the end."""
    if envelope.sound:
        return envelope.data
    data = _LEADING_DOT.sub(b"..", envelope.data)
    return data if not data or data.endswith(b"\r\n") else data + b"\r\n"


def sound_lines(data: bytes) -> bool:
    """True if the data consists of CRLF-terminated lines of at most 998 octets, none with a leading
    dot.
    """
    return (
        data.endswith(b"\r\n") and not _NOT_CARRIED.search(data) and not _LEADING_DOT.search(data)
    )


def parameters(envelope: Envelope, offer: Offer) -> str:
    """Return the parameters of MAIL FROM.

    SIZE is not declared: a message above the server's limit is never begun.
    """
    if not offer.eight_bit or envelope.data.isascii():
        return "" if envelope.to.isascii() else " SMTPUTF8"
    return " BODY=8BITMIME" if envelope.to.isascii() else " BODY=8BITMIME SMTPUTF8"


def opening(envelope: Envelope, offer: Offer) -> bytes:
    """Return MAIL, RCPT and DATA as one block; raises ValueError for an address with a line end."""
    text = (
        f"MAIL FROM:<{envelope.sender}>{parameters(envelope, offer)}\r\n"
        f"RCPT TO:<{envelope.to}>\r\nDATA\r\n"
    )
    if text.count("\n") != 3 or text.count("\r") != 3:
        raise ValueError("a line end within an address")
    return text.encode()
