"""CSV for people who open it in a spreadsheet."""

import csv
import io
from collections.abc import Iterable

from subscribers.spreadsheet import guarded


def line(values: Iterable[str], *, delimiter: str = ",") -> str:
    """Format one line of CSV; an apostrophe precedes values that a spreadsheet would take for a
    formula.
    """
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\r\n").writerow(
        [guarded(value) for value in values]
    )
    return out.getvalue()
