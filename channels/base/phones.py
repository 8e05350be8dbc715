"""Telephone numbers as people write them, and those of other countries as their own rules have
them.
"""

import re
import unicodedata

import phonenumbers

from channels.base.address_codes import AddressCode
from channels.base.contract import BadAddress
from channels.base.typed_addresses import seen

_ROUNDED = re.compile(r"\+?\d+(?:[.,]\d+)?e\+?\d+", re.IGNORECASE)
_AS_DECIMAL = re.compile(r"(\+?\d{9,})[.,]0+")
_PLUS = "+"


def digits_of(text: str) -> str:
    """The number without spaces and punctuation, "+" before a country's code; letters and rounded
    numbers raise BadAddress.
    """
    number = re.sub("^tel:", "", seen(text), flags=re.IGNORECASE).lstrip("='\"`\u2018\u2019")
    if _ROUNDED.fullmatch(number):
        raise BadAddress(AddressCode.PHONE_ROUNDED)
    if any(letter.isalpha() for letter in number):
        raise BadAddress(AddressCode.PHONE_LETTERS)
    if decimal := _AS_DECIMAL.fullmatch(number):
        number = decimal[1]
    digits = "".join(sign for sign in number if _says(sign))
    if (
        len(digits.lstrip(_PLUS)) > 2 * 9
        and digits.lstrip(_PLUS).isascii()
        and digits.lstrip(_PLUS).isdecimal()
    ):
        raise BadAddress(AddressCode.PHONE_SEVERAL)
    return f"+{digits[2:]}" if re.match(r"00[1-9]", digits) else digits


def _says(sign: str) -> bool:
    """Whether a sign is part of a number: figures and "+"; punctuation, other signs and spaces are
    none.
    """
    return sign == _PLUS or unicodedata.category(sign)[0] not in "PSZC"


def abroad(number: str) -> str:
    """Return the E.164 digits, without "+", of a valid number "+..." of another country; else ""."""
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", number) or number.startswith("+62"):
        return ""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return ""
    return number.removeprefix("+") if phonenumbers.is_valid_number(parsed) else ""
