"""Email addresses as people type or paste them."""

import re
from functools import lru_cache
from urllib.parse import unquote

from email_validator import EmailNotValidError, validate_email

from channels.base.address_codes import AddressCode
from channels.base.contract import BadAddress
from channels.base.typed_addresses import cleaned

_DISPLAYED = re.compile(r"[^<>]*<([^<>]*)>\s*")
"""An address in angle brackets behind a name, as mail programs copy it."""
_SIMPLE = re.compile(r"([A-Za-z0-9_+\-]+(?:\.[A-Za-z0-9_+\-]+)*)@([A-Za-z0-9.\-]+)")
_LOOSE = re.compile(r"[^\s()\[\]<>,;:\"]+@[^\s()\[\]<>,;:\"@]+")
_BESIDE = re.compile(r"\S\s+[(\[].*@.*[)\]]|@\S+\s+[(\[][^@]*[)\]]")
"""A name followed by the address in brackets, or the reverse."""
_AROUND = " \t,;.\xa0'\"`()[]<>‘’“”"
_LOCAL_LIMIT, _LIMIT = 64, 254
"""Limits in characters (RFC 5321)."""


def read_mail(text: str) -> str:
    """Return the address as written, with its domain in lower-case ASCII and without a name or
    `mailto:`.

    Raises BadAddress if it is not an email address.
    """
    typed = cleaned(text)
    if displayed := _DISPLAYED.fullmatch(typed):
        typed = displayed[1].strip()
    if typed[:7].casefold() == "mailto:":
        typed = unquote(typed[7:].partition("?")[0])
    apart = _LOOSE.findall(typed)
    if len(apart) > 1:
        raise BadAddress(AddressCode.EMAIL_SEVERAL)
    typed = (apart[0] if apart and _BESIDE.search(typed) else typed).strip(_AROUND)
    try:
        if (
            len(typed) <= _LIMIT
            and (simple := _SIMPLE.fullmatch(typed))
            and len(simple[1]) <= _LOCAL_LIMIT
        ):
            return f"{simple[1]}@{_domain(simple[2])}"
        valid = validate_email(typed, check_deliverability=False)
    except EmailNotValidError as invalid:
        raise BadAddress(AddressCode.EMAIL_MALFORMED) from invalid
    return f"{valid.local_part}@{valid.ascii_domain}"


@lru_cache(maxsize=4096)
def _domain(text: str) -> str:
    """Return a domain in lower-case ASCII.

    Cached: most addresses of a long list share a few domains, and checking a domain is the slowest
    step.
    """
    return validate_email(f"x@{text}", check_deliverability=False).ascii_domain
