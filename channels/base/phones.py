"""Telephone numbers as people type them, and validation of numbers abroad by their countries'
rules.
"""

import re
import unicodedata

import phonenumbers

from channels.base.address_codes import AddressCode
from channels.base.contract import BadAddress
from channels.base.typed_addresses import cleaned

_ROUNDED = re.compile(r"\+?\d+(?:[.,]\d+)?e\+?\d+", re.IGNORECASE)
_AS_DECIMAL = re.compile(r"(\+?\d{9,})[.,]0+")
_PLUS = "+"


def digits_of(text: str) -> str:
    """Return the number without spaces and punctuation, with "+" before a country code.

    Raises BadAddress for letters and for numbers rounded by a spreadsheet.
    """
    number = re.sub("^tel:", "", cleaned(text), flags=re.IGNORECASE).lstrip("='\"`\u2018\u2019")
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
    """True if a character is part of a number: a digit or "+"; punctuation, symbols and spaces are
    not.
    """
    return sign == _PLUS or unicodedata.category(sign)[0] not in "PSZC"


def abroad(number: str) -> str:
    """Return the E.164 digits, without "+", of a valid number "+..." in another country; else
    "".
    """
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", number) or number.startswith("+62"):
        return ""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return ""
    return number.removeprefix("+") if phonenumbers.is_valid_number(parsed) else ""
