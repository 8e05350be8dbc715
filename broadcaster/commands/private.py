"""Files that hold addresses in clear."""

import os
from pathlib import Path
from typing import TextIO


def private(file: Path) -> TextIO:
    """The file for writing, readable by its owner alone."""
    opened_file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    return os.fdopen(opened_file, "w", encoding="utf-8", newline="")
