"""Commands of the program, run in this process through its own `main`, with an environment, input
and folder of their own.
"""

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from broadcaster.cli import main

SETTINGS = ("BROADCASTER_", "EMAIL_", "TELEGRAM_", "WHATSAPP_", "FEED_", "DISPLAY_")


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def ok(self) -> str:
        """Standard output; raises AssertionError with the standard error if the command failed."""
        assert self.code == 0, self.err
        return self.out


@dataclass(frozen=True)
class Program:
    """Command runner: `program("areas", "list")` runs that command in the data folder `folder`."""

    folder: Path
    environ: Mapping[str, str]

    def __call__(self, *words: str, text: str = "") -> CommandResult:
        """Run one command; `text` is its standard input."""
        out, err, code = io.StringIO(), io.StringIO(), 0
        with (
            self._surroundings(["broadcaster", *words], text),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                main()
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
        return CommandResult(code=code, out=out.getvalue(), err=err.getvalue())

    @contextlib.contextmanager
    def _surroundings(self, argv: list[str], text: str) -> Iterator[None]:
        saved, environ = (sys.argv, sys.stdin), dict(os.environ)
        for name in [name for name in environ if name.startswith(SETTINGS)]:
            del os.environ[name]
        os.environ.update(
            {"BROADCASTER_DATA_DIR": str(self.folder), "COLUMNS": "100", **self.environ}
        )
        sys.argv, sys.stdin = argv, io.StringIO(text)
        try:
            yield
        finally:
            sys.argv, sys.stdin = saved
            os.environ.clear()
            os.environ.update(environ)
