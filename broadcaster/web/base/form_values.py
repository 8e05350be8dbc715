"""Values of submitted forms, which a client may leave out, misspell or send as files."""

import base64
import binascii

from starlette.datastructures import FormData


def text_of(form: FormData, name: str) -> str:
    """Return a form field as text; "" if it is missing or a file."""
    value = form.get(name, "")
    return value if isinstance(value, str) else ""


def texts_of(form: FormData, name: str) -> list[str]:
    """List the non-empty texts of a field that may be sent several times."""
    return [value for value in form.getlist(name) if isinstance(value, str) and value]


def bytes_of(form: FormData, name: str) -> bytes:
    """Return a form field's bytes, sent as URL-safe Base64; b"" if it is missing or invalid."""
    try:
        return base64.urlsafe_b64decode(text_of(form, name))
    except (binascii.Error, ValueError):
        return b""
