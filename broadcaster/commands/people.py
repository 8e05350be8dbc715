"""`broadcaster subscribers`: export, erase, count; `import` has its own module."""

import asyncio
import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from broadcaster import erasing, subscriber_register
from broadcaster.commands import enrolling
from broadcaster.commands.failing import Failed
from broadcaster.commands.opening import ACTOR, opened
from broadcaster.commands.private import FORCE, private, refuse_existing
from broadcaster.spreadsheet import line
from subscribers import importing, residents

NOT_CLEARED = (
    "Sisanya masih ada di berkas basis data, karena sedang dibaca program lain. Tunggu sampai selesai (misalnya ekspor), "
    "lalu jalankan `broadcaster migrate`: sisanya ditimpa.\n"
)

program = typer.Typer(help="Pelanggan: impor, ekspor, hapus, hitung.", no_args_is_help=True)
program.command("import")(enrolling.import_)

STATES = {"unconfirmed": "menunggu konfirmasi", "confirmed": "aktif", "address_dead": "tidak terjangkau", "opted_out": "berhenti"}
"""Words for the states of addresses."""


@program.command()
def export(
    file: Annotated[Path | None, typer.Argument(help="Tujuan; kosong: keluaran baku.")] = None, force: FORCE = False
) -> None:
    """Ekspor semua pelanggan ke CSV (berisi alamat: simpan dengan aman)."""
    refuse_existing(file, force=force)
    asyncio.run(_export(file))


async def _export(file: Path | None) -> None:
    async with opened() as app:
        await subscriber_register.note_export(app, actor=ACTOR)
        found = await app.database.read(lambda connection: list(residents.export_rows(connection, app.book)))
    with private(file, force=True) if file is not None else nullcontext(sys.stdout) as target:
        target.write(line(importing.COLUMNS))
        target.writelines(
            line(row[name] for name in importing.COLUMNS) for row in found if not isinstance(row, residents.Unopened)
        )
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
        sys.stdout.write(f"{channel}: " + ", ".join(f"{number} {STATES[state]}" for state, number in states.items()) + "\n")
