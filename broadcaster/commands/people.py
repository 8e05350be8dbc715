"""`broadcaster subscribers`: import, export, erase, count."""

import asyncio
import csv
import hashlib
import io
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from broadcaster import erasing, subscriber_register
from broadcaster.app import App
from broadcaster.commands.failing import Failed
from broadcaster.commands.opening import ACTOR, opened
from broadcaster.commands.private import private
from subscribers import importing, residents

T = TypeVar("T")
ROWS_A_TRANSACTION = 2_000
"""Rows imported together: what stands before a bad row or a power cut is kept."""
SHOWN_BAD_ROWS = 50
"""Bad rows told on the screen; `--bad-rows FILE` takes all."""

NOT_CLEARED = (
    "Sisanya masih ada di berkas basis data, karena sedang dibaca program lain. Tunggu sampai selesai (misalnya ekspor), "
    "lalu jalankan `broadcaster migrate`: sisanya ditimpa.\n"
)

program = typer.Typer(help="Pelanggan: impor, ekspor, hapus, hitung.", no_args_is_help=True)


@program.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(help="CSV: channel,address,areas,topics,language,consent_source,consent_at[,subscriber]")
    ],
    bad_rows: Annotated[Path | None, typer.Option(help="Tulis semua baris yang ditolak ke berkas ini.")] = None,
) -> None:
    """Impor pelanggan dari CSV. Baris buruk dilaporkan, baris baik disimpan; impor kedua tidak mengubah apa pun."""
    asyncio.run(_import(file, bad_rows))


async def _import(file: Path, bad_rows: Path | None) -> None:
    try:
        content = file.open("rb")
    except OSError as error:
        raise Failed(f"{file} tidak dapat dibuka. Periksa nama, folder, dan izin bacanya.") from error
    with io.TextIOWrapper(content, encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        digest, size = _measure(content)
        async with opened(create=True) as app:
            try:
                tally, bad = await import_file(app, lines, size, digest=digest)
            except importing.BadFile as error:
                raise Failed(f"{file}: {error}") from error
    for problem in bad[:SHOWN_BAD_ROWS]:
        sys.stderr.write(f"baris {problem.line}: {problem.reason}\n")
    if len(bad) > SHOWN_BAD_ROWS:
        sys.stderr.write(f"... dan {len(bad) - SHOWN_BAD_ROWS} baris lain (pakai --bad-rows BERKAS)\n")
    if bad_rows is not None:
        bad_rows.write_text("".join(f"{p.line}\t{p.reason}\n" for p in bad), encoding="utf-8")
    names = {"new": "baru", "changed": "diubah", "same": "sama", "suppressed": "tetap berhenti", "repeated": "berulang"}
    sys.stdout.write(", ".join(f"{count} {names.get(name, name)}" for name, count in sorted(tally.items())) or "0 baris")
    sys.stdout.write(f", {len(bad)} ditolak\n")
    if bad and not tally:
        raise Failed("Tidak ada baris yang dapat diimpor.")


async def import_file(app: App, lines: Iterable[str], size: int, *, digest: str) -> tuple[dict[str, int], list[importing.BadRow]]:
    """Import rows with a progress bar; returns what became of the good ones, and the bad ones."""
    parsers = {name: app.loaded.modules[name].parse_address for name in app.push}
    topics = tuple(topic.slug for topic in app.settings.topics)
    counted = _Counted(lines)
    tally: dict[str, int] = {}
    bad: list[importing.BadRow] = []
    columns = (SpinnerColumn(), *Progress.get_default_columns(), TimeElapsedColumn(), TextColumn("{task.fields[rows]} baris"))
    bar = Progress(*columns, console=Console(stderr=True))
    with bar:
        task = bar.add_task("Impor", total=size, rows=0)
        rows = importing.read_rows(counted, app.tree, topics, parsers)
        while chunk := await asyncio.to_thread(_take, rows, ROWS_A_TRANSACTION):
            bad += [row for row in chunk if isinstance(row, importing.BadRow)]
            good = [row for row in chunk if not isinstance(row, importing.BadRow)]
            done = await subscriber_register.import_rows(app, good, file=digest, actor=ACTOR)
            for name, count in done.items():
                tally[name] = tally.get(name, 0) + count
            bar.update(task, completed=counted.size, rows=sum(tally.values()) + len(bad))
        bar.update(task, completed=size)
    return tally, bad


def _measure(content: io.BufferedReader) -> tuple[str, int]:
    """SHA-256 and size of a file, which is read from its beginning again; ("", 0) for a pipe, which can be read only once."""
    if not content.seekable():
        return "", 0
    digest = hashlib.file_digest(content, "sha256").hexdigest()
    size = content.tell()
    content.seek(0)
    return digest, size


def _take(rows: Iterator[T], count: int) -> list[T]:
    return list(islice(rows, count))


class _Counted:
    """Lines, and how many bytes of them were read."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.size = 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.size += len(line.encode(errors="surrogateescape"))
            yield line


@program.command()
def export(file: Annotated[Path | None, typer.Argument(help="Tujuan; kosong: keluaran baku.")] = None) -> None:
    """Ekspor semua pelanggan ke CSV (berisi alamat: simpan dengan aman)."""
    asyncio.run(_export(file))


async def _export(file: Path | None) -> None:
    async with opened() as app:
        await subscriber_register.note_export(app, actor=ACTOR)
        found = await app.database.read(lambda connection: list(residents.export_rows(connection, app.book)))
    with private(file) if file is not None else nullcontext(sys.stdout) as target:
        writer = csv.DictWriter(target, importing.COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(row for row in found if not isinstance(row, residents.Unopened))
    if unopened := [f"{row.channel} {row.id}" for row in found if isinstance(row, residents.Unopened)]:
        raise Failed(
            f"{len(unopened)} alamat tidak dapat dibuka dan tidak ikut diekspor: {', '.join(unopened)}. "
            "Tersegel dengan kunci lain, atau rusak: pulihkan kuncinya, atau impor lagi alamatnya."
        )


@program.command()
def erase(
    address: Annotated[str, typer.Argument(help="Alamat yang dihapus, misalnya 0812... atau nama@contoh.id")],
    channel: Annotated[str, typer.Option(help="Hanya di kanal ini; kosong: di mana pun alamat itu sah.")] = "",
) -> None:
    """Hapus data kontak satu alamat (hak warga). Angka pengiriman tetap."""
    asyncio.run(_erase(address, channel))


async def _erase(address: str, channel: str) -> None:
    async with opened() as app:
        erased, cleared = [], True
        for name in (channel,) if channel else tuple(app.push):
            if name not in app.push:
                raise Failed(f"Kanal {name!r} tidak ada. Yang ada: {', '.join(sorted(app.push))}.")
            try:
                parsed = app.loaded.modules[name].parse_address(address)
            except ValueError as error:
                if channel:
                    raise Failed(str(error)) from error
                continue
            done = await erasing.erase(app, name, parsed, actor=ACTOR)
            if done.erased:
                erased.append(name)
                cleared &= done.cleared
        if not erased:
            raise Failed("Alamat itu tidak terdaftar.")
        sys.stdout.write(f"Dihapus dari {', '.join(erased)}.\n")
        if not cleared:
            sys.stderr.write(NOT_CLEARED)


@program.command()
def count(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Hitung alamat per kanal dan keadaan."""
    asyncio.run(_count(as_json))


async def _count(as_json: bool) -> None:
    async with opened() as app:
        counts = await app.database.read(residents.count)
    if as_json:
        sys.stdout.write(json.dumps(counts) + "\n")
        return
    for channel, states in sorted(counts.items()):
        sys.stdout.write(f"{channel}: " + ", ".join(f"{number} {state}" for state, number in states.items()) + "\n")
