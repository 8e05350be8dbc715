"""The result of a command as JSON: one document on standard output, its keys English and lasting."""

import json
import sys
from typing import Annotated, Any

import typer

JSON = Annotated[bool, typer.Option("--json", help="Cetak sebagai JSON.")]


def print_json(content: Any) -> None:
    """Print one line, flushed, so that the reader of a pipe sees it at once."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_result(content: Any, text: str, *, as_json: bool) -> None:
    """Print the result for programs or for people."""
    if as_json:
        print_json(content)
    else:
        sys.stdout.write(text)
