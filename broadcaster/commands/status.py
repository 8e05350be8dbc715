"""`show` and `failed`: what became of one announcement, in figures and row by row."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from broadcaster.app import App
from broadcaster.commands.errors import Failed
from broadcaster.commands.private_files import FORCE, private, refuse_existing
from broadcaster.commands.session import opened, operator_actor
from broadcaster.delivery import waiting_words
from broadcaster.delivery.status import ChannelView, Overview, identify, overview, when, words
from broadcaster.domain.audit_acts import Act
from broadcaster.domain.deliveries import STATES
from broadcaster.domain.lifecycle import STATE_WORDS
from broadcaster.domain.provider_codes import explained
from broadcaster.runtime import i18n
from broadcaster.runtime.csv_safe import line as csv_line
from broadcaster.runtime.i18n import words as catalogue
from broadcaster.store import audit, failed_rows, ledger
from broadcaster.store.failed_rows import ClosedRow
from broadcaster.store.failure_causes import Watcher
from channels.base.rendering import full_moment_text
from subscribers.areas import AreaTree
from subscribers.vault import SealBroken, spelled

ID = Annotated[str, typer.Argument(help="Id atau kode pengumuman.")]
JSON = Annotated[bool, typer.Option("--json", help="Cetak sebagai JSON.")]
WATCH_SECONDS = 1.0
AREAS_SHARE = 20.0
"""While watching, the areas are counted anew only after this many times as long as counting them
takes.
"""


def print_json(content: Mapping[str, Any]) -> None:
    """One line, flushed, so that who reads the pipe sees it at once."""
    sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")
    sys.stdout.flush()


async def found_id(app: App, key: str) -> str:
    """The id of the announcement with this id or code; Failed when there is none."""
    found = await app.database.read(identify, key)
    if found is None:
        raise Failed(
            f"Pengumuman {key} tidak ditemukan. Lihat id atau kodenya pada keluaran `broadcaster publish`."
        )
    return found


async def watched(app: App, found: str, watcher: Watcher | None = None) -> Overview:
    """How the announcement stands; without `watcher` its causes are complete, however long that
    takes.
    """
    shown = await app.database.read(
        overview, found, app.site, watcher or Watcher(looks=float("inf")), app.labels
    )
    if shown is None:
        raise Failed(f"Pengumuman {found} tidak ditemukan.")
    return shown


# --- show ---------------------------------------------------------------------------------------


def show(
    id: ID,
    watch: Annotated[bool, typer.Option(help="Perbarui tiap detik sampai selesai.")] = False,
    as_json: JSON = False,
) -> None:
    """Tampilkan perjalanan satu pengumuman: per kanal, per wilayah, apa yang gagal dan apa yang
    menunggu.
    """
    asyncio.run(_show(id, watch, as_json))


async def _show(key: str, watch: bool, as_json: bool) -> None:
    async with opened() as app:
        found, areas = await found_id(app, key), _Areas(app)
        while True:
            shown = await watched(app, found, app.causes if watch else None)
            last = not watch or shown.progress.sending in ("done", "stopped")
            if as_json:
                print_json(shown.as_json())
            else:
                _print(app, shown, await areas.counts(found, anew=last))
            if last:
                return
            await asyncio.sleep(WATCH_SECONDS)


class _Areas:
    """Counts by area, kept for a while: counting them reads every row."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.kept: Mapping[str, Mapping[str, int]] = {}
        self.again_at = 0.0

    async def counts(self, announcement: str, *, anew: bool) -> Mapping[str, Mapping[str, int]]:
        """As they are, or as they lately were."""
        if anew or time.monotonic() >= self.again_at:
            started = time.monotonic()
            self.kept = await self.app.database.read(ledger.areas, announcement)
            self.again_at = time.monotonic() + AREAS_SHARE * (time.monotonic() - started)
        return self.kept


def _print(app: App, shown: Overview, areas: Mapping[str, Mapping[str, int]]) -> None:
    console, progress = Console(), shown.progress
    console.print(
        f"{shown.code}  {STATE_WORDS[shown.status]}, {SENDING[progress.sending]}: "
        f"{_number(progress.total - progress.open)} dari {_number(progress.total)} diproses ({progress.percent}%)"
    )
    if progress.people is not None:
        console.print(f"{_number(progress.people)} warga, {_number(progress.total)} alamat")
    console.print(f"Mungkin ganda: {progress.possible_duplicates}   {shown.url}")
    console.print(_counts("Kanal", progress.deliveries))
    console.print(
        _counts(
            "Wilayah", {_label(app.tree, code): counts for code, counts in sorted(areas.items())}
        )
    )
    for line in _notes(app, shown):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _notes(app: App, shown: Overview) -> Iterator[str]:
    """What holds the sending up, what waits, and what did not arrive, a line each."""
    for hold in shown.holds if shown.emergency else ():
        label, t = shown.labels.get(hold.channel, hold.channel), catalogue("id")
        yield f"PERHATIAN, darurat tertahan: {waiting_words.sentence(hold, label, t)} {waiting_words.remedy(hold, t)}"
    for name, view in shown.channels.items():
        yield from (
            f"{app.push[name].label if name in app.push else name}: {text}"
            for text in _held_up(name, view)
        )
    for wait in shown.causes.waiting:
        code = f", kode {wait.provider_code}" if wait.provider_code else ""
        code = f" ({words(wait.reason)}{code})" if wait.reason else code
        again = f"coba lagi {_moment(wait.next_try)}{_meaning(wait.provider_code)}"
        yield f"{wait.channel}: {_number(wait.count)} menunggu{code}, {again}"
    for cause in shown.causes.failures:
        code = (
            f" (kode {cause.provider_code}){_meaning(cause.provider_code)}"
            if cause.provider_code
            else ""
        )
        yield f"{_number(cause.count):>7}  {cause.channel}  {WORDS[cause.state]}  {words(cause.reason)}{code}"
    if not shown.causes.complete:
        yield "Sebab gagal dan menunggu masih dihitung."


def _meaning(code: str) -> str:
    """What a provider's code says, as the end of a line."""
    key = explained(code)
    return f": {i18n.words('id')(f'staff.send.code.{key}')}" if key else ""


def _held_up(name: str, view: ChannelView) -> Iterator[str]:
    if view.why:
        yield f"{SENDING[view.sending]}: {view.why}"
    if view.state.halted:
        how = (
            "dicoba lagi tiap menit"
            if view.state.halted == "probe"
            else f"buka lagi: broadcaster channel resume {name}"
        )
        yield f"kanal berhenti ({view.state.detail}); {how}"
    if view.state.paused_until:
        yield f"penyedia minta menunggu sampai {_moment(view.state.paused_until)}"
    if view.held:
        yield f"{_number(view.held)} penonaktifan alamat ditahan; putuskan: broadcaster channel held {name}"


def _moment(at: float) -> str:
    return full_moment_text(datetime.fromtimestamp(at, UTC))


def _label(tree: AreaTree, code: str) -> str:
    area = tree.get(code)
    return area.label if area is not None else code


WORDS = {
    "pending": "antre", "sending": "jalan", "sent": "dikirim", "delivered": "sampai", "read": "dibaca", "failed": "gagal",
    "skipped": "dilewati", "cancelled": "dihentikan", "expired": "kedaluwarsa", "unconfirmed": "belum pasti",
}  # fmt: skip
SENDING = {
    "preparing": "menyiapkan", "running": "berjalan", "paused": "dijeda", "stopped": "dihentikan", "superseded": "digantikan",
    "done": "selesai",
}  # fmt: skip
ALWAYS = ("pending", "sent", "delivered", "failed")


def _number(count: int) -> str:
    return f"{count:,}".replace(",", ".")


def _counts(heading: str, rows: Mapping[str, Mapping[str, int]]) -> Table:
    """Counts by state; states in which nobody is are left out, but for the main ones."""
    shown = [
        state
        for state in STATES
        if state in ALWAYS or any(counts[state] for counts in rows.values())
    ]
    table = Table(heading, box=box.SIMPLE_HEAD)
    for state in shown:
        table.add_column(WORDS[state], justify="right")
    for name, counts in rows.items():
        table.add_row(name, *(_number(counts[state]) for state in shown))
    return table


# --- failed -------------------------------------------------------------------------------------

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
        "area": _label(app.tree, row.area),
        "state": row.state,
        "reason": row.reason,
        "words": words(row.reason),
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
