"""`broadcaster subscribers import`: import a file of subscribers, or try it, and report the refused
rows.
"""

import asyncio
import hashlib
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TextIO, TypeVar, cast

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from broadcaster.app import App
from broadcaster.commands.errors import Failed
from broadcaster.commands.output import JSON, print_result
from broadcaster.commands.private_files import FORCE, private, refuse_existing
from broadcaster.commands.session import opened, operator_actor
from broadcaster.residents import register
from broadcaster.runtime.csv_safe import line
from broadcaster.runtime.i18n import words
from broadcaster.runtime.refusal_words import sentence
from subscribers import encodings, importing
from subscribers.importing import BadFile, BadRow, Row, Table, Tally
from subscribers.table import DELIMITERS

T = TypeVar("T")
ROWS_A_TRANSACTION = 2_000
"""Number of rows imported per transaction; completed ones survive a crash."""
SHOWN_BAD_ROWS = 50
"""Number of bad rows printed; `--bad-rows FILE` receives all."""
SOME_REFUSED = 3
"""Exit code if rows were refused; the good ones are imported."""
_IN_MEMORY = 16 * 1024 * 1024
"""Bytes of a pipe buffered in memory; more goes to an anonymous temporary file."""
_REASON = "alasan"
_WORDS = {
    "new": "baru",
    "changed": "diubah",
    "same": "sama",
    "suppressed": "tetap berhenti",
    "repeated": "berulang",
}


def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV: channel,address,areas,topics,language,consent_source,consent_at[,subscriber]"
        ),
    ],
    bad_rows: Annotated[
        Path | None,
        typer.Option(
            help=(
                "Tulis semua baris yang ditolak, dengan alasannya, ke berkas ini: "
                "perbaiki, lalu impor."
            )
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Katakan apa yang akan terjadi; tidak menyimpan apa pun."),
    ] = False,
    force: FORCE = False,
    as_json: JSON = False,
) -> None:
    """Impor pelanggan dari CSV. Baris buruk dilaporkan, baris baik disimpan; impor kedua tidak
    mengubah apa pun.

    Selesai dengan kode 0 bila semua baris baik, 3 bila ada yang ditolak, 1 bila gagal.
    """
    refuse_existing(bad_rows, force=force)
    if bad_rows is not None and bad_rows.exists() and file.exists() and bad_rows.samefile(file):
        raise Failed(
            f"{bad_rows} adalah berkas yang diimpor. Pilih nama lain untuk baris yang ditolak."
        )
    refused = asyncio.run(_import(file, bad_rows, dry_run=dry_run, as_json=as_json))
    if refused:
        raise typer.Exit(SOME_REFUSED)


async def _import(file: Path, bad_rows: Path | None, *, dry_run: bool, as_json: bool) -> int:
    """Import the file, print the result and return the number of refused rows."""
    with ExitStack() as stack:
        content = stack.enter_context(_content(file))
        try:
            encoding = encodings.detect(content)
            counted = _CountedLines(stack.enter_context(encoding.open(content)))
            digest, counted.total = _measure(content)
            table = Table(counted)
        except BadFile as error:
            raise Failed(f"{file}: {error}") from error
        if (encoding.name, table.delimiter) != ("UTF-8", ","):
            delimiter = DELIMITERS.get(table.delimiter, f'"{table.delimiter}"')
            sys.stderr.write(f"{file} dibaca sebagai {encoding.name}, dipisah {delimiter}.\n")
        async with opened(create=not dry_run) as app:
            refusals = RefusedRows(
                stack.enter_context(private(bad_rows, force=True)) if bad_rows else None, table
            )
            tally = await import_file(
                app, table, counted, refusals, digest="" if dry_run else digest, dry_run=dry_run
            )
    _print_outcome(tally, refusals, dry_run=dry_run, as_json=as_json)
    return refusals.count


async def import_file(
    app: App,
    table: Table,
    counted: "_CountedLines",
    refusals: "RefusedRows",
    *,
    digest: str,
    dry_run: bool = False,
) -> Tally:
    """Import the rows of a file with a progress bar and return the outcomes of the good ones."""
    parsers = {name: app.loaded.modules[name].parse_address for name in app.push}
    topics = tuple(topic.slug for topic in app.settings.topics)
    tally = Tally(tried=dry_run)
    columns = (
        SpinnerColumn(),
        *Progress.get_default_columns(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[rows]} baris"),
    )
    bar = Progress(*columns, console=Console(stderr=True))
    with bar:
        task = bar.add_task("Impor", total=counted.total, rows=0)
        rows = importing.read_rows(table, app.tree, topics, parsers, now=app.clock().timestamp())
        while chunk := await asyncio.to_thread(_take, rows, ROWS_A_TRANSACTION):
            good = [row for row in chunk if isinstance(row, Row)]
            if dry_run:
                outcomes = await register.try_rows(app, good)
            else:
                outcomes = await register.import_rows(
                    app, good, file=digest, actor=operator_actor(app)
                )
            tally.take(good, outcomes)
            refusals.take(row for row in chunk if isinstance(row, BadRow))
            bar.update(task, completed=counted.size, rows=tally.counts.total() + refusals.count)
        bar.update(task, completed=counted.total)
    return tally


def _print_outcome(tally: Tally, refusals: "RefusedRows", *, dry_run: bool, as_json: bool) -> None:
    """Print the counts; refused rows and remarks go to standard error."""
    for problem in refusals.first:
        sys.stderr.write(f"baris {problem.line}: {_reason(problem)}\n")
    if refusals.count > SHOWN_BAD_ROWS:
        sys.stderr.write(
            f"... dan {refusals.count - SHOWN_BAD_ROWS} baris lain (pakai --bad-rows BERKAS)\n"
        )
    if dry_run:
        sys.stderr.write("Hanya percobaan: tidak ada yang disimpan.\n")
    if tally.addresses:
        sys.stderr.write(f"{tally.addresses} alamat milik {tally.people} orang.\n")
    counts = [f"{count} {_WORDS[name]}" for name, count in sorted(tally.counts.items()) if count]
    text = f"{', '.join(counts) or '0 baris'}, {refusals.count} ditolak\n"
    print_result(_result(tally, refusals, dry_run=dry_run), text, as_json=as_json)
    if refusals.count and not tally.addresses:
        sys.stderr.write("Tidak ada baris yang dapat diimpor.\n")


def _result(tally: Tally, refusals: "RefusedRows", *, dry_run: bool) -> dict[str, Any]:
    """Return the counts by outcome and the reasons of the first refused rows, for JSON."""
    problems = [{"line": problem.line, "reason": _reason(problem)} for problem in refusals.first]
    return {
        "dry_run": dry_run,
        **{name: tally.counts[name] for name in _WORDS},
        "refused": refusals.count,
        "addresses": tally.addresses,
        "people": tally.people,
        "problems": problems,
    }


def _reason(row: BadRow) -> str:
    t = words("id")
    return " ".join(sentence(problem, t) for problem in row.problems)


class RefusedRows:
    """Refused rows: the first of them to print, all in a file to correct and import again."""

    def __init__(self, target: TextIO | None, table: Table) -> None:
        self._target, self._delimiter = target, table.delimiter
        self.first: list[BadRow] = []
        self.count = 0
        if target is not None:
            names = [name for name in table.header if name.casefold() != _REASON]
            self._places = [
                number for number, name in enumerate(table.header) if name.casefold() != _REASON
            ]
            self._width = len(table.header)
            target.write("\ufeff" + line([_REASON, *names], delimiter=self._delimiter))

    def take(self, rows: Iterable[BadRow]) -> None:
        """Count these rows and write them to the file, if there is one."""
        for row in rows:
            self.count += 1
            if len(self.first) < SHOWN_BAD_ROWS:
                self.first.append(row)
            if self._target is not None:
                self._target.write(
                    line(
                        [_reason(row), *self._without_reason(row.cells)], delimiter=self._delimiter
                    )
                )

    def _without_reason(self, cells: Sequence[str]) -> list[str]:
        """Return the original cells, without the reason column of an earlier import."""
        return [cells[place] for place in self._places if place < len(cells)] + list(
            cells[self._width :]
        )


@contextmanager
def _content(file: Path) -> Iterator[BinaryIO]:
    """Open a file as a seekable stream; a pipe is copied first. Raises Failed."""
    try:
        content = file.open("rb")
    except OSError as error:
        raise Failed(
            f"{file} tidak dapat dibuka. Periksa nama, folder, dan izin bacanya."
        ) from error
    with content, tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
        if content.seekable():
            yield content
            return
        while (chunk := content.read(1 << 20)) and copy.tell() <= encodings.LIMIT:
            copy.write(chunk)
        yield cast(BinaryIO, copy)


def _measure(content: BinaryIO) -> tuple[str, int]:
    """Return SHA-256 and size of a file and rewind it."""
    content.seek(0)
    digest = hashlib.sha256()
    while chunk := content.read(1 << 20):
        digest.update(chunk)
    size = content.tell()
    content.seek(0)
    return digest.hexdigest(), size


def _take(rows: Iterator[T], count: int) -> list[T]:
    return list(islice(rows, count))


class _CountedLines:
    """Lines of a file with the approximate number of bytes read so far."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.size = 0
        self.total = 0

    def __iter__(self) -> Iterator[str]:
        for text in self._lines:
            self.size += len(text)
            yield text
