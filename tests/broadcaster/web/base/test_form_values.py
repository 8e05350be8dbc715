"""Values of forms as clients send them: missing, repeated, files, broken Base64."""

import base64
import io

import pytest
from starlette.datastructures import FormData, UploadFile

from broadcaster.web.base.form_values import bytes_of, text_of, texts_of

FILE = UploadFile(io.BytesIO(b"x"), filename="x.txt")


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (FormData(), ""),
        (FormData([("nama", "rina")]), "rina"),
        (FormData([("nama", FILE)]), ""),
        (FormData([("nama", "rina"), ("nama", "dewi")]), "dewi"),
    ],
)
def test_a_field_is_its_last_text_and_a_file_is_none(form: FormData, text: str) -> None:
    assert text_of(form, "nama") == text


def test_texts_leave_out_empty_ones_and_files() -> None:
    form = FormData([("peran", "author"), ("peran", ""), ("peran", FILE), ("peran", "approver")])
    assert texts_of(form, "peran") == ["author", "approver"]
    assert texts_of(form, "opd") == []


@pytest.mark.parametrize("sent", ["", "a", "é", "====", "ab c\0"])
def test_bytes_that_are_no_base64_are_empty(sent: str) -> None:
    assert bytes_of(FormData([("mulai", sent)]), "mulai") == b""


def test_bytes_come_back_as_they_were_sealed() -> None:
    sealed = bytes(range(256))
    form = FormData([("mulai", base64.urlsafe_b64encode(sealed).decode())])
    assert bytes_of(form, "mulai") == sealed
    assert bytes_of(FormData([("mulai", FILE)]), "mulai") == b""
