"""Telephone numbers of other countries, as their own rules have them."""

import re

import phonenumbers


def abroad(number: str) -> str:
    """Return the E.164 digits, without "+", of a valid number "+..." of another country; else ""."""
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", number) or number.startswith("+62"):
        return ""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return ""
    return number.removeprefix("+") if phonenumbers.is_valid_number(parsed) else ""
