"""The public code of an announcement and the signature of an edition: what lets anyone check that a
message is real.
"""

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
"""Made when this is imported, on one thread: two threads that are the first to decode a type at
once crash msgspec 0.22.
"""


# --- the code -----------------------------------------------------------------------------------


# --- the signature ------------------------------------------------------------------------------


def canonical(edition: Edition) -> bytes:
    """The bytes that are signed and stored: JSON, UTF-8, names sorted, no spaces, times in UTC (RFC
    3339). Naive times raise.
    """
    return msgspec.json.encode(_in_utc(edition), order="sorted")


def decode(document: bytes | str) -> Edition:
    """The edition of a canonical document; raises msgspec.ValidationError."""
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
    """Signs documents with the city's Ed25519 key."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        public = private_key.public_key()
        self.public_pem = public.public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        ).decode()
        self.key_id = key_id(public)

    @classmethod
    def from_seed(cls, seed: bytes) -> "Signer":
        """The key of a 32-byte seed: the same seed, the same key."""
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, document: bytes) -> str:
        """The signature over these very bytes, base64."""
        return base64.b64encode(self._private_key.sign(document)).decode()


def key_id(public: Ed25519PublicKey) -> str:
    """A short name of a public key: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def verify(public_pem: str, document: bytes, signature: str) -> bool:
    """Whether this key signed these very bytes; a signature that cannot be read is a wrong one.
    ValueError for no Ed25519 key.
    """
    public = load_pem_public_key(public_pem.encode())
    if not isinstance(public, Ed25519PublicKey):
        raise ValueError("not an Ed25519 public key")
    try:
        public.verify(base64.b64decode(signature, validate=True), document)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
