"""Bytes with holes: whatever the text and the values, a mail program reads back exactly that."""

import quopri
import re
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base.rendering import clean, one_line
from channels.base.smtp.envelope import sound_lines
from channels.base.smtp.mime import (
    VALUE_LIMIT,
    Frame,
    GroupFrames,
    alternative,
    hole,
    mailbox,
    part,
    phrase,
    quoted,
    quoted_value,
    sound_value,
)

TEXTS = st.text(max_size=400).map(clean)
LINES = st.text(max_size=200).map(one_line)


def read_back(raw: bytes) -> EmailMessage:
    """Parse the message with the standard library."""
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def check_lines(raw: bytes) -> None:
    """Assert CRLF only, at most 998 octets a line, no leading dot, no NUL."""
    assert b"\n" not in raw.replace(b"\r\n", b"") and b"\r" not in raw.replace(b"\r\n", b"")
    assert all(len(line) <= 998 and not line.startswith(b".") for line in raw.split(b"\r\n"))
    assert b"\0" not in raw


@given(before=TEXTS, value=LINES, after=TEXTS)
def test_text_around_a_filled_hole_comes_back_unchanged(
    before: str, value: str, after: str
) -> None:
    frame = Frame.of(quoted(f"{before}{hole('name')}{after}"))
    raw = frame.fill({"name": quoted_value(value)})
    check_lines(raw)
    assert all(len(line) <= 76 for line in raw.split(b"\r\n"))
    assert quopri.decodestring(raw).decode().replace("\r\n", "\n") == f"{before}{value}{after}"


@given(text=TEXTS)
def test_any_text_comes_back_from_a_whole_message(text: str) -> None:
    raw = alternative(
        [("Subject", "uji")],
        [part("text/plain", "id", text), part("text/html", "id", "<p>x</p>")],
        "batas",
    )
    check_lines(raw)
    body = read_back(raw).get_body(("plain",))
    assert body is not None
    assert body.get_content().replace("\r\n", "\n") == text + "\n"


@given(title=LINES)
def test_any_title_comes_back_from_the_subject(title: str) -> None:
    raw = alternative([("Subject", phrase(title, "Subject"))], [part("text/plain", "id", "x")], "b")
    check_lines(raw)
    assert raw.isascii()
    assert str(read_back(raw)["subject"]) == title


@pytest.mark.parametrize(
    "title",
    [
        "=?utf-8?q?Menang_undian?=",
        "a" * 300,
        "Banjir \U0001f30a di Jl. Amir Machmud " * 8,
        "é",
        ". titik",
    ],
)
def test_a_subject_cannot_pretend_and_is_folded(title: str) -> None:
    value = phrase(title.strip(), "Subject")
    assert all(len(line) <= 78 for line in f"Subject: {value}".split("\r\n"))
    raw = alternative([("Subject", value)], [part("text/plain", "id", "x")], "b")
    assert str(read_back(raw)["subject"]) == title.strip()


def check_encoded_words(value: str, header_name: str) -> None:
    """Assert RFC 2047, section 2: encoded words <= 75 octets, lines with one <= 76."""
    assert value.isascii()
    assert all(len(word) <= 75 for word in re.findall(r"=\?\S+?\?[bq]\?\S*?\?=", value))
    assert all(
        len(line) <= 76 or "=?" not in line for line in f"{header_name}: {value}".split("\r\n")
    )


TITLES = st.one_of(
    LINES,
    st.text(st.sampled_from('é\U0001f30a\U0001f468\u200d\U0001f469 ab=?_<>,"\\'), max_size=200).map(
        one_line
    ),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=200),
)


@given(name=TITLES)
def test_any_name_comes_back_from_a_mailbox_in_short_encoded_words(name: str) -> None:
    value = mailbox(name, "info@contoh.example")
    check_encoded_words(value, "From")
    raw = alternative([("From", value)], [part("text/plain", "id", "x")], "b")
    check_lines(raw)
    (address,) = read_back(raw)["from"].addresses
    assert address.addr_spec == "info@contoh.example"
    encoded = value.replace("\r\n", "").removesuffix("<info@contoh.example>").strip()
    # the standard library's newer parser keeps the gap between encoded words, against RFC 2047
    if "=?" in encoded:
        assert str(make_header(decode_header(encoded))) == name
    if len(re.findall(r"\?=\s+=\?", value)) == 0:
        assert address.display_name == name


@given(title=TITLES)
def test_any_subject_is_in_short_encoded_words(title: str) -> None:
    value = phrase(title, "Subject")
    check_encoded_words(value, "Subject")
    assert str(read_back(f"Subject: {value}\r\n\r\n".encode())["subject"]) == title


@pytest.mark.parametrize(
    "name",
    [
        "Pemérintah Kota Cimahi, Dinas Komunikasi dan Informatika Kota Cimahi",
        "é" * 90,
        "Info " * 20,
    ],
)
def test_a_long_name_of_a_sender_is_folded(name: str) -> None:
    value = mailbox(name.strip(), "info@info.cimahi.example")
    check_encoded_words(value, "From")
    assert "\r\n" in value
    assert read_back(f"From: {value}\r\n\r\n".encode())["from"].addresses[0].display_name.replace(
        " ", ""
    ) == name.replace(" ", "")


def test_a_short_plain_subject_stays_readable() -> None:
    assert phrase("Air PDAM mati di Cibabat", "Subject") == "Air PDAM mati di Cibabat"


def test_holes_keep_their_place_even_side_by_side_and_at_the_ends() -> None:
    frame = Frame.of(quoted(f"{hole('a')}{hole('b')} teks\n{hole('c')}\n{hole('a')}"))
    raw = frame.fill({"a": b"A", "b": b"B", "c": b"C"})
    assert quopri.decodestring(raw).decode().replace("\r\n", "\n") == "AB teks\nC\nA"


def test_a_hole_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        Frame.of(quoted(hole("a"))).fill({})


def test_filling_leaves_the_frame_as_it_was() -> None:
    frame = Frame.of(quoted(f"x {hole('a')} y"))
    first = frame.fill({"a": b"1"})
    assert frame.fill({"a": b"2"}) != first == frame.fill({"a": b"1"})


@given(text=TEXTS, values=st.lists(st.binary(max_size=40), min_size=3, max_size=3))
def test_sound_values_in_a_sound_frame_make_a_sound_message(text: str, values: list[bytes]) -> None:
    frame = Frame.of(f"To: {hole('a')}\r\n".encode() + quoted(f"{hole('b')}{text}{hole('c')}\n"))
    raw = frame.fill(dict(zip("abc", values, strict=True)))
    assert frame.sound
    if all(map(sound_value, values)):
        check_lines(raw)
        assert sound_lines(raw)


@pytest.mark.parametrize(
    "value", [b".", b"a\r\n.", b"a\nb", b"a\rb", b"a\r", b"\0", b"x" * (VALUE_LIMIT + 1)]
)
def test_a_value_that_could_break_a_line_is_not_sound(value: bytes) -> None:
    assert not sound_value(value)
    assert sound_value(
        b"a" + value.strip(b"\0\r\n.").replace(b"\n", b"").replace(b"\r", b"")[: VALUE_LIMIT - 1]
    )


@pytest.mark.parametrize(
    "raw",
    [b"a", b".\r\n", b"a\r\n.b\r\n", b"a\nb\r\n", b"a\rb\r\n", b"x" * 999 + b"\r\n", b"\0\r\n"],
)
def test_lines_that_need_repair_are_not_sound(raw: bytes) -> None:
    assert not sound_lines(raw)
    assert not Frame.of(raw).sound


def test_the_longest_line_that_smtp_carries_is_sound() -> None:
    assert sound_lines(b"x" * 998 + b"\r\n")


@given(text=TEXTS, values=st.lists(LINES.map(quoted_value), min_size=4, max_size=4))
def test_filling_by_halves_gives_the_same_bytes(text: str, values: list[bytes]) -> None:
    frame = Frame.of(quoted(f"{hole('a')}{hole('b')}{text}{hole('c')}{hole('a')}\n{hole('d')}"))
    named = dict(zip("abcd", values, strict=True))
    groups = GroupFrames(frame)
    half, _ = groups.add("cibabat", {name: named[name] for name in "bc"})
    assert len(half.pieces) < len(frame.pieces)
    assert half.fill({name: named[name] for name in "ad"}) == frame.fill(named)
    assert groups.known["cibabat"][0] is half


@given(text=TEXTS)
def test_no_text_can_end_the_part_it_stands_in(text: str) -> None:
    assert re.search(rb"^--=_", quoted(f"--=_batas\n{text}\n--=_batas--"), re.MULTILINE) is None


def test_a_name_with_a_comma_is_one_mailbox() -> None:
    assert (
        mailbox("Pemkot, Cimahi", "info@contoh.example") == '"Pemkot, Cimahi" <info@contoh.example>'
    )
