"""`broadcaster subscribers`: export, erase, count; `import` is in enrolling.py."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from broadcaster.app import App
from broadcaster.commands import enrolling
from broadcaster.commands.addresses import find_all
from broadcaster.commands.errors import Failed
from broadcaster.commands.output import JSON, print_json, print_result
from broadcaster.commands.private_files import FORCE, private, refuse_existing
from broadcaster.commands.session import opened, operator_actor
from broadcaster.domain.masking import masked
from broadcaster.residents import data_rights, register
from broadcaster.runtime.csv_safe import line
from subscribers import importing, residents
from subscribers.export import Unopened, export_rows
from subscribers.residents import AddressRow
from subscribers.vault import SealBroken, spelled

NOT_CLEARED = (
    "Sisanya masih ada di berkas basis data, karena sedang dibaca program lain. "
    "Tunggu sampai selesai (misalnya ekspor), "
    "lalu jalankan `broadcaster migrate`: sisanya ditimpa.\n"
)

program = typer.Typer(help="Pelanggan: impor, ekspor, hapus, hitung.", no_args_is_help=True)
program.command("import")(enrolling.import_)

STATES = {
    "unconfirmed": "menunggu konfirmasi",
    "confirmed": "aktif",
    "address_dead": "tidak terjangkau",
    "opted_out": "berhenti",
}
"""Words for the states of addresses."""


@program.command()
def export(
    file: Annotated[Path | None, typer.Argument(help="Tujuan; kosong: keluaran baku.")] = None,
    force: FORCE = False,
) -> None:
    """Ekspor semua pelanggan ke CSV (berisi alamat: simpan dengan aman)."""
    refuse_existing(file, force=force)
    asyncio.run(_export(file))


async def _export(file: Path | None) -> None:
    async with opened() as app:
        await register.note_export(app, actor=operator_actor(app))
        rows = await app.database.read(lambda connection: list(export_rows(connection, app.vault)))
    with private(file, force=True) if file is not None else nullcontext(sys.stdout) as target:
        target.write(line(importing.COLUMNS))
        target.writelines(
            line(_as_imported(app, row)) for row in rows if not isinstance(row, Unopened)
        )
    if unopened := [f"{row.channel} {row.id}" for row in rows if isinstance(row, Unopened)]:
        raise Failed(
            f"{len(unopened)} alamat tidak dapat dibuka dan tidak ikut diekspor: "
            f"{', '.join(unopened)}. "
            "Tersegel dengan kunci lain, atau rusak: pulihkan kuncinya, atau impor lagi alamatnya."
        )


def _as_imported(app: App, row: Mapping[str, str]) -> list[str]:
    """Return the cells of a row, with the address in a form that can be imported again."""
    module = app.loaded.modules.get(row["channel"])
    address = (
        spelled(row["address"], module.parse_address) if module is not None else row["address"]
    )
    return [address if name == "address" else row[name] for name in importing.COLUMNS]


@program.command()
def erase(
    address: Annotated[
        str, typer.Argument(help="Alamat yang dihapus, misalnya 0812... atau nama@contoh.id")
    ],
    channel: Annotated[
        str, typer.Option(help="Hanya di kanal ini; kosong: di mana pun alamat itu sah.")
    ] = "",
    person: Annotated[
        bool, typer.Option("--person", help="Hapus juga semua alamat lain orang itu.")
    ] = False,
    as_json: JSON = False,
) -> None:
    """Hapus data kontak satu alamat, atau satu orang (hak warga). Angka pengiriman tetap."""
    asyncio.run(_erase(address, channel, whole_person=person, as_json=as_json))


async def _erase(address: str, channel: str, *, whole_person: bool, as_json: bool) -> None:
    async with opened() as app:
        named = await find_all(app, address, channel)
        others = await _others(app, named)
        erased, cleared = [], True
        for row in (*named, *(others if whole_person else ())):
            done = await data_rights.erase_row(app, row, actor=operator_actor(app))
            if done.erased:
                erased.append(row.channel)
                cleared &= done.cleared
        left = [] if whole_person else others
        result = {"erased": erased, "left": len(left), "cleared": cleared}
        print_result(result, f"Dihapus dari {', '.join(erased)}.\n", as_json=as_json)
        if left:
            sys.stderr.write(_still_there(app, left))
        if not cleared:
            sys.stderr.write(NOT_CLEARED)


async def _others(app: App, named: Sequence[AddressRow]) -> list[AddressRow]:
    """Return all other addresses of these addresses' owners, including stopped ones."""
    mine = {row.id for row in named}
    people = {row.subscriber for row in named}
    rows = [
        row for person in people for row in await app.database.read(residents.addresses_of, person)
    ]
    return [row for row in rows if row.id not in mine]


def _still_there(app: App, others: Sequence[AddressRow]) -> str:
    """Return a notice of the person's other addresses, masked, and how to erase them as well."""
    addresses = ", ".join(f"{row.channel} {_masked(app, row)}" for row in others)
    return (
        f"Orang ini masih terdaftar dengan {len(others)} alamat lain: {addresses}. "
        "Bila itu juga harus hilang, hapus dengan salah satu alamatnya dan --person.\n"
    )


def _masked(app: App, row: AddressRow) -> str:
    try:
        return masked(app.vault.open(row.channel, row.cipher))
    except SealBroken:
        return "(tidak dapat dibuka)"


@program.command()
def count(as_json: JSON = False) -> None:
    """Hitung alamat per kanal dan keadaan."""
    asyncio.run(_count(as_json))


async def _count(as_json: bool) -> None:
    async with opened() as app:
        counts = await app.database.read(residents.count)
    if as_json:
        print_json(counts)
        return
    for channel, states in sorted(counts.items()):
        sys.stdout.write(
            f"{channel}: "
            + ", ".join(f"{number} {STATES[state]}" for state, number in states.items())
            + "\n"
        )
