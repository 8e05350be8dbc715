"""CSV that people open in a spreadsheet."""

import csv
import io
from collections.abc import Iterable

from subscribers.spreadsheet import guarded


def line(values: Iterable[str], *, delimiter: str = ",") -> str:
    """One line of CSV; what a spreadsheet would take for a formula begins with an apostrophe."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\r\n").writerow(
        [guarded(value) for value in values]
    )
    return out.getvalue()
