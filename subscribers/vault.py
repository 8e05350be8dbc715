"""Encryption of addresses: sealed with AES-GCM, found by keyed hash, signed into links.

All keys derive from one secret. Anything that contains or reveals an address (providers' ids, mail
domains) is stored as a keyed hash too.
"""

import hmac
import os
from base64 import b32decode, urlsafe_b64encode
from binascii import Error as Base32Error
from collections.abc import Callable
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_FORMAT = b"\x01"
"""First byte of every sealed address, so that the format can change."""
_NONCE = 12
_ID = 5
_MAC = 15
_KEY = 10
_PROVIDER_KEY = 22
_TOKEN_LENGTH = (_ID + _MAC) * 8 // 5
_NAMES_LENGTH = _TOKEN_LENGTH + _KEY * 8 // 5
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


class SealBroken(ValueError):
    """The sealed address was made with another key or channel, or is damaged."""


class Vault:
    """Seals, finds and signs addresses with keys derived from `secret` (>= 16 bytes)."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 16:
            raise ValueError("the secret needs at least 16 bytes")
        self._cipher = AESGCM(_derive(secret, b"address seal"))
        # a copied keyed BLAKE2b is twice as fast as keying it anew
        self._lookup = blake2b(key=_derive(secret, b"address lookup"), digest_size=16)
        self._names = blake2b(key=_derive(secret, b"address names"), digest_size=_MAC + _KEY)
        self._provider = blake2b(key=_derive(secret, b"provider id"), digest_size=16)
        self._dedupe = blake2b(key=_derive(secret, b"receipt dedupe"), digest_size=16)
        self._reference = blake2b(key=_derive(secret, b"subscriber reference"), digest_size=20)

    def seal(self, channel: str, address: str) -> bytes:
        """Encrypt an address; the result differs each time and is useless under another channel."""
        nonce = os.urandom(_NONCE)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, address.encode(), channel.encode())

    def open(self, channel: str, cipher: bytes) -> str:
        """Decrypt an address; raises SealBroken."""
        if cipher[:1] != _FORMAT:
            raise SealBroken("not a sealed address")
        try:
            return self._cipher.decrypt(
                cipher[1 : 1 + _NONCE], cipher[1 + _NONCE :], channel.encode()
            ).decode()
        except (InvalidTag, ValueError):
            raise SealBroken("damaged, or sealed with another key or for another channel") from None

    def opens(self, channel: str, cipher: bytes) -> bool:
        """True if this vault's key opens the sealed address."""
        try:
            self.open(channel, cipher)
        except SealBroken:
            return False
        return True

    def address_lookup(self, channel: str, address: str) -> bytes:
        """Return 16 bytes that identify an address in lookups, the same for each of its
        spellings.
        """
        return self.lookup(channel, identity(address))

    def lookup(self, purpose: str, text: str) -> bytes:
        """Return 16 bytes that identify the text in lookups: deterministic, not reversible without
        the key.
        """
        digest = self._lookup.copy()
        digest.update(f"{purpose}\0{text}".encode())
        return digest.digest()

    def provider_key(self, channel: str, provider_id: str) -> str:
        """Return 22 characters that identify a provider's id, which may contain an address; empty
        for none.
        """
        if not provider_id:
            return ""
        digest = self._provider.copy()
        digest.update(f"{channel}\0{provider_id}".encode("utf-8", "replace"))
        return urlsafe_b64encode(digest.digest())[:_PROVIDER_KEY].decode()

    def dedupe_key(self, channel: str, mark: str) -> bytes:
        """Return 16 bytes that are the same each time a provider repeats an event."""
        digest = self._dedupe.copy()
        digest.update(f"{channel}\0{mark}".encode("utf-8", "replace"))
        return digest.digest()

    def names(self, address_id: int) -> tuple[str, str]:
        """Return `token` and `key` of an address from a single hash: every message needs both."""
        name = address_id.to_bytes(_ID, "big")
        digest = self._names.copy()
        digest.update(name)
        both = _base32(name + digest.digest(), _NAMES_LENGTH)
        return both[:_TOKEN_LENGTH], both[_TOKEN_LENGTH:]

    def token(self, address_id: int) -> str:
        """Return 32 characters of [a-z2-7] that name and sign an address for /berhenti/ and
        /atur/.
        """
        return self.names(address_id)[0]

    def key(self, address_id: int) -> str:
        """Return 16 characters of [a-z2-7] that stand for the address in Message-IDs; only we can
        resolve them.
        """
        return self.names(address_id)[1]

    def read_token(self, token: str) -> int | None:
        """Return the address id that a token names, or None if we did not issue it. Constant-time
        signature check.
        """
        if len(token) != _TOKEN_LENGTH:
            return None
        try:
            raw = b32decode(token.upper())
        except (Base32Error, ValueError):
            return None
        address_id = int.from_bytes(raw[:_ID], "big")
        return (
            address_id
            if hmac.compare_digest(self.token(address_id).encode(), token.encode())
            else None
        )

    def reference(self, name: str) -> str:
        """Return the stored form of the name that an import gives to a person; a stored form (from
        an export) is left unchanged.
        """
        if name.startswith("~"):
            return name
        digest = self._reference.copy()
        digest.update(name.encode())
        return "~" + _base32(digest.digest(), 32)


def spelled(address: str, parse: Callable[[str], str]) -> str:
    """Return an address as people may write it, which `parse` accepts: a number abroad needs its
    "+".
    """
    for text in (address, f"+{address}"):
        try:
            if parse(text) == address:
                return text
        except ValueError:
            continue
    return address


def identity(address: str) -> str:
    """Return the canonical form of an address: mail addresses are case-insensitive, providers' ids
    are not.
    """
    return address.casefold() if "@" in address else address


def _derive(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"siaran " + purpose).derive(secret)


def _base32(raw: bytes, length: int) -> str:
    """Encode 5n bytes as lower-case RFC 4648 base32, ten bits at a time (base64.b32encode takes
    nearly twice as long).
    """
    pairs, text = _PAIRS, ""
    for start in range(0, len(raw), 5):
        number = int.from_bytes(
            raw[start : start + 5], "big"
        )  # small numbers: shifting one large one would copy it each time
        text += (
            pairs[number >> 30]
            + pairs[number >> 20 & 1023]
            + pairs[number >> 10 & 1023]
            + pairs[number & 1023]
        )
    return text[:length]
