"""Lists in Markdown, and text that only begins with a number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base.markdown import DEEPEST, parse


def outline(text: str) -> list[str]:
    """Return the lists and paragraphs of a text: "ul", "ol", "ol 3", their items, and the words of
    each paragraph.
    """
    lines, depth = [], 0
    for token in parse(text):
        if token.type.endswith("list_open"):
            lines.append("  " * depth + " ".join([token.tag, *map(str, token.attrs.values())]))
            depth += 1
        elif token.type.endswith("list_close"):
            depth -= 1
        elif token.type == "inline":
            lines.append("  " * depth + token.content.replace("\n", "/"))
    assert depth == 0
    return lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("- a\n- b", ["ul", "  a", "  b"]),
        ("* a\n\n* b", ["ul", "  a", "  b"]),
        ("Titik:\n- a\n  lanjut\nlagi\n\nakhir", ["Titik:", "ul", "  a/lanjut/lagi", "akhir"]),
        ("1. a\n2. b", ["ol", "  a", "  b"]),
        ("9. a\n10. b\n\n11. c", ["ol 9", "  a", "  b", "  c"]),
        ("Langkah:\n1. a\n2. b", ["Langkah:", "ol", "  a", "  b"]),
        ("- a\n  1. b\n  2. c\n- d", ["ul", "  a", "  ol", "    b", "    c", "  d"]),
        ("- a\n\n  kedua\n- b", ["ul", "  a", "  kedua", "  b"]),
        ("-\n- b", ["ul", "  b"]),
        ("- 5 kg\n- 2 kg", ["ul", "  5 kg", "  2 kg"]),
    ],
)
def test_lines_with_list_marks_are_lists(text: str, lines: list[str]) -> None:
    assert outline(text) == lines


@pytest.mark.parametrize(
    "text",
    [
        "2026. Tahun baru",
        "17. Agustus",
        "1. Sendiri",
        "007. a\n008. b",
        "1) a\n2) b",
        "1. a\n3. c",
        "1. a\n1. b",
        "Pukul\n7. a\n8. b",
        "- 5 derajat",
        "Suhu:\n- 5 derajat",
        "+ 62 a\n+ 63 b",
        "+62 812",
        "-5 a\n-6 b",
        "> 38 a\n> 39 b",
        "# 1\n## 2",
        "a\n---\nb\n===",
        "| a | b |\n|---|---|",
        "```\n1\n```",
        "[1]: https://x.example",
        "• a\n• b",
        "1.\n2.",
    ],
)
def test_what_is_no_list_is_one_paragraph_as_typed(text: str) -> None:
    assert outline(text) == [text.replace("\n", "/")]


def test_a_number_that_does_not_follow_ends_the_list_and_keeps_its_figure() -> None:
    assert outline("1. a\n2. b\n7. c") == ["ol", "  a", "  b", "7. c"]


def test_lists_are_nested_only_so_deep() -> None:
    text = "\n".join(f"{'  ' * depth}- a" for depth in range(100))
    assert max(len(line) - len(line.lstrip()) for line in outline(text)) == 2 * DEEPEST


@given(st.text(st.sampled_from("ab12 .)-*\n\t>#+"), max_size=80))
def test_letters_and_figures_come_out_as_they_went_in(text: str) -> None:
    """Count the figures of list items from the list's own numbers."""
    number, numbers, output = 0, [0], ""
    for token in parse(text):
        if token.type.endswith("list_open"):
            numbers.append(int(token.attrs.get("start", 1)) if token.tag == "ol" else 0)
        elif token.type.endswith("list_close"):
            numbers.pop()
        elif token.type == "list_item_open" and numbers[-1]:
            output, number = output + str(numbers[-1]), numbers[-1]
            numbers[-1] = number + 1
        elif token.type == "inline":
            output += token.content
    assert [character for character in output if character.isalnum()] == [
        character for character in text if character.isalnum()
    ]
