"""`migrate`, `doctor` and `adopt`: occasional maintenance."""

import asyncio
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from broadcaster.commands.errors import Failed
from broadcaster.commands.output import JSON, print_json, print_result
from broadcaster.commands.session import opened, operator_actor
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.runtime import config, custody, secret_key
from broadcaster.runtime.refusal_words import indonesian


def migrate(as_json: JSON = False) -> None:
    """Siapkan atau perbarui basis data."""
    applied = secret_key.prepare(config.read().settings)
    text = "".join(f"{name}\n" for name in applied) or "Sudah terbaru.\n"
    print_result({"applied": list(applied)}, text, as_json=as_json)


def doctor(as_json: JSON = False) -> None:
    """Periksa setelan, basis data, Redis, kanal, alamat, dan jam; katakan apa yang perlu
    diperbaiki.
    """
    if asyncio.run(_doctor(as_json)):
        raise typer.Exit(1)


async def _doctor(as_json: bool) -> bool:
    """Print the findings; True if any is an error."""
    from broadcaster.commands.doctor import findings  # noqa: PLC0415  this command alone needs it

    listed = []
    async for finding in findings(config.read()):
        listed.append(finding)
        if not as_json:
            mark = {True: "baik ", False: "GALAT", None: "info "}[finding.ok]
            sys.stdout.write(
                f"{mark}  {finding.what}\n"
                + (f"       -> {finding.mend}\n" if finding.mend else "")
            )
            sys.stdout.flush()
    if as_json:
        print_json([asdict(finding) for finding in listed])
    return any(finding.ok is False for finding in listed)


def adopt(
    waiting: Annotated[
        str,
        typer.Option(
            help=(
                "Pesan yang menunggu: send (kirim) "
                "atau stop (hentikan, bila mungkin sudah terkirim)."
            )
        ),
    ] = "",
    as_json: JSON = False,
) -> None:
    """Nyatakan bahwa basis data yang disalin, dipindahkan, atau dipulihkan ini sekarang bertugas di
    sini: pesan dikirim lagi.
    """
    if waiting not in ("", "send", "stop"):
        raise typer.BadParameter("Pilih send atau stop.", param_hint="--waiting")
    asyncio.run(_adopt(None if not waiting else waiting == "stop", as_json=as_json))


async def _adopt(stop: bool | None, *, as_json: bool) -> None:
    async with opened() as app:
        try:
            done = await app.database.write(
                custody.adopt, app.settings, actor=operator_actor(app), stop=stop
            )
        except NotAllowed as refusal:
            raise Failed(indonesian(refusal)) from refusal
        custody.write_mark(app.settings.data_dir, done.identity, done.mark)
        what = "dihentikan" if done.stopped else "dikirim"
        sentence = (
            f" {done.waiting.messages} pesan yang menunggu {what}."
            if done.waiting.announcements
            else ""
        )
        result = {"waiting": done.waiting.messages, "stopped": done.stopped}
        text = f"Basis data ini sekarang di tempatnya; pesan dikirim lagi.{sentence}\n"
        print_result(result, text, as_json=as_json)
