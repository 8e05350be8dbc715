"""Tables of words and numbers in plain text."""

from collections.abc import Sequence

GAP = "   "


def text_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format rows under a heading: first column left-aligned, numbers right-aligned."""
    widths = [max(map(len, column)) for column in zip(heading, *rows, strict=True)]
    rule = "─" * (sum(widths) + len(GAP) * (len(widths) - 1) + 2)
    body = [_line(row, widths) for row in rows]
    return "\n".join(["", _line(heading, widths), f" {rule}", *body, ""])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *numbers = cells
    aligned = [first.ljust(widths[0])]
    aligned += [number.rjust(width) for number, width in zip(numbers, widths[1:], strict=True)]
    return f"  {GAP.join(aligned)}"
