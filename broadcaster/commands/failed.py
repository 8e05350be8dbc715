"""`failed`: list the failed and unconfirmed deliveries of an announcement."""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from broadcaster.app import App
from broadcaster.commands.lookup import ID, find_id
from broadcaster.commands.private_files import FORCE, private, refuse_existing
from broadcaster.commands.session import opened, operator_actor
from broadcaster.commands.state_words import WORDS, area_label
from broadcaster.delivery.channel_view import when
from broadcaster.delivery.status import reason_words
from broadcaster.domain.audit_acts import Act
from broadcaster.runtime import csv_safe
from broadcaster.store import audit, failed_rows
from broadcaster.store.failed_rows import ClosedRow
from subscribers.vault import SealBroken, spelled

UNOPENED = "(tidak dapat dibuka)"
"""Placeholder for an address that our key cannot open."""
COLUMNS = (
    "delivery",
    "channel",
    "area",
    "state",
    "reason",
    "words",
    "provider_code",
    "attempts",
    "closed_at",
)


def failed(
    id: ID,
    file: Annotated[
        str, typer.Option("--csv", help="Berkas CSV; - menulis ke keluaran baku.")
    ] = "",
    addresses: Annotated[
        bool, typer.Option("--addresses", help="Sertakan alamat; tercatat di log audit.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Satu objek JSON per baris.")] = False,
    force: FORCE = False,
) -> None:
    """Daftar pengiriman yang tidak sampai atau belum pasti: kanal, wilayah, sebab, kode penyedia,
    berapa kali dicoba, kapan.
    """
    if file and as_json:
        raise typer.BadParameter("Pilih salah satu: --csv atau --json.")
    refuse_existing(Path(file) if file not in ("", "-") else None, force=force)
    asyncio.run(_failed(id, file, addresses, as_json))


async def _failed(key: str, file: str, addresses: bool, as_json: bool) -> None:
    async with opened() as app:
        announcement = await find_id(app, key)
        if addresses:
            await app.database.write(
                audit.append, operator_actor(app), Act.READ_ADDRESSES, announcement, of="failed"
            )
        columns = (*COLUMNS, "address") if addresses else COLUMNS
        with _target(file) as target:
            if file:
                target.write(csv_safe.line(columns))
            for part in await app.database.read(failed_rows.parts, announcement):
                after = -1
                while page := await app.database.read(failed_rows.page, part, after):
                    after = page[-1].slot
                    for row in page:
                        fields = _fields(app, row, addresses)
                        _write(target, fields, columns if file else (), as_json)


@contextmanager
def _target(file: str) -> Iterator[TextIO]:
    if file in ("", "-"):
        yield sys.stdout
    else:
        with private(Path(file), force=True) as target:
            yield target


def _fields(app: App, row: ClosedRow, addresses: bool) -> dict[str, Any]:
    fields = {
        "delivery": f"{row.edition}.{row.slot}",
        "channel": row.channel,
        "area": area_label(app.tree, row.area),
        "state": row.state,
        "reason": row.reason,
        "words": reason_words(row.reason),
        "provider_code": row.provider_code,
        "attempts": row.attempts,
        "closed_at": when(row.closed_at) if row.closed_at else "",
    }
    if addresses:
        fields["address"] = _address(app, row)
    return fields


def _address(app: App, row: ClosedRow) -> str:
    """Return the address in clear text; UNOPENED if it cannot be opened, "" if it was erased."""
    try:
        address = app.vault.open(row.channel, row.cipher) if row.cipher else ""
    except SealBroken:
        return UNOPENED
    module = app.loaded.modules.get(row.channel)
    return spelled(address, module.parse_address) if address and module is not None else address


def _write(
    target: TextIO, fields: Mapping[str, Any], columns: Sequence[str], as_json: bool
) -> None:
    if columns:
        target.write(csv_safe.line(str(fields[name]) for name in columns))
    elif as_json:
        target.write(json.dumps(fields, ensure_ascii=False) + "\n")
    else:
        code = f" (kode {fields['provider_code']})" if fields["provider_code"] else ""
        parts = [
            fields["closed_at"],
            fields["channel"],
            fields["area"],
            WORDS[fields["state"]],
            f"{fields['words']}{code}",
            f"{fields['attempts']}x",
            fields.get("address", ""),
        ]
        target.write("  ".join(part for part in parts if part) + "\n")
