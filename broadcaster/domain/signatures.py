"""Signatures of editions: anyone can check with them that a message is genuine."""

import base64
import binascii
import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from channels.base.contract import Edition

_DECODER = msgspec.json.Decoder(Edition)
"""Created at import, on one thread: msgspec 0.22 crashes when two threads are the first to
decode a type at the same time.
"""


def canonical(edition: Edition) -> bytes:
    """Serialise an edition for signing and storage: JSON, UTF-8, sorted names, no spaces, times
    in UTC (RFC 3339). Raises ValueError for naive times.
    """
    return msgspec.json.encode(_in_utc(edition), order="sorted")


def decode(document: bytes | str) -> Edition:
    """Parse a canonical document; raises msgspec.ValidationError."""
    return _DECODER.decode(document)


def _in_utc(edition: Edition) -> Edition:
    changes: dict[str, Any] = {}
    for name in edition.__struct_fields__:
        value = getattr(edition, name)
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise ValueError(f"{name}: time without a zone")
            changes[name] = value.astimezone(UTC)
    return msgspec.structs.replace(edition, **changes)


class Signer:
    """Signer with the city's Ed25519 key."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        public = private_key.public_key()
        self.public_pem = public.public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        ).decode()
        self.key_id = key_id(public)

    @classmethod
    def from_seed(cls, seed: bytes) -> "Signer":
        """Derive the key from a 32-byte seed, always the same one."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, document: bytes) -> str:
        """Sign exactly these bytes; returns base64."""
        return base64.b64encode(self._private_key.sign(document)).decode()


def key_id(public: Ed25519PublicKey) -> str:
    """Short identifier of a public key: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def verify(public_pem: str, document: bytes, signature: str) -> bool:
    """True if the key signed exactly these bytes; an unreadable signature is a wrong one. Raises
    ValueError if it is not an Ed25519 key.
    """
    public = load_pem_public_key(public_pem.encode())
    if not isinstance(public, Ed25519PublicKey):
        raise ValueError("not an Ed25519 public key")
    try:
        public.verify(base64.b64decode(signature, validate=True), document)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
