"""Redaction of providers' messages, which reach logs, pages and the audit log."""

import re

_ADDRESS = re.compile(r"\S+@\S+")
_NUMBER = re.compile(r"\+?\d(?:[ -]?\d){6,}")
_ID = re.compile(r"wamid\.[\w+/=-]+|\b[A-Z]{2}\.\w{7,}")


def redacted(words: str, domain: str = "") -> str:
    """Remove email addresses, numbers of seven or more digits, ids of people and messages, and the
    recipient's `domain`.
    """
    if "@" in words:
        words = _ADDRESS.sub("[alamat]", words)
    if domain:
        words = re.sub(re.escape(domain), "[domain]", words, flags=re.IGNORECASE)
    return _NUMBER.sub("…", _ID.sub("…", words))
