"""Marks of chat apps that must stay visible: no closing mark is left where an app could read a
pair.
"""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base.pairing import GUARD, HAIR, unpaired


@pytest.mark.parametrize(
    "text",
    [
        "Tekan *808# atau *123*4#",
        "2~3 m, dinas_sosial@contoh.example, 2*3*4",
        "* a, Rp5.000*, a * b * c",
        "https://contoh.example/_a_/*b* _x",
        "a_b@contoh.example _c",
        "*x _https://contoh.example/a*-b",
        "*x _a_b@contoh.example",
    ],
)
def test_what_no_app_reads_as_a_pair_is_left_alone(text: str) -> None:
    assert unpaired(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*tebal* _miring_ ~coret~ `kode`", "*tebal|* _miring|_ ~coret|~ `kode|`"),
        ("*123# lalu 5*", "*123# lalu 5|*"),
        ("**a**", "**a|*|*"),
        ("3277****", "3277*|*|*|*"),
        ("*a (b)*, *c", "*a (b)|*, *c"),
    ],
)
def test_a_mark_that_could_close_a_pair_stands_behind_a_hair(text: str, expected: str) -> None:
    assert unpaired(text) == expected.replace("|", HAIR)


def test_marks_within_a_line_that_is_bold_are_kept_from_its_own() -> None:
    assert unpaired("Rp5.000* sekilo", boxed="*") == f"Rp5.000{HAIR}* sekilo"
    assert unpaired("Tekan *808#", boxed="*") == f"Tekan *808#{HAIR}"
    assert unpaired("Air mati", boxed="*") == "Air mati"


def test_a_line_that_begins_like_a_quotation_is_not_read_as_one() -> None:
    assert unpaired("> 38 derajat") == f"{GUARD}> 38 derajat"


@given(st.text(st.sampled_from("ab1 *_~`.,()#>/@:"), max_size=60), st.sampled_from(["", "*"]))
def test_no_character_goes_and_no_pair_is_left(text: str, boxed: str) -> None:
    guarded = unpaired(text, boxed=boxed)
    assert re.sub(f"[{HAIR}{GUARD}]", "", guarded) == text
    assert not re.search(
        r"(?<![^\W_])([*~`])(?=\S)[^\n]*\S\1(?![^\W_])", re.sub(r"\S*(?:://|@)\S*", "", guarded)
    )
