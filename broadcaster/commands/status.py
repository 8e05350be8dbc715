"""`show`: print the progress of an announcement's sending."""

import asyncio
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated

import typer

from broadcaster.commands.errors import Failed
from broadcaster.commands.lookup import ID, find_id
from broadcaster.commands.output import JSON, print_json
from broadcaster.commands.reading import Readable, Reader, reading
from broadcaster.commands.state_words import ANNOUNCEMENT, SENDING, WORDS, area_label
from broadcaster.commands.text_table import text_table
from broadcaster.delivery import waiting_words
from broadcaster.delivery.channel_view import ChannelView
from broadcaster.delivery.status import Overview, overview, reason_words
from broadcaster.domain.deliveries import STATES
from broadcaster.domain.provider_codes import explained
from broadcaster.runtime import i18n
from broadcaster.runtime.i18n import words
from broadcaster.store import ledger
from broadcaster.store.failure_causes import Watcher
from channels.base.moments import full_moment_text

WATCH_SECONDS = 1.0
AREAS_SHARE = 20.0
"""Interval between counts of the areas while watching, in multiples of the time a count takes."""


async def read_overview(
    app: Readable, announcement: str, watcher: Watcher | None = None
) -> Overview:
    """Return an announcement's progress; without `watcher`, waits until all causes are counted.

    Raises Failed for an unknown announcement.
    """
    report = await app.database.read(
        overview, announcement, app.site, watcher or Watcher(limit=float("inf")), app.labels
    )
    if report is None:
        raise Failed(f"Pengumuman {announcement} tidak ditemukan.")
    return report


# --- show ---------------------------------------------------------------------------------------


def show(
    id: ID,
    watch: Annotated[bool, typer.Option(help="Perbarui tiap detik sampai selesai.")] = False,
    address: Annotated[
        str,
        typer.Option(
            "--trace",
            help="Perjalanan pengiriman ke satu alamat, misalnya 0812...; tercatat di log audit.",
        ),
    ] = "",
    as_json: JSON = False,
) -> None:
    """Tampilkan perjalanan satu pengumuman: per kanal, per wilayah, apa yang gagal dan apa yang
    menunggu.
    """
    if address:
        from broadcaster.commands.trace import trace  # noqa: PLC0415  for a quick start

        if watch:
            raise typer.BadParameter("Pilih salah satu: --watch atau --trace.")
        asyncio.run(trace(id, address, as_json=as_json))
        return
    asyncio.run(_show(id, watch, as_json))


async def _show(key: str, watch: bool, as_json: bool) -> None:
    async with reading() as app:
        announcement, areas = await find_id(app, key), _AreaCounts(app)
        while True:
            report = await read_overview(app, announcement, app.causes if watch else None)
            last = not watch or report.progress.sending in ("done", "stopped")
            if as_json:
                print_json(report.as_json())
            else:
                _print(app, report, await areas.counts(announcement, anew=last))
            if last:
                return
            await asyncio.sleep(WATCH_SECONDS)


class _AreaCounts:
    """Cache of the counts by area: counting reads every row."""

    def __init__(self, app: Reader) -> None:
        self.app = app
        self.cached: Mapping[str, Mapping[str, int]] = {}
        self.again_at = 0.0

    async def counts(self, announcement: str, *, anew: bool) -> Mapping[str, Mapping[str, int]]:
        """Return current counts if `anew` or the cache is due, else cached ones."""
        if anew or time.monotonic() >= self.again_at:
            started = time.monotonic()
            self.cached = await self.app.database.read(ledger.areas, announcement)
            self.again_at = time.monotonic() + AREAS_SHARE * (time.monotonic() - started)
        return self.cached


def _print(app: Reader, report: Overview, areas: Mapping[str, Mapping[str, int]]) -> None:
    progress = report.progress
    named = {area_label(app.tree, code): counts for code, counts in sorted(areas.items())}
    state = ANNOUNCEMENT[report.status]
    closed, total = _number(progress.total - progress.open), _number(progress.total)
    lines = [
        f"{report.code}  {state}, {SENDING[progress.sending]}: "
        f"{closed} dari {total} diproses ({progress.percent}%)"
    ]
    if progress.people is not None:
        lines.append(f"{_number(progress.people)} warga, {_number(progress.total)} alamat")
    lines += [
        f"Mungkin ganda: {progress.possible_duplicates}   {report.url}",
        _counts("Kanal", progress.deliveries),
        _counts("Wilayah", named),
        *_notes(app, report),
    ]
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def _notes(app: Reader, report: Overview) -> Iterator[str]:
    """Yield a line per obstacle, per group of waiting deliveries and per cause of failure."""
    for hold in report.holds if report.emergency else ():
        label, t = report.labels.get(hold.channel, hold.channel), words("id")
        sentence, remedy = waiting_words.sentence(hold, label, t), waiting_words.remedy(hold, t)
        yield f"PERHATIAN, darurat tertahan: {sentence} {remedy}"
    for name, view in report.channels.items():
        yield from (f"{app.labels.get(name, name)}: {text}" for text in _held_up(name, view))
    for wait in report.causes.waiting:
        code = f", kode {wait.provider_code}" if wait.provider_code else ""
        code = f" ({reason_words(wait.reason)}{code})" if wait.reason else code
        again = f"coba lagi {_moment(wait.next_try)}{_meaning(wait.provider_code)}"
        yield f"{wait.channel}: {_number(wait.count)} menunggu{code}, {again}"
    for cause in report.causes.failures:
        code = (
            f" (kode {cause.provider_code}){_meaning(cause.provider_code)}"
            if cause.provider_code
            else ""
        )
        state, reason = WORDS[cause.state], reason_words(cause.reason)
        yield f"{_number(cause.count):>7}  {cause.channel}  {state}  {reason}{code}"
    if not report.causes.complete:
        yield "Sebab gagal dan menunggu masih dihitung."


def _meaning(code: str) -> str:
    """Return the meaning of a provider's code as the end of a line; "" if unknown."""
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
        yield (
            f"{_number(view.held)} penonaktifan alamat ditahan; "
            f"putuskan: broadcaster channel held {name}"
        )


def _moment(at: float) -> str:
    return full_moment_text(datetime.fromtimestamp(at, UTC))


ALWAYS = ("pending", "sent", "delivered", "failed")


def _number(count: int) -> str:
    return f"{count:,}".replace(",", ".")


def _counts(heading: str, rows: Mapping[str, Mapping[str, int]]) -> str:
    """Format counts by state as a table, without empty states other than ALWAYS."""
    states = [
        state
        for state in STATES
        if state in ALWAYS or any(counts[state] for counts in rows.values())
    ]
    cells = [[name, *(_number(counts[state]) for state in states)] for name, counts in rows.items()]
    return text_table([heading, *(WORDS[state] for state in states)], cells)
