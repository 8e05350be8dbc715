"""`pause`, `resume`, `cancel` and `retry-failed`: control the sending of an announcement."""

import asyncio
import sys
from typing import Annotated

import typer

from broadcaster.app import App
from broadcaster.commands.errors import Failed
from broadcaster.commands.lookup import ID, find_id
from broadcaster.commands.output import JSON, print_json
from broadcaster.commands.session import opened, operator_actor
from broadcaster.commands.status import read_overview
from broadcaster.delivery import controls
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.runtime.refusal_words import indonesian

REASON = Annotated[str, typer.Option(help="Alasan, dibaca petugas lain.")]


def pause(id: ID, reason: REASON = "Dijeda lewat baris perintah.", as_json: JSON = False) -> None:
    """Jeda pengiriman sampai dilanjutkan."""
    asyncio.run(_steer(id, "pause", reason, "Pengiriman dijeda.", as_json))


def resume(id: ID, as_json: JSON = False) -> None:
    """Lanjutkan pengiriman yang dijeda."""
    asyncio.run(_steer(id, "resume", "", "Pengiriman dilanjutkan.", as_json))


def cancel(
    id: ID, reason: REASON = "Dihentikan lewat baris perintah.", as_json: JSON = False
) -> None:
    """Hentikan pengiriman; yang sudah berangkat tidak dapat ditarik."""
    asyncio.run(_steer(id, "cancel", reason, "Pengiriman dihentikan.", as_json))


async def _steer(
    key: str, control: controls.SendingControl, why: str, sentence: str, as_json: bool
) -> None:
    async with opened() as app:
        announcement = await find_id(app, key)
        try:
            await controls.steer(app, announcement, control, why=why, actor=operator_actor(app))
        except NotAllowed as refusal:
            raise Failed(indonesian(refusal)) from refusal
        await _print(app, announcement, sentence, as_json)


def retry_failed(id: ID, as_json: JSON = False) -> None:
    """Kirim sekali lagi kepada semua yang gagal atau belum pasti; katakan berapa, dan siapa yang
    tidak ikut.
    """
    asyncio.run(_retry_failed(id, as_json))


async def _retry_failed(key: str, as_json: bool) -> None:
    async with opened() as app:
        announcement = await find_id(app, key)
        done = await controls.retry_failed(app, announcement, actor=operator_actor(app))
        if as_json:
            status = (await read_overview(app, announcement)).as_json()
            print_json({**status, "retried": done.opened, "left_out": dict(done.left_out)})
            return
        sys.stdout.write(f"{done.opened} dikirim lagi.\n")
        for why, count in sorted(done.left_out.items(), key=lambda item: -item[1]):
            sys.stdout.write(f"{count} tidak ikut: {controls.LEFT_OUT.get(why, why)}.\n")


async def _print(app: App, announcement: str, sentence: str, as_json: bool) -> None:
    if as_json:
        print_json((await read_overview(app, announcement)).as_json())
    else:
        sys.stdout.write(sentence + "\n")
