"""`failed`: the deliveries of one announcement that did not arrive, row by row."""

import asyncio
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from broadcaster.app import App
from broadcaster.commands.lookup import ID, found_id
from broadcaster.commands.private_files import FORCE, private, refuse_existing
from broadcaster.commands.session import opened, operator_actor
from broadcaster.commands.state_words import WORDS, area_label
from broadcaster.delivery.channel_view import when
from broadcaster.delivery.status import reason_words
from broadcaster.domain.audit_acts import Act
from broadcaster.runtime.csv_safe import line as csv_line
from broadcaster.store import audit, failed_rows
from broadcaster.store.failed_rows import ClosedRow
from subscribers.vault import SealBroken, spelled

UNOPENED = "(tidak dapat dibuka)"
"""In place of an address that our key does not open."""
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
        found = await found_id(app, key)
        if addresses:
            await app.database.write(
                audit.append, operator_actor(app), Act.READ_ADDRESSES, found, of="failed"
            )
        columns = (*COLUMNS, "address") if addresses else COLUMNS
        with _target(file) as target:
            if file:
                target.write(csv_line(columns))
            for part in await app.database.read(failed_rows.parts, found):
                after = -1
                while page := await app.database.read(failed_rows.page, part, after):
                    after = page[-1].slot
                    for row in page:
                        _write(target, _told(app, row, addresses), columns if file else (), as_json)


@contextmanager
def _target(file: str) -> Iterator[TextIO]:
    if file in ("", "-"):
        yield sys.stdout
    else:
        with private(Path(file), force=True) as target:
            yield target


def _told(app: App, row: ClosedRow, addresses: bool) -> dict[str, Any]:
    told = {
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
        told["address"] = _address(app, row)
    return told


def _address(app: App, row: ClosedRow) -> str:
    """The address in clear, UNOPENED where its seal is broken; empty when it was erased."""
    try:
        address = app.vault.open(row.channel, row.cipher) if row.cipher else ""
    except SealBroken:
        return UNOPENED
    module = app.loaded.modules.get(row.channel)
    return spelled(address, module.parse_address) if address and module is not None else address


def _write(target: TextIO, told: Mapping[str, Any], columns: Sequence[str], as_json: bool) -> None:
    if columns:
        target.write(csv_line(str(told[name]) for name in columns))
    elif as_json:
        target.write(json.dumps(told, ensure_ascii=False) + "\n")
    else:
        code = f" (kode {told['provider_code']})" if told["provider_code"] else ""
        parts = [
            told["closed_at"],
            told["channel"],
            told["area"],
            WORDS[told["state"]],
            f"{told['words']}{code}",
            f"{told['attempts']}x",
            told.get("address", ""),
        ]
        target.write("  ".join(part for part in parts if part) + "\n")
