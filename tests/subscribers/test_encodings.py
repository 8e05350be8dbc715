"""Encodings of files as people save them: detected and named, or the file is refused with one
sentence.
"""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.encodings import BadFile, detect
from subscribers.table import Table
from support.subscriber_samples import GOOD, HEADER
from support.wording import problem_of


@pytest.mark.parametrize(
    ("codec", "mark", "name"),
    [
        ("utf-8", b"", "UTF-8"), ("utf-8", b"\xef\xbb\xbf", "UTF-8"),
        ("utf-16-le", b"\xff\xfe", "UTF-16 LE"), ("utf-16-be", b"\xfe\xff", "UTF-16 BE"),
        ("utf-16-le", b"", "UTF-16 LE"), ("utf-16-be", b"", "UTF-16 BE"), ("cp1252", b"", "Windows-1252"),
    ],
)  # fmt: skip
def test_an_encoding_is_found_and_its_letters_arrive(codec: str, mark: bytes, name: str) -> None:
    source = "café “RW 05”" if codec != "cp1252" else "café “RW 05” – Jum’at"
    content = io.BytesIO(mark + f"{HEADER}\r\n{GOOD.replace('formulir', source)}\r\n".encode(codec))
    encoding = detect(content)
    assert encoding.name == name
    (record,) = Table(encoding.open(content))
    assert (record.cells[5], problem_of(record)) == (source, "")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04\x14\0\6\0", "berkas Excel"), (b"\xd0\xcf\x11\xe0\xa1", "berkas Excel lama"), (b"%PDF-1.7", "berkas PDF"),
        (b"<html><table>", "halaman web"), (b"\xff\xfe\0\0c\0\0\0", "UTF-32"), (bytes(range(256)) * 4, "bukan UTF-8"),
        (HEADER.encode() + "\nJumʼat".encode("mac_roman", "replace") + b"\x8e", "bukan UTF-8 dan bukan Windows-1252"),
    ],
)  # fmt: skip
def test_what_is_no_such_text_is_refused_with_one_sentence(content: bytes, message: str) -> None:
    with pytest.raises(BadFile, match=message) as refused:
        detect(io.BytesIO(content))
    assert str(refused.value).count("\n") == 0


def test_one_broken_letter_in_proper_utf8_spoils_one_row_only() -> None:
    rows = [
        GOOD.replace("formulir", "café").encode(),
        GOOD.encode().replace(b"formulir", b"caf\xe9"),
    ]
    content = io.BytesIO(b"\n".join([HEADER.encode(), *rows]))
    assert [problem_of(record) for record in Table(detect(content).open(content))] == [
        "",
        "Baris ini bukan UTF-8.",
    ]


@given(st.binary(max_size=200))
def test_any_bytes_are_text_or_refused(content: bytes) -> None:
    try:
        encoding = detect(io.BytesIO(content))
    except BadFile:
        return
    assert isinstance(encoding.open(io.BytesIO(content)).read(), str)
