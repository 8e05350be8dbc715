"""Output of a command's result: text, or a JSON document on standard output with stable English
keys.
"""

import json
import sys
from typing import Annotated, Any

import typer

JSON = Annotated[bool, typer.Option("--json", help="Cetak sebagai JSON.")]


def print_json(content: Any) -> None:
    """Print one line of JSON and flush it for the reader of a pipe."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_result(content: Any, text: str, *, as_json: bool) -> None:
    """Print the content as JSON, or the text."""
    if as_json:
        print_json(content)
    else:
        sys.stdout.write(text)
