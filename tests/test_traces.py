"""The byte search finds what it must: every form in which an address was ever found at rest."""

from base64 import b64encode, urlsafe_b64encode

import pytest

from broadcaster.simulation.graph_api import wamid
from support.traces import Traces

PHONE, CHAT, MAIL, DOMAIN = (
    "6281298765432",
    "5512345678",
    "siti.rahmawati@rw07.example",
    "rw07.example",
)
TRACES = Traces([PHONE, CHAT, MAIL])


@pytest.mark.parametrize(
    ("data", "address"),
    [
        (b"..081298765432..", PHONE),
        (b"+62 812-9876-5432", PHONE),
        (PHONE.encode("utf-16-le"), PHONE),
        (PHONE.encode("utf-16-be"), PHONE),
        (PHONE.encode().hex().upper().encode(), PHONE),
        (b"0" + PHONE.encode().hex().encode(), PHONE),
        (wamid(PHONE, "1").encode(), PHONE),
        (b64encode(wamid(PHONE, "1").encode()), PHONE),
        (b"k=" + urlsafe_b64encode(b"\xff\xfe" + PHONE.encode() + b"\xfb") + b"&", PHONE),
        (b"x" + b64encode(b"?" + PHONE.encode()), PHONE),
        (bytes.fromhex("6281298765432f"), PHONE),
        (bytes.fromhex("26182189674523"), PHONE),
        (b"\x00" + int(CHAT).to_bytes(6, "big"), CHAT),
        (int(CHAT).to_bytes(8, "little"), CHAT),
        (b'{"chat":{"id":-5512345678}}', CHAT),
        (b"to=Siti.Rahmawati%40RW07.example", MAIL),
        (MAIL[::-1].encode(), MAIL),
    ],
)  # fmt: skip
def test_an_address_is_found_however_it_is_written(data: bytes, address: str) -> None:
    assert TRACES.within(b"before " + data + b" after") == {address}


def test_what_is_no_address_is_none() -> None:
    assert (
        TRACES.within(b"wamid.HBgNNjI4MTIwMDAwMDAwMRUCABEYEjdGN0E5" + bytes(range(256)) * 40)
        == set()
    )


def test_a_domain_alone_is_found_too() -> None:
    assert Traces([DOMAIN]).within(b"\x00email\x0crw07.example\x01") == {DOMAIN}
