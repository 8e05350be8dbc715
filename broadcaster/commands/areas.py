"""`broadcaster areas`: list and import."""

import asyncio
import hashlib
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from broadcaster.commands.errors import Failed
from broadcaster.commands.output import JSON, print_json, print_result
from broadcaster.commands.session import opened, operator_actor
from broadcaster.publishing import area_imports

program = typer.Typer(help="Wilayah: daftar, impor.", no_args_is_help=True)


@program.command("list")
def list_(as_json: JSON = False) -> None:
    """Tampilkan kota, kecamatan, dan kelurahan dengan kode dan nama alamatnya."""
    asyncio.run(_list(as_json))


async def _list(as_json: bool) -> None:
    async with opened(create=True) as app:
        areas = app.tree.all()
    if as_json:
        names = ("code", "name", "slug", "level", "parent")
        print_json([{name: getattr(area, name) for name in names} for area in areas])
        return
    for area in areas:
        indent = "  " * (area.code.count(".") - 1)
        sys.stdout.write(f"{area.code:<15}{indent}{area.full_name}  ({area.slug})\n")


@program.command("import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(help="Bentuk cimahi.json mengganti seluruh pohon; GeoJSON menambah batas."),
    ],
    as_json: JSON = False,
) -> None:
    """Impor pohon wilayah atau batas wilayah dari satu berkas JSON."""
    asyncio.run(_import(file, as_json=as_json))


async def _import(file: Path, *, as_json: bool) -> None:
    try:
        content = file.read_bytes()
        document = json.loads(content.decode("utf-8-sig"))
    except OSError as error:
        raise Failed(
            f"{file} tidak dapat dibuka. Periksa nama, folder, dan izin bacanya."
        ) from error
    except (ValueError, RecursionError) as error:
        raise Failed(
            f"{file} bukan JSON dalam UTF-8{_where(error)}. "
            "Periksa tanda koma, kurung, dan kutipnya."
        ) from error
    if not isinstance(document, dict):
        raise Failed(f"{file} bukan pohon wilayah dan bukan GeoJSON: isinya harus satu objek JSON.")
    async with opened(create=True) as app:
        try:
            digest = hashlib.sha256(content).hexdigest()
            replaced = await area_imports.import_areas(
                app, document, file=digest, actor=operator_actor(app)
            )
        except ValueError as error:
            raise Failed(f"{file}: {error}") from error
    done = (
        "Pohon wilayah diganti. Mulai ulang web dan worker supaya memakainya."
        if replaced
        else "Batas wilayah disimpan."
    )
    print_result({"replaced": replaced}, done + "\n", as_json=as_json)


def _where(error: Exception) -> str:
    """Return the line at which JSON parsing failed, in words; "" if unknown."""
    return f": berhenti di baris {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
