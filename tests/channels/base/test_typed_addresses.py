"""Addresses as they are typed: our fast parser agrees with the library's."""

from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from channels.base.contract import BadAddress
from channels.base.email_addresses import read_mail
from channels.base.typed_addresses import cleaned


def test_what_nobody_sees_is_dropped_and_full_width_letters_are_plain() -> None:
    assert cleaned("\u202a\ufeff ０８１２\u00ad-\u200d00 \u3164\ufe0f\u202c") == "0812-00"


@given(st.from_regex(r"[A-Za-z0-9_+.\-]{1,70}@[A-Za-z0-9.\-]{1,30}", fullmatch=True))
def test_an_address_is_read_as_the_library_reads_it(text: str) -> None:
    plain = text.strip(".")
    try:
        valid = validate_email(plain, check_deliverability=False)
        expected = f"{valid.local_part}@{valid.ascii_domain}"
    except EmailNotValidError:
        expected = ""
    try:
        assert read_mail(text) == expected
    except BadAddress:
        assert expected == ""
