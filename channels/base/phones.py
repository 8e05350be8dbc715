"""Telephone numbers as people write them, and those of other countries as their own rules have them."""

import re

import phonenumbers

from channels.base.contract import BadAddress
from channels.base.typed import seen

EXAMPLE = "misalnya 0812-0000-0001"
_ROUNDED = re.compile(r"\+?\d+(?:[.,]\d+)?e\+?\d+", re.IGNORECASE)
_AS_DECIMAL = re.compile(r"(\+?\d{9,})[.,]0+")
_PUNCTUATION = re.compile(r"[\s().,/_\-\u2010-\u2015\u2212'`\u2018\u2019\u00b4\"\u00b7]")


def digits_of(text: str) -> str:
    """The number without spaces and punctuation, "+" before a country's code; letters and rounded numbers raise BadAddress."""
    number = seen(text).removeprefix("tel:").lstrip("'`\u2018\u2019")
    if _ROUNDED.fullmatch(number):
        raise BadAddress(f"Nomor ini sudah dibulatkan Excel. Jadikan kolomnya Teks, lalu tulis ulang nomornya, {EXAMPLE}.")
    if any(letter.isalpha() for letter in number):
        raise BadAddress(f"Nomor telepon tidak berisi huruf. Tulis angkanya saja, {EXAMPLE}.")
    if decimal := _AS_DECIMAL.fullmatch(number):
        number = decimal[1]
    digits = _PUNCTUATION.sub("", number)
    if len(digits.lstrip("+")) > 2 * 9 and digits.lstrip("+").isascii() and digits.lstrip("+").isdecimal():
        raise BadAddress(f"Satu sel memuat lebih dari satu nomor. Tulis satu nomor untuk tiap baris, {EXAMPLE}.")
    return f"+{digits[2:]}" if re.match(r"00[1-9]", digits) else digits


def abroad(number: str) -> str:
    """Return the E.164 digits, without "+", of a valid number "+..." of another country; else ""."""
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", number) or number.startswith("+62"):
        return ""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return ""
    return number.removeprefix("+") if phonenumbers.is_valid_number(parsed) else ""
