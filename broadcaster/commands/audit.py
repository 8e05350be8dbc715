"""`broadcaster audit`: verify the hash chain of the audit log, and export the log."""

import asyncio
import re
import sys
from contextlib import nullcontext
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated

import typer

from broadcaster.app import App
from broadcaster.commands.errors import Failed
from broadcaster.commands.output import JSON, print_json
from broadcaster.commands.private_files import FORCE, private, refuse_existing
from broadcaster.commands.session import opened, operator_actor
from broadcaster.delivery.status import identify
from broadcaster.staff import audit_export
from broadcaster.staff.audit_export import Form
from broadcaster.store import audit
from broadcaster.store.audit import BrokenChain, CutShort, Forgotten
from broadcaster.store.audit_lists import AuditFilter
from channels.base.moments import WIB

program = typer.Typer(help="Catatan audit: buktikan rantainya, ekspor.", no_args_is_help=True)


@program.command()
def verify(
    head: Annotated[
        str, typer.Option(help="Kepala rantai yang pernah Anda catat; harus masih ada di dalamnya.")
    ] = "",
    as_json: JSON = False,
) -> None:
    """Hitung ulang seluruh rantai. Putus: kode keluar 1, dan di catatan mana. Utuh: cetak
    kepalanya, untuk dicatat di luar.
    """
    if head and not re.fullmatch(r"[0-9a-fA-F]{64}", head):
        raise typer.BadParameter(
            "Kepala rantai terdiri dari 64 angka heksadesimal.", param_hint="--head"
        )
    asyncio.run(_verify(head.lower(), as_json))


async def _verify(head: str, as_json: bool) -> None:
    async with opened() as app:
        newest = await app.database.read(audit.head)
        try:
            count = await app.database.read(audit.verify, known=head)
        except BrokenChain as broken:
            if as_json:
                print_json({"holds": False, "id": broken.id, "why": _why(broken)})
            raise Failed(_why(broken)) from broken
    if as_json:
        print_json({"holds": True, "rows": count, "head": newest})
    else:
        sys.stdout.write(f"Utuh: {count} catatan.\nKepala rantai: {newest}\n")


def _why(broken: BrokenChain) -> str:
    """Return the fault of the chain and its row, in words."""
    if isinstance(broken, CutShort) and broken.id < broken.tail:
        return (
            f"Rantai terpotong: catatan terakhir seharusnya {broken.tail}, "
            f"tetapi yang ada hanya sampai {broken.id}."
        )
    if isinstance(broken, CutShort):
        return (
            f"Rantai putus: catatan sesudah {broken.tail}, sampai {broken.id}, "
            "tidak ditulis oleh program ini."
        )
    if isinstance(broken, Forgotten):
        return (
            f"Kepala rantai itu tidak ada di antara {broken.id} catatan: "
            "catatannya ditulis ulang atau dipotong."
        )
    return (
        f"Rantai putus di catatan {broken.id}: catatan itu, atau yang sebelumnya, diubah, "
        "disisipkan, atau dihapus."
    )


@program.command()
def export(
    file: Annotated[Path | None, typer.Argument(help="Tujuan; kosong: keluaran baku.")] = None,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="CSV; tanpa ini: satu objek JSON per baris.")
    ] = False,
    who: Annotated[
        str, typer.Option(help="Hanya dari pelaku ini, misalnya staff:rina atau cli.")
    ] = "",
    act: Annotated[str, typer.Option(help="Hanya tindakan ini, misalnya publish.")] = "",
    about: Annotated[
        str,
        typer.Option(help="Hanya tentang ini: id atau kode pengumuman, staff:rina, channel:..."),
    ] = "",
    since: Annotated[str, typer.Option(help="Sejak tanggal ini (2026-11-25).")] = "",
    until: Annotated[str, typer.Option(help="Sampai dengan tanggal ini.")] = "",
    force: FORCE = False,
) -> None:
    """Ekspor catatan audit, yang tertua dulu. Ekspor ini sendiri ikut tercatat."""
    span = {"since": _midnight(since, "--since"), "until": _midnight(until, "--until", days=1)}
    refuse_existing(file, force=force)
    asyncio.run(
        _export(
            file,
            "csv" if as_csv else "jsonl",
            AuditFilter(actor=who, act=act, subject=about, **span),
        )
    )


async def _export(file: Path | None, form: Form, wanted: AuditFilter) -> None:
    async with opened() as app:
        wanted = await _about(app, wanted)
        await app.database.write(audit_export.note_export, operator_actor(app), wanted, form)
        with private(file, force=True) if file is not None else nullcontext(sys.stdout) as target:
            async for lines in audit_export.exported(app.database, wanted, form):
                target.write(lines)


async def _about(app: App, wanted: AuditFilter) -> AuditFilter:
    """Replace an announcement's code in the filter by its id."""
    subject = await app.database.read(identify, wanted.subject) if wanted.subject else None
    span = {"since": wanted.since, "until": wanted.until}
    return AuditFilter(
        actor=wanted.actor, act=wanted.act, subject=subject or wanted.subject, **span
    )


def _midnight(text: str, option: str, *, days: int = 0) -> float | None:
    """Return midnight (WIB) of a date plus `days`, in epoch seconds; None for "".

    Raises BadParameter for an invalid date.
    """
    if not text:
        return None
    try:
        return datetime.combine(
            date.fromisoformat(text) + timedelta(days=days), time(), WIB
        ).timestamp()
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter("Tanggal seperti ini: 2026-11-25.", param_hint=option) from error
