"""Mail addresses as people type or paste them."""

import re

from email_validator import EmailNotValidError, validate_email

from channels.base.contract import BadAddress
from channels.base.typed import seen

_DISPLAYED = re.compile(r"[^<>]*<([^<>]*)>\s*")
"""An address behind a name, as mail programs copy it."""


def read_mail(text: str) -> str:
    """The address as it was written, its domain in lower-case ASCII, without a name or `mailto:`; raises BadAddress."""
    typed = seen(text)
    if displayed := _DISPLAYED.fullmatch(typed):
        typed = displayed[1].strip()
    if typed[:7].casefold() == "mailto:":
        typed = typed[7:].partition("?")[0]
    try:
        valid = validate_email(typed.strip(" \t,;.\xa0"), check_deliverability=False)
    except EmailNotValidError as invalid:
        raise BadAddress("Alamat email seperti ini: nama@contoh.id") from invalid
    return f"{valid.local_part}@{valid.ascii_domain}"
