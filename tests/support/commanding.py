"""The program's commands run in this process, through its own `main`, with an environment, input
and folder of their own.
"""

import contextlib
import functools
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from broadcaster.cli import main

SETTINGS = ("BROADCASTER_", "EMAIL_", "TELEGRAM_", "WHATSAPP_", "FEED_", "DISPLAY_")

PLACES = ("BROADCASTER_DATA_DIR", "BROADCASTER_DATABASE_URL")


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def ok(self) -> str:
        """Its output; AssertionError with its complaint where it failed."""
        assert self.code == 0, self.err
        return self.out


@dataclass(frozen=True)
class Program:
    """`program("areas", "list")` runs that command in the data folder `folder`."""

    folder: Path
    environ: Mapping[str, str]

    def migrated(self) -> "Program":
        """Give the folder a migrated SQLite file and its key, as `migrate` does but quickly: copies
        of those that the command made once with this environment. Returns the program itself.
        """
        settings = [pair for pair in self.environ.items() if pair[0] not in PLACES]
        shutil.copytree(_migrated_folder(*settings).name, self.folder, dirs_exist_ok=True)
        return self

    def __call__(self, *words: str, text: str = "") -> Said:
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
        return Said(code=code, out=out.getvalue(), err=err.getvalue())

    @contextlib.contextmanager
    def _surroundings(self, argv: list[str], text: str) -> Iterator[None]:
        kept, environ = (sys.argv, sys.stdin), dict(os.environ)
        for name in [name for name in environ if name.startswith(SETTINGS)]:
            del os.environ[name]
        os.environ.update(
            {"BROADCASTER_DATA_DIR": str(self.folder), "COLUMNS": "100", **self.environ}
        )
        sys.argv, sys.stdin = argv, io.StringIO(text)
        try:
            yield
        finally:
            sys.argv, sys.stdin = kept
            os.environ.clear()
            os.environ.update(environ)


@functools.cache
def _migrated_folder(*environ: tuple[str, str]) -> "tempfile.TemporaryDirectory[str]":
    folder = tempfile.TemporaryDirectory(prefix="migrated-")
    assert Program(Path(folder.name), dict(environ))("migrate").ok.startswith("0001")
    return folder
