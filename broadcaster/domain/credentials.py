"""Passwords (Argon2id), one-time codes (TOTP, RFC 6238) and recovery codes. Pure."""

import hmac
import secrets
import unicodedata
from collections.abc import Collection
from datetime import datetime
from functools import cache

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from broadcaster.domain.accounts import BadAccount
from broadcaster.domain.guessable_passwords import is_guessable
from broadcaster.domain.refusal_codes import AccountCode

PASSWORD_SHORTEST, PASSWORD_LONGEST = 10, 200
"""Password length in characters (Argon2 takes any length; the upper bound limits the work)."""
TOTP_SECONDS, TOTP_DRIFT = 30, 1
"""RFC 6238: the time step in seconds, and the tolerated drift of a phone's clock in steps."""
ONE_TIME_LENGTH = 16
"""Characters of a generated password: 79 random bits."""
RECOVERY_CODES, _RECOVERY_ALPHABET = 10, "23456789abcdefghjkmnpqrstuvwxyz"


def check_password(password: str, *, names: Collection[str] = ()) -> str:
    """Normalise a new password (NFKC); raises BadAccount if it is too short, too long or easily
    guessed.
    """
    normal = unicodedata.normalize("NFKC", password)
    if len(normal) < PASSWORD_SHORTEST:
        raise BadAccount(AccountCode.PASSWORD_TOO_SHORT, limit=PASSWORD_SHORTEST)
    if len(normal) > PASSWORD_LONGEST:
        raise BadAccount(AccountCode.PASSWORD_TOO_LONG, limit=PASSWORD_LONGEST)
    letters = "".join(character for character in normal.lower() if character.isalpha())
    if (
        letters in {*(name.lower() for name in names), ""}
        or len(set(normal)) < 4
        or is_guessable(normal, names)
    ):
        raise BadAccount(AccountCode.PASSWORD_GUESSABLE)
    return normal


def new_password() -> str:
    """Generate a password that its owner must replace: "xxxx-xxxx-xxxx-xxxx", without
    look-alikes.
    """
    drawn = [secrets.choice(_RECOVERY_ALPHABET) for _ in range(ONE_TIME_LENGTH)]
    return "-".join("".join(drawn[start : start + 4]) for start in range(0, ONE_TIME_LENGTH, 4))


@cache
def _hasher() -> PasswordHasher:
    """Argon2id hasher with the library's default cost (RFC 9106, low memory: 64 MiB, three
    passes).
    """
    return PasswordHasher()


def hash_password(password: str) -> str:
    """Hash a password for storage; takes about 50 ms on purpose."""
    return _hasher().hash(unicodedata.normalize("NFKC", password))


@cache
def _nobodys_hash() -> str:
    return _hasher().hash(secrets.token_hex(16))


def password_fits(stored: str, password: str) -> bool:
    """True if the password matches the stored hash; takes as long when there is no hash."""
    try:
        fits = _hasher().verify(
            stored or _nobodys_hash(),
            unicodedata.normalize("NFKC", password[: PASSWORD_LONGEST + 1]),
        )
    except (VerificationError, InvalidHashError):
        return False
    return fits and bool(stored)


def needs_new_hash(stored: str) -> bool:
    """True if the stored hash has a lower cost than today's."""
    return _hasher().check_needs_rehash(stored)


def new_totp_secret() -> str:
    """Generate a shared secret, base32."""
    return pyotp.random_base32()


def totp_address(secret: str, name: str, issuer: str) -> str:
    """Build the otpauth:// URI that an authenticator app scans."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer)


def totp_step(secret: str, code: str, now: datetime, *, last: int) -> int | None:
    """Find the 30 s step of a valid code, later than `last` so that a code works once; None if the
    code is wrong.
    """
    current = int(now.timestamp()) // TOTP_SECONDS
    given = "".join(code.split())
    match = None
    for step in range(current - TOTP_DRIFT, current + TOTP_DRIFT + 1):
        right = pyotp.TOTP(secret).at(step * TOTP_SECONDS)
        if hmac.compare_digest(right.encode(), given.encode()) and step > last:
            match = step
    return match


def new_recovery_codes() -> list[str]:
    """Generate codes that each replace the second factor once: 50 random bits, "xxxxx-xxxxx"."""
    drawn = [
        "".join(secrets.choice(_RECOVERY_ALPHABET) for _ in range(10))
        for _ in range(RECOVERY_CODES)
    ]
    return [f"{code[:5]}-{code[5:]}" for code in drawn]


def read_recovery_code(text: str) -> str:
    """Normalise a recovery code as typed."""
    plain = "".join(character for character in text.lower() if character.isalnum())
    return f"{plain[:5]}-{plain[5:]}"
