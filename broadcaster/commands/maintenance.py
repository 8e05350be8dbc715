"""`migrate`, `doctor`, `token`, `channel`: what an operator does now and then."""

import asyncio
import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from broadcaster.app import App
from broadcaster.commands.errors import Failed
from broadcaster.commands.session import opened, operator_actor
from broadcaster.delivery import channel_controls
from broadcaster.domain.lifecycle import NotAllowed
from broadcaster.runtime import config, custody, secret_key
from broadcaster.staff import api_tokens
from broadcaster.store import channels as channel_store
from broadcaster.store import tokens as token_store
from channels.base.settings import items

tokens = typer.Typer(help="Token API: tambah, daftar, cabut.", no_args_is_help=True)
channels = typer.Typer(
    help="Kanal: keadaan, lanjutkan, penonaktifan yang ditahan.", no_args_is_help=True
)


def migrate() -> None:
    """Siapkan atau perbarui basis data."""
    applied = secret_key.prepare(config.read().settings)
    sys.stdout.write("".join(f"{name}\n" for name in applied) or "Sudah terbaru.\n")


def doctor(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Periksa setelan, basis data, Redis, kanal, alamat, dan jam; katakan apa yang perlu
    diperbaiki.
    """
    if asyncio.run(_doctor(as_json)):
        raise typer.Exit(1)


async def _doctor(as_json: bool) -> bool:
    """Print what was found; True when something is wrong."""
    from broadcaster.commands.doctor import findings  # noqa: PLC0415  this command alone needs it

    found = []
    async for finding in findings(config.read()):
        found.append(finding)
        if not as_json:
            mark = {True: "baik ", False: "GALAT", None: "info "}[finding.ok]
            sys.stdout.write(
                f"{mark}  {finding.what}\n"
                + (f"       -> {finding.mend}\n" if finding.mend else "")
            )
            sys.stdout.flush()
    if as_json:
        sys.stdout.write(json.dumps([asdict(finding) for finding in found]) + "\n")
    return any(finding.ok is False for finding in found)


@tokens.command("add")
def add(
    name: Annotated[str, typer.Option(help="Nama pemakai token, misalnya nama sistem.")],
    scope: Annotated[str, typer.Option(help="write, publish, read; dipisah koma atau spasi.")],
) -> None:
    """Buat token; ditampilkan satu kali saja."""
    asyncio.run(_add(name, list(items(scope))))


async def _add(name: str, scopes: list[str]) -> None:
    async with opened(create=True) as app:
        try:
            secret = await api_tokens.add_token(app, name, scopes, actor=operator_actor(app))
        except token_store.BadToken as error:
            raise Failed(str(error)) from error
        sys.stdout.write(secret + "\n")
        sys.stderr.write("Simpan sekarang: token ini hanya tampil kali ini.\n")


@tokens.command("list")
def list_() -> None:
    """Tampilkan token tanpa isinya."""

    async def run() -> None:
        async with opened() as app:
            for token in await app.database.read(token_store.everyone):
                revoked = "  (dicabut)" if token.revoked_at else ""
                sys.stdout.write(f"{token.name}  {' '.join(sorted(token.scopes))}{revoked}\n")

    asyncio.run(run())


def adopt(
    waiting: Annotated[
        str,
        typer.Option(
            help="Pesan yang menunggu: send (kirim) atau stop (hentikan, bila mungkin sudah terkirim)."
        ),
    ] = "",
) -> None:
    """Nyatakan bahwa basis data yang disalin, dipindahkan, atau dipulihkan ini sekarang bertugas di
    sini: pesan dikirim lagi.
    """
    if waiting not in ("", "send", "stop"):
        raise typer.BadParameter("Pilih send atau stop.", param_hint="--waiting")
    asyncio.run(_adopt(None if not waiting else waiting == "stop"))


async def _adopt(stop: bool | None) -> None:
    async with opened() as app:
        try:
            done = await app.database.write(
                custody.adopt, app.settings, actor=operator_actor(app), stop=stop
            )
        except NotAllowed as refusal:
            raise Failed(str(refusal)) from refusal
        custody.write_mark(app.settings.data_dir, done.identity, done.mark)
        what = "dihentikan" if done.stopped else "dikirim"
        told = (
            f" {done.waiting.messages} pesan yang menunggu {what}."
            if done.waiting.announcements
            else ""
        )
        sys.stdout.write(f"Basis data ini sekarang di tempatnya; pesan dikirim lagi.{told}\n")


@tokens.command()
def revoke(name: str) -> None:
    """Cabut token; berlaku seketika."""

    async def run() -> None:
        async with opened() as app:
            try:
                await api_tokens.revoke_token(app, name, actor=operator_actor(app))
            except NotAllowed as refusal:
                raise Failed(str(refusal)) from refusal
            sys.stdout.write(f"Token {name} dicabut.\n")

    asyncio.run(run())


def _require(app: App, name: str) -> None:
    if name not in app.push:
        raise Failed(f"Kanal {name!r} tidak ada. Yang ada: {', '.join(sorted(app.push))}.")


@channels.command("list")
def states() -> None:
    """Tampilkan kanal yang terbuka, berhenti, atau menunggu penyedia."""

    async def run() -> None:
        async with opened() as app:
            known = await app.database.read(channel_store.channel_states)
            for name, channel in app.push.items():
                state = known.get(name, channel_store.ChannelState())
                word = "belum disetel" if not app.loaded.is_open(name) else "terbuka"
                if state.halted:
                    word = f"berhenti ({state.detail})"
                elif state.paused_until > app.clock().timestamp():
                    word = "menunggu penyedia"
                held = ", penonaktifan alamat ditahan" if state.holding else ""
                sys.stdout.write(f"{name}  {channel.label}: {word}{held}\n")

    asyncio.run(run())


@channels.command()
def resume(name: str) -> None:
    """Buka lagi kanal yang berhenti, setelah sebabnya diperbaiki."""

    async def run() -> None:
        async with opened() as app:
            _require(app, name)
            try:
                await channel_controls.resume_channel(app, name, actor=operator_actor(app))
            except NotAllowed as refusal:
                raise Failed(f"Kanal {name} tidak sedang berhenti.") from refusal
            sys.stdout.write(f"Kanal {name} dibuka lagi.\n")

    asyncio.run(run())


@channels.command()
def held(
    name: str,
    apply: Annotated[bool, typer.Option("--apply/--discard", help="Terapkan atau buang.")],
) -> None:
    """Putuskan nasib penonaktifan alamat yang ditahan pengaman massal."""

    async def run() -> None:
        async with opened() as app:
            _require(app, name)
            try:
                count = await channel_controls.decide_held(
                    app, name, apply=apply, actor=operator_actor(app)
                )
            except NotAllowed:
                count = 0
            state = (await app.database.read(channel_store.channel_states)).get(name)
            sys.stdout.write(f"{count} penonaktifan {'diterapkan' if apply else 'dibuang'}.\n")
            if state is not None and state.halted:
                sys.stdout.write(
                    f"Kanal {name} masih berhenti. Buka lagi: broadcaster channel resume {name}\n"
                )

    asyncio.run(run())
